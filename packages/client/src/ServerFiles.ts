/**
 * The file system that codex works in, for a client that shares it.
 *
 * codex accepts a folder that does not exist without an error, and then every command of the thread fails. It reports
 * a missing image only to the model. When the client starts the server process, it looks first and fails with
 * `InvalidArgument` before it sends anything. `CodexNode.layer` provides this service unless its option `checkFiles`
 * is false. Nothing is known about the files of a server that is reached over a WebSocket or a unix socket.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * What is at a path: a file with its first bytes, a folder, or why there is neither. `path` is the path that codex
 * uses.
 *
 * @category models
 * @since 0.1.0
 */
export type Found =
  & { readonly path: string }
  & (
    | { readonly _tag: "File"; readonly head: Uint8Array }
    | { readonly _tag: "Folder" }
    | { readonly _tag: "Missing" }
    | { readonly _tag: "Unreadable"; readonly detail: string }
  )

/**
 * Looks up files of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerFiles {
  /** The folder that a leading `~` stands for. */
  readonly home: string
  /** Looks up a path, which codex resolves from the working directory of its process. */
  readonly look: (path: string) => Effect.Effect<Found>
}

/**
 * The server's files, read from the context where `Codex.make` runs. Default: `undefined`; the client then checks no
 * paths.
 *
 * **Example** (A stack of one's own on the files of this machine)
 *
 * ```ts
 * import { Codex, ServerFiles } from "@effect-codex/client"
 * import { Effect, FileSystem, Layer, Path } from "effect"
 *
 * const FilesLive = Layer.effect(
 *   ServerFiles.ServerFiles,
 *   Effect.gen(function*() {
 *     const fs = yield* FileSystem.FileSystem
 *     const { resolve } = yield* Path.Path
 *     const look = Effect.fnUntraced(function*(given: string) {
 *       const path = resolve("/work", given)
 *       const exists = yield* Effect.orElseSucceed(fs.exists(path), () => false)
 *       return exists ? { _tag: "Folder" as const, path } : { _tag: "Missing" as const, path }
 *     })
 *     return { home: "/home/me", look }
 *   })
 * )
 *
 * export const CodexLive = Codex.layer().pipe(Layer.provide(FilesLive))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const ServerFiles = Context.Reference<ServerFiles | undefined>("@effect-codex/client/ServerFiles", {
  defaultValue: () => undefined
})
