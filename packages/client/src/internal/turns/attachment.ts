/** Keeps a thread loaded in the server's process and subscribed on this connection. */
import * as Effect from "effect/Effect"
import type { ThreadSettings as Settings } from "../../Codex.ts"
import type { ResumeError, ThreadCallError, ThreadInUse } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined } from "../settings/settings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"
import type { Opened } from "../settings/untoldSettings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as AfterRestart from "./afterRestart.ts"
import type { Loaded, LoadedThreads } from "./loadedThreads.ts"
import * as OpenThread from "./openThread.ts"

export interface Attachment {
  /** Loads the thread with the handle's settings if the process was restarted since, or the client has let go of it. */
  readonly revive: Effect.Effect<void, ResumeError>
  /**
   * Loads the thread before a request that needs it loaded but does not run the agent. Differing settings do
   * not matter here; the next turn checks them again.
   */
  readonly revived: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | ThreadCallError | ThreadInUse>
  /** The same, and also loads a thread that this connection has left, which the server may have unloaded since. */
  readonly loaded: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | ThreadCallError | ThreadInUse>
  /**
   * Loads the thread and subscribes to it. docs/codex-behaviour.md, "A connection that has left a thread hears
   * nothing of its turns": without this the turn would never end here.
   */
  readonly subscribe: Effect.Effect<void, ResumeError>
  /** Whether the client has let go of the thread. */
  readonly isOut: () => boolean
}

const isGone = (error: ResumeError): boolean =>
  error._tag === "ThreadNotPersisted" || (error._tag === "RpcError" && ServerTexts.isArchived(error.detail))

export const make = (options: {
  readonly rpc: Rpc
  readonly opened: Opened
  /** Threads that this connection has unsubscribed from. */
  readonly unheard: Set<string>
  readonly loadedThreads: LoadedThreads
  /** Called when the thread was loaded. */
  readonly onLoaded: () => void
  readonly threadId: string
  readonly settings: ThreadSettings
  /** The configuration overrides that a new process resumes the thread with. */
  readonly config: Settings["config"]
  readonly isLoaded: boolean
}): Attachment => {
  const { config, loadedThreads, onLoaded, opened, rpc, settings, threadId, unheard } = options
  const count = () => loadedThreads.add(threadId, opened.configOf(threadId)["thread_unload_delay_secs"])
  /** The number of restarts when the thread was loaded: it identifies the process. */
  let restarts = options.isLoaded ? rpc.restarts : undefined
  let own: Loaded | undefined = options.isLoaded ? count() : undefined
  const isOut = () => own !== undefined && loadedThreads.isOut(own)
  /** What other handles loaded the thread with must be sent again. */
  const noteUnloaded = Effect.suspend(() =>
    !isOut() || Object.keys(opened.get(threadId)).length === 0
      ? Effect.void
      : Effect.map(OpenThread.isLoaded(rpc, threadId), (isLoaded) => {
        if (!isLoaded) opened.unloaded(threadId)
      })
  )
  const resume = Effect.suspend(() => {
    const now = rpc.restarts
    const kept = defined({ ...Kept.settings(settings.current), config })
    return Effect.map(
      loadedThreads.open(
        threadId,
        Effect.andThen(
          noteUnloaded,
          Effect.suspend(() => OpenThread.resume(rpc, opened, threadId, kept, opened.again(threadId, kept)))
        )
      ),
      () => {
        restarts = now
        own = count()
        settings.onResumed()
        unheard.delete(threadId)
        onLoaded()
      }
    )
  })
  /** Of a thread that is gone the server says so in answer to the call itself, as if it had been loaded until then. */
  const comeBack = (out: Loaded) =>
    Effect.catchIf(resume, isGone, () =>
      Effect.sync(() => {
        out.isOut = false
        out.isCounted = true
      }))
  const revive = Effect.flatMap(
    Effect.andThen(rpc.connected, loadedThreads.left(threadId)),
    () => rpc.restarts !== restarts ? resume : own !== undefined && isOut() ? comeBack(own) : Effect.void
  )
  const subscribe = Effect.andThen(revive, Effect.suspend(() => unheard.has(threadId) ? resume : Effect.void))
  const withAnySettings = (load: typeof revive) =>
    Effect.catchTag(load, "SettingsNotApplied", () => AfterRestart.rejoin(rpc, threadId))
  return {
    revive,
    revived: (effect) => loadedThreads.using(threadId, Effect.andThen(withAnySettings(revive), effect)),
    loaded: (effect) => loadedThreads.using(threadId, Effect.andThen(withAnySettings(subscribe), effect)),
    subscribe,
    isOut
  }
}
