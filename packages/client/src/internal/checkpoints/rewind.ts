/** Restores the folder as it was at a snapshot, without losing what no snapshot has. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CheckpointError, type RewindOptions, type Rewound } from "../../Checkpoints.ts"
import * as Changes from "./changes.ts"
import * as Names from "./names.ts"
import * as Records from "./records.ts"
import type { Repository } from "./repository.ts"
import * as Snapshot from "./snapshot.ts"
import * as Trees from "./trees.ts"

/** What is on the disk, in no snapshot, where a rewind would write. */
interface InTheWay {
  /** Files and links, which can be put into a snapshot. */
  readonly files: ReadonlyArray<Snapshot.SkippedFile>
  /** Contents of folders, such as a nested `.git`, which cannot. */
  readonly blocking: ReadonlyArray<Names.Name>
}

const inTheWay = Effect.fnUntraced(function*(
  repository: Repository,
  written: ReadonlyArray<Names.Name>,
  known: (name: Names.Name) => boolean
): Effect.fn.Return<InTheWay> {
  const { fs, nameOf, pathOf } = repository
  const files = new Map<Names.Name, Snapshot.SkippedFile>()
  const blocking: Array<Names.Name> = []
  const seen = new Map<Names.Name, boolean>()

  // Without links to folders, whose contents are elsewhere.
  const walk = Effect.fnUntraced(function*(name: Names.Name, path: string): Effect.fn.Return<void> {
    for (const entry of yield* Effect.orElseSucceed(fs.readDirectory(path), () => [])) {
      const below = `${name}/${nameOf(entry)}`
      const belowPath = pathOf(below)
      const found = yield* Snapshot.info(repository, below)
      const isFolder = found?.type === "Directory" && entry !== ".git"
      if (isFolder && belowPath !== undefined) yield* walk(below, belowPath)
      else if (!known(below)) blocking.push(below)
    }
  })

  /** Whether it is a folder. */
  const lookAt = Effect.fnUntraced(function*(name: Names.Name, isFolderWanted: boolean) {
    const found = yield* Snapshot.info(repository, name)
    const path = pathOf(name)
    if (found === undefined || path === undefined) return false
    if (found.type !== "Directory") {
      if (!known(name)) files.set(name, Snapshot.skippedFile(name, found))
      return false
    }
    if (isFolderWanted) return true
    yield* walk(name, path)
    return true
  })

  for (const name of written) {
    // From the outside, because a link would lead the look elsewhere.
    for (const folder of [name, ...Names.ancestors(name)].reverse()) {
      const isFolder = seen.get(folder) ?? (yield* lookAt(folder, folder !== name))
      seen.set(folder, isFolder)
      if (!isFolder) break
    }
  }
  return { files: [...files.values()], blocking }
})

/** The names that changed between the snapshots: from the end of each checkpoint to the beginning of the next. */
const changedOutside = Effect.fnUntraced(function*(
  repository: Repository,
  since: ReadonlyArray<Records.Entry>,
  present: Snapshot.Snapshot
): Effect.fn.Return<ReadonlySet<Names.Name> | "unknown", CheckpointError> {
  const names = new Set<Names.Name>()
  for (const [i, { after }] of since.entries()) {
    if (after === undefined || after.isShared) return "unknown"
    const next = since[i + 1]?.before ?? present
    for (const { name } of yield* Changes.differences(repository, after.tree, next.tree)) names.add(name)
  }
  return names
})

const isSameFile = (a: Snapshot.SkippedFile, b: Snapshot.SkippedFile): boolean =>
  a.name === b.name && a.size === b.size && a.modified === b.modified

/** A file that is kept also keeps what is restored from taking the place of its folder, and the reverse. */
const withoutKept = (
  differences: ReadonlyArray<Changes.Difference>,
  kept: ReadonlySet<Names.Name>
): ReadonlyArray<Changes.Difference> => {
  const keptFolders = new Set([...kept].flatMap((name) => Names.ancestors(name)))
  return differences.filter(({ name }) =>
    !kept.has(name) && !keptFolders.has(name) && !Names.ancestors(name).some((folder) => kept.has(folder))
  )
}

/** Permissions that git does not keep, of files that are about to be written anew. */
const permissions = Effect.fnUntraced(function*(
  repository: Repository,
  selected: ReadonlyArray<Changes.Difference>
) {
  const restore: Array<Effect.Effect<void>> = []
  for (const { from, name, to } of selected) {
    const path = repository.pathOf(name)
    if (path === undefined || !from.mode.startsWith("100") || !to.mode.startsWith("100")) continue
    const found = yield* Snapshot.info(repository, name)
    if (found?.type !== "File") continue
    const plain = found.mode & 0o666
    const mode = to.mode === "100755" ? plain | ((plain & 0o444) >> 2) : plain
    restore.push(Effect.ignore(repository.fs.chmod(path, mode)))
  }
  return Effect.all(restore, { discard: true })
})

/** Git refuses before it changes anything, unlike when it cannot write. */
const isRefusal = ({ detail, reason }: CheckpointError): boolean =>
  reason === "git" && /not uptodate|would be (?:overwritten|removed)|would lose/.test(detail)

const refused = (reason: "conflict" | "blocked", detail: string, paths: ReadonlyArray<string>) =>
  new CheckpointError({ reason, detail, paths: [...paths] })

export const rewind = Effect.fnUntraced(function*(
  repository: Repository,
  entries: ReadonlyArray<Records.Entry>,
  target: Records.Entry,
  { conflicts: onConflict = "fail", dryRun = false }: RewindOptions
): Effect.fn.Return<Rewound, CheckpointError> {
  const { shown } = repository
  const taken = yield* Snapshot.take(repository)
  const wanted = target.before
  const found = yield* Changes.differences(repository, wanted.tree, taken.tree)

  const formerlyIgnored = yield* Trees.formerlyIgnored(repository, wanted.tree, found)
  const unstoredThen = new Set(wanted.skipped.map(({ name }) => name))
  const restorable = found
    .filter(({ from, name }) => !(Changes.isAbsent(from) && (formerlyIgnored.has(name) || unstoredThen.has(name))))
    .map(({ from, name, to }): Changes.Difference => ({ name, from: to, to: from }))

  const inTree = new Set(found.flatMap(({ name, to }) => Changes.isAbsent(to) ? [] : [name]))
  const written = restorable.flatMap(({ from, name }) => Changes.isAbsent(from) ? [name] : [])
  const { blocking, files } = yield* inTheWay(repository, written, (name) => inTree.has(name))
  if (blocking.length > 0) {
    return yield* refused(
      "blocked",
      "The rewind would put files in the place of folders with files that are in no snapshot.",
      blocking.map(shown)
    )
  }

  const since = entries.filter(({ number }) => number >= target.number)
  const outside = yield* changedOutside(repository, since, taken)
  const lastSkipped = since.at(-1)?.after?.skipped ?? []
  const foreign = new Set(
    files.flatMap((file) => lastSkipped.some((last) => isSameFile(last, file)) ? [] : [file.name])
  )
  const isConflict = ({ name }: Changes.Difference) =>
    outside === "unknown" || outside.has(name) || foreign.has(name) ||
    Names.ancestors(name).some((folder) => foreign.has(folder))
  const conflicting = restorable.filter(isConflict).map(({ name }) => name)
  const conflicts = conflicting.map(shown).sort()
  if (conflicts.length > 0 && onConflict === "fail" && !dryRun) {
    return yield* refused(
      "conflict",
      outside === "unknown"
        ? "A turn that would be undone is unfinished, or ran beside another one, so it is unknown who changed what."
        : "Files that would be restored were changed outside of the checkpoints.",
      conflicts
    )
  }

  const selected = onConflict === "keep" ? withoutKept(restorable, new Set(conflicting)) : restorable
  const isOverwritten = new Set(selected.flatMap(({ name }) => [name, ...Names.ancestors(name)]))
  const saved = files.flatMap(({ name }) => isOverwritten.has(name) ? [name] : [])
  // Two passes over files that are too large for a snapshot would cost a dry run dearly.
  const present = dryRun ? taken : yield* Snapshot.withFiles(repository, taken, saved)
  const inPlace = saved.map((name): Changes.Difference => ({ name, from: absent, to: absent }))
  const isAlsoSelected = new Set(selected.map(({ name }) => name))
  const tree = yield* Trees.applied(repository, present.tree, [
    ...(dryRun ? [] : inPlace.filter(({ name }) => !isAlsoSelected.has(name))),
    ...selected
  ])
  const after: Snapshot.Snapshot = { tree, skipped: taken.skipped.filter(({ name }) => !isOverwritten.has(name)) }
  const changes = yield* Changes.changes(repository, present, after)
  const unstored = wanted.skipped
    .filter((file) => !taken.skipped.some((now) => isSameFile(now, file)))
    .map(({ name }) => shown(name))
  const result = { changes, conflicts, unstored }
  if (dryRun || changes.length === 0) return { id: Option.none(), ...result }

  const restore = Effect.gen(function*() {
    const begun = yield* Records.begin(repository, present, { kind: "rewind", threadId: undefined })
    const restorePermissions = yield* permissions(repository, selected)
    // An entry of which git distrusts the time is taken for changed, though its content is not.
    yield* repository.git(["update-index", "-q", "--refresh"]).pipe(
      Effect.catchIf(({ reason }) => reason === "git", () => Effect.void)
    )
    // Git refuses to write over what has changed since the snapshot.
    yield* repository.git(["read-tree", "-m", "-u", present.tree, tree]).pipe(
      Effect.ensuring(restorePermissions),
      Effect.catch(Effect.fnUntraced(function*(error) {
        if (isRefusal(error)) {
          yield* Records.dropAll(repository, begun)
          return yield* refused("blocked", `Files changed during the rewind. ${error.detail}`, [])
        }
        return yield* new CheckpointError({
          reason: error.reason,
          detail:
            `The folder may be restored in part. What was there before is in ${Records.idOf(begun)}: rewind to it ` +
            `with "overwrite". ${error.detail}`,
          paths: error.paths
        })
      }))
    )
    yield* Records.finish(repository, begun, after, false)
    return { id: Option.some(Records.idOf(begun)), ...result }
  })
  return yield* Effect.uninterruptible(restore)
})

const absent = { mode: "000000", object: "0".repeat(40) }
