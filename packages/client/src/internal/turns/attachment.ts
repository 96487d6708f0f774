/** Keeps a thread loaded by the server's process, and heard by this connection. */
import * as Effect from "effect/Effect"
import type { ThreadSettings as Settings } from "../../Codex.ts"
import type { ResumeError, ThreadCallError, ThreadInUse } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined } from "../settings/settings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"
import type { Opened } from "../settings/untoldSettings.ts"
import * as AfterRestart from "./afterRestart.ts"
import * as OpenThread from "./openThread.ts"

export interface Attachment {
  /** Loads the thread with the handle's settings where the process was started since. */
  readonly revive: Effect.Effect<void, ResumeError>
  /**
   * Loads the thread before what does not run the agent, which needs it loaded, whatever it holds. The next turn looks at
   * what it holds again.
   */
  readonly revived: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | ThreadCallError | ThreadInUse>
  /**
   * Loads the thread and hears of it. The server runs a turn of a thread that the connection left, and tells it nothing: the
   * turn would never end here.
   */
  readonly subscribe: Effect.Effect<void, ResumeError>
}

export const make = (options: {
  readonly rpc: Rpc
  readonly opened: Opened
  /** The threads that this connection does not hear of because it asked not to. */
  readonly unheard: Set<string>
  readonly threadId: string
  readonly settings: ThreadSettings
  /** The overrides of the configuration that the thread is resumed with by a new process. */
  readonly config: Settings["config"]
  readonly isLoaded: boolean
}): Attachment => {
  const { config, opened, rpc, settings, threadId, unheard } = options
  /** Which process has loaded the thread. */
  let restarts = options.isLoaded ? rpc.restarts : undefined
  const resume = Effect.suspend(() => {
    const now = rpc.restarts
    const own = defined({ ...Kept.settings(settings.current), config })
    return Effect.map(
      OpenThread.resume(rpc, opened, threadId, own, opened.again(threadId, own)),
      () => {
        restarts = now
        settings.onResumed()
        unheard.delete(threadId)
      }
    )
  })
  const revive = Effect.flatMap(rpc.connected, () => rpc.restarts === restarts ? Effect.void : resume)
  return {
    revive,
    revived: (effect) =>
      Effect.andThen(Effect.catchTag(revive, "SettingsNotApplied", () => AfterRestart.rejoin(rpc, threadId)), effect),
    subscribe: Effect.andThen(revive, Effect.suspend(() => unheard.has(threadId) ? resume : Effect.void))
  }
}
