/**
 * Asks the person at the terminal for approvals, one at a time, in the order of their arrival.
 */
import * as ApprovalQueue from "@effect-codex/client/ApprovalQueue"
import type { Overrides } from "@effect-codex/client/ServerRequests"
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as ApprovalText from "./approvalText.ts"
import { now } from "./monotonic.ts"
import { Screen } from "./screen.ts"

export interface Asking {
  /** The handlers of the thread. */
  readonly handlers: Overrides
  /** Asks until it is interrupted. Ctrl-C and the end of the input interrupt it from inside. */
  readonly ask: Effect.Effect<never, never, Prompt.Environment | Screen>
  /** Whether the person has cancelled the turn. */
  readonly isCancelled: () => boolean
}

/**
 * How long to ignore keys after a question appears: they were typed before it could be read, for an earlier question or
 * by accident.
 */
export const TypeAhead: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "@effect-codex/cli/TypeAhead",
  { defaultValue: () => Duration.millis(300) }
)

export const make: Effect.Effect<Asking> = Effect.map(ApprovalQueue.make, (queue) => {
  let isCancelled = false

  const one = Effect.fnUntraced(function*(open: ApprovalQueue.OpenApproval) {
    const terminal = yield* Terminal.Terminal
    const say = (...lines: ReadonlyArray<string>) => Effect.orDie(terminal.display(lines.map((l) => `${l}\n`).join("")))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities

    const closed = Effect.as(open.closed, undefined)
    const asked = Effect.andThen(
      say(...ApprovalText.describe(open.request, canColor)),
      question(choices.filter(({ decision }) => fits(open, decision)))
    )
    // A request that closes while another one is asked is never shown.
    let isShown = false
    const answer = yield* Effect.raceFirst(closed, Effect.andThen(Effect.sync(() => isShown = true), asked))
    if (answer === "interrupt") return yield* Effect.interrupt
    if (answer === undefined) return isShown ? yield* say(`  ${gone}`) : undefined
    const { decision } = answer
    const isTaken = open._tag === "Command" || open._tag === "FileChange"
      ? yield* open.respond(decision)
      // The other kinds are not offered `cancel`.
      : yield* open.respond(decision === "cancel" ? "decline" : decision)
    if (isTaken && decision === "cancel") isCancelled = true
    yield* say(`  ${isTaken ? answer.done : gone}`)
  })

  return {
    handlers: queue.handlers,
    ask: Effect.flatMap(
      Screen,
      ({ reserve }) => Effect.andThen(Stream.runForEach(queue.requests, (open) => reserve(one(open))), Effect.never)
    ),
    isCancelled: () => isCancelled
  }
})

// Permissions have no `cancel`, and a tool's does not end the turn. Commands and files accept decisions they do not
// list.
const fits = ({ _tag, request }: ApprovalQueue.OpenApproval, decision: Choice["decision"]): boolean =>
  decision === "cancel"
    ? _tag === "Command" || _tag === "FileChange"
    : request._tag !== "McpTool" || request.availableDecisions.includes(decision)

const gone = "No longer needed: it was decided elsewhere, or its turn has ended."

// =============================================================================
// The question
// =============================================================================

interface Choice {
  readonly key: string
  readonly label: string
  readonly decision: "accept" | "acceptForSession" | "decline" | "cancel"
  readonly done: string
}

const choices: ReadonlyArray<Choice> = [
  { key: "y", label: "yes", decision: "accept", done: "Accepted." },
  { key: "a", label: "yes, for this session", decision: "acceptForSession", done: "Accepted for this session." },
  { key: "n", label: "no", decision: "decline", done: "Declined." },
  { key: "c", label: "cancel the turn", decision: "cancel", done: "Cancelling the turn." }
]

type Answer = Choice | "interrupt"

const erase = "\r\u001b[2K"

const question = (offered: ReadonlyArray<Choice>): Effect.Effect<Answer, never, Prompt.Environment> => {
  const process = (input: Terminal.UserInput, shownAt: number) =>
    Effect.gen(function*(): Effect.fn.Return<Prompt.Action<number, Answer>> {
      const { ctrl, meta, name } = input.key
      if (ctrl && (name === "c" || name === "d")) return { _tag: "Submit", value: "interrupt" }
      const ahead = Duration.toMillis(Duration.fromInputUnsafe(yield* TypeAhead))
      const isAhead = (yield* now) - shownAt < ahead
      // Escape ends the input of Effect's terminal, so it must count as an answer.
      const choice = name === "escape"
        ? offered.at(-1)
        : ctrl || meta || isAhead
        ? undefined
        : offered.find(({ key }) => key === name)
      if (choice !== undefined) return { _tag: "Submit", value: choice }
      return isAhead ? { _tag: "NextFrame", state: shownAt } : { _tag: "Beep" }
    })

  const prompt = Prompt.Custom<number, Answer>(now, {
    // Must fit on one line: a wrapped line cannot be erased.
    render: Effect.fnUntraced(function*(_, action) {
      if (action._tag === "Beep") return "\u0007"
      if (action._tag === "Submit") return ""
      const columns = (yield* (yield* Terminal.Terminal).columns) || 80
      const long = `  Allow it? ${offered.map(({ key, label }) => `${key} ${label}`).join(" · ")} `
      return erase + (long.length < columns ? long : `${offered.map(({ key }) => key).join("/")}? `)
    }),
    process,
    clear: () => Effect.succeed("")
  })
  return Prompt.run(prompt).pipe(
    Effect.ensuring(Effect.flatMap(Terminal.Terminal, ({ display }) => Effect.ignore(display(erase)))),
    // The input has ended, so nobody can answer.
    Effect.catch(() => Effect.succeed("interrupt" as const))
  )
}
