/** Reads what codex sends to a hook, runs the handler, and writes its decision in codex's format. */
import * as Options from "@effect-codex/client/internal/options"
import { visible } from "@effect-codex/client/internal/text/visibleText"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Hooks from "../Hooks.ts"
import { type EventName, eventNames, type Installed } from "./installedHooks.ts"

type Raw = Hooks.Occasion["raw"]
type Decision = Hooks.Allow | Hooks.Deny | Hooks.AddContext | Hooks.Modify | Hooks.ReplaceResult | Hooks.GoOn

// Everything that the module says for a handler, the model may read.
const noDecision = "A hook of the program that runs this agent gave no decision."
const noReason = "A hook of the program that runs this agent does not allow it."

// =============================================================================
// Events
// =============================================================================

/** A field that a handler cannot do without. */
class Unreadable extends Error {}

const text = (raw: Raw, field: string): string | undefined => {
  const value = raw[field]
  return Predicate.isString(value) ? value : undefined
}

const needed = (raw: Raw, field: string): string => {
  const value = text(raw, field)
  if (value === undefined) throw new Unreadable(`codex sent no text as ${field}`)
  return value
}

const given = (raw: Raw, field: string): unknown => {
  if (raw[field] === undefined) throw new Unreadable(`codex sent no ${field}`)
  return raw[field]
}

const occasion = (raw: Raw): Hooks.Occasion => {
  const agent = text(raw, "agent_id")
  return {
    threadId: needed(raw, "session_id"),
    agent: agent === undefined ? undefined : { threadId: agent, type: text(raw, "agent_type") },
    cwd: text(raw, "cwd"),
    model: text(raw, "model"),
    raw
  }
}

const preToolUse = (raw: Raw): Hooks.PreToolUse => ({
  ...occasion(raw),
  turnId: needed(raw, "turn_id"),
  tool: needed(raw, "tool_name"),
  input: given(raw, "tool_input"),
  callId: needed(raw, "tool_use_id")
})

// =============================================================================
// Decisions
// =============================================================================

// codex ignores a refusal without a reason, and runs the tool: docs/codex-behaviour.md, "A hook that fails does not
// keep a tool from running".
const reasonOf = (reason: unknown): string => Predicate.isString(reason) && reason.trim() !== "" ? reason : noReason

const specific = (hookEventName: EventName, fields: object) => ({ hookSpecificOutput: { hookEventName, ...fields } })

/** The decision for codex, or undefined if it does not fit the event. */
const written = (event: EventName, decision: unknown): object | undefined => {
  if (!Predicate.hasProperty(decision, "_tag")) return undefined
  const isOneOf = (...events: ReadonlyArray<EventName>) => events.includes(event)
  const it = decision as Decision
  switch (it._tag) {
    case "Allow":
      return {}
    case "Deny":
      if (event === "UserPromptSubmit") return { decision: "block", reason: reasonOf(it.reason) }
      return event === "PreToolUse"
        ? specific(event, { permissionDecision: "deny", permissionDecisionReason: reasonOf(it.reason) })
        : undefined
    case "AddContext":
      return event !== "Stop" && Predicate.isString(it.text)
        ? it.text.trim() === "" ? {} : specific(event, { additionalContext: it.text })
        : undefined
    case "Modify":
      return event === "PreToolUse" && it.input !== undefined
        ? specific(event, { permissionDecision: "allow", updatedInput: it.input })
        : undefined
    case "ReplaceResult":
      return event === "PostToolUse" && Predicate.isString(it.text)
        ? { decision: "block", reason: it.text.trim() === "" ? "(no result)" : it.text }
        : undefined
    case "GoOn":
      return isOneOf("Stop") && Predicate.isString(it.prompt) && it.prompt.trim() !== ""
        ? { decision: "block", reason: it.prompt }
        : undefined
    default:
      return undefined
  }
}

// =============================================================================
// Calls
// =============================================================================

/** Each handler with its event, so that the types of both agree. */
const handlersOf = <R>(handlers: Hooks.Handlers<R>) => {
  const call = <E>(
    handler: ((event: E) => Effect.Effect<unknown, unknown, R>) | undefined,
    read: (raw: Raw) => E
  ) => handler === undefined ? undefined : (raw: Raw) => handler(read(raw))
  return {
    PreToolUse: call(handlers.preToolUse, preToolUse),
    PostToolUse: call(handlers.postToolUse, (raw) => ({ ...preToolUse(raw), output: given(raw, "tool_response") })),
    UserPromptSubmit: call(handlers.userPromptSubmit, (raw) => ({
      ...occasion(raw),
      turnId: needed(raw, "turn_id"),
      prompt: needed(raw, "prompt")
    })),
    Stop: call(handlers.stop, (raw) => ({
      ...occasion(raw),
      turnId: needed(raw, "turn_id"),
      // Unknown counts as true, or a handler that looks at it could make the agent go on for ever.
      isContinued: raw["stop_hook_active"] !== false,
      lastMessage: text(raw, "last_assistant_message")
    })),
    SessionStart: call(handlers.sessionStart, (raw) => ({ ...occasion(raw), source: needed(raw, "source") }))
  } satisfies Record<EventName, unknown>
}

const parsed = (sent: string): Raw => {
  const value: unknown = JSON.parse(sent)
  if (Predicate.isObject(value) && !Array.isArray(value)) return value
  throw new Unreadable("codex sent no object")
}

const kinds: Options.Kinds = { timeout: Options.time, onFailure: Options.oneOf("deny", "allow") }

const problemOf = (handlers: unknown, options: unknown): Installed["problem"] => {
  if (!Options.functions.fits(handlers)) return { option: "Hooks", detail: `expected ${Options.functions.expected}.` }
  const problem = Options.problemOf(options, kinds)
  return problem === undefined ? undefined : { option: `Hooks.${problem.argument}`, detail: problem.detail }
}

export const make = <R>(
  handlers: Hooks.Handlers<R>,
  options: Hooks.Options | undefined,
  provide: <A>(effect: Effect.Effect<A, never, R>) => Effect.Effect<A>
): Installed => {
  const problem = problemOf(handlers, options)
  const calls = problem === undefined ? handlersOf(handlers) : undefined
  const isClosed = (event: EventName): boolean =>
    (event === "PreToolUse" || event === "UserPromptSubmit") && options?.onFailure !== "allow"

  return {
    events: eventNames.filter((event) => calls?.[event] !== undefined),
    problem,
    isClosed,
    answer: (event, sent) => {
      const instead = (why: string): Effect.Effect<object> => {
        const fallback = isClosed(event) ? { _tag: "Deny", reason: noDecision } : { _tag: "Allow" }
        return Effect.as(
          Effect.logWarning(`The hook ${event} ${why}. ${isClosed(event) ? "It was denied." : "It went on."}`),
          written(event, fallback) ?? {}
        )
      }
      const decided = Effect.suspend(() => calls?.[event]?.(parsed(sent)) ?? Effect.succeed({ _tag: "Allow" })).pipe(
        Effect.flatMap((decision) => {
          const answer = written(event, decision)
          return answer === undefined
            ? instead("decided something that does not fit the event")
            // May throw, for an input that is no JSON.
            : Effect.sync(() => JSON.stringify(answer)).pipe(Effect.as(answer))
        }),
        Effect.timeoutOrElse({
          duration: options?.timeout ?? "30 seconds",
          orElse: () => instead("took too long")
        }),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause)
            : instead(`failed: ${visible(Cause.pretty(cause))}`)
        )
      )
      return provide(decided.pipe(
        // Defects of the module itself are none: the answer is JSON, and a failure was answered above.
        Effect.orDie,
        Effect.map((answer) => JSON.stringify(answer))
      ))
    }
  }
}
