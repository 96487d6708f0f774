/** Runs the turns of a thread: messages, reviews and compactions. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Budget } from "../../Budget.ts"
import type { TurnEndError, TurnStartError } from "../../CodexError.ts"
import { OutputInvalid, TurnInterrupted } from "../../CodexError.ts"
import type { Input } from "../../Input.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { StructuredOutput, Thread, TurnOptions } from "../../Thread.ts"
import type { TurnResult } from "../../TurnResult.ts"
import * as OptionKinds from "../options.ts"
import { withoutMeaning } from "../protocol/rpcErrors.ts"
import * as Output from "../schemas/output.ts"
import type { CheckFolders } from "../settings/folders.ts"
import { defined, duration, turnSettings } from "../settings/settings.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { Spending } from "../turns/spending.ts"
import { refuseSteer } from "../turns/startedTurns.ts"
import * as StartRequest from "../turns/startRequest.ts"
import type { Turns } from "../turns/turns.ts"
import type { StartOptions } from "../turns/turnStart.ts"
import * as TurnStart from "../turns/turnStart.ts"
import type { TurnState } from "../turns/turnState.ts"
import * as TurnHandle from "./turnHandle.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = {
  turn: Effect.fn("Thread.turn"),
  review: Effect.fn("Thread.review"),
  compact: Effect.fn("Thread.compact")
}

/** The budgets of a turn, given its own, and the prices. */
export type SpendingOf = (budget: Budget | undefined) => Effect.Effect<Spending>

/** What a thread's handle needs to run turns. */
interface Options {
  readonly turns: Turns
  readonly target: StartRequest.Target
  /** Handlers for server requests during the turns. Default: the client's handlers. */
  readonly handlers: Overrides | undefined
  /** How long a turn may be silent. Default: no limit. */
  readonly stallTimeout: Duration.Input | undefined
  readonly spending: SpendingOf
  readonly checkFolders: CheckFolders
  readonly toWire: ToWire
}

/** Starts a turn with a message. Later changes of the settings wait until this message is sent or queued. */
const startMessage = (
  run: Options,
  input: Input,
  options: TurnOptions | undefined,
  events: boolean
): Effect.Effect<TurnState, TurnStartError, Scope.Scope> => {
  const { checkFolders, handlers, stallTimeout, target, toWire, turns } = run
  return target.settings.inOrder(Effect.fnUntraced(function*(sent) {
    yield* OptionKinds.check(options, OptionKinds.ofTurn)
    const spending = yield* run.spending(options?.budget)
    const given = yield* turnSettings(options ?? {})
    const items = yield* toWire(input)
    yield* checkFolders(options)
    // docs/codex-behaviour.md, "A message carries the id that its client gave it". The id finds the turn when
    // the reply is lost.
    const clientId = options?.messageId ?? crypto.randomUUID()
    const message = { clientUserMessageId: clientId, input: items }
    const { additionalContext, responsesapiClientMetadata } = given
    const whenBusy = options?.whenBusy ?? "fail"
    const request = StartRequest.ofMessage(target, message, options ?? {}, given, sent)
    return yield* TurnStart.start(turns, target.threadId, request, {
      clientId,
      events,
      handlers: { ...handlers, ...options?.handlers },
      maxUnreadBytes: options?.maxUnreadBytes,
      mayRepeatId: options?.messageId !== undefined,
      stallTimeout: yield* duration("stallTimeout", options?.stallTimeout ?? stallTimeout),
      onWait: sent,
      spending,
      whenBusy: whenBusy !== "steer" ? whenBusy : {
        // What the running turn carries stays.
        message: {
          ...message,
          ...defined({ additionalContext, responsesapiClientMetadataPatch: responsesapiClientMetadata })
        },
        refuse: refuseSteer(target, given, options)
      }
    })
  }))
}

/** Starts a turn without a message. */
const startOther = Effect.fnUntraced(function*(
  { handlers, spending, stallTimeout, target, toWire, turns }: Options,
  request: StartRequest.StartRequest,
  options: { readonly whenBusy?: "fail" | "queue" | undefined } | undefined,
  rest: Pick<StartOptions, "onWait" | "refuse"> = {}
) {
  yield* OptionKinds.check(options, OptionKinds.ofReview)
  const state = yield* TurnStart.start(turns, target.threadId, request, {
    events: true,
    handlers,
    maxUnreadBytes: undefined,
    spending: yield* spending(undefined),
    stallTimeout: yield* duration("stallTimeout", stallTimeout),
    whenBusy: options?.whenBusy ?? "fail",
    ...rest
  }).pipe(
    // The server checks the length of messages only.
    Effect.catchTag("InputTooLarge", (error) => Effect.fail(withoutMeaning(error)))
  )
  return TurnHandle.make(turns, state, toWire, TurnHandle.controls(turns, state, target.started))
})

/** The result of a turn that must complete. */
export const completed = (result: TurnResult): Effect.Effect<TurnResult, TurnInterrupted> =>
  result.status === "interrupted"
    ? new TurnInterrupted({ threadId: result.threadId, turnId: result.id, result })
    : Effect.succeed(result)

/** The result with the decoded answer. A turn in plan mode may answer with its plan alone. */
export const decoded = Effect.fnUntraced(function*<A>(result: TurnResult, decode: Output.Prepared<A>["decode"]) {
  const { finalResponse, id, plan, threadId } = result
  const text = Option.getOrNull(Option.orElse(finalResponse, () => plan))
  const output = yield* Effect.mapError(
    text === null ? Effect.fail("there is no final answer.") : decode(text),
    (issue) => new OutputInvalid({ threadId, turnId: id, text, issue, result })
  )
  return { ...result, output }
})

const runOnce = Effect.fnUntraced(function*(run: Options, input: Input, options: TurnOptions | undefined) {
  const { threadId } = run.target
  const state = yield* startMessage(run, input, options, false)
  yield* Effect.annotateCurrentSpan({ "codex.thread.id": threadId, "codex.turn.id": state.id })
  return yield* completed(yield* state.result)
}, Effect.scoped)

const runWithOutput = Effect.fnUntraced(function*<A>(
  run: Options,
  input: Input,
  options: TurnOptions & StructuredOutput<A>
) {
  yield* OptionKinds.check(options, OptionKinds.ofTurn)
  const { decode, jsonSchema } = yield* Output.prepare(options.output)
  const turnOptions = { ...options, outputSchema: jsonSchema }
  const attempt = Effect.fnUntraced(function*(input: Input): Effect.fn.Return<
    TurnResult<A>,
    TurnStartError | TurnEndError | TurnInterrupted | OutputInvalid
  > {
    return yield* decoded(yield* runOnce(run, input, turnOptions), decode)
  })
  const repaired = (input: Input, left: number): ReturnType<typeof attempt> =>
    Effect.catchTag(
      attempt(input),
      "OutputInvalid",
      (error) => left > 0 ? repaired(Output.repairPrompt(error.issue), left - 1) : Effect.fail(error)
    )
  return yield* repaired(input, options.repair ?? 0)
})

export const make = (options: Options): Pick<Thread, "run" | "turn" | "review" | "compact"> => {
  const { target, toWire, turns } = options

  function run<A>(
    input: Input,
    options: TurnOptions & StructuredOutput<A>
  ): Effect.Effect<
    TurnResult<A>,
    TurnStartError | TurnEndError | TurnInterrupted | OutputInvalid
  >
  function run(
    input: Input,
    options?: TurnOptions
  ): Effect.Effect<TurnResult, TurnStartError | TurnEndError | TurnInterrupted>
  function run(input: Input, turnOptions?: TurnOptions & Partial<StructuredOutput<unknown>>) {
    const output = turnOptions?.output
    return Effect.withSpan(
      output === undefined
        ? runOnce(options, input, turnOptions)
        : runWithOutput(options, input, { ...turnOptions, output }),
      "Thread.run"
    )
  }

  return {
    turn: traced.turn(function*(input, turnOptions) {
      const state = yield* startMessage(options, input, turnOptions, true)
      return TurnHandle.make(turns, state, toWire, TurnHandle.controls(turns, state, target.started))
    }),
    run,
    review: traced.review(function*(reviewed, reviewOptions) {
      return yield* target.settings.inOrder((sent) =>
        startOther(options, StartRequest.ofReview(target, reviewed, sent), reviewOptions, {
          onWait: sent,
          refuse: target.settings.refuse
        })
      )
    }),
    compact: traced.compact(function*(compactOptions) {
      return yield* startOther(options, StartRequest.ofCompaction(target), compactOptions)
    })
  }
}
