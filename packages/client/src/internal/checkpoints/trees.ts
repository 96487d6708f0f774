/** Trees that are made from others, in a temporary index. */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import { CheckpointError } from "../../Checkpoints.ts"
import { type Difference, isAbsent } from "./changes.ts"
import type { Git, RunOptions } from "./git.ts"
import * as Names from "./names.ts"
import type { Repository } from "./repository.ts"

export const unwritable = (error: PlatformError) =>
  new CheckpointError({ reason: "git", detail: `The checkpoints cannot be written: ${error.message}.`, paths: [] })

const temporaryFolder = ({ fs, gitDir }: Repository) =>
  Effect.mapError(fs.makeTempDirectoryScoped({ directory: gitDir, prefix: "temporary-" }), unwritable)

/** The tree with some of its files as they are in another tree: the `to` of the differences. */
export const applied = Effect.fnUntraced(function*(
  repository: Repository,
  tree: string,
  selected: ReadonlyArray<Difference>
): Effect.fn.Return<string, CheckpointError> {
  if (selected.length === 0) return tree
  const { git } = repository
  return yield* Effect.scoped(Effect.gen(function*() {
    const env = { GIT_INDEX_FILE: `${yield* temporaryFolder(repository)}/index` }
    yield* git(["read-tree", tree], { env })
    // A file can take the place of a folder only when that is empty.
    const deletedFirst = [...selected.filter(({ to }) => isAbsent(to)), ...selected.filter(({ to }) => !isAbsent(to))]
    yield* git(["update-index", "-z", "--add", "--replace", "--index-info"], {
      env,
      stdin: Names.join(deletedFirst.map(({ name, to }) => `${isAbsent(to) ? "0" : to.mode} ${to.object}\t${name}`))
    })
    return (yield* git(["write-tree"], { env })).trim()
  }))
})

/** Which of the names the `.gitignore` files exclude. */
export const ignoredOf = Effect.fnUntraced(function*(
  git: Git,
  names: ReadonlyArray<Names.Name>,
  args: ReadonlyArray<string> = [],
  env: RunOptions["env"] = {}
): Effect.fn.Return<ReadonlyArray<Names.Name>, CheckpointError> {
  // Git takes a name that begins with a colon for a pattern here, and answers with the name as it was given.
  const ignored = yield* git([...args, "check-ignore", "--no-index", "-z", "--stdin"], {
    env,
    stdin: Names.join(names.map((name) => `./${name}`)),
    accept: [1]
  })
  return Names.split(ignored).map((name) => name.slice(2))
})

const isIgnoreFile = (name: Names.Name): boolean => name === ".gitignore" || name.endsWith("/.gitignore")

/**
 * Files that came with a snapshot only because its `.gitignore` files exclude less than those of the one before. They
 * may have been there before, so they are no change, and a rewind must not remove them.
 */
export const formerlyIgnored = Effect.fnUntraced(function*(
  repository: Repository,
  before: string,
  found: ReadonlyArray<Difference>
): Effect.fn.Return<ReadonlySet<Names.Name>, CheckpointError> {
  const { fs, git, rules } = repository
  const added = found.flatMap(({ from, name }) => isAbsent(from) ? [name] : [])
  if (rules.ignored === "include" || added.length === 0 || !found.some(({ name }) => isIgnoreFile(name))) {
    return new Set()
  }
  return yield* Effect.scoped(Effect.gen(function*() {
    const folder = yield* temporaryFolder(repository)
    const root = `${folder}/tree`
    const env = { GIT_INDEX_FILE: `${folder}/index`, GIT_WORK_TREE: root }
    yield* Effect.mapError(fs.makeDirectory(root), unwritable)
    const names = Names.split(yield* git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", before]))
    yield* git(["read-tree", before], { env })
    yield* git(["-C", root, "checkout-index", "-z", "--stdin"], {
      env,
      stdin: Names.join(names.filter(isIgnoreFile))
    })
    return new Set(yield* ignoredOf(git, added, ["-C", root], env))
  }))
})
