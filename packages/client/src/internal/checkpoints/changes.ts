/** What differs between two snapshots. */
import * as Effect from "effect/Effect"
import type { Change, CheckpointError } from "../../Checkpoints.ts"
import * as Names from "./names.ts"
import type { Repository } from "./repository.ts"
import type { SkippedFile, Snapshot } from "./snapshot.ts"

/** A file that two trees have differently. A mode of `000000` means that the tree lacks it. */
export interface Difference {
  readonly name: Names.Name
  readonly from: { readonly mode: string; readonly object: string }
  readonly to: { readonly mode: string; readonly object: string }
}

export const isAbsent = ({ mode }: Difference["from"]): boolean => mode === "000000"

const rawOf = (fields: ReadonlyArray<string>): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (let i = 0; i + 1 < fields.length && fields[i]!.startsWith(":"); i += 2) {
    const [fromMode = "", toMode = "", from = "", to = ""] = fields[i]!.slice(1).split(" ")
    found.push({ name: fields[i + 1]!, from: { mode: fromMode, object: from }, to: { mode: toMode, object: to } })
  }
  return found
}

const between = (from: string, to: string) => ["--no-renames", "-r", from, to]

export const differences = Effect.fnUntraced(function*(
  { git }: Repository,
  from: string,
  to: string
): Effect.fn.Return<ReadonlyArray<Difference>, CheckpointError> {
  if (from === to) return []
  return rawOf(Names.split(yield* git(["diff-tree", "-z", "--raw", "--no-abbrev", ...between(from, to)])))
})

const typeOf = (mode: string): string => mode.slice(0, 3)

const kindOf = ({ from, to }: Difference): Change["kind"] => {
  if (isAbsent(from)) return "added"
  if (isAbsent(to)) return "deleted"
  return typeOf(from.mode) === typeOf(to.mode) ? "modified" : "typeChanged"
}

const byPath = (a: { readonly path: string }, b: { readonly path: string }) =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0

const bySkippedName = (files: ReadonlyArray<SkippedFile>) => new Map(files.map((file) => [file.name, file]))

/** The changes from one snapshot to another. Of files that a snapshot lacks, only the size and the time are known. */
export const changes = Effect.fnUntraced(function*(
  repository: Repository,
  from: Snapshot,
  to: Snapshot
): Effect.fn.Return<ReadonlyArray<Change>, CheckpointError> {
  const { git, shown } = repository
  const unstoredBefore = bySkippedName(from.skipped)
  const unstoredAfter = bySkippedName(to.skipped)
  const found: Array<Change> = []
  if (from.tree !== to.tree) {
    const fields = Names.split(
      yield* git(["diff-tree", "-z", "--raw", "--numstat", "--no-abbrev", ...between(from.tree, to.tree)])
    )
    const raw = rawOf(fields)
    const counts = new Map(
      fields.slice(raw.length * 2).map((field) => {
        const [insertions = "", deletions = "", ...name] = field.split("\t")
        return [name.join("\t"), { insertions, deletions }]
      })
    )
    for (const difference of raw) {
      const { name } = difference
      const count = counts.get(name)
      const isHalf = unstoredBefore.has(name) || unstoredAfter.has(name)
      found.push({
        path: shown(name),
        kind: isHalf ? "modified" : kindOf(difference),
        insertions: isHalf ? 0 : Number(count?.insertions) || 0,
        deletions: isHalf ? 0 : Number(count?.deletions) || 0,
        binary: isHalf || count?.insertions === "-",
        isStored: !isHalf
      })
    }
  }
  const stored = new Set(found.map(({ path }) => path))
  for (const name of new Set([...unstoredBefore.keys(), ...unstoredAfter.keys()])) {
    const before = unstoredBefore.get(name)
    const after = unstoredAfter.get(name)
    const path = shown(name)
    if (stored.has(path) || (before?.size === after?.size && before?.modified === after?.modified)) continue
    const kind = before === undefined ? "added" : after === undefined ? "deleted" : "modified"
    found.push({ path, kind, insertions: 0, deletions: 0, binary: true, isStored: false })
  }
  return found.sort(byPath)
})

export const diff = Effect.fnUntraced(function*(
  { git, prefix }: Repository,
  from: string,
  to: string
): Effect.fn.Return<string, CheckpointError> {
  if (from === to) return ""
  const relative = prefix === "" ? [] : [`--relative=${prefix}`]
  const how = ["--patch", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", ...relative]
  return Names.toText(yield* git(["diff-tree", ...how, ...between(from, to)]))
})
