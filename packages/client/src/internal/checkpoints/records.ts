/** The checkpoints as git keeps them: commits under refs that begin with the number of the checkpoint. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { CheckpointError } from "../../Checkpoints.ts"
import type { Git } from "./git.ts"
import type { Repository } from "./repository.ts"
import type { Snapshot } from "./snapshot.ts"

export interface Entry {
  readonly number: number
  readonly kind: "turn" | "rewind"
  readonly threadId: string | undefined
  readonly turnIds: ReadonlyArray<string>
  readonly createdAt: DateTime.Utc
  readonly commit: string
  readonly before: Snapshot
  readonly after: (Snapshot & { readonly isShared: boolean }) | undefined
  readonly refs: ReadonlyArray<string>
}

const Skipped = Schema.Array(Schema.Struct({ name: Schema.String, size: Schema.Number, modified: Schema.Number }))

const Before = Schema.fromJsonString(Schema.Struct({
  kind: Schema.Literals(["turn", "rewind"]),
  threadId: Schema.optionalKey(Schema.String),
  skipped: Skipped
}))
const After = Schema.fromJsonString(Schema.Struct({ isShared: Schema.Boolean, skipped: Skipped }))
const decodeBefore = Schema.decodeUnknownOption(Before)
const decodeAfter = Schema.decodeUnknownOption(After)

const all = "refs/checkpoints/"

const refOf = (number: number, rest: string): string => `${all}${String(number).padStart(8, "0")}/${rest}`

// Names in a message have one character for each byte, which git would take for another encoding.
const ascii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

// A turn may remove the folder, and must be found all the same.
const gitOf = ({ git, gitDir }: Repository): Git => (args, options) => git(args, { ...options, cwd: gitDir })

const commit = Effect.fnUntraced(function*(
  repository: Repository,
  tree: string,
  parents: ReadonlyArray<string>,
  message: object
) {
  const args = parents.flatMap((parent) => ["-p", parent])
  const id = yield* gitOf(repository)(["commit-tree", tree, ...args, "-F", "-"], {
    stdin: ascii(JSON.stringify(message))
  })
  return id.trim()
})

// Turn ids come from the server, and a ref takes few characters.
const turnIdsOf = (refs: ReadonlyArray<Ref>): ReadonlyArray<string> =>
  refs.flatMap(({ rest }) => {
    if (!rest.startsWith("turns/")) return []
    const id = Hex.decodeString(rest.slice("turns/".length))
    return Result.isSuccess(id) ? [id.success] : []
  })

interface Ref {
  readonly name: string
  readonly rest: string
  readonly commit: string
  readonly tree: string
  readonly seconds: number
  readonly message: string
}

const readRefs = Effect.fnUntraced(function*(repository: Repository) {
  const format = ["refname", "objectname", "tree", "committerdate:unix", "contents"].map((field) => `%(${field})%00`)
  const fields = (yield* gitOf(repository)(["for-each-ref", `--format=${format.join("")}`, all])).split("\0")
  const entries = new Map<number, Array<Ref>>()
  for (let i = 0; i + 5 <= fields.length; i += 5) {
    const [name = "", commit = "", tree = "", seconds = "", message = ""] = fields.slice(i, i + 5).map((x) => x.trim())
    const [number = "", ...rest] = name.slice(all.length).split("/")
    const refs = entries.get(Number(number)) ?? []
    refs.push({ name, rest: rest.join("/"), commit, tree, seconds: Number(seconds), message })
    entries.set(Number(number), refs)
  }
  return entries
})

const entryOf = (number: number, refs: ReadonlyArray<Ref>): Entry | undefined => {
  const beforeRef = refs.find(({ rest }) => rest === "before")
  const afterRef = refs.find(({ rest }) => rest === "after")
  const before = Option.getOrUndefined(decodeBefore(beforeRef?.message))
  const after = Option.getOrUndefined(decodeAfter(afterRef?.message))
  if (beforeRef === undefined || before === undefined) return undefined
  return {
    number,
    kind: before.kind,
    threadId: before.threadId,
    turnIds: turnIdsOf(refs),
    createdAt: DateTime.makeUnsafe(beforeRef.seconds * 1000),
    commit: beforeRef.commit,
    before: { tree: beforeRef.tree, skipped: before.skipped },
    after: afterRef && after && { tree: afterRef.tree, skipped: after.skipped, isShared: after.isShared },
    refs: refs.map(({ name }) => name)
  }
}

/** All checkpoints, the oldest first. */
export const read = Effect.fnUntraced(function*(
  repository: Repository
): Effect.fn.Return<ReadonlyArray<Entry>, CheckpointError> {
  const entries = Array.from(yield* readRefs(repository), ([number, refs]) => entryOf(number, refs))
  return entries.filter((entry) => entry !== undefined).sort((a, b) => a.number - b.number)
})

export interface Begun {
  readonly number: number
  readonly commit: string
}

export const idOf = ({ number }: Pick<Entry, "number">): string => `checkpoint-${number}`

export const begin = Effect.fnUntraced(function*(
  repository: Repository,
  { skipped, tree }: Snapshot,
  about: Pick<Entry, "kind" | "threadId">
): Effect.fn.Return<Begun, CheckpointError> {
  const before = yield* commit(repository, tree, [], { ...about, skipped })
  const claim = (number: number) =>
    Effect.as(gitOf(repository)(["update-ref", refOf(number, "before"), before, "0".repeat(40)]), number)
  const next = Effect.flatMap(readRefs(repository), (refs) => claim(Math.max(0, ...refs.keys()) + 1))
  // Another program may have taken the number.
  return { number: yield* Effect.retry(next, { times: 5, while: ({ reason }) => reason === "git" }), commit: before }
})

export const addTurn = (repository: Repository, { commit, number }: Begun, turnId: string) =>
  gitOf(repository)(["update-ref", refOf(number, `turns/${Hex.encode(turnId)}`), commit])

export const finish = Effect.fnUntraced(function*(
  repository: Repository,
  { commit: before, number }: Begun,
  { skipped, tree }: Snapshot,
  isShared: boolean
): Effect.fn.Return<void, CheckpointError> {
  const after = yield* commit(repository, tree, [before], { isShared, skipped })
  yield* gitOf(repository)(["update-ref", refOf(number, "after"), after])
})

export const drop = (repository: Repository, refs: ReadonlyArray<string>) =>
  refs.length === 0 ? Effect.void : gitOf(repository)(["update-ref", "--stdin", "-z"], {
    stdin: refs.map((ref) => `delete ${ref}\0\0`).join("")
  })

/** Forgets a checkpoint that was just taken. */
export const dropAll = Effect.fnUntraced(function*(repository: Repository, { number }: Begun) {
  const refs = (yield* readRefs(repository)).get(number) ?? []
  yield* drop(repository, refs.map(({ name }) => name))
})
