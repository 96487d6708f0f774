// A service of an application that uses Codex. Its tests are in test/ReviewBot.test.ts: with a mock, with a fake app-server,
// with a recorded session, and with the real codex.
import { ApprovalMode, Approvals, Codex, type CodexError, CodexRetry, Sandbox } from "@effect-codex/client"
import { Context, Effect, Layer, Schema } from "effect"

export class Finding extends Schema.Class<Finding>("Finding")({
  file: Schema.String,
  line: Schema.Int,
  problem: Schema.String
}) {}

export class Review extends Schema.Class<Review>("Review")({
  verdict: Schema.Literals(["approve", "request changes"]),
  findings: Schema.Array(Finding)
}) {}

export type ReviewError =
  | CodexError.TurnStartError
  | CodexError.TurnEndError
  | CodexError.TurnInterrupted
  | CodexError.OutputInvalid

export class ReviewBot extends Context.Service<ReviewBot, {
  readonly review: (change: {
    readonly title: string
    readonly diff: string
    /** The folder with the change applied. */
    readonly cwd?: string | undefined
  }) => Effect.Effect<Review, ReviewError>
}>()("ReviewBot") {}

// The whole command line, as codex runs it: a program that only reads, and plain arguments.
const readOnly = /^\S*sh -lc '?(?:(?:cat|head|ls|nl|tail|wc)(?: [\w./:-]+)*|git (?:diff|status))'?$/

/** What the agent may do without a person: look. */
export const mayDo = (request: Approvals.ApprovalRequest): Effect.Effect<boolean> =>
  Effect.succeed(request._tag === "Command" && request.kind === "command" && readOnly.test(request.command ?? ""))

export const layer: Layer.Layer<ReviewBot, never, Codex.Codex> = Layer.effect(
  ReviewBot,
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const handlers = yield* Approvals.acceptWhen(mayDo)
    return ReviewBot.of({
      review: Effect.fn("ReviewBot.review")(function*({ cwd, diff, title }) {
        const thread = yield* Effect.retry(
          codex.startThread({ approvalMode: ApprovalMode.untrusted, cwd, handlers, sandbox: Sandbox.readOnly }),
          CodexRetry.overload
        )
        const prompt = `Review this change. Look at the files around it where you have to.\n\n${title}\n\n${diff}`
        // An answer that does not fit is asked for again; a turn that the model did not get through is run again.
        const { output } = yield* Effect.retry(
          thread.run(prompt, { output: Review, repair: 1 }),
          CodexRetry.transient
        )
        return output
      })
    })
  })
)
