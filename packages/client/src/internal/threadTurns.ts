/** The turns of a thread: of a message, of a review, of a compaction. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { CallError, DecodeError, ThreadNotFound, TurnEndError, TurnStartError } from "../CodexError.ts"
import { OutputInvalid, SettingsNotApplied, TurnInterrupted } from "../CodexError.ts"
import type { Input } from "../Input.ts"
import * as Output from "../Output.ts"
import type { StructuredOutput, Thread, TurnOptions } from "../Thread.ts"
import type { TurnResult } from "../TurnResult.ts"
import type { CheckFolders } from "./folders.ts"
import type { ToWire } from "./inputItems.ts"
import * as Kept from "./keptSettings.ts"
import * as OptionKinds from "./options.ts"
import { withoutMeaning } from "./rpcErrors.ts"
import { duration, turnSettings } from "./settings.ts"
import type { ThreadDefaults } from "./thread.ts"
import type { Turns } from "./threadRoute.ts"
import * as Turn from "./turn.ts"
import type { TurnState } from "./turnState.ts"

// The turn runs, whatever else of the reply does not fit: nobody would stop it if this failed.
const startedId = <E>(
  request: Effect.Effect<{ readonly turn: { readonly id: string } }, E | DecodeError>
): Effect.Effect<string, E | DecodeError> =>
  request.pipe(
    Effect.map(({ turn }) => turn.id),
    Effect.catchIf((error): error is DecodeError => Predicate.isTagged(error, "DecodeError"), (error) => {
      const turn = Predicate.hasProperty(error.raw, "turn") ? error.raw.turn : undefined
      return Predicate.hasProperty(turn, "id") && Predicate.isString(turn.id)
        ? Effect.succeed(turn.id)
        : Effect.fail(error)
    })
  )

type Params = ClientRequests["turn/start"]["params"]

/** The settings of a turn that a message which steers it does not carry. */
const steered = [
  "approvalPolicy",
  "approvalsReviewer",
  "sandboxPolicy",
  "cwd",
  "model",
  "effort",
  "serviceTier",
  "summary"
] as const

const optionOf: { readonly [name: string]: string } = {
  approvalPolicy: "approvalMode",
  approvalsReviewer: "approvalMode",
  sandboxPolicy: "sandbox"
}

/** What the thread's handle keeps for its turns. */
interface Settings {
  readonly current: () => Kept.Kept
  /** Keeps settings for the turns that follow, unless their request is refused. */
  readonly keeping: (
    given: Kept.Kept
  ) => <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Makes the thread hold it, for a turn whose request carries no settings. */
  readonly enforce: Effect.Effect<void, CallError | ThreadNotFound>
}

export const make = (
  rpc: AppServerRpc["Service"],
  turns: Turns,
  threadId: string,
  { handlers, stallTimeout }: Pick<ThreadDefaults, "handlers" | "stallTimeout">,
  { checkFolders, toWire }: { readonly checkFolders: CheckFolders; readonly toWire: ToWire },
  settings: Settings
): Pick<Thread, "run" | "turn" | "review" | "compact"> => {
  /** The last turn that this handle has started, and the settings that it was sent. */
  let last: { readonly id: string; readonly given: Partial<Params> } | undefined

  /** What a turn that runs would have to be, to be steered by a message with these settings. */
  const steerable = (given: Partial<Params>) => (activeTurnId: string): SettingsNotApplied | undefined => {
    const held: Partial<Params> = last?.id === activeTurnId ? last.given : {}
    const wrong = steered.filter((name) =>
      given[name] !== undefined && JSON.stringify(given[name]) !== JSON.stringify(held[name])
    )
    return wrong.length === 0 ? undefined : new SettingsNotApplied({
      threadId,
      settings: wrong.map((name) => ({
        setting: optionOf[name] ?? name,
        asked: JSON.stringify(given[name]),
        holds: `what turn ${activeTurnId} was started with`,
        advice: "A turn that runs keeps its settings: steer it without them, or set `whenBusy` to \"queue\"."
      }))
    })
  }

  const start = Effect.fnUntraced(function*(
    input: Input,
    options: TurnOptions | undefined,
    events: boolean
  ): Effect.fn.Return<TurnState, TurnStartError, Scope.Scope> {
    yield* OptionKinds.check(options, OptionKinds.ofTurn)
    const given = yield* turnSettings(options ?? {})
    const items = yield* toWire(input)
    yield* checkFolders(options)
    // The server marks the message with it, so that a turn is known by its message when its reply is lost.
    const clientId = crypto.randomUUID()
    // When it is sent, because a turn that was queued before may have changed what is kept.
    const request = (requestOptions: Parameters<typeof rpc.request>[2]) =>
      Effect.suspend(() => {
        const kept = Kept.keep(settings.current(), options ?? {})
        const all = { ...given, ...Kept.turnParams(kept) }
        const params: Params = { threadId, clientUserMessageId: clientId, input: items, ...all }
        return startedId(rpc.request("turn/start", params, requestOptions)).pipe(
          settings.keeping(options ?? {}),
          Effect.tap((id) =>
            Effect.sync(() => {
              last = { id, given: all }
            })
          )
        )
      })
    const whenBusy = options?.whenBusy ?? "fail"
    return yield* turns.start(threadId, request, {
      clientId,
      events,
      handlers: { ...handlers, ...options?.handlers },
      maxUnreadBytes: options?.maxUnreadBytes,
      stallTimeout: yield* duration("stallTimeout", options?.stallTimeout ?? stallTimeout),
      whenBusy: whenBusy === "steer"
        ? {
          steer: items,
          refuse: steerable(given)
        }
        : whenBusy
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
    yield* OptionKinds.check(options, OptionKinds.ofTurn)
    const { decode, jsonSchema } = yield* Output.prepare(options.output)
    const turnOptions = { ...options, outputSchema: jsonSchema }
    const attempt = Effect.fnUntraced(function*(input: Input): Effect.fn.Return<
      TurnResult<A>,
      TurnStartError | TurnEndError | TurnInterrupted | OutputInvalid
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
  ): Effect.Effect<
    TurnResult<A>,
    TurnStartError | TurnEndError | TurnInterrupted | OutputInvalid
  >
  function run(
    input: Input,
    options?: TurnOptions
  ): Effect.Effect<TurnResult, TurnStartError | TurnEndError | TurnInterrupted>
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
    OptionKinds.check(options, OptionKinds.ofReview).pipe(
      Effect.andThen(duration("stallTimeout", stallTimeout)),
      Effect.flatMap((stallTimeout) =>
        turns.start(threadId, request, {
          events: true,
          handlers,
          maxUnreadBytes: undefined,
          stallTimeout,
          whenBusy: options?.whenBusy ?? "fail"
        })
      ),
      // Nothing but a message has a length that is checked.
      Effect.catchTag("InputTooLarge", (error) => Effect.fail(withoutMeaning(error))),
      Effect.map((state) => Turn.make(rpc, turns, state, toWire))
    )

  return {
    turn: Effect.fn("Thread.turn")(function*(input, options) {
      return Turn.make(rpc, turns, yield* start(input, options, true), toWire)
    }),
    run,
    review: Effect.fn("Thread.review")(function*(target, options) {
      return yield* other(
        (requestOptions) =>
          Effect.andThen(
            settings.enforce,
            startedId(rpc.request("review/start", { threadId, target }, requestOptions))
          ),
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
