/** The durable queue of a thread's handle. */
import * as Received from "@effect-codex/protocol/Received"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { ConnectionError, ThreadBusy, ThreadCallError } from "../../CodexError.ts"
import { InvalidArgument, QueuedMessageNotFound, type RpcError } from "../../CodexError.ts"
import type { Input } from "../../Input.ts"
import type { AddOptions, Entry, Queue, QueuedMessage, UpdateOptions } from "../../Queue.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { ThreadEvent } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import { parts } from "../protocol/guard.ts"
import { type Members, membersOf } from "../protocol/peek.ts"
import { call, using } from "../protocol/uses.ts"
import { defined, duration } from "../settings/settings.ts"
import { unknownOutcomes } from "../settings/threadSettings.ts"
import * as TurnMode from "../settings/turnMode.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import type { ToWire } from "../turns/inputItems.ts"
import * as QueuedTurns from "../turns/queuedTurns.ts"
import type { Target } from "../turns/startRequest.ts"
import type { Turns } from "../turns/turns.ts"
import type { TurnState } from "../turns/turnState.ts"
import { page, pages } from "./pages.ts"
import type { SpendingOf } from "./runTurn.ts"
import * as TurnHandle from "./turnHandle.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = {
  add: Effect.fn("Thread.queue.add"),
  update: Effect.fn("Thread.queue.update"),
  remove: Effect.fn("Thread.queue.remove"),
  reorder: Effect.fn("Thread.queue.reorder"),
  start: Effect.fn("Thread.queue.start"),
  turn: Effect.fn("Thread.queue.turn")
}

interface Options {
  readonly turns: Turns
  readonly target: Target
  readonly handlers: Overrides | undefined
  readonly spending: SpendingOf
  readonly stallTimeout: Duration.Input | undefined
  readonly toWire: ToWire
  readonly events: Stream.Stream<ThreadEvent, ConnectionError>
}

/** What is missing in an entry was sent by a client, and nothing depends on it. */
const fromWire = (
  id: string,
  { clientUserMessageId = "", input = [], responsesapiClientMetadata }: Partial<Received.QueuedSubmission>
): QueuedMessage => ({
  id,
  clientId: clientUserMessageId,
  input,
  metadata: Object.fromEntries(
    Object.entries(responsesapiClientMetadata ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]]
    )
  )
})

const messageOf = ({ queuedSubmission }: Members): QueuedMessage | undefined => {
  const found = parts(Received.QueuedSubmission, membersOf(queuedSubmission))
  return found.id === undefined ? undefined : fromWire(found.id, found)
}

const entryOf = (entry: Received.ThreadQueueListResponse["data"][number]): Entry =>
  "type" in entry ? entry : fromWire(entry.id, entry)

const isMessage = (entry: Entry): entry is QueuedMessage => !("type" in entry)

export const make = ({ events, handlers, target, toWire, turns, ...options }: Options): Queue => {
  const { attachment, rpc, settings, threadId } = target

  /** Loads the thread and makes it hold this handle's settings, because a queued message carries none. */
  const ready = Effect.andThen(attachment.subscribe, Effect.suspend(() => settings.enforce))

  const follow = Effect.fnUntraced(function*(clientId: string, stallTimeout: Duration.Input | undefined) {
    return yield* QueuedTurns.follow(turns, threadId, {
      clientId,
      handlers,
      refuse: (held) => settings.refuse(held) ?? TurnMode.refuse(threadId, held),
      spending: yield* options.spending(undefined),
      stallTimeout: yield* duration("stallTimeout", stallTimeout ?? options.stallTimeout)
    })
  })

  const inputOf = Effect.fnUntraced(function*(input: Input) {
    const items = yield* toWire(input)
    return items.length > 0 ? items : yield* new InvalidArgument({ argument: "input", detail: "it must not be empty." })
  })

  const list = pages(
    "thread/queue/list",
    undefined,
    undefined,
    (at) =>
      rpc.request("thread/queue/list", { threadId, ...at }).pipe(
        page(rpc, "thread/queue/list", Received.ThreadQueueListResponse)
      )
  ).pipe(Stream.map(entryOf), Stream.runCollect)

  const changes: Stream.Stream<ReadonlyArray<Entry>, ThreadCallError> = Stream.merge(
    Stream.succeed(undefined),
    events.pipe(Stream.filter(({ _tag }) => _tag === "thread/queue/changed"), Stream.map(() => undefined))
  ).pipe(
    Stream.buffer({ capacity: 1, strategy: "sliding" }),
    Stream.mapEffect(() => list),
    Stream.changesWith((one: ReadonlyArray<Entry>, other) => Equal.equals(one, other))
  )

  /** A handle on a turn of the queue. It counts until the scope closes, and stops nothing. */
  const handleOf = Effect.fnUntraced(function*({ route }: QueuedTurns.Followed, turn: TurnState) {
    turn.handles++
    yield* Effect.addFinalizer(() => Effect.sync(() => route.release(turn)))
    return TurnHandle.make(turns, turn, toWire, TurnHandle.controls(turns, turn, target.started))
  })

  const await_ = (followed: QueuedTurns.Followed, message: QueuedMessage) =>
    QueuedTurns.await_(turns, followed, message, Effect.map(list, (all) => all.some(({ id }) => id === message.id)))

  return {
    add: traced.add(function*(input: Input, addOptions?: AddOptions) {
      return yield* settings.inOrder(Effect.fnUntraced(function*(sent) {
        yield* OptionKinds.check(addOptions, OptionKinds.ofQueued)
        const items = yield* inputOf(input)
        yield* ready
        const clientId = addOptions?.messageId ?? crypto.randomUUID()
        if (yield* QueuedTurns.isFollowed(turns, threadId, clientId)) {
          return yield* new InvalidArgument({
            argument: "messageId",
            detail: "a message of the queue has this id. Give each its own."
          })
        }
        const followed = yield* follow(clientId, addOptions?.stallTimeout)
        const params = defined({ responsesapiClientMetadata: addOptions?.metadata })
        return yield* rpc.request(
          "thread/queue/add",
          { threadId, input: items, clientUserMessageId: clientId, ...params },
          { onSent: sent }
        ).pipe(
          using(rpc, "thread/queue/add", messageOf),
          Effect.tap(({ id }) =>
            Effect.sync(() => {
              followed.queued.messageId = id
            })
          ),
          // Without an answer the message may be in the queue.
          Effect.tapError((error) => unknownOutcomes.has(error._tag) ? Effect.void : followed.stop)
        )
      }))
    }),
    list,
    changes: Stream.unwrap(attachment.loaded(Effect.succeed(changes))),
    update: traced.update(function*(id: string, input: Input, updateOptions?: UpdateOptions) {
      yield* OptionKinds.check(updateOptions, OptionKinds.ofQueued)
      const items = yield* inputOf(input)
      const params = defined({ responsesapiClientMetadata: updateOptions?.metadata })
      return yield* rpc.request("thread/queue/update", { threadId, queuedSubmissionId: id, input: items, ...params })
        .pipe(
          using(rpc, "thread/queue/update", messageOf)
        )
    }),
    remove: traced.remove(function*(id: string) {
      return yield* rpc.request("thread/queue/delete", { threadId, queuedSubmissionId: id }).pipe(
        using(rpc, "thread/queue/delete", ({ deleted }) => Predicate.isBoolean(deleted) ? deleted : undefined),
        Effect.tap((deleted) => deleted ? QueuedTurns.removed(turns, threadId, id) : Effect.void)
      )
    }),
    reorder: traced.reorder((ids: ReadonlyArray<string>) =>
      call(rpc, "thread/queue/reorder", { threadId, queuedSubmissionIds: ids })
    ),
    start: traced.start(function*(id?: string) {
      yield* ready
      const all = yield* list
      const message = all.filter(isMessage).find((one) => id === undefined || one.id === id)
      if (message === undefined) {
        return yield* new QueuedMessageNotFound({
          method: "thread/queue/start",
          code: -32600,
          detail: id === undefined ? "queue is empty" : `queued submission not found: ${id}`
        })
      }
      const followed = yield* follow(message.clientId, undefined)
      yield* call(rpc, "thread/queue/start", { threadId, queuedSubmissionId: message.id }).pipe(
        Effect.catchTag(
          "RpcError",
          (error): Effect.Effect<never, RpcError | ThreadBusy> =>
            ServerTexts.isQueueBusy(error.detail)
              ? Effect.fail(followed.route.busy(followed.route.activeTurnId ?? ""))
              : Effect.fail(error)
        )
      )
      return yield* handleOf(followed, yield* await_(followed, message))
    }),
    turn: traced.turn(function*(message: QueuedMessage) {
      yield* OptionKinds.checkArgument("message", message, OptionKinds.record)
      yield* OptionKinds.checkArgument("message.id", message.id, OptionKinds.text)
      yield* OptionKinds.checkArgument("message.clientId", message.clientId, OptionKinds.text)
      yield* attachment.subscribe
      const followed = yield* follow(message.clientId, undefined)
      return yield* handleOf(followed, yield* await_(followed, message))
    })
  }
}
