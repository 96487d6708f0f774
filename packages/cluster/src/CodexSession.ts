/**
 * Carries the histories of this machine's threads to the store, and back.
 *
 * @since 0.1.0
 */
import { AppServerRpc, type Thread } from "@effect-codex/client"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { make } from "./internal/session.ts"
import type { SessionFileError } from "./internal/sessionErrors.ts"
import { type SessionFenced, SessionStore, type SessionStoreUnavailable } from "./SessionStore.ts"

export { SessionFileError } from "./internal/sessionErrors.ts"

/**
 * A thread whose history is carried to the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Followed {
  /**
   * Stores all that codex has written until now, once. Fails with `SessionStoreUnavailable` when a call of the store
   * takes longer than `closeTimeout`; the lines are then stored later.
   */
  readonly flush: Effect.Effect<void, SessionFenced | SessionStoreUnavailable | SessionFileError>
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
   * Carries what codex writes of the thread and its subagents to the store as it is written, until the scope closes,
   * which stores the rest. A store that is down delays this and is reported; the turn goes on. It goes on where the
   * store ends, so that nothing is stored twice, and fails with `SessionFenced` when the store has lines that this
   * machine has not. The source of a fork is stored with it.
   *
   * Fails with `SessionFileError` for an ephemeral thread.
   *
   * `isNew` says that `startThread` has just made the thread: it has no subagents, and the store has nothing of it, so
   * neither is asked for. Default: false.
   */
  readonly follow: (
    thread: Pick<Thread.Thread, "id">,
    options?: { readonly isNew?: boolean | undefined }
  ) => Effect.Effect<Followed, SessionFenced | SessionStoreUnavailable | SessionFileError, Scope.Scope>
  /**
   * Writes the files of a thread, and of the threads that it needs, into this machine's `CODEX_HOME`, so that
   * `Codex.resumeThread` finds them. Returns false for a thread that the store does not have; what this machine has of
   * it then stays. Call it while no process of this machine has the thread loaded.
   *
   * A file of which this machine has all that is stored, or more, stays as it is. If the file differs, the store's
   * takes its place; the other one is kept beside it, with `.kept-` and the time behind its name, and a warning says
   * so. Name and folder of a thread are not in its files: give them again with `Thread.setName` and `cwd` of
   * `resumeThread`.
   */
  readonly restore: (threadId: string) => Effect.Effect<boolean, SessionStoreUnavailable | SessionFileError>
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

/**
 * How histories are carried.
 *
 * @see {@link layer}
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The time between two looks at a thread's files while something happens in it. Default: 100 milliseconds. */
  readonly flushInterval?: Duration.Input | undefined
  /**
   * How long a scope that closes waits until the rest is stored, and how long one call of the store may take. Default:
   * 10 seconds.
   */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * Carries the rollouts of codex's `CODEX_HOME`, which has to be on this machine, to the `SessionStore` and back.
 *
 * **Details**
 *
 * Whole lines are stored within `flushInterval` of the notification that comes with them, and at once when commands
 * have ended and when a turn ends. Lines that come with no notification, such as injected items, are stored within 5
 * seconds. If a machine is lost, at most these lines are: `flushInterval` and one write of the store, which may take a
 * second while the machine or the database is overloaded. An idle thread costs a look at its file's size every 5
 * seconds.
 *
 * While the store fails, storing is tried again, at least every 5 seconds. A warning and the metric `storeOutages` say
 * that it began. codex's own files keep what is not stored. When a scope closes and `closeTimeout` passes, a warning
 * says how much is not stored; following the thread again on this machine stores it.
 *
 * Histories hold prompts, outputs and files as plain text. The working tree is not carried.
 *
 * **Example** (A turn whose history is in the store)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexSession, SessionStore } from "@effect-codex/cluster"
 * import { CodexNode } from "@effect-codex/node"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import { Effect, Layer } from "effect"
 *
 * export const run = Effect.fn(function*(threadId: string, input: string) {
 *   const codex = yield* Codex.Codex
 *   const session = yield* CodexSession.CodexSession
 *   yield* session.restore(threadId)
 *   const thread = yield* codex.resumeThread(threadId, { cwd: "/repositories/one" })
 *   const followed = yield* session.follow(thread)
 *   const result = yield* thread.run(input)
 *   yield* followed.flush
 *   return result
 * }, Effect.scoped)
 *
 * export const SessionLive = CodexSession.layer().pipe(
 *   Layer.provideMerge(CodexNode.layer()),
 *   Layer.provideMerge(SessionStore.layerMemory),
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 *
 * @see {@link layerLocal} for one machine
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  CodexSession,
  never,
  SessionStore | AppServerRpc.AppServerRpc | FileSystem.FileSystem | Path.Path
> =>
  Layer.effect(
    CodexSession,
    Effect.gen(function*() {
      const timeout = Duration.fromInputUnsafe(options.closeTimeout ?? "10 seconds")
      return yield* make({
        fs: yield* FileSystem.FileSystem,
        path: yield* Path.Path,
        rpc: yield* AppServerRpc.AppServerRpc,
        store: yield* SessionStore,
        timeout
      }, { flushInterval: Duration.fromInputUnsafe(options.flushInterval ?? "100 millis"), closeTimeout: timeout })
    })
  )
