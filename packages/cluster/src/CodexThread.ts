/**
 * Threads as entities of a cluster: any machine can run turns of a thread by its key, and the turns survive the loss of
 * the machine that runs them.
 *
 * @since 0.1.0
 */
import type * as Codex from "@effect-codex/client/Codex"
import type * as InputTypes from "@effect-codex/client/Input"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as Output from "@effect-codex/client/Output"
import type * as ServerNotification from "@effect-codex/client/ServerNotification"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as ClusterEntity from "effect/cluster/Entity"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import type * as Sharding from "effect/cluster/Sharding"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { CodexSession } from "./CodexSession.ts"
import type * as Failure from "./internal/thread/failure.ts"
import * as Handlers from "./internal/thread/handlers.ts"
import * as Input from "./internal/thread/input.ts"
import * as Keys from "./internal/thread/keys.ts"
import * as Naming from "./internal/thread/naming.ts"
import { CanReach } from "./internal/thread/reach.ts"
import * as Reader from "./internal/thread/reader.ts"
import type { SessionStore } from "./SessionStore.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * The answer of a turn.
 *
 * @see {@link TurnOutcome} for the answer with a typed output
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Struct({
  turnKey: Schema.String,
  threadId: Schema.String,
  turnId: Schema.String,
  /** None if the agent ended without an answer. */
  finalResponse: Schema.Option(Schema.String),
  /** The tokens of the turn and its subagents. None when they are not known, as for a turn that was `found`. */
  tokens: Schema.Option(Schema.Finite),
  /** The address of the runner that answered. */
  runner: Schema.String,
  /**
   * Whether the turn `ran` from its start, was `continued` after its machine was stopped or lost, or was `found`
   * completed in the history, in which case the model was not asked again.
   */
  how: Schema.Literals(["ran", "continued", "found"]),
  /**
   * Whether the history of the turn was stored before this answer was. False when the store did not take it within 10
   * seconds: the runner goes on trying, and the next turn lacks this one if the runner is lost before.
   */
  isHistoryStored: Schema.Boolean
})

/**
 * The answer of a turn.
 *
 * @see {@link TurnOutcome} for the answer with a typed output
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * The answer of a turn, with the decoded output if one was asked for.
 *
 * @see {@link Client}
 * @category models
 * @since 0.1.0
 */
export interface TurnOutcome<out A = undefined> extends Outcome {
  readonly output: A
}

/**
 * What can be decided about an approval. A command takes more decisions; give the thread handlers of your own for them.
 *
 * @see {@link WaitingApproval}
 * @category models
 * @since 0.1.0
 */
export const Decision = Schema.Literals(["accept", "acceptForSession", "decline"])

/**
 * What can be decided about an approval.
 *
 * @see {@link WaitingApproval}
 * @category models
 * @since 0.1.0
 */
export type Decision = typeof Decision.Type

/**
 * An approval that waits for {@link Client.approve}.
 *
 * **Details**
 *
 * It waits on the runner that has the thread. When the turn moves to another runner, the agent goes on there, and asks
 * again if it still wants to: under another id.
 *
 * @category models
 * @since 0.1.0
 */
export const WaitingApproval = Schema.Struct({
  approvalId: Schema.String,
  kind: Schema.Literals(["Command", "FileChange", "Permissions", "McpTool"]),
  turnId: Schema.NullOr(Schema.String),
  /** What the agent wants to do, in a few words, safe to show. */
  description: Schema.String,
  /** The agent's reason, in its own words. */
  reason: Schema.NullOr(Schema.String)
})

/**
 * An approval that waits for {@link Client.approve}.
 *
 * @category models
 * @since 0.1.0
 */
export type WaitingApproval = typeof WaitingApproval.Type

/**
 * Where a thread is and what it does.
 *
 * @category models
 * @since 0.1.0
 */
export const Info = Schema.Struct({
  /** The address of the runner that has the thread. */
  runner: Schema.String,
  /** None until a turn has loaded the thread on the runner. */
  threadId: Schema.Option(Schema.String),
  /** The key of the turn that runs. */
  turnKey: Schema.Option(Schema.String),
  approvals: Schema.Array(WaitingApproval)
})

/**
 * Where a thread is and what it does.
 *
 * @category models
 * @since 0.1.0
 */
export type Info = typeof Info.Type

/**
 * What {@link Client.events} emits: the notifications of codex, and what the cluster does with the thread.
 *
 * **Details**
 *
 * - `Moved`: the events that follow come from this runner. It is the first event.
 * - `ApprovalOpened` and `ApprovalClosed`: an approval waits for {@link Client.approve}, and no longer.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | ServerNotification.ServerNotification
  | { readonly _tag: "Moved"; readonly runner: string }
  | { readonly _tag: "ApprovalOpened"; readonly approval: WaitingApproval }
  | { readonly _tag: "ApprovalClosed"; readonly approvalId: string }

// =============================================================================
// Errors
// =============================================================================

/**
 * A turn has failed, or a message did not reach its thread.
 *
 * **Details**
 *
 * `tag` is the tag of the error behind it: one of codex (`TurnFailed`, `TurnInterrupted`, `InvalidArgument`, …) or of
 * the cluster (`MailboxFull`, `PersistenceError`, `EntityNotAssignedToRunner`, `AlreadyProcessingMessage`, and
 * `Unreachable` behind `CodexCluster.layerSqliteClient`).
 *
 * The failure of a turn is its stored answer: the same turn key fails in the same way again. If `isRetryable` is true,
 * another turn with another key may succeed. After a failure of the cluster call again with the same key.
 *
 * @see {@link TurnOutcomeUnknown}
 * @category errors
 * @since 0.1.0
 */
export class ThreadFailed
  extends TaggedError<ThreadFailed>("@effect-codex/cluster/CodexThread/ThreadFailed")("ThreadFailed", {
    tag: Schema.String,
    message: Schema.String,
    isRetryable: Schema.Boolean
  })
{}

/**
 * A turn was begun on a machine that was stopped or lost, and it is not known to have completed. Nobody goes on with
 * it, because the layer has `onInterrupted: "fail"`, or because it was begun too often.
 *
 * @see {@link LayerOptions}
 * @category errors
 * @since 0.1.0
 */
export class TurnOutcomeUnknown
  extends TaggedError<TurnOutcomeUnknown>("@effect-codex/cluster/CodexThread/TurnOutcomeUnknown")(
    "TurnOutcomeUnknown",
    {
      turnKey: Schema.String,
      /** The runner that began it last, and when. */
      runner: Schema.String,
      begunAt: Schema.DateTimeUtcFromString,
      /** What is known of it, as a sentence. */
      detail: Schema.String
    }
  )
{
  readonly tag = "TurnOutcomeUnknown"
  readonly isRetryable = false
  override get message(): string {
    return `turn ${this.turnKey} was begun by ${this.runner}, and how it ended is unknown: ${this.detail} ` +
      "Look at what it did, then run a turn with another key."
  }
}

const TurnError = Schema.Union([ThreadFailed, TurnOutcomeUnknown])

// =============================================================================
// Entity
// =============================================================================

const Run = Rpc.make("Run", {
  payload: {
    turnKey: Schema.String,
    input: Input.Sent,
    outputSchema: Schema.optionalKey(Schema.Json)
  },
  success: Outcome,
  error: TurnError,
  primaryKey: ({ turnKey }) => turnKey
})
  .annotate(ClusterSchema.Persisted, true)
  // Of the client, too: a sender that ends does not want its turn interrupted and begun again.
  .annotate(ClusterSchema.Uninterruptible, true)

const RawEvent = Schema.fromJsonString(Schema.Struct({ _tag: Schema.String, params: Schema.Unknown }))

const Events = Rpc.make("Events", {
  payload: { after: Schema.optionalKey(Schema.Struct({ epoch: Schema.String, seq: Schema.Int })) },
  success: Schema.Struct({ epoch: Schema.String, seq: Schema.Int, runner: Schema.String, event: RawEvent }),
  stream: true
}).annotate(ClusterSchema.InterruptOnTermination, true)

// Each shard group has a type of its own, so that a runner can have several, each with its own settings.
const entityOf = (type: string) =>
  ClusterEntity.make(type, [
    Run,
    Events,
    Rpc.make("Steer", { payload: { input: Input.Sent }, error: ThreadFailed }),
    Rpc.make("Interrupt", { success: Schema.Boolean, error: ThreadFailed }),
    Rpc.make("Approve", {
      payload: { approvalId: Schema.String, decision: Decision },
      success: Schema.Boolean
    }),
    Rpc.make("Info", { success: Info }),
    Rpc.make("Forget", { success: Schema.Boolean, error: ThreadFailed })
  ])

/**
 * The entity behind {@link client} and {@link layer}: for `EntityProxy` and for messages of your own.
 *
 * **Details**
 *
 * `Run` is stored until it is answered, and runs on whichever machine has the thread. All other messages are not
 * stored. `Steer`, `Interrupt`, `Approve`, `Events` and `Info` do not wait for the turn that runs.
 *
 * @category entity
 * @since 0.1.0
 */
export const Entity = entityOf("CodexThread")

const groups = new Map<string, typeof Entity>()

// The cluster keeps a client for each entity that it is given, so there is one of each.
const entityIn = (shardGroup: string | undefined): typeof Entity => {
  if (shardGroup === undefined || shardGroup === "default") return Entity
  const made = groups.get(shardGroup) ??
    entityOf(`CodexThread/${shardGroup}`).annotate(ClusterSchema.ShardGroup, () => shardGroup)
  groups.set(shardGroup, made)
  return made
}

// =============================================================================
// Layer
// =============================================================================

/**
 * The settings of a thread, as for `Codex.startThread`. They apply when the thread is started, and when a runner
 * resumes it, except for those that a thread keeps, such as its instructions.
 *
 * @see {@link LayerOptions}
 * @category options
 * @since 0.1.0
 */
export interface Settings extends Omit<Codex.StartThreadOptions, "ephemeral" | "personality"> {
  /** The name of the thread, for lists. It gets it after its first turn. Default: its key. */
  readonly name?: string | undefined
}

/**
 * Options of {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions {
  /**
   * The settings of all threads, or of the thread of a key. They belong to the runner, so `cwd` may differ from machine
   * to machine. Default: those of `Codex.startThread`.
   */
  readonly settings?: Settings | ((key: string) => Settings) | undefined
  /**
   * What to do about a turn whose machine was stopped or lost before it completed.
   *
   * - `continue`, the default, goes on in the thread: the model sees what it did and is told that it was interrupted.
   *   If the history has nothing of the turn, it runs from its start. A command of the last moments may run twice.
   * - `fail` fails with {@link TurnOutcomeUnknown}.
   */
  readonly onInterrupted?: "continue" | "fail" | undefined
  /**
   * How often a turn may be begun. A turn that ends its machine each time then fails with {@link TurnOutcomeUnknown}.
   * Default: 10.
   */
  readonly maxAttempts?: number | undefined
  /**
   * Who decides about approvals: the `handlers` of the settings and of the client of codex (`handlers`, the default),
   * or a client of the cluster, with {@link Client.approve} (`client`). With `client` the approval mode is
   * `ApprovalMode.ask` unless the settings have another one.
   */
  readonly approvals?: "handlers" | "client" | undefined
  /**
   * How long a thread without a message stays loaded. A reader of its events counts as a message. Default: the
   * cluster's `entityMaxIdleTime`, 1 minute.
   */
  readonly maxIdleTime?: Duration.Input | undefined
  /**
   * The group of shards that the threads belong to; the runners that have it assigned run them. Give the same one to
   * {@link client}. Default: `default`.
   */
  readonly shardGroup?: string | undefined
}

const toPublic = (turnKey: string) => (failure: Failure.Failed | Failure.Unknown) =>
  failure._tag === "Unknown"
    ? new TurnOutcomeUnknown({
      turnKey,
      runner: failure.begun.runner,
      begunAt: failure.begun.at,
      detail: failure.detail
    })
    : toFailed({
      ...failure,
      message: `turn ${turnKey} failed (${failure.tag}): ${failure.message}` +
        (failure.isRetryable ? " To try again, run a turn with another key." : "")
    })

const toFailed = (failure: Failure.Failed) => {
  const { isRetryable, message, tag } = failure
  return new ThreadFailed({ tag, message, isRetryable })
}

/**
 * Runs threads of the cluster on this machine.
 *
 * **Details**
 *
 * When a thread is first needed here, its history is restored from the store and resumed, or a thread is started and
 * bound to the key. The turns of a thread run one after another. Each is begun in the store first; a turn that was
 * begun before is looked up in the history by its turn key, and what completed there is not run again.
 *
 * A runner that stops lets its turns end for `entityTerminationTimeout`, then interrupts them and stores their
 * histories; other runners go on with them. A runner that was frozen while another one took its threads over stores
 * nothing of them and answers nothing.
 *
 * If codex is lost, turns wait until it is back: give `CodexNode.layer` a `restart` schedule.
 *
 * @see {@link client} for sending turns
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<
  never,
  never,
  | Codex.Codex
  | CodexSession
  | SessionStore
  | MessageStorage.MessageStorage
  | Sharding.Sharding
> => {
  const entity = entityIn(options.shardGroup)
  const handlers = (naming: Naming.Naming) =>
    Effect.map(Handlers.make(options, naming), (thread) =>
      entity.of({
        Run: ({ payload }) => Effect.mapError(thread.run(payload), toPublic(payload.turnKey)),
        Events: ({ payload }) => Rpc.fork(thread.events(payload.after)),
        Steer: ({ payload }) => Rpc.fork(Effect.mapError(thread.steer(payload.input), toFailed)),
        Interrupt: () => Rpc.fork(Effect.mapError(thread.interrupt, toFailed)),
        Approve: ({ payload }) => Rpc.fork(thread.approve(payload.approvalId, payload.decision)),
        Info: () => Rpc.fork(thread.info),
        Forget: () => Effect.mapError(thread.forget, toFailed)
      }))
  return Layer.unwrap(
    Effect.map(Naming.make, (naming) => entity.toLayer(handlers(naming), { maxIdleTime: options.maxIdleTime }))
  )
}

// =============================================================================
// Client
// =============================================================================

/**
 * A thread of the cluster, by its key.
 *
 * @see {@link client}
 * @category models
 * @since 0.1.0
 */
export interface Client {
  readonly key: string
  readonly run: {
    /**
     * Runs a turn, or returns the stored answer of the turn with this key. It is stored before it runs: once that is
     * done, it runs to its end whatever becomes of this process. Interrupting this effect only stops waiting;
     * {@link interrupt} stops the turn. Turns of a thread run in the order in which they were stored.
     *
     * `turnKey` names the turn within the thread. It must not contain `#`. Neither key may be empty, be longer than 255
     * characters, or have a NUL. Else it fails with the tag `InvalidArgument`.
     *
     * With `output`, the model must answer in that shape. An answer that does not fit fails with the tag
     * `OutputInvalid`.
     */
    <A>(
      turnKey: string,
      input: InputTypes.Input,
      options: { readonly output: Output.Output<A> }
    ): Effect.Effect<TurnOutcome<A>, ThreadFailed | TurnOutcomeUnknown>
    (
      turnKey: string,
      input: InputTypes.Input
    ): Effect.Effect<TurnOutcome, ThreadFailed | TurnOutcomeUnknown>
  }
  /**
   * The events of the thread: those of the newest turn so far, then the live ones. It goes on when the thread moves to
   * another runner, and repeats nothing. It never ends by itself.
   *
   * It is live and not stored: events of the moments between the loss of a runner and the takeover are missing, and so
   * are those that a reader who is more than 1,024 events behind did not read. Reading it keeps the thread loaded.
   */
  readonly events: Stream.Stream<Event, ThreadFailed>
  /** Sends more input to the turn that runs. Fails with the tag `NoActiveTurn` if there is none. */
  readonly steer: (input: InputTypes.Input) => Effect.Effect<void, ThreadFailed>
  /**
   * Interrupts the turn that runs, which then fails with the tag `TurnInterrupted`. False if there is none. If the
   * machine is lost before that failure is stored, the turn goes on elsewhere: interrupt it again.
   */
  readonly interrupt: Effect.Effect<boolean, ThreadFailed>
  /** Decides about an approval. False if it does not wait any more. */
  readonly approve: (approvalId: string, decision: Decision) => Effect.Effect<boolean, ThreadFailed>
  /** Where the thread is and what it does. */
  readonly info: Effect.Effect<Info, ThreadFailed>
  /**
   * Removes the thread: its history, its turns and their answers from the database, and the thread from the codex of
   * the runner that has it. Waits for the turns before it. The next turn starts a new thread. A turn that is sent while
   * this waits is removed from the database, too: it runs, but is lost if its runner is. False if there was no thread.
   * Other machines that have had the thread keep their copy of the history.
   */
  readonly forget: Effect.Effect<boolean, ThreadFailed>
}

const ofCluster = ({ _tag, message }: { readonly _tag: string; readonly message: string }) =>
  new ThreadFailed({
    tag: _tag,
    message: `the cluster did not take the message (${_tag}${message === "" ? "" : `: ${message}`}). ` +
      "Try again, with the same turn key.",
    isRetryable: true
  })

const isWaiting = Schema.is(WaitingApproval)
const isClosed = Schema.is(Schema.Struct({ approvalId: Schema.String }))

/** What the entity reports itself. */
const ofEntity = ({ _tag, params }: { readonly _tag: string; readonly params: unknown }): Option.Option<Event> => {
  if (_tag === "ApprovalOpened" && isWaiting(params)) return Option.some({ _tag, approval: params })
  if (_tag === "ApprovalClosed" && isClosed(params)) return Option.some({ _tag, approvalId: params.approvalId })
  return Option.none()
}

const invalid = (message: string) => new ThreadFailed({ tag: "InvalidArgument", message, isRetryable: false })

const unreachable = new ThreadFailed({
  tag: "Unreachable",
  message:
    "the process that runs the threads of this SQLite file cannot be reached: from another one only `run` works. " +
    "Call it in the process with `CodexCluster.layerSqlite`, or use PostgreSQL.",
  isRetryable: false
})

const toThreadFailed = <E extends { readonly _tag: string; readonly message: string }>(error: E | ThreadFailed) =>
  error instanceof ThreadFailed ? error : ofCluster(error)

/**
 * A thread of the cluster, by its key. The thread is started when its first turn runs.
 *
 * **Example** (A turn that survives its machine)
 *
 * ```ts
 * import { CodexThread } from "@effect-codex/cluster"
 * import { Effect } from "effect"
 *
 * export const review = Effect.fn("review")(function*(repository: string, commit: string) {
 *   const thread = yield* CodexThread.client(repository)
 *   const { finalResponse } = yield* thread.run(commit, `Review commit ${commit}.`)
 *   return finalResponse
 * })
 * ```
 *
 * @see {@link layer} for the machines that run them
 * @category constructors
 * @since 0.1.0
 */
export const client = Effect.fnUntraced(function*(
  key: string,
  options?: {
    /** The one that {@link layer} has. Default: `default`. */
    readonly shardGroup?: string | undefined
  }
): Effect.fn.Return<Client, never, Sharding.Sharding> {
  const rpc = (yield* entityIn(options?.shardGroup).client)(key)

  const run = Effect.fnUntraced(function*(turnKey: string, input: InputTypes.Input, outputSchema?: Schema.Json) {
    const wrong = Keys.wrongKey(key) ?? Keys.wrongTurnKey(turnKey)
    if (wrong !== undefined) return yield* invalid(wrong)
    if (!Schema.is(Input.Any)(input)) return yield* invalid("the input is neither a text nor items of an input.")
    return yield* rpc.Run({ turnKey, input, ...(outputSchema !== undefined && { outputSchema }) }).pipe(
      Effect.mapError((error) => error._tag === "TurnOutcomeUnknown" ? error : toThreadFailed(error))
    )
  })

  const runWith = Effect.fnUntraced(function*<A>(
    turnKey: string,
    input: InputTypes.Input,
    output: Output.Output<A>
  ) {
    const { decode, jsonSchema } = yield* Effect.mapError(Output.prepare(output), ({ message }) => invalid(message))
    const outcome = yield* run(turnKey, input, jsonSchema)
    const text = Option.getOrElse(outcome.finalResponse, () => "")
    return {
      ...outcome,
      output: yield* Effect.mapError(
        decode(text),
        (message) => new ThreadFailed({ tag: "OutputInvalid", message, isRetryable: true })
      )
    }
  })

  function runTurn<A>(
    turnKey: string,
    input: InputTypes.Input,
    options: { readonly output: Output.Output<A> }
  ): Effect.Effect<TurnOutcome<A>, ThreadFailed | TurnOutcomeUnknown>
  function runTurn(
    turnKey: string,
    input: InputTypes.Input
  ): Effect.Effect<TurnOutcome, ThreadFailed | TurnOutcomeUnknown>
  function runTurn<A>(turnKey: string, input: InputTypes.Input, options?: { readonly output: Output.Output<A> }) {
    return options === undefined
      ? Effect.map(run(turnKey, input), (outcome) => ({ ...outcome, output: undefined }))
      : runWith(turnKey, input, options.output)
  }

  const live = (yield* CanReach)
    ? <A, E extends { readonly _tag: string; readonly message: string }>(call: Effect.Effect<A, E | ThreadFailed>) =>
      Effect.mapError(call, toThreadFailed)
    : () => Effect.fail(unreachable)

  return {
    key,
    run: runTurn,
    events: Stream.unwrap(
      Effect.as(
        live(Effect.void),
        Stream.mapError(
          Reader.read((after) => rpc.Events({ ...(after !== undefined && { after }) }), ofEntity),
          ofCluster
        )
      )
    ),
    steer: (input) =>
      Schema.is(Input.Any)(input)
        ? live(rpc.Steer({ input }))
        : Effect.fail(invalid("the input is neither a text nor items of an input.")),
    interrupt: live(rpc.Interrupt()),
    approve: (approvalId, decision) => live(rpc.Approve({ approvalId, decision })),
    info: live(rpc.Info()),
    forget: live(rpc.Forget())
  }
})
