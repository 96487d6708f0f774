/** Begins a turn: of the client, or of a subagent. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Metadata } from "./carried.ts"
import type { LoadedThread } from "./connection.ts"
import type { StoredTurn } from "./home.ts"
import { turnOf } from "./home.ts"
import type { Engine, Message, RunningTurn } from "./running.ts"
import * as Turn from "./turn.ts"

interface Beginning {
  readonly metadata?: Metadata | undefined
  readonly outputSchema?: Schema.Json | undefined
  /** The turn that it works for. Default: itself. */
  readonly rootTurnId?: string | undefined
  /** Called before anything is told of the turn. */
  readonly onMade?: (turn: StoredTurn) => void
}

export const begin = Effect.fnUntraced(function*(
  engine: Engine & { readonly scope: Scope.Scope },
  thread: LoadedThread,
  message: Message,
  { metadata = {}, onMade, outputSchema, rootTurnId }: Beginning
) {
  const { connection } = engine
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
  turn.fiber = yield* Effect.forkIn(Turn.run(engine, thread, turn), engine.scope)
})
