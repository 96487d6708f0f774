/** The turns of a thread: of a message, of a review, of a compaction. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { RequestError, ThreadBusy, TurnEndError } from "../CodexError.ts"
import { OutputInvalid, TurnInterrupted } from "../CodexError.ts"
import type { Input } from "../Input.ts"
import * as Output from "../Output.ts"
import type { StructuredOutput, Thread, TurnOptions } from "../Thread.ts"
import type { TurnResult } from "../TurnResult.ts"
import type { CheckFolders } from "./folders.ts"
import type { ToWire } from "./inputItems.ts"
import { duration, turnSettings } from "./settings.ts"
import type { ThreadDefaults } from "./thread.ts"
import type { Turns } from "./threadRoute.ts"
import * as Turn from "./turn.ts"
import type { TurnState } from "./turnState.ts"

// The turn runs, whatever else of the reply does not fit: nobody would stop it if this failed.
const startedId = (
  request: Effect.Effect<{ readonly turn: { readonly id: string } }, RequestError>
): Effect.Effect<string, RequestError> =>
  request.pipe(
    Effect.map(({ turn }) => turn.id),
    Effect.catchTag("DecodeError", (error) => {
      const turn = Predicate.hasProperty(error.raw, "turn") ? error.raw.turn : undefined
      return Predicate.hasProperty(turn, "id") && Predicate.isString(turn.id)
        ? Effect.succeed(turn.id)
        : Effect.fail(error)
    })
  )

export const make = (
  rpc: AppServerRpc["Service"],
  turns: Turns,
  threadId: string,
  { handlers, sandbox, stallTimeout }: Omit<ThreadDefaults, "unstored">,
  { checkFolders, toWire }: { readonly checkFolders: CheckFolders; readonly toWire: ToWire },
  note: (options: Pick<TurnOptions, "approvalMode" | "sandbox">) => Effect.Effect<void>
): Pick<Thread, "run" | "turn" | "review" | "compact"> => {
  // A thread is started with a mode alone; what its sandbox says beyond that has to come with each turn.
  const defaults = sandbox?.isCustom === true ? { sandbox } : {}

  const start = Effect.fnUntraced(function*(
    input: Input,
    options: TurnOptions | undefined,
    events: boolean
  ): Effect.fn.Return<TurnState, RequestError | ThreadBusy, Scope.Scope> {
    const settings = yield* turnSettings({ ...defaults, ...options })
    const items = yield* toWire(input)
    yield* checkFolders(options)
    // The server marks the message with it, so that a turn is known by its message when its reply is lost.
    const clientId = crypto.randomUUID()
    const params: ClientRequests["turn/start"]["params"] = {
      threadId,
      clientUserMessageId: clientId,
      input: items,
      ...settings
    }
    const request = (requestOptions: Parameters<typeof rpc.request>[2]) =>
      startedId(rpc.request("turn/start", params, requestOptions))
    // They stay for the turns that follow.
    if (options !== undefined) yield* note(options)
    const whenBusy = options?.whenBusy ?? "fail"
    return yield* turns.start(threadId, request, {
      clientId,
      events,
      handlers: { ...handlers, ...options?.handlers },
      maxUnreadBytes: options?.maxUnreadBytes,
      stallTimeout: yield* duration("stallTimeout", options?.stallTimeout ?? stallTimeout),
      whenBusy: whenBusy === "steer" ? { steer: items } : whenBusy
    })
  })

  const runOnce = Effect.fnUntraced(function*(input: Input, options: TurnOptions | undefined) {
    const state = yield* start(input, options, false)
    yield* Effect.annotateCurrentSpan({ "codex.thread.id": threadId, "codex.turn.id": state.id })
    const result = yield* state.result
    if (result.status === "interrupted") {
      return yield* new TurnInterrupted({ threadId, turnId: state.id, result })
    }
    return result
  }, Effect.scoped)

  const runWithOutput = Effect.fnUntraced(function*<A>(input: Input, options: TurnOptions & StructuredOutput<A>) {
    const { decode, jsonSchema } = yield* Output.prepare(options.output)
    const turnOptions = { ...options, outputSchema: jsonSchema }
    const attempt = Effect.fnUntraced(function*(input: Input): Effect.fn.Return<
      TurnResult<A>,
      RequestError | ThreadBusy | TurnEndError | TurnInterrupted | OutputInvalid
    > {
      const result = yield* runOnce(input, turnOptions)
      const invalid = (text: string | null, issue: string) =>
        new OutputInvalid({ threadId, turnId: result.id, text, issue, result })
      if (Option.isNone(result.finalResponse)) return yield* invalid(null, "there is no final answer.")
      const text = result.finalResponse.value
      const output = yield* Effect.mapError(decode(text), (issue) => invalid(text, issue))
      return { ...result, output }
    })
    const repaired = (input: Input, left: number): ReturnType<typeof attempt> =>
      Effect.catchTag(
        attempt(input),
        "OutputInvalid",
        (error) => left > 0 ? repaired(Output.repairPrompt(error.issue), left - 1) : Effect.fail(error)
      )
    return yield* repaired(input, options.repair ?? 0)
  })

  function run<A>(
    input: Input,
    options: TurnOptions & StructuredOutput<A>
  ): Effect.Effect<TurnResult<A>, RequestError | ThreadBusy | TurnEndError | TurnInterrupted | OutputInvalid>
  function run(
    input: Input,
    options?: TurnOptions
  ): Effect.Effect<TurnResult, RequestError | ThreadBusy | TurnEndError | TurnInterrupted>
  function run(input: Input, options?: TurnOptions & Partial<StructuredOutput<unknown>>) {
    const output = options?.output
    return Effect.withSpan(
      output === undefined ? runOnce(input, options) : runWithOutput(input, { ...options, output }),
      "Thread.run"
    )
  }

  const other = (
    request: Parameters<Turns["start"]>[1],
    options: { readonly whenBusy?: "fail" | "queue" | undefined } | undefined
  ) =>
    duration("stallTimeout", stallTimeout).pipe(
      Effect.flatMap((stallTimeout) =>
        turns.start(threadId, request, {
          events: true,
          handlers,
          maxUnreadBytes: undefined,
          stallTimeout,
          whenBusy: options?.whenBusy ?? "fail"
        })
      ),
      Effect.map((state) => Turn.make(rpc, turns, state, toWire))
    )

  return {
    turn: Effect.fn("Thread.turn")(function*(input, options) {
      return Turn.make(rpc, turns, yield* start(input, options, true), toWire)
    }),
    run,
    review: Effect.fn("Thread.review")(function*(target, options) {
      return yield* other(
        (requestOptions) => startedId(rpc.request("review/start", { threadId, target }, requestOptions)),
        options
      )
    }),
    compact: Effect.fn("Thread.compact")(function*(options) {
      return yield* other(
        (requestOptions) => Effect.as(rpc.request("thread/compact/start", { threadId }, requestOptions), undefined),
        options
      )
    })
  }
}
