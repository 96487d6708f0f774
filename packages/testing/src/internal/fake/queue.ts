/** The queue of a thread: the messages that wait, and whether it rests. */
import type * as Received from "@effect-codex/protocol/Received"
import type { Connection, LoadedThread } from "./connection.ts"
import type { Home } from "./home.ts"
import type { Message, RunningTurn } from "./running.ts"

type Queued = Received.QueuedSubmission

// A queue outlives the connections, like the threads of the home.
const queues = new WeakMap<Home, Map<string, Array<Queued>>>()

export const of = ({ home }: Connection, threadId: string): Array<Queued> => {
  const all = queues.get(home) ?? new Map<string, Array<Queued>>()
  queues.set(home, all)
  const queue = all.get(threadId) ?? []
  all.set(threadId, queue)
  return queue
}

export const changed = (connection: Connection, threadId: string): void => {
  if (connection.loaded.get(threadId)?.isSubscribed === true) connection.notify("thread/queue/changed", { threadId })
}

/** docs/codex-behaviour.md, "The queue rests after an interrupted turn and a resume". */
export const rests = (connection: Connection, { running, stored }: LoadedThread): boolean =>
  running !== undefined || stored.turns.at(-1)?.status === "interrupted" ||
  connection.loaded.get(stored.id) === undefined

/** Takes a message out of the queue, the first by default. */
export const take = (connection: Connection, { stored }: LoadedThread, id?: string): Queued | undefined => {
  const queue = of(connection, stored.id)
  const [taken] = queue.splice(id === undefined ? 0 : queue.findIndex((one) => one.id === id), 1)
  if (taken !== undefined) changed(connection, stored.id)
  return taken
}

export const messageOf = ({ clientUserMessageId, input }: Queued): Message => ({
  input,
  clientId: clientUserMessageId,
  context: []
})

/** What the turn of a message carries beside it. */
export const givenOf = ({ responsesapiClientMetadata }: Queued): Pick<RunningTurn, "metadata" | "outputSchema"> => ({
  metadata: responsesapiClientMetadata ?? {},
  outputSchema: undefined
})
