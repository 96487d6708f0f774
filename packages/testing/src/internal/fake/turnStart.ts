/** Begins a turn: of a client, of the thread's queue, or of a subagent. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Metadata } from "./carried.ts"
import type { LoadedThread } from "./connection.ts"
import { type StoredTurn, turnOf } from "./home.ts"
import * as Models from "./models.ts"
import * as Queue from "./queue.ts"
import type { Engine, Message, RunningTurn } from "./running.ts"
import * as Turn from "./turn.ts"

/** What beginning a turn needs of the server. */
export interface Beginning extends Engine {
  /** The scope in which turns run. */
  readonly scope: Scope.Scope
}

interface Given {
  readonly metadata?: Metadata | undefined
  readonly outputSchema?: Schema.Json | undefined
  /** The turn that it works for. Default: itself. */
  readonly rootTurnId?: string | undefined
  /** Called before anything is told of the turn. */
  readonly onMade?: (turn: StoredTurn) => void
}

export const warnOfModel = ({ connection }: Engine, thread: LoadedThread): void => {
  const { model } = thread.stored.settings
  if (Models.isKnown(model) || !thread.isSubscribed) return
  connection.notify("warning", {
    threadId: thread.stored.id,
    message:
      `Model metadata for \`${model}\` not found. Defaulting to fallback metadata; this can degrade performance ` +
      "and cause issues."
  })
}

export const begin = (
  server: Beginning,
  thread: LoadedThread,
  message: Message,
  { metadata = {}, onMade, outputSchema, rootTurnId }: Given
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { connection } = server
    const stored: StoredTurn = {
      id: connection.home.nextId(),
      rootTurnId,
      status: "inProgress",
      error: null,
      items: [],
      startedAtMs: connection.now(),
      completedAtMs: null,
      historyStart: thread.stored.history.length
    }
    const turn: RunningTurn = {
      stored,
      settings: thread.stored.settings,
      metadata,
      outputSchema,
      pending: [message],
      steered: Deferred.makeUnsafe(),
      waitingFor: undefined,
      inTool: false,
      isRerouted: false,
      diff: "",
      fiber: undefined
    }
    thread.stored.turns.push(stored)
    thread.stored.isStored = !thread.stored.ephemeral
    thread.running = turn
    onMade?.(stored)
    connection.setStatus(thread, { type: "active", activeFlags: [] })
    connection.tell(thread, "turn/started", { turn: turnOf(stored, "notLoaded") })
    return Effect.map(
      Effect.forkIn(Effect.andThen(Turn.run(server, thread, turn), beginQueued(server, thread)), server.scope),
      (fiber) => {
        turn.fiber = fiber
      }
    )
  })

/** Begins the turn of the first queued message, unless the queue rests. */
export const beginQueued = (server: Beginning, thread: LoadedThread): Effect.Effect<void> =>
  Effect.suspend(() => {
    const next = Queue.rests(server.connection, thread) ? undefined : Queue.take(server.connection, thread)
    if (next === undefined) return Effect.void
    warnOfModel(server, thread)
    return begin(server, thread, Queue.messageOf(next), Queue.givenOf(next))
  })
