/** A thread's handle, and what it gives to each of its turns. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { ForkThreadOptions, ThreadSettings } from "../Codex.ts"
import type { RequestError } from "../CodexError.ts"
import { ThreadBusy } from "../CodexError.ts"
import type { DynamicTools } from "../DynamicTools.ts"
import type { Sandbox } from "../Sandbox.ts"
import type { Handler, Overrides } from "../ServerRequests.ts"
import type { Thread } from "../Thread.ts"
import type { CheckFolders } from "./folders.ts"
import * as goal from "./goal.ts"
import type { ToWire } from "./inputItems.ts"
import * as threadCalls from "./threadCalls.ts"
import type { Turns } from "./threadRoute.ts"
import * as threadTurns from "./threadTurns.ts"
import * as Turn from "./turn.ts"

/**
 * What a handle gives to each of its turns.
 */
export interface ThreadDefaults {
  readonly sandbox: Sandbox | undefined
  readonly handlers: Overrides | undefined
  readonly tools: DynamicTools | undefined
  readonly stallTimeout: Duration.Input | undefined
  /** What the thread is resumed with by a new process, as far as the old one has not stored it. */
  readonly unstored: ThreadSettings
}

/** What the threads of a client share. */
interface Client {
  readonly rpc: AppServerRpc["Service"]
  readonly turns: Turns
  /** How long the end of an interrupted turn or goal is waited for before it is let go. */
  readonly stopGrace: Duration.Duration
  readonly stallTimeout: Duration.Input | undefined
  /** Answers the calls of tools that a thread's handle does not have. */
  readonly toolCall: Handler<"item/tool/call">
  /** The threads that this connection does not hear of because it asked not to. */
  readonly unheard: Set<string>
  /** Refuse what the server takes without a word. */
  readonly checkFolders: CheckFolders
  readonly toWire: ToWire
  readonly inBackground: (effect: Effect.Effect<void>) => void
}

export const defaultsOf = (options: ThreadSettings | undefined, source?: ThreadDefaults): ThreadDefaults => ({
  sandbox: options?.sandbox,
  handlers: options?.handlers ?? source?.handlers,
  tools: options?.tools ?? source?.tools,
  stallTimeout: options?.stallTimeout ?? source?.stallTimeout,
  unstored: threadCalls.unstored(options)
})

export const fork = Effect.fnUntraced(function*(
  client: Client,
  threadId: string,
  options: ForkThreadOptions | undefined,
  source?: ThreadDefaults
): Effect.fn.Return<Thread, RequestError> {
  yield* client.checkFolders(options)
  const { id } = yield* threadCalls.fork(client.rpc, threadId, options)
  return make(client, id, defaultsOf(options, source))
})

export const make = (client: Client, id: string, defaults: ThreadDefaults): Thread => {
  const { rpc, unheard } = client
  const { tools } = defaults
  const handlers = tools === undefined
    ? defaults.handlers
    : {
      ...defaults.handlers,
      "item/tool/call": tools.handler(defaults.handlers?.["item/tool/call"] ?? client.toolCall)
    }
  let { unstored } = defaults
  let { restarts } = rpc
  const note = (settings: Pick<ThreadSettings, "approvalMode" | "permissions" | "sandbox">) =>
    Effect.sync(() => {
      unstored = threadCalls.withPermissions(unstored, settings)
    })

  const resume = (settings?: ThreadSettings) =>
    Effect.suspend(() => {
      const now = rpc.restarts
      return Effect.map(threadCalls.resume(rpc, id, settings), () => {
        restarts = now
        unheard.delete(id)
      })
    })
  // A process that was started since has not loaded the thread.
  const revive = Effect.flatMap(
    rpc.connected,
    () => rpc.restarts === restarts ? Effect.void : Effect.asVoid(resume(unstored))
  )
  const revived = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | RequestError> =>
    Effect.andThen(revive, effect)
  // The server runs a turn of a thread that the connection left, and tells it nothing: the turn would never end here.
  const subscribe = Effect.andThen(revive, Effect.suspend(() => unheard.has(id) ? resume() : Effect.void))
  const turns: Turns = {
    ...client.turns,
    start: (threadId, request, options) =>
      Effect.suspend(() => {
        const activeTurnId = goal.activeTurnId(rpc, id)
        if (activeTurnId === undefined) {
          return Effect.andThen(subscribe, client.turns.start(threadId, request, options))
        }
        // The goal owns the thread, also between two of its turns; its handle steers it.
        return options.whenBusy === "queue"
          ? Effect.andThen(goal.awaitIdle(rpc, id), turns.start(threadId, request, options))
          : Effect.fail(new ThreadBusy({ threadId, activeTurnId, delivered: false }))
      })
  }
  const calls = threadCalls.make(rpc, id, () =>
    client.inBackground(
      Effect.catch(revive, (error) =>
        Effect.sync(() =>
          rpc.report(`thread ${id} could not be resumed after a restart of codex: ${error.message}`)
        ))
    ))
  const goals = goal.make(rpc, id, {
    stopGrace: client.stopGrace,
    stallTimeout: defaults.stallTimeout ?? client.stallTimeout,
    handlers,
    exclusively: turns.exclusively(id),
    toWire: client.toWire,
    handle: (state, interrupt) => Turn.make(rpc, { ...turns, interrupt: () => interrupt }, state, client.toWire)
  })
  return {
    id,
    ...threadTurns.make(
      rpc,
      turns,
      id,
      {
        ...defaults,
        handlers,
        stallTimeout: defaults.stallTimeout ?? client.stallTimeout
      },
      client,
      note
    ),
    ...calls,
    setName: (name) => revived(calls.setName(name)),
    revert: (beforeTurnId) => revived(calls.revert(beforeTurnId)),
    inject: (items) => revived(calls.inject(items)),
    updateSettings: (options) =>
      Effect.andThen(
        client.checkFolders(options),
        revived(Effect.tap(calls.updateSettings(options), note(options)))
      ),
    ...goals,
    startGoal: (...args) => Effect.andThen(subscribe, goals.startGoal(...args)),
    runGoal: (...args) => Effect.andThen(subscribe, goals.runGoal(...args)),
    resumeGoal: (...args) => Effect.andThen(subscribe, goals.resumeGoal(...args)),
    fork: Effect.fn("Thread.fork")((options) => fork(client, id, options, defaults)),
    // Noted before it is sent: whether the server has taken it is unknown when this is interrupted.
    unsubscribe: Effect.suspend(() => {
      unheard.add(id)
      return Effect.map(rpc.request("thread/unsubscribe", { threadId: id }), ({ status }) => status)
    })
  }
}
