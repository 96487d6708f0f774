/** A thread's handle, and what it gives to each of its turns. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AppServerRpc } from "../../AppServerRpc.ts"
import type { ForkThreadOptions, ThreadSettings } from "../../Codex.ts"
import type { SettingsNotApplied, ThreadCallError, ThreadInUse } from "../../CodexError.ts"
import { ThreadBusy } from "../../CodexError.ts"
import type { DynamicTools } from "../../DynamicTools.ts"
import type { Handler, Overrides } from "../../ServerRequests.ts"
import type { Thread } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import { call, using } from "../protocol/uses.ts"
import { internalsOf } from "../rpcInternals.ts"
import type { CheckFolders } from "../settings/folders.ts"
import * as Held from "../settings/heldSettings.ts"
import type { Told } from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined } from "../settings/settings.ts"
import { type Opened, unstored } from "../settings/untoldSettings.ts"
import * as AfterRestart from "../turns/afterRestart.ts"
import * as goal from "../turns/goal.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { Turns } from "../turns/threadRoute.ts"
import * as OpenThread from "./openThread.ts"
import * as RunTurn from "./runTurn.ts"
import * as ThreadRequests from "./threadRequests.ts"
import * as TurnHandle from "./turnHandle.ts"

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
  readonly started: RunTurn.Started
  readonly inBackground: (effect: Effect.Effect<void>) => void
}

export const defaultsOf = (
  options: (ThreadSettings & Kept.Kept) | undefined,
  told: Told,
  source?: ThreadDefaults
): ThreadDefaults => ({
  kept: Kept.confirmed(Kept.keep({}, options ?? {}), told),
  config: unstored(options?.config),
  handlers: options?.handlers ?? source?.handlers,
  tools: options?.tools ?? source?.tools,
  stallTimeout: options?.stallTimeout ?? source?.stallTimeout
})

/** Settings that were sent. */
interface Change {
  readonly given: Kept.Kept
  isSettled: boolean
}

/** The server may have done what was asked. */
const unknownOutcomes: ReadonlySet<string> = new Set(["AppServerTimeout", "AppServerExited", "TransportError"])

export const fork = Effect.fnUntraced(function*(
  client: Client,
  threadId: string,
  options: (ForkThreadOptions & Kept.Kept) | undefined,
  source?: ThreadDefaults
): Effect.fn.Return<Thread, ThreadCallError | SettingsNotApplied> {
  const { id, told } = yield* OpenThread.fork(client.rpc, client.opened, threadId, options)
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
  /** What is kept beside the changes that are not settled, and those before which one is not. */
  let base = kept
  let pending: ReadonlyArray<Change> = []
  const keptOf = (changes: ReadonlyArray<Change>) => changes.reduce((all, { given }) => Kept.keep(all, given), base)
  client.opened.ask(id, kept)
  /** What was kept before a change of which the server has not told yet. */
  let changing: ReadonlyArray<{
    readonly before: Kept.Kept
    readonly told: Told | undefined
    readonly pending: ReadonlyArray<Change>
  }> = []
  let restarts = state === undefined ? rpc.restarts : undefined
  /** The folder of TMPDIR on the server, once it was seen. */
  let temporary: string | undefined
  /**
   * Keeps settings from when they are sent: their reply may be lost, and what is asked for last counts. A refusal takes them
   * back; so does an outcome that is not known, if they could be looser.
   */
  const keeping = (given: Kept.Kept) => <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const change: Change = { given, isSettled: false }
      const now = internalsOf(rpc).settingsOf(id)
      changing = [...changing.filter(({ told }) => told === now), { before: kept, told: now, pending }]
      pending = [...pending, change]
      kept = Kept.keep(kept, given)
      return Effect.onExit(request, (exit) =>
        Effect.sync(() => {
          change.isSettled = true
          if (Exit.isSuccess(exit)) client.opened.ask(id, given)
          else {
            const before = keptOf(pending.slice(0, pending.indexOf(change)))
            const error = Cause.findErrorOption(exit.cause)
            const isRefused = Option.isSome(error) && !unknownOutcomes.has(error.value._tag)
            if (isRefused || !Kept.isNoLooser(Kept.keep(before, given), before)) {
              pending = pending.filter((one) => one !== change)
              changing = changing.filter((one) => !one.pending.includes(change))
            }
          }
          const open = pending.findIndex(({ isSettled }) => !isSettled)
          const settled = open === -1 ? pending.length : open
          base = keptOf(pending.slice(0, settled))
          pending = pending.slice(settled)
          kept = keptOf(pending)
        }))
    })

  /** Refuses what would leave the thread without a sandbox. */
  const checked = (given: Kept.Kept) => <A, E, R>(request: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => Effect.andThen(Kept.checkBypass(kept, given), request))

  const earlier = new Set<Deferred.Deferred<void>>()
  /** Until it is done with, what changes the settings of the thread waits for it. */
  const inOrder: RunTurn.Settings["inOrder"] = (use) =>
    Effect.suspend(() => {
      const sent = Deferred.makeUnsafe<void>()
      earlier.add(sent)
      const done = () => {
        earlier.delete(sent)
        Deferred.doneUnsafe(sent, Exit.void)
      }
      return Effect.ensuring(use(done), Effect.sync(done))
    })
  const afterEarlier = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() =>
      Effect.andThen(Effect.forEach([...earlier], (sent) => Deferred.await(sent), { discard: true }), effect)
    )

  const resume = Effect.suspend(() => {
    const now = rpc.restarts
    const own = defined({ ...Kept.settings(kept), config: defaults.config })
    return Effect.map(
      OpenThread.resume(rpc, client.opened, id, own, client.opened.again(id, own)),
      () => {
        restarts = now
        temporary = undefined
        unheard.delete(id)
      }
    )
  })
  // A process that was started since has not loaded the thread.
  const revive = Effect.flatMap(rpc.connected, () => rpc.restarts === restarts ? Effect.void : resume)
  // What does not run the agent needs the thread loaded, whatever it holds. The next turn looks at it again.
  const revived = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ThreadCallError | ThreadInUse> =>
    Effect.andThen(Effect.catchTag(revive, "SettingsNotApplied", () => AfterRestart.rejoin(rpc, id)), effect)
  // The server runs a turn of a thread that the connection left, and tells it nothing: the turn would never end here.
  const subscribe = Effect.andThen(revive, Effect.suspend(() => unheard.has(id) ? resume : Effect.void))
  /** A later look at the thread knows the folder from one that somebody else has added. */
  const findTemporary = Effect.suspend(() => {
    const { sandbox } = Kept.asked(kept)
    if (sandbox === undefined || temporary !== undefined) return Effect.void
    if (!Held.namesTemporary(sandbox, internalsOf(rpc).settingsOf(id) ?? {})) return Effect.void
    // What changed is told at some time after the reply, and perhaps after a change of somebody else.
    return rpc.request("thread/resume", { threadId: id, excludeTurns: true }, { timeout: "2 seconds" }).pipe(
      using(rpc, "thread/resume", Held.toldOf),
      Effect.map((told) => {
        temporary = Held.temporaryOf(sandbox, told)
      }),
      Effect.ignore
    )
  })
  /** For turns that the server starts with what the thread holds. */
  const enforce = Effect.suspend(() => {
    const params = Kept.updateParams(kept, internalsOf(rpc).settingsOf(id))
    return Object.keys(params).length === 0
      ? Effect.void
      : Effect.andThen(call(rpc, "thread/settings/update", { threadId: id, ...params }), findTemporary)
  })
  /** Why a turn that the server has started must not run. It may have begun before a change of our own was taken. */
  const refuse = (held: Told | undefined): SettingsNotApplied | undefined => {
    const wrong = (kept: Kept.Kept) =>
      Held.notHeld(id, { ...Kept.asked(kept), temporary }, held, {
        untold: false,
        advice:
          "Somebody else changed the thread right before the turn began, and the turn was stopped: look at what it " +
          "did, then start it again."
      })
    const one = wrong(kept)
    return changing.some(({ before, told }) => told === held && wrong(before) === undefined) ? undefined : one
  }
  const turns: Turns = {
    ...client.turns,
    start: (threadId, request, options) =>
      Effect.suspend(() => {
        const activeTurnId = goal.activeTurnId(rpc, id)
        if (activeTurnId === undefined) {
          // It may have waited for another turn meanwhile.
          const subscribed: typeof request = (requestOptions) => Effect.andThen(subscribe, request(requestOptions))
          return Effect.andThen(subscribe, client.turns.start(threadId, subscribed, options))
        }
        // The goal owns the thread, also between two of its turns; its handle steers it.
        if (options.whenBusy !== "queue") {
          return Effect.fail(new ThreadBusy({ threadId, activeTurnId, delivered: false }))
        }
        options.onWait?.()
        return Effect.andThen(goal.awaitIdle(rpc, id), turns.start(threadId, request, options))
      })
  }
  const calls = ThreadRequests.make(rpc, id, () =>
    client.inBackground(
      Effect.catch(revive, (error) =>
        Effect.sync(() =>
          internalsOf(rpc).report(`thread ${id} could not be resumed after a restart of codex: ${error.message}`)
        ))
    ))
  const goals = goal.make(rpc, id, {
    stopGrace: client.stopGrace,
    stallTimeout: defaults.stallTimeout ?? client.stallTimeout,
    handlers,
    limits: turns.limits,
    ready: Effect.andThen(subscribe, enforce),
    refuse,
    restore: () => client.inBackground(Effect.ignore(enforce)),
    exclusively: turns.exclusively(id),
    toWire: client.toWire,
    handle: (state, interrupt) => TurnHandle.make(rpc, { ...turns, interrupt: () => interrupt }, state, client.toWire)
  })
  return {
    id,
    ...RunTurn.make(
      rpc,
      turns,
      id,
      { ...defaults, handlers, stallTimeout: defaults.stallTimeout ?? client.stallTimeout },
      client,
      {
        checked,
        current: () => kept,
        keeping,
        enforce,
        inOrder,
        refuse,
        started: client.started,
        temporary: () => temporary
      }
    ),
    ...calls,
    setName: (name) => revived(calls.setName(name)),
    revert: (beforeTurnId) => revived(calls.revert(beforeTurnId)),
    inject: (items) => revived(calls.inject(items)),
    updateSettings: (options) =>
      OptionKinds.checkArgument("options", options, OptionKinds.record).pipe(
        Effect.andThen(Effect.suspend(() => client.checkFolders(options))),
        // A turn that was forked before this begins first, and its request is sent first.
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(
          Effect.suspend(() => afterEarlier(revived(checked(options)(keeping(options)(calls.updateSettings(options))))))
        ),
        Effect.andThen(Effect.suspend(() => options.sandbox === undefined ? Effect.void : findTemporary))
      ),
    ...goals,
    fork: Effect.fn("Thread.fork")(function*(options) {
      yield* OptionKinds.check(options, OptionKinds.ofThread)
      yield* client.checkFolders(options)
      yield* Kept.checkBypass(kept, options ?? {})
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
