/** Assembles a thread's handle. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Budget } from "../../Budget.ts"
import type { ForkThreadOptions, StartThreadOptions, ThreadSettings as Settings } from "../../Codex.ts"
import type { CallError, SettingsNotApplied, ThreadCallError } from "../../CodexError.ts"
import type { DynamicTools } from "../../DynamicTools.ts"
import type { Price } from "../../Pricing.ts"
import type { Handler, Overrides } from "../../ServerRequests.ts"
import type { Thread } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import type { CheckFolders } from "../settings/folders.ts"
import type { Told } from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import * as McpServers from "../settings/mcpServers.ts"
import { ThreadSettings } from "../settings/threadSettings.ts"
import { type Opened, unstored } from "../settings/untoldSettings.ts"
import * as Attachment from "../turns/attachment.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { LoadedThreads } from "../turns/loadedThreads.ts"
import * as OpenThread from "../turns/openThread.ts"
import * as Spending from "../turns/spending.ts"
import type { StartedTurns } from "../turns/startedTurns.ts"
import type { Turns } from "../turns/turns.ts"
import * as FindTurn from "./findTurn.ts"
import * as RunTurn from "./runTurn.ts"
import * as ThreadAsk from "./threadAsk.ts"
import * as ThreadGoals from "./threadGoals.ts"
import * as ThreadPlans from "./threadPlans.ts"
import * as ThreadQueue from "./threadQueue.ts"
import * as ThreadRequests from "./threadRequests.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = Effect.fn("Thread.fork")

/** What a handle passes to each of its turns. */
export interface ThreadDefaults {
  readonly handlers: Overrides | undefined
  readonly tools: DynamicTools | undefined
  readonly stallTimeout: Duration.Input | undefined
  readonly budget: Budget | undefined
  /** The settings that the thread was asked to hold. */
  readonly kept: Kept.Kept
  /** The configuration overrides that a new process resumes the thread with. */
  readonly config: Settings["config"]
}

/** What all threads of a client share. */
interface Client {
  readonly rpc: Rpc
  readonly turns: Turns
  readonly stallTimeout: Duration.Input | undefined
  readonly budget: Budget | undefined
  /** The prices of the context that the client was made in. */
  readonly price: Price
  /** Answers calls of tools that the thread's handle does not have. */
  readonly toolCall: Handler<"item/tool/call">
  /** Threads that this connection has unsubscribed from. */
  readonly unheard: Set<string>
  readonly loadedThreads: LoadedThreads
  /** Called when a thread was loaded. */
  readonly onLoaded: () => void
  /** Rejects folders that the server would accept without checking. */
  readonly checkFolders: CheckFolders
  readonly toWire: ToWire
  readonly opened: Opened
  readonly started: StartedTurns
  readonly inBackground: (effect: Effect.Effect<void>) => void
  readonly startThread: (options: StartThreadOptions) => Effect.Effect<Thread, CallError | SettingsNotApplied>
}

export const defaultsOf = (
  options: (Settings & Kept.Kept) | undefined,
  told: Told,
  source?: ThreadDefaults
): ThreadDefaults => ({
  kept: Kept.confirmed(Kept.keep({}, options ?? {}), told),
  config: unstored(options?.config),
  handlers: options?.handlers ?? source?.handlers,
  tools: options?.tools ?? source?.tools,
  stallTimeout: options?.stallTimeout ?? source?.stallTimeout,
  budget: options?.budget ?? source?.budget
})

export const fork = Effect.fnUntraced(function*(
  client: Client,
  threadId: string,
  options: (ForkThreadOptions & Kept.Kept) | undefined,
  source?: ThreadDefaults
): Effect.fn.Return<Thread, ThreadCallError | SettingsNotApplied> {
  const { id, told } = yield* client.loadedThreads.open(
    undefined,
    OpenThread.fork(client.rpc, client.opened, threadId, options)
  )
  client.onLoaded()
  return make(client, id, defaultsOf(options, told, source))
})

/** The handler of the tools comes first. Calls of other tools go on to the thread's handler. */
const handlersOf = ({ handlers, tools }: ThreadDefaults, { toolCall }: Client): Overrides | undefined =>
  tools === undefined ? handlers : {
    ...handlers,
    "item/tool/call": tools.handler(handlers?.["item/tool/call"] ?? toolCall)
  }

/** @param state `isLoaded`: false if the server must load the thread before it can be used. Default: true. */
export const make = (
  client: Client,
  id: string,
  defaults: ThreadDefaults,
  state?: { readonly isLoaded: false }
): Thread => {
  const { checkFolders, inBackground, loadedThreads, onLoaded, opened, rpc, started, toWire, turns, unheard } = client
  const { config, kept } = defaults
  const settings = new ThreadSettings(rpc, opened, id, kept)
  const isLoaded = state === undefined
  const attachment = Attachment.make({
    rpc,
    opened,
    unheard,
    loadedThreads,
    onLoaded,
    threadId: id,
    settings,
    config,
    isLoaded
  })
  const using = <A, E, R>(effect: Effect.Effect<A, E, R>) => loadedThreads.using(id, effect)
  const { revive, revived, subscribe } = attachment
  const handlers = handlersOf(defaults, client)
  const stallTimeout = defaults.stallTimeout ?? client.stallTimeout
  const target = { rpc, threadId: id, settings, started, attachment }
  const spending = (budget: Budget | undefined) => Spending.of(client.price, budget, defaults.budget, client.budget)
  const heard = (why: string) =>
    Effect.catch(
      revive,
      (error) =>
        Effect.sync(() => internalsOf(rpc).report(`thread ${id} could not be resumed ${why}: ${error.message}`))
    )
  const requests = ThreadRequests.make(rpc, id, {
    onRestored: () => inBackground(heard("after a restart of codex")),
    onObserved: Effect.suspend(() => attachment.isOut() ? heard("to read its events") : Effect.void)
  })
  const queue = ThreadQueue.make({ turns, target, handlers, spending, stallTimeout, toWire, events: requests.events })
  const goals = ThreadGoals.make({
    turns,
    threadId: id,
    toWire,
    handlers,
    spending,
    stallTimeout,
    ready: Effect.andThen(subscribe, settings.enforce),
    refuse: settings.refuse,
    restore: () => inBackground(Effect.ignore(settings.enforce))
  })
  const handle: Thread = {
    id,
    ...RunTurn.make({ turns, target, handlers, spending, stallTimeout, checkFolders, toWire }),
    ...requests,
    findTurn: FindTurn.make(id, requests),
    queue: {
      ...queue,
      add: (input, options) => using(queue.add(input, options)),
      start: (messageId) => using(queue.start(messageId)),
      turn: (message) => using(queue.turn(message))
    },
    ...ThreadAsk.make(rpc, id, spending, attachment.loaded),
    setName: (name) => revived(requests.setName(name)),
    revert: (beforeTurnId) => revived(requests.revert(beforeTurnId)),
    inject: (items) => revived(requests.inject(items)),
    updateSettings: (options) =>
      OptionKinds.checkArgument("options", options, OptionKinds.record).pipe(
        Effect.andThen(Effect.suspend(() => checkFolders(options))),
        // A turn forked before this call starts first, and its request is sent first.
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(Effect.suspend(() => {
          const update = settings.keeping(options)(requests.updateSettings(options))
          return settings.afterEarlier(revived(settings.checked(options)(update)))
        })),
        Effect.andThen(Effect.suspend(() => options.sandbox === undefined ? Effect.void : settings.findTemporary))
      ),
    ...goals,
    startGoal: (objective, options) => using(goals.startGoal(objective, options)),
    runGoal: (objective, options) => using(goals.runGoal(objective, options)),
    resumeGoal: (options) => using(goals.resumeGoal(options)),
    ...ThreadPlans.make({
      rpc,
      opened,
      threadId: id,
      settings,
      own: {
        budget: defaults.budget,
        config,
        handlers: defaults.handlers,
        tools: defaults.tools,
        stallTimeout: defaults.stallTimeout
      },
      startThread: client.startThread
    }, () => handle),
    fork: traced(function*(given) {
      yield* OptionKinds.check(given, OptionKinds.ofThread)
      const options = yield* McpServers.inConfig(given ?? {})
      yield* checkFolders(options)
      yield* Kept.checkBypass(settings.current, options)
      // The fork would copy the thread's environments, which another client may have changed.
      const { environments: _, ...own } = Kept.keep(settings.current, options)
      return yield* fork(client, id, { ...options, ...own }, defaults)
    }),
    // Recorded before sending: after an interruption nobody knows whether the server received the request.
    unsubscribe: Effect.suspend(() => {
      unheard.add(id)
      const request = rpc.request("thread/unsubscribe", { threadId: id })
      return Effect.map(loadedThreads.leavingByHand(id, request), ({ status }) => status)
    })
  }
  return handle
}
