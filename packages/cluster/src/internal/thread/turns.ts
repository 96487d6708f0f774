/** Runs the turns of an entity: each once, whatever happens to the machine meanwhile. */
import type * as Input from "@effect-codex/client/Input"
import type { Turn } from "@effect-codex/client/Turn"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Outcome } from "../../CodexThread.ts"
import * as Metrics from "../../Metrics.ts"
import type { SessionStore } from "../../SessionStore.ts"
import { failureOf } from "../failedTurn.ts"
import * as Attempts from "./attempts.ts"
import * as Failure from "./failure.ts"
import type { Home, Opened } from "./home.ts"

/** What the agent is told when it goes on with a turn that its machine did not end. */
export const goOn =
  "You were interrupted: the machine that you worked on was stopped or lost. What you did before is in " +
  "this conversation, but the last command may have run without its output. Look at what is done, then go on with " +
  "what I asked for."

export interface Asked {
  readonly turnKey: string
  readonly input: Input.Input
  readonly outputSchema?: Schema.Json | undefined
}

export interface Options {
  readonly key: string
  readonly runner: string
  readonly onInterrupted: "continue" | "fail"
  readonly maxAttempts: number
  readonly home: Home
  readonly store: SessionStore["Service"]
}

export interface Turns {
  readonly run: (asked: Asked) => Effect.Effect<Outcome, Failure.Failure>
  /** The turn that runs, once codex has begun it. None while none runs. */
  readonly running: Effect.Effect<Option.Option<{ readonly turnKey: string; readonly turn: Turn }>>
  readonly turnKey: Effect.Effect<Option.Option<string>>
}

type How = Outcome["how"]

interface Current {
  readonly turnKey: string
  /** Done when codex has begun the turn, and when the turn is over. */
  readonly begun: Deferred.Deferred<void>
  /** Of the newest attempt. */
  turn: Turn | undefined
}

/** What to do about a turn that was begun before. */
const decide = (
  { before, found }: Attempts.Attempt,
  options: Options
): Effect.Effect<{ readonly how: How; readonly result?: TurnResult }, Failure.Failure> => {
  if (Option.isNone(before)) return Effect.succeed({ how: "ran" })
  const result = Option.getOrUndefined(found)
  if (result?.status === "completed") return Effect.succeed({ how: "found", result })
  if (result?.status === "failed") {
    return Effect.fail(Failure.ofCodex(failureOf(result)))
  }
  if (options.onInterrupted === "fail") {
    const detail = result === undefined
      ? "nothing of it was stored."
      : `it was interrupted after ${result.items.length} items.`
    return Effect.fail({ _tag: "Unknown", begun: before.value, detail })
  }
  return Effect.succeed({ how: result === undefined ? "ran" : "continued" })
}

export const make = (options: Options): Turns => {
  const { home, runner } = options
  let current: Current | undefined

  // codex fails a turn on a machine that is fenced, or never ends it: what counts then is that it is fenced.
  const unlessFenced = ({ followed }: Opened) => <A, R>(effect: Effect.Effect<A, Failure.Failure, R>) =>
    Effect.raceFirst(effect, Effect.andThen(followed.fenced, Effect.fail(Failure.fenced)))

  const execute = Effect.fnUntraced(
    function*({ thread }: Opened, asked: Asked, input: Input.Input, messageId: string) {
      const { outputSchema } = asked
      const turn = yield* thread.turn(input, { messageId, ...(outputSchema !== undefined && { outputSchema }) })
      if (current !== undefined) {
        current.turn = turn
        yield* Deferred.succeed(current.begun, undefined)
      }
      return yield* turn.result
    },
    Effect.scoped,
    Effect.mapError(Failure.ofCodex)
  )

  /** Whether the store has the history with the answer. It gets a while: the answer must not be lost with it. */
  const flush = ({ followed }: Opened) =>
    followed.flush.pipe(
      Effect.retry({ schedule: Schedule.spaced("500 millis"), while: ({ _tag }) => _tag !== "SessionFenced" }),
      Effect.as(true),
      Effect.timeoutOption("10 seconds"),
      Effect.mapError(Failure.ofSession),
      Effect.map(Option.getOrElse(() => false))
    )

  const attempt = Effect.fn("CodexThread.attempt")(function*(asked: Asked) {
    const opened = yield* home.open
    return yield* unlessFenced(opened)(Effect.gen(function*() {
      const attempt = yield* Attempts.begin(options.store, opened.thread, { ...options, turnKey: asked.turnKey })
      const { how, result: earlier } = yield* decide(attempt, options)
      yield* Effect.annotateCurrentSpan({ how, messageId: attempt.messageId })
      if (Option.isSome(attempt.before)) {
        yield* Metric.update(Metric.withAttributes(Metrics.takeovers, { how }), 1)
      }
      const input = how === "continued" ? goOn : asked.input
      const result = earlier ?? (yield* execute(opened, asked, input, attempt.messageId))
      const isHistoryStored = yield* flush(opened)
      if (!isHistoryStored) yield* Effect.logWarning(`the history of turn ${asked.turnKey} is not stored yet.`)
      if (result.status === "interrupted") {
        return yield* Effect.fail(Failure.failed("TurnInterrupted", "the turn was interrupted."))
      }
      return {
        turnKey: asked.turnKey,
        threadId: result.threadId,
        turnId: result.id,
        finalResponse: result.finalResponse,
        tokens: Option.map(result.usage, ({ subagents, turn }) => turn.totalTokens + subagents.totalTokens),
        runner,
        how,
        isHistoryStored
      }
    }))
  }, Effect.scoped)

  const run: Turns["run"] = (asked) =>
    attempt(asked).pipe(
      // What is loaded here is worth nothing any more.
      Effect.tapError((failure) =>
        failure._tag === "Fenced" || failure._tag === "Disconnected" ? home.close : Effect.void
      ),
      Effect.tapError((failure) => failure._tag === "Disconnected" ? Effect.logWarning(failure.message) : Effect.void),
      Effect.retry({
        schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]),
        while: (failure) => failure._tag === "Disconnected"
      }),
      (turn) =>
        Effect.acquireUseRelease(
          Effect.sync(() => current = { turnKey: asked.turnKey, begun: Deferred.makeUnsafe(), turn: undefined }),
          () => turn,
          ({ begun }) =>
            Effect.suspend(() => {
              current = undefined
              return Deferred.succeed(begun, undefined)
            })
        )
    )

  return {
    run,
    turnKey: Effect.sync(() => Option.map(Option.fromUndefinedOr(current), ({ turnKey }) => turnKey)),
    running: Effect.suspend(() => {
      if (current === undefined) return Effect.succeedNone
      const now = current
      return Effect.map(
        Deferred.await(now.begun),
        () => now.turn === undefined ? Option.none() : Option.some({ turnKey: now.turnKey, turn: now.turn })
      )
    })
  }
}
