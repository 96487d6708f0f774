/** A thread's handle, and what it gives to each of its turns. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { ForkThreadOptions, ThreadSettings } from "../Codex.ts"
import type { SettingsNotApplied, ThreadCallError, ThreadInUse } from "../CodexError.ts"
import { ThreadBusy } from "../CodexError.ts"
import type { DynamicTools } from "../DynamicTools.ts"
import type { Handler, Overrides } from "../ServerRequests.ts"
import type { Thread } from "../Thread.ts"
import type { CheckFolders } from "./folders.ts"
import * as goal from "./goal.ts"
import type { Told } from "./heldSettings.ts"
import type { ToWire } from "./inputItems.ts"
import * as Kept from "./keptSettings.ts"
import * as OptionKinds from "./options.ts"
import { defined } from "./settings.ts"
import * as threadCalls from "./threadCalls.ts"
import type { Turns } from "./threadRoute.ts"
import * as threadTurns from "./threadTurns.ts"
import * as Turn from "./turn.ts"
import type { Opened } from "./untoldSettings.ts"

/**
 * What a handle gives to each of its turns.
 */
export interface ThreadDefaults {
  readonly handlers: Overrides | undefined
  readonly tools: DynamicTools | undefined
  readonly stallTimeout: Duration.Input | undefined
  /** What the thread was asked to hold. */
  readonly kept: Kept.Kept
  /** The overrides of the configuration that the thread is resumed with by a new process. */
  readonly config: ThreadSettings["config"]
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
  readonly opened: Opened
  readonly inBackground: (effect: Effect.Effect<void>) => void
}

export const defaultsOf = (
  options: (ThreadSettings & Kept.Kept) | undefined,
  told: Told,
  source?: ThreadDefaults
): ThreadDefaults => ({
  kept: Kept.confirmed(Kept.keep({}, options ?? {}), told),
  config: threadCalls.unstoredConfig(options),
  handlers: options?.handlers ?? source?.handlers,
  tools: options?.tools ?? source?.tools,
  stallTimeout: options?.stallTimeout ?? source?.stallTimeout
})

/** The server may have done what was asked. */
const unknownOutcomes: ReadonlySet<string> = new Set(["AppServerTimeout", "AppServerExited", "TransportError"])

export const fork = Effect.fnUntraced(function*(
  client: Client,
  threadId: string,
  options: ForkThreadOptions | undefined,
  source?: ThreadDefaults
): Effect.fn.Return<Thread, ThreadCallError | SettingsNotApplied> {
  const { id, told } = yield* threadCalls.fork(client.rpc, client.opened, threadId, options)
  return make(client, id, defaultsOf(options, told, source))
})

/** @param state `isLoaded`: false if the server has to load the thread before it can be used. Default: true. */
export const make = (
  client: Client,
  id: string,
  defaults: ThreadDefaults,
  state?: { readonly isLoaded: false }
): Thread => {
  const { rpc, unheard } = client
  const { tools } = defaults
  const handlers = tools === undefined
    ? defaults.handlers
    : {
      ...defaults.handlers,
      "item/tool/call": tools.handler(defaults.handlers?.["item/tool/call"] ?? client.toolCall)
    }
  let { kept } = defaults
  let restarts = state === undefined ? rpc.restarts : undefined
  /**
   * Keeps settings from when they are sent: their reply may be lost, and what is asked for last counts. A refusal takes them
   * back; so does an outcome that is not known, if they could be looser.
   */
  const keeping = (given: Kept.Kept) => <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const before = kept
      const asked = kept = Kept.keep(kept, given)
      return Effect.onExit(request, (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit) || kept !== asked) return
          const error = Cause.findErrorOption(exit.cause)
          const isRefused = Option.isSome(error) && !unknownOutcomes.has(error.value._tag)
          if (isRefused || !Kept.isNoLooser(asked, before)) kept = before
        }))
    })

  const resume = Effect.suspend(() => {
    const now = rpc.restarts
    const { environments: _, ...settings } = kept
    return Effect.map(
      threadCalls.resume(rpc, client.opened, id, defined({ ...settings, config: defaults.config })),
      () => {
        restarts = now
        unheard.delete(id)
      }
    )
  })
  // A process that was started since has not loaded the thread.
  const revive = Effect.flatMap(rpc.connected, () => rpc.restarts === restarts ? Effect.void : resume)
  // What does not run the agent needs the thread loaded, whatever it holds. The next turn looks at it again.
  const revived = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ThreadCallError | ThreadInUse> =>
    Effect.andThen(Effect.catchTag(revive, "SettingsNotApplied", () => threadCalls.rejoin(rpc, id)), effect)
  // The server runs a turn of a thread that the connection left, and tells it nothing: the turn would never end here.
  const subscribe = Effect.andThen(revive, Effect.suspend(() => unheard.has(id) ? resume : Effect.void))
  /** For turns that the server starts with what the thread holds. */
  const enforce = Effect.suspend(() => {
    const params = Kept.params(kept)
    return Object.keys(params).length === 0
      ? Effect.void
      : Effect.asVoid(rpc.request("thread/settings/update", { threadId: id, ...params }))
  })
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
    limits: turns.limits,
    ready: Effect.andThen(subscribe, enforce),
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
      { ...defaults, handlers, stallTimeout: defaults.stallTimeout ?? client.stallTimeout },
      client,
      { current: () => kept, keeping, enforce }
    ),
    ...calls,
    setName: (name) => revived(calls.setName(name)),
    revert: (beforeTurnId) => revived(calls.revert(beforeTurnId)),
    inject: (items) => revived(calls.inject(items)),
    updateSettings: (options) =>
      OptionKinds.checkArgument("options", options, OptionKinds.record).pipe(
        Effect.andThen(Effect.suspend(() => client.checkFolders(options))),
        Effect.andThen(Effect.suspend(() => revived(keeping(options)(calls.updateSettings(options)))))
      ),
    ...goals,
    fork: Effect.fn("Thread.fork")(function*(options) {
      yield* OptionKinds.check(options, OptionKinds.ofThread)
      yield* client.checkFolders(options)
      // The fork would take them from the thread, which somebody else may have changed.
      const { environments: _, ...settings } = Kept.keep(kept, options ?? {})
      return yield* fork(client, id, { ...options, ...settings }, defaults)
    }),
    // Noted before it is sent: whether the server has taken it is unknown when this is interrupted.
    unsubscribe: Effect.suspend(() => {
      unheard.add(id)
      return Effect.map(rpc.request("thread/unsubscribe", { threadId: id }), ({ status }) => status)
    })
  }
}
