/** The turns of a thread: of a message, of a review, of a compaction. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { AppServerRpc } from "../../AppServerRpc.ts"
import type { CallError, InvalidArgument, ThreadNotFound, TurnEndError, TurnStartError } from "../../CodexError.ts"
import { OutputInvalid, SettingsNotApplied, TurnInterrupted } from "../../CodexError.ts"
import type { Input } from "../../Input.ts"
import type { StructuredOutput, Thread, TurnOptions } from "../../Thread.ts"
import type { TurnResult } from "../../TurnResult.ts"
import * as OptionKinds from "../options.ts"
import { type Members, membersOf } from "../protocol/members.ts"
import { withoutMeaning } from "../protocol/rpcErrors.ts"
import { call, using } from "../protocol/uses.ts"
import * as Output from "../schemas/output.ts"
import type { CheckFolders } from "../settings/folders.ts"
import * as Held from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined, duration, turnSettings } from "../settings/settings.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { StartOptions, Turns } from "../turns/threadRoute.ts"
import type { TurnState } from "../turns/turnState.ts"
import type { ThreadDefaults } from "./thread.ts"
import * as TurnHandle from "./turnHandle.ts"

// The turn runs, whatever else of the reply does not fit: nobody would stop it if this failed.
const startedId = ({ turn }: Members): string | undefined => {
  const { id } = membersOf(turn)
  return Predicate.isString(id) ? id : undefined
}

type Params = ClientRequests["turn/start"]["params"]

/** What a turn was started with. */
interface Sent {
  readonly id: string
  readonly asked: Held.Asked
  readonly untold: Untold
}

/** What no notification tells of a turn. */
type Untold = Pick<Partial<Params>, "cyberAccessProgram" | "outputSchema" | "summary">

const untoldOf = ({ cyberAccessProgram, outputSchema, summary }: Partial<Params>): Untold =>
  defined({ cyberAccessProgram, outputSchema, summary })

const askedOf = (kept: Kept.Kept, { effort, model, serviceTier }: Partial<Params>): Held.Asked => ({
  ...Kept.asked(kept),
  ...defined({ effort: effort ?? undefined, model: model ?? undefined, serviceTier: serviceTier ?? undefined })
})

// A turn that was forgotten is one that a message with settings of its own does not steer.
const maxThreads = 1024

/** The last turn that this client has started on each thread. */
export class Started {
  private readonly threads = new Map<string, Sent>()

  of(threadId: string, turnId: string): Sent | undefined {
    const sent = this.threads.get(threadId)
    return sent?.id === turnId ? sent : undefined
  }

  set(threadId: string, sent: Sent): void {
    this.threads.delete(threadId)
    this.threads.set(threadId, sent)
    const [oldest] = this.threads.keys()
    if (this.threads.size > maxThreads && oldest !== undefined) this.threads.delete(oldest)
  }
}

/** The members that are others than those of an object. */
const differing = <A extends object>(members: A, other: object | undefined): Partial<A> => {
  const found: Partial<A> = { ...members }
  for (const [name, value] of Object.entries(other ?? {})) {
    const key = name as keyof A
    if (JSON.stringify(members[key]) === JSON.stringify(value)) delete found[key]
  }
  return found
}

/** What the thread's handle keeps for its turns. */
export interface Settings {
  readonly current: () => Kept.Kept
  /** Runs a request unless it would leave the thread without a sandbox. */
  readonly checked: (
    given: Kept.Kept
  ) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E | InvalidArgument, R>
  /** Later changes of the settings wait until the turn's request is sent, or is known to wait for another turn. */
  readonly inOrder: <A, E, R>(use: (sent: () => void) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Why a turn must not run with what the thread held when it began. */
  readonly refuse: (held: Held.Told | undefined) => SettingsNotApplied | undefined
  readonly started: Started
  /** Keeps settings for the turns that follow, unless their request is refused. */
  readonly keeping: (
    given: Kept.Kept
  ) => <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Makes the thread hold it, for a turn whose request carries no settings. */
  readonly enforce: Effect.Effect<void, CallError | ThreadNotFound>
  /** The folder of TMPDIR on the server, once it was seen. */
  readonly temporary: () => string | undefined
}

export const make = (
  rpc: AppServerRpc["Service"],
  turns: Turns,
  threadId: string,
  { handlers, stallTimeout }: Pick<ThreadDefaults, "handlers" | "stallTimeout">,
  { checkFolders, toWire }: { readonly checkFolders: CheckFolders; readonly toWire: ToWire },
  settings: Settings
): Pick<Thread, "run" | "turn" | "review" | "compact"> => {
  /** Why a message must not be said to a turn: it asks for what the turn does not have. */
  const refuseSteer =
    (given: Partial<Params>, options: TurnOptions | undefined) =>
    (turnId: string, held: Held.Told | undefined): SettingsNotApplied | undefined => {
      const sent = settings.started.of(threadId, turnId)
      const advice =
        "A turn that runs keeps its settings: set `whenBusy` to \"queue\", or steer it with a handle that asks " +
        "for none of them."
      const asked = askedOf(Kept.keep(Kept.explicit(settings.current()), options ?? {}), given)
      const different = { ...differing(asked, sent?.asked), temporary: settings.temporary() }
      const told = Held.notHeld(threadId, different, held, { untold: true, advice })
      const untold = Object.entries(differing(untoldOf(given), sent?.untold)).map(([setting, value]) => ({
        setting,
        asked: JSON.stringify(value),
        holds: `what turn ${turnId} was started with`,
        advice
      }))
      const wrong = [...told?.settings ?? [], ...untold]
      return wrong.length === 0 ? undefined : new SettingsNotApplied({
        threadId,
        settings: wrong.map((one) => one.setting === Held.effortSetting ? { ...one, setting: "effort" } : one)
      })
    }

  const start = (input: Input, options: TurnOptions | undefined, events: boolean) =>
    settings.inOrder((sent) => startWith(input, options, events, sent))

  const startWith = Effect.fnUntraced(function*(
    input: Input,
    options: TurnOptions | undefined,
    events: boolean,
    sent: () => void
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
        const params: Params = {
          threadId,
          clientUserMessageId: clientId,
          input: items,
          ...given,
          ...Kept.turnParams(kept)
        }
        sent()
        return rpc.request("turn/start", params, requestOptions).pipe(
          using(rpc, "turn/start", startedId),
          settings.keeping(options ?? {}),
          Effect.tap((id) =>
            Effect.sync(() => {
              settings.started.set(threadId, { id, asked: askedOf(kept, given), untold: untoldOf(given) })
            })
          )
        )
      }).pipe(settings.checked(options ?? {}))
    const whenBusy = options?.whenBusy ?? "fail"
    return yield* turns.start(threadId, request, {
      clientId,
      events,
      handlers: { ...handlers, ...options?.handlers },
      maxUnreadBytes: options?.maxUnreadBytes,
      stallTimeout: yield* duration("stallTimeout", options?.stallTimeout ?? stallTimeout),
      onWait: sent,
      whenBusy: whenBusy === "steer" ? { steer: items, refuse: refuseSteer(given, options) } : whenBusy
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
    options: { readonly whenBusy?: "fail" | "queue" | undefined } | undefined,
    rest: Pick<StartOptions, "onWait" | "refuse"> = {}
  ) =>
    OptionKinds.check(options, OptionKinds.ofReview).pipe(
      Effect.andThen(duration("stallTimeout", stallTimeout)),
      Effect.flatMap((stallTimeout) =>
        turns.start(threadId, request, {
          events: true,
          handlers,
          maxUnreadBytes: undefined,
          stallTimeout,
          whenBusy: options?.whenBusy ?? "fail",
          ...rest
        })
      ),
      // Nothing but a message has a length that is checked.
      Effect.catchTag("InputTooLarge", (error) => Effect.fail(withoutMeaning(error))),
      Effect.map((state) => TurnHandle.make(rpc, turns, state, toWire))
    )

  return {
    turn: Effect.fn("Thread.turn")(function*(input, options) {
      return TurnHandle.make(rpc, turns, yield* start(input, options, true), toWire)
    }),
    run,
    review: Effect.fn("Thread.review")(function*(target, options) {
      return yield* settings.inOrder((sent) =>
        other(
          (requestOptions) =>
            Effect.andThen(
              settings.enforce,
              Effect.suspend(() => {
                sent()
                return rpc.request("review/start", { threadId, target }, requestOptions).pipe(
                  using(rpc, "review/start", startedId)
                )
              })
            ),
          options,
          { onWait: sent, refuse: settings.refuse }
        )
      )
    }),
    compact: Effect.fn("Thread.compact")(function*(options) {
      return yield* other(
        (requestOptions) => Effect.as(call(rpc, "thread/compact/start", { threadId }, requestOptions), undefined),
        options
      )
    })
  }
}
