/**
 * The file system that codex works in, for a client that shares it.
 *
 * codex takes a folder that does not exist without a word, and every command of the thread fails; a missing image it tells
 * the model alone. Where the process is ours the client looks first, and refuses (`InvalidArgument`) before anything is
 * sent. `CodexNode.layer` provides it, unless its option `checkFiles` is false. Of a server that is reached over a WebSocket or
 * a unix socket nothing is known.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * What is at a path: a file with its first bytes, a folder, or why there is neither. `path` is where codex looks.
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
 * How the files of the server are looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerFiles {
  /** What `~` stands for at the beginning of a folder. */
  readonly home: string
  /** Looks at a path, which codex resolves from the working directory of its process. */
  readonly look: (path: string) => Effect.Effect<Found>
}

/**
 * The files of the server, taken where `Codex.make` runs. Default: `undefined`, nothing is looked at.
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
