/** Looks at the files of a codex that this process started, with paths resolved as codex does. */
import * as ServerFiles from "@effect-codex/client/ServerFiles"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Os from "node:os"
import type { Options } from "../CodexNode.ts"

// The first 12 bytes identify an image.
const headLength = 12

export const layer = ({ checkFiles, cwd, env }: Options) =>
  Layer.effect(
    ServerFiles.ServerFiles,
    Effect.gen(function*() {
      if (checkFiles === false) return undefined
      const fs = yield* FileSystem.FileSystem
      const { resolve } = yield* Path.Path
      const base = resolve(cwd ?? ".")
      const home = env?.["HOME"]

      const headOf = (path: string) =>
        fs.open(path, { flag: "r" }).pipe(
          Effect.flatMap((file) => file.readAlloc(headLength)),
          Effect.map(Option.getOrElse(() => new Uint8Array(0))),
          Effect.scoped
        )
      const look = Effect.fnUntraced(function*(
        path: string
      ): Effect.fn.Return<ServerFiles.Found, PlatformError.PlatformError> {
        const { type } = yield* fs.stat(path)
        if (type === "Directory") return { _tag: "Folder", path }
        // Reading a pipe or a device could block forever.
        return type === "File"
          ? { _tag: "File", path, head: yield* headOf(path) }
          : { _tag: "Unreadable", path, detail: "it is neither a file nor a folder." }
      })
      return {
        home: typeof home === "string" ? home : Os.homedir(),
        look: (given: string) => {
          const path = resolve(base, given)
          // Node throws for such a path instead of failing.
          if (path.includes("\0")) {
            return Effect.succeed<ServerFiles.Found>({ _tag: "Unreadable", path, detail: "its name contains a NUL." })
          }
          return Effect.catch(look(path), ({ reason }) =>
            Effect.succeed<ServerFiles.Found>(
              reason._tag === "NotFound"
                ? { _tag: "Missing", path }
                : { _tag: "Unreadable", path, detail: `${reason.message}.` }
            ))
        }
      }
    })
  )
