/** The requests about the queue of a thread. */
import * as Effect from "effect/Effect"
import { turnOf } from "./home.ts"
import * as Input from "./input.ts"
import type { Handlers, Server } from "./methods.ts"
import * as Queue from "./queue.ts"
import * as Refused from "./refused.ts"
import { begin, beginQueued, warnOfModel } from "./turnStart.ts"

/** The queue of a thread that is stored, or loaded and not ephemeral. */
const queueOf = Effect.fnUntraced(function*({ connection }: Server, threadId: string) {
  const thread = connection.home.threads.get(threadId)
  if (thread === undefined || !(thread.isStored || connection.loaded.has(threadId))) {
    return yield* new Refused.Refused({
      code: -32603,
      message: `failed to read thread: invalid thread-store request: ${Refused.noRollout(threadId).message}`
    })
  }
  if (thread.ephemeral) {
    return yield* Refused.invalidRequest(`ephemeral thread does not support queued submissions: ${threadId}`)
  }
  if (thread.archived) return yield* Refused.archived(threadId)
  return Queue.of(connection, threadId)
})

const notFound = (id: string) => Refused.invalidRequest(`queued submission not found: ${id}`)

const checked = (input: Parameters<typeof Input.check>[0]): Effect.Effect<void, Refused.Refused> => {
  const refused = input.length === 0
    ? Refused.invalidRequest("only user input can be added to the user-message queue")
    : Input.check(input)
  return refused === undefined ? Effect.void : Effect.fail(refused)
}

export const handlers: Pick<
  Handlers,
  | "thread/queue/add"
  | "thread/queue/delete"
  | "thread/queue/list"
  | "thread/queue/reorder"
  | "thread/queue/start"
  | "thread/queue/update"
> = {
  "thread/queue/add": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const queue = yield* queueOf(server, params.threadId)
    yield* checked(params.input)
    const queuedSubmission = {
      id: connection.home.nextId(),
      input: params.input.map(Input.contentOf),
      clientUserMessageId: params.clientUserMessageId,
      responsesapiClientMetadata: params.responsesapiClientMetadata ?? null
    }
    const isFirst = queue.length === 0
    queue.push(queuedSubmission)
    Queue.changed(connection, params.threadId)
    reply({ queuedSubmission })
    const thread = connection.loaded.get(params.threadId)
    if (thread !== undefined && isFirst) yield* beginQueued(server, thread)
  }),

  "thread/queue/delete": Effect.fnUntraced(function*(server, params, reply) {
    const queue = yield* queueOf(server, params.threadId)
    const index = queue.findIndex(({ id }) => id === params.queuedSubmissionId)
    if (index >= 0) queue.splice(index, 1)
    reply({ deleted: index >= 0 })
    if (index >= 0) Queue.changed(server.connection, params.threadId)
  }),

  "thread/queue/list": Effect.fnUntraced(function*(server, params, reply) {
    const queue = yield* queueOf(server, params.threadId)
    const start = Number(params.cursor ?? 0)
    const end = start + (params.limit ?? 25)
    reply({ data: queue.slice(start, end), nextCursor: end < queue.length ? String(end) : null })
  }),

  "thread/queue/reorder": Effect.fnUntraced(function*(server, params, reply) {
    const queue = yield* queueOf(server, params.threadId)
    const ordered = params.queuedSubmissionIds.flatMap((id) => queue.filter((one) => one.id === id))
    if ([ordered.length, params.queuedSubmissionIds.length, new Set(ordered).size].some((n) => n !== queue.length)) {
      return yield* Refused.invalidRequest("queue reorder must include every queued submission exactly once")
    }
    queue.splice(0, queue.length, ...ordered)
    reply({})
    Queue.changed(server.connection, params.threadId)
  }),

  "thread/queue/start": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const queue = yield* queueOf(server, params.threadId)
    const id = params.queuedSubmissionId ?? undefined
    if (id === undefined && queue.length === 0) return yield* Refused.invalidRequest("queue is empty")
    if (id !== undefined && queue.every((one) => one.id !== id)) return yield* notFound(id)
    const thread = connection.loaded.get(params.threadId)
    if (thread === undefined) {
      return yield* Refused.invalidRequest("resume the thread before starting a queued message")
    }
    if (thread.running !== undefined) {
      return yield* Refused.invalidRequest("thread already has an active or pending turn")
    }
    const next = Queue.take(connection, thread, id)
    if (next === undefined) return
    warnOfModel(server, thread)
    yield* begin(server, thread, Queue.messageOf(next), {
      ...Queue.givenOf(next),
      onMade: (stored) => reply({ turn: { ...turnOf(stored, "notLoaded"), startedAt: null } })
    })
  }),

  "thread/queue/update": Effect.fnUntraced(function*(server, params, reply) {
    const queue = yield* queueOf(server, params.threadId)
    yield* checked(params.input)
    const index = queue.findIndex(({ id }) => id === params.queuedSubmissionId)
    const known = queue[index]
    if (known === undefined) return yield* notFound(params.queuedSubmissionId)
    const metadata = Object.keys(params.responsesapiClientMetadata ?? {}).length === 0
      ? known.responsesapiClientMetadata
      : params.responsesapiClientMetadata ?? null
    const queuedSubmission = {
      ...known,
      input: params.input.map(Input.contentOf),
      responsesapiClientMetadata: metadata
    }
    queue[index] = queuedSubmission
    reply({ queuedSubmission })
    Queue.changed(server.connection, params.threadId)
  })
}
