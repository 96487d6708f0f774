import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Hooks } from "../src/index.ts"
import * as HookCalls from "../src/internal/hookCalls.ts"
import { type EventName, InstalledHooks } from "../src/internal/installedHooks.ts"

// =============================================================================
// Support
// =============================================================================

const sent = {
  session_id: "thread",
  turn_id: "turn",
  agent_id: "subagent",
  agent_type: "default",
  cwd: "/work",
  model: "gpt",
  tool_name: "Bash",
  tool_input: { command: "ls" },
  tool_response: "a b",
  tool_use_id: "call",
  prompt: "Hello.",
  stop_hook_active: false,
  last_assistant_message: "Done.",
  source: "startup",
  new_field: 1
}

const installed = (handlers: Hooks.Handlers, options?: Hooks.Options) =>
  HookCalls.make(handlers, options, (effect) => effect)

const answers =
  (handlers: Hooks.Handlers, options?: Hooks.Options) => (event: EventName, text = JSON.stringify(sent)) =>
    Effect.map(installed(handlers, options).answer(event, text), (answer): unknown => JSON.parse(answer))

const handlersOf = (decision: unknown): Hooks.Handlers => {
  const decide = () => Effect.succeed(decision as Hooks.Allow)
  return { preToolUse: decide, postToolUse: decide, userPromptSubmit: decide, stop: decide, sessionStart: decide }
}

const events: ReadonlyArray<EventName> = ["PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop", "SessionStart"]

const silent = Effect.provide(Logger.layer([]))

const isDenied = (answer: unknown) => JSON.stringify(answer).includes("gave no decision")

// =============================================================================
// Tests
// =============================================================================

describe("a decision", () => {
  const denied = { decision: "block", reason: "no" }
  const context = (hookEventName: EventName) => ({ hookSpecificOutput: { hookEventName, additionalContext: "mind" } })
  const denies = {
    PreToolUse: {
      hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision: "deny", permissionDecisionReason: "no" }
    },
    UserPromptSubmit: denied
  }
  const decisions: ReadonlyArray<readonly [string, unknown, Partial<Record<EventName, unknown>>]> = [
    ["allow", Hooks.allow, { PreToolUse: {}, PostToolUse: {}, UserPromptSubmit: {}, Stop: {}, SessionStart: {} }],
    ["deny", Hooks.deny("no"), denies],
    ["addContext", Hooks.addContext("mind"), {
      PreToolUse: context("PreToolUse"),
      PostToolUse: context("PostToolUse"),
      UserPromptSubmit: context("UserPromptSubmit"),
      SessionStart: context("SessionStart")
    }],
    ["modify", Hooks.modify({ command: "true" }), {
      PreToolUse: {
        hookSpecificOutput: {
          hookEventName: "PreToolUse",
          permissionDecision: "allow",
          updatedInput: { command: "true" }
        }
      }
    }],
    ["replaceResult", Hooks.replaceResult("no"), { PostToolUse: denied }],
    ["goOn", Hooks.goOn("no"), { Stop: denied }]
  ]
  const cases = decisions.flatMap(([name, decision, expected]) =>
    events.map((event) => [name, event, decision, expected[event]] as const)
  )

  it.effect.each(cases)("%s at %s is what codex reads, and nothing is denied or continued that was not", (
    [, event, decision, expected]
  ) =>
    Effect.gen(function*() {
      const answer = yield* answers(handlersOf(decision))(event)
      if (expected !== undefined) assert.deepStrictEqual(answer, expected)
      else if (event === "PreToolUse" || event === "UserPromptSubmit") assert.isTrue(isDenied(answer))
      else assert.deepStrictEqual(answer, {})
    }).pipe(silent))

  it.effect("without a reason has one, because codex would ignore it", () =>
    Effect.gen(function*() {
      for (const event of ["PreToolUse", "UserPromptSubmit"] as const) {
        for (const reason of ["", " \n"]) {
          assert.include(JSON.stringify(yield* answers(handlersOf(Hooks.deny(reason)))(event)), "does not allow it")
        }
      }
    }))

  it.effect("of another kind denies", () =>
    Effect.gen(function*() {
      const cyclic: { self?: unknown } = {}
      cyclic.self = cyclic
      const others = [
        undefined,
        null,
        true,
        "deny",
        {},
        { _tag: "No" },
        Hooks.modify(undefined),
        Hooks.modify(cyclic),
        Hooks.modify(1n)
      ]
      for (const decision of others) {
        assert.isTrue(isDenied(yield* answers(handlersOf(decision))("PreToolUse")), String(decision))
      }
    }).pipe(silent))
})

describe("an event", () => {
  it.effect("has what codex sent, and the rest as it came", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const see = (event: object) => Effect.sync(() => (seen.push(event), Hooks.allow))
      const handlers: Hooks.Handlers = {
        preToolUse: see,
        postToolUse: see,
        userPromptSubmit: see,
        stop: see,
        sessionStart: see
      }
      for (const event of events) yield* answers(handlers)(event)
      const all = {
        threadId: "thread",
        agent: { threadId: "subagent", type: "default" },
        cwd: "/work",
        model: "gpt",
        raw: sent
      }
      const tool = { ...all, turnId: "turn", tool: "Bash", input: { command: "ls" }, callId: "call" }
      assert.deepStrictEqual(seen, [
        tool,
        { ...tool, output: "a b" },
        { ...all, turnId: "turn", prompt: "Hello." },
        { ...all, turnId: "turn", isContinued: false, lastMessage: "Done." },
        { ...all, source: "startup" }
      ])
    }))

  it.effect("leaves out what it can be decided without", () =>
    Effect.gen(function*() {
      let seen: Hooks.UserPromptSubmit | undefined
      const raw = { ...sent, cwd: 1, model: null, agent_id: [], agent_type: {} }
      yield* answers({ userPromptSubmit: (event) => Effect.sync(() => (seen = event, Hooks.allow)) })(
        "UserPromptSubmit",
        JSON.stringify(raw)
      )
      const { agent, cwd, model } = seen!
      assert.deepStrictEqual([agent, cwd, model, seen!.raw], [undefined, undefined, undefined, raw])
    }))

  it.effect("without what it cannot be decided without reaches no handler, and is denied", () =>
    Effect.gen(function*() {
      for (const field of ["session_id", "turn_id", "tool_name", "tool_input", "tool_use_id"] as const) {
        const { [field]: _, ...rest } = sent
        const handler = { preToolUse: () => Effect.die("called") }
        assert.isTrue(isDenied(yield* answers(handler)("PreToolUse", JSON.stringify(rest))), field)
        assert.deepStrictEqual(
          yield* answers(handler, { onFailure: "allow" })("PreToolUse", JSON.stringify(rest)),
          {},
          field
        )
      }
    }).pipe(silent))

  it.effect.prop(
    "of any form is answered with an object",
    [Schema.Literals(events), Schema.Union([Schema.Json, Schema.String])],
    ([event, value]) =>
      Effect.gen(function*() {
        const answer = yield* installed(handlersOf(Hooks.allow)).answer(
          event,
          typeof value === "string" ? value : JSON.stringify(value)
        )
        assert.isTrue(Schema.is(Schema.Record(Schema.String, Schema.Unknown))(JSON.parse(answer)))
      }).pipe(silent)
  )
})

describe("the layer", () => {
  class Policy extends Context.Service<Policy, { readonly reason: string }>()("Policy") {}
  class Prices extends Context.Service<Prices, { readonly text: string }>()("Prices") {}

  it.effect("requires what its handlers require", () =>
    Effect.gen(function*() {
      const layer: Layer.Layer<never, never, Policy | Prices> = Hooks.layer({
        preToolUse: () => Effect.map(Policy, ({ reason }) => Hooks.deny(reason)),
        sessionStart: () => Effect.map(Prices, ({ text }) => Hooks.addContext(text)),
        stop: () => Effect.succeed(Hooks.allow)
      })
      const context = yield* Layer.build(layer).pipe(
        Effect.provideService(Policy, { reason: "too dear" }),
        Effect.provideService(Prices, { text: "1 EUR" })
      )
      const hooks = Context.get(context, InstalledHooks)
      assert.deepStrictEqual(hooks?.events, ["PreToolUse", "Stop", "SessionStart"])
      assert.include(yield* hooks!.answer("PreToolUse", JSON.stringify(sent)), "too dear")
    }))
})

describe("a handler", () => {
  const broken: ReadonlyArray<readonly [string, () => Effect.Effect<never, unknown>]> = [
    ["fails", () => Effect.fail(new Error("a mistake"))],
    ["dies", () => Effect.die(new Error("a mistake"))],
    ["throws", () => {
      throw new Error("a mistake")
    }]
  ]

  it.effect.each(broken)("that %s denies, and the log says why", ([, handler]) =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => logged.push(String(message)))
      const answer = yield* Effect.provide(answers({ preToolUse: handler })("PreToolUse"), Logger.layer([logger]))
      assert.isTrue(isDenied(answer))
      assert.lengthOf(logged, 1)
      assert.include(logged[0], "a mistake")
    }))
})

describe("the deadline", () => {
  it.effect("is 30 seconds, or that of the options", () =>
    Effect.gen(function*() {
      for (const [options, seconds] of [[{}, 30], [{ timeout: "2 minutes" as const }, 120]] as const) {
        const fiber = yield* Effect.forkChild(answers({ preToolUse: () => Effect.never }, options)("PreToolUse"))
        yield* TestClock.adjust(seconds * 1000 - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.isTrue(isDenied(yield* Fiber.join(fiber)))
      }
    }).pipe(silent))
})
