/** Takes the snapshot of a folder: brings the index to the folder's state and writes its tree. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { CheckpointError } from "../../Checkpoints.ts"
import * as Names from "./names.ts"
import type { Repository } from "./repository.ts"

/** A file that a snapshot lacks. The time, in milliseconds, shows whether it was written again. */
export interface SkippedFile {
  readonly name: Names.Name
  readonly size: number
  readonly modified: number
}

export interface Snapshot {
  readonly tree: string
  readonly skipped: ReadonlyArray<SkippedFile>
}

/** The empty blob. Git never looks for it, since the entry is taken out again. */
const emptyBlob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

const nothing = "0".repeat(40)

/** Files that git hashes in one go. It compares each with all others of a pack, so a pack has to stay small. */
const batch = 4000

/** From this many files on, they go into packs instead of files of their own. */
const many = 500

const concurrency = 32

export const info = (
  { fs, pathOf }: Repository,
  name: Names.Name
): Effect.Effect<FileSystem.File.Info | undefined> => {
  const path = pathOf(name)
  return path === undefined ? Effect.undefined : Effect.orElseSucceed(fs.lstat(path), () => undefined)
}

export const skippedFile = (name: Names.Name, info: FileSystem.File.Info): SkippedFile => ({
  name,
  size: Number(info.size),
  modified: Option.match(info.mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
})

interface Listed {
  /** Files that the index lacks. */
  readonly others: ReadonlySet<Names.Name>
  /** Entries of the index whose file has changed or is gone. */
  readonly modified: ReadonlyArray<Names.Name>
}

const list = Effect.fnUntraced(function*(repository: Repository): Effect.fn.Return<Listed, CheckpointError> {
  const { git, gitDir, prefix, rules } = repository
  const excluding = rules.ignored === "skip" ? "--exclude-standard" : `--exclude-from=${gitDir}/info/exclude`
  const within = prefix === "" ? [] : ["--", prefix]
  // A nested repository is listed as a folder. Once the index has an entry in it, git takes it for a plain folder.
  for (;;) {
    const listed = Names.split(
      yield* git(["--literal-pathspecs", "ls-files", "-z", "-t", "--others", "--modified", excluding, ...within])
    )
    const others = listed.flatMap((entry) => entry.startsWith("? ") ? [entry.slice(2)] : [])
    const nested = others.filter((name) => name.endsWith("/"))
    if (nested.length === 0) {
      const modified = listed.flatMap((entry) => entry.startsWith("? ") ? [] : [entry.slice(2)])
      return { others: new Set(others), modified }
    }
    yield* git(["update-index", "-z", "--add", "--replace", "--index-info"], {
      stdin: Names.join(nested.map((name) => `100644 ${emptyBlob} 0\t${name}.effect-codex-nested`))
    })
  }
})

/**
 * Files that a `.gitignore` excludes but the user's repository tracks, which git does not ignore. What cannot be read,
 * such as an index in parts, counts as empty.
 */
const trackedThoughIgnored = Effect.fnUntraced(function*(
  { git, prefix, rules, userIndex }: Repository
): Effect.fn.Return<ReadonlyArray<Names.Name>> {
  if (userIndex === undefined || rules.ignored === "include") return []
  const args = ["--literal-pathspecs", "ls-files", "-z", "--cached", "--ignored", "--exclude-standard"]
  return yield* git([...args, ...(prefix === "" ? [] : ["--", prefix])], { env: { GIT_INDEX_FILE: userIndex } }).pipe(
    Effect.map(Names.split),
    Effect.orElseSucceed(() => [])
  )
})

/** Adds files to the index whatever their size. The ones that are gone are taken out of it. */
const add = Effect.fnUntraced(function*({ git }: Repository, names: ReadonlyArray<Names.Name>) {
  const packed = names.length >= many ? ["-c", "core.bigFileThreshold=1", "-c", "pack.compression=1"] : []
  for (let i = 0; i < names.length; i += batch) {
    yield* git([...packed, "update-index", "-z", "--add", "--remove", "--replace", "--stdin"], {
      stdin: Names.join(names.slice(i, i + batch))
    })
  }
})

/** Git refuses a whole list for one file that it may not read, or that is behind a link. */
const isAddable = Effect.fnUntraced(function*(repository: Repository, name: Names.Name) {
  const { fs, pathOf } = repository
  for (const folder of Names.ancestors(name)) {
    const found = yield* info(repository, folder)
    if (found !== undefined && found.type !== "Directory") return false
  }
  const path = pathOf(name)
  // Access follows a link, and may be refused what that leads to.
  if (path === undefined || (yield* info(repository, name))?.type !== "File") return true
  return yield* Effect.match(fs.access(path, { readable: true }), {
    onFailure: ({ reason }) => reason._tag !== "PermissionDenied",
    onSuccess: () => true
  })
})

const takeOut = ({ git }: Repository, names: ReadonlyArray<Names.Name>) =>
  names.length === 0 ? Effect.void : git(["update-index", "-z", "--index-info"], {
    stdin: Names.join(names.map((name) => `0 ${nothing}\t${name}`))
  })

const writeTree = ({ git }: Repository) => Effect.map(git(["write-tree"]), (id) => id.trim())

export const take = Effect.fnUntraced(function*(
  repository: Repository
): Effect.fn.Return<Snapshot, CheckpointError> {
  const { modified, others } = yield* list(repository)
  // Where a folder has become a file or a link, adding it takes out what was below.
  const isBelowOther = (name: Names.Name) => Names.ancestors(name).some((folder) => others.has(folder))
  const tracked = yield* trackedThoughIgnored(repository)
  const names = [...new Set([...others, ...modified, ...tracked])].filter((name) => !isBelowOther(name))
  const skipped: Array<SkippedFile> = []
  const kept: Array<Names.Name> = []
  const gone: Array<Names.Name> = []
  yield* Effect.forEach(names, (name) =>
    Effect.map(info(repository, name), (info) => {
      if (info === undefined || info.type === "SymbolicLink") kept.push(name)
      else if (info.type === "Directory") gone.push(name)
      else if (info.type === "File" && info.size <= repository.rules.maxFileBytes) kept.push(name)
      else skipped.push(skippedFile(name, info))
    }), { concurrency, discard: true })
  yield* Effect.catch(add(repository, kept), (error) =>
    Effect.gen(function*() {
      const fits = yield* Effect.filter(kept, (name) => isAddable(repository, name), { concurrency })
      if (fits.length === kept.length) return yield* error
      const fitting = new Set(fits)
      for (const name of kept) {
        if (fitting.has(name)) continue
        const found = yield* info(repository, name)
        if (found?.type === "File") skipped.push(skippedFile(name, found))
        else gone.push(name)
      }
      yield* add(repository, fits)
    }))
  yield* takeOut(repository, [...gone, ...skipped.map(({ name }) => name)])
  return { tree: yield* writeTree(repository), skipped }
})

/** The snapshot that was just taken, with these files in addition. */
export const withFiles = Effect.fnUntraced(function*(
  repository: Repository,
  { skipped, tree }: Snapshot,
  names: ReadonlyArray<Names.Name>
): Effect.fn.Return<Snapshot, CheckpointError> {
  if (names.length === 0) return { skipped, tree }
  yield* add(repository, names)
  return { skipped: skipped.filter(({ name }) => !names.includes(name)), tree: yield* writeTree(repository) }
})
