/**
 * Carries the histories of this machine's threads to the store, and back.
 *
 * @since 0.1.0
 */
import type { Thread } from "@effect-codex/client"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { SessionFenced, SessionStoreUnavailable } from "./SessionStore.ts"

/**
 * A thread whose history is carried to the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Followed {
  /** Stores all that codex has written until now. */
  readonly flush: Effect.Effect<void, SessionFenced | SessionStoreUnavailable>
  /** Waits until another machine has continued the thread. */
  readonly fenced: Effect.Effect<SessionFenced>
}

/**
 * Carries the histories of this machine's threads to the store, and back.
 *
 * @category services
 * @since 0.1.0
 */
export class CodexSession extends Context.Service<CodexSession, {
  /**
   * Carries what codex writes of the thread to the store as it is written, until the scope closes, which stores the
   * rest. A store that is down delays this and is reported; the turn goes on.
   */
  readonly follow: (
    thread: Thread.Thread
  ) => Effect.Effect<Followed, SessionFenced | SessionStoreUnavailable, Scope.Scope>
  /**
   * Writes the files of a thread, and of the threads that it needs, into this machine's `CODEX_HOME`, so that
   * `Codex.resumeThread` finds them. Returns false for a thread that the store does not have; what this machine has of
   * it then stays. Call it while no process of this machine has the thread loaded.
   */
  readonly restore: (threadId: string) => Effect.Effect<boolean, SessionStoreUnavailable>
}>()("@effect-codex/cluster/CodexSession") {}

/**
 * Leaves the histories where codex keeps them: for pipelines that stay on one machine.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocal: Layer.Layer<CodexSession> = Layer.succeed(CodexSession, {
  follow: () => Effect.succeed({ flush: Effect.void, fenced: Effect.never }),
  restore: () => Effect.succeed(false)
})
