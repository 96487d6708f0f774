/**
 * Pipes in the place of files that git opens, such as a `.gitignore`. Git would wait in them for ever, and with it a
 * snapshot that nobody can interrupt, because the turn is over.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { CheckpointError } from "../../Checkpoints.ts"
import type { Git } from "./git.ts"

const opened: ReadonlySet<string> = new Set([".gitattributes", ".gitignore"])

const ordinary: ReadonlySet<FileSystem.File.Type> = new Set(["Directory", "File", "SymbolicLink"])

// The look takes a while in a large folder, and git is seldom at work for so long.
const lookAfter = "10 seconds"

interface Where {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly root: string
  readonly folder: string
}

const find = Effect.fnUntraced(function*(
  { folder, fs, path, root }: Where
): Effect.fn.Return<ReadonlyArray<string>> {
  const found: Array<string> = []
  const typeOf = (file: string) =>
    Effect.match(fs.lstat(file), { onFailure: () => undefined, onSuccess: ({ type }) => type })
  const look = Effect.fnUntraced(function*(file: string) {
    const type = yield* typeOf(file)
    if (type !== undefined && !ordinary.has(type)) found.push(path.relative(folder, file))
  })
  const walk = Effect.fnUntraced(function*(at: string): Effect.fn.Return<void> {
    for (const name of yield* Effect.orElseSucceed(fs.readDirectory(at), () => [])) {
      const file = path.join(at, name)
      if (opened.has(name)) yield* look(file)
      else if (name !== ".git" && (yield* typeOf(file)) === "Directory") yield* walk(file)
    }
  })
  for (let at = folder; at !== root && path.dirname(at) !== at;) {
    at = path.dirname(at)
    for (const name of opened) yield* look(path.join(at, name))
  }
  yield* walk(folder)
  return found
})

/** The git that ends and fails if it is at work for long and there is such a pipe. */
export const guard = (git: Git, where: Where): Git => {
  const failIfAny = Effect.flatMap(find(where), (paths) =>
    paths.length === 0 ? Effect.never : Effect.fail(
      new CheckpointError({
        reason: "blocked",
        detail: "Git waits in pipes that are in the place of files.",
        paths: [...paths]
      })
    ))
  return (args, options) =>
    Effect.raceFirst(Effect.interruptible(git(args, options)), Effect.delay(Effect.interruptible(failIfAny), lookAfter))
}
