/**
 * The threads on which this client runs something, and the one answer to whether a thread is busy. A thread's
 * route knows the running turn. A goal owns the thread even while the server is between two of its turns.
 */
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import { ThreadBusy } from "../../CodexError.ts"
import { membersOf } from "../protocol/peek.ts"
import { internalsOf, type Rpc, type RpcInternals } from "../rpcInternals.ts"
import * as AfterRestart from "./afterRestart.ts"
import type { GoalState } from "./goalState.ts"
import * as StoredTurn from "./storedTurn.ts"
import { ThreadRoute } from "./threadRoute.ts"
import type { TurnState } from "./turnState.ts"
import * as Watchdog from "./watchdog.ts"

export interface Threads {
  /** The route of a thread. It observes the thread until the scope closes. */
  readonly route: (threadId: string) => Effect.Effect<ThreadRoute, never, Scope.Scope>
  /** Runs an effect while no turn of the thread is being started. */
  readonly exclusively: (threadId: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * The goal that a client on this connection runs on the thread. Undefined once it is over, which may be before
   * its scope closes.
   */
  readonly goalOn: (threadId: string) => GoalState | undefined
  /** Gives the thread to a goal until the scope closes. */
  readonly setGoal: (goal: GoalState) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The error for callers that cannot start anything while a goal owns the thread. The goal has no id before its
 * first turn.
 */
export const busyWithGoal = ({ id, threadId }: GoalState): ThreadBusy =>
  new ThreadBusy({ threadId, activeTurnId: id ?? "", delivered: false })

// The clients on one connection share their threads, and between two of its turns nothing else shows a goal.
const goalsOfConnections = new WeakMap<RpcInternals, Map<string, GoalState>>()

const goalsOf = (rpc: Rpc): Map<string, GoalState> => {
  const connection = internalsOf(rpc)
  const known = goalsOfConnections.get(connection)
  if (known !== undefined) return known
  const made = new Map<string, GoalState>()
  goalsOfConnections.set(connection, made)
  return made
}

/** Whether the turn's first message has our id. Assumed where the server does not say. */
const isStoredAsOurs = (rpc: Rpc, turn: TurnState): Effect.Effect<boolean> =>
  Effect.map(StoredTurn.findById(rpc, turn.threadId, turn.id), (stored) => {
    const first = stored?.items.find((item) => membersOf(item)["type"] === "userMessage")
    return first === undefined || StoredTurn.clientIdOf(first) === turn.options.clientId
  })

const joinIfOurs = (rpc: Rpc, turn: TurnState, busy: ThreadBusy): Effect.Effect<void> =>
  Effect.map(
    Effect.raceFirst(isStoredAsOurs(rpc, turn), Effect.as(Effect.exit(turn.awaitEnd), true)),
    (isOurs) => {
      if (isOurs) turn.joined(false)
      else turn.onEnd(busy)
    }
  )

export const make = Effect.fnUntraced(function*(
  rpc: Rpc,
  inBackground: (effect: Effect.Effect<void>) => void
): Effect.fn.Return<Threads, never, Scope.Scope> {
  const routes = yield* RcMap.make({
    lookup: Effect.fnUntraced(function*(threadId: string) {
      const route = new ThreadRoute(threadId, rpc, {
        onQuietTurn: (turn) => inBackground(Watchdog.endQuiet(rpc, turn)),
        onQuiet: (route, id) =>
          inBackground(Effect.map(Effect.sleep(Watchdog.endGrace), () => {
            if (route.activeTurnId === id) route.beIdle()
          })),
        onUnbegun: (turn, busy) => inBackground(joinIfOurs(rpc, turn, busy)),
        onRestored: (route) => inBackground(AfterRestart.takeUp(rpc, route, route.running, inBackground))
      })
      yield* internalsOf(rpc).observe(threadId, route)
      // If the layer ends before the turns do, nothing else would end them.
      yield* Effect.addFinalizer(() => Effect.sync(() => route.close()))
      return route
    })
  })
  const goals = goalsOf(rpc)

  return {
    route: (threadId) => RcMap.get(routes, threadId),
    exclusively: (threadId) => (effect) =>
      Effect.scopedWith((scope) =>
        RcMap.get(routes, threadId).pipe(
          Scope.provide(scope),
          Effect.flatMap((route) => route.gate.withPermit(effect))
        )
      ),
    goalOn: (threadId) => {
      const goal = goals.get(threadId)
      return goal?.isOver === false ? goal : undefined
    },
    setGoal: (goal) =>
      Effect.suspend(() => {
        goals.set(goal.threadId, goal)
        return Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (goals.get(goal.threadId) === goal) goals.delete(goal.threadId)
          })
        )
      })
  }
})
