/** Assembles the service: checkpoints around turns, and the way to find them. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type Checkpoint, CheckpointError, type Checkpoints, type Forget, type Options } from "../../Checkpoints.ts"
import { InvalidArgument } from "../../CodexError.ts"
import type { Thread } from "../../Thread.ts"
import * as Kinds from "../options.ts"
import { visible } from "../text/visibleText.ts"
import * as Activity from "./activity.ts"
import * as Changes from "./changes.ts"
import * as Records from "./records.ts"
import * as Repository from "./repository.ts"
import * as Rewind from "./rewind.ts"
import * as Snapshot from "./snapshot.ts"
import * as Trees from "./trees.ts"

const required = { directory: Kinds.text, folder: Kinds.text }

const ofCheckpoints: Kinds.Kinds = {
  exclude: Kinds.texts,
  git: Kinds.text,
  ignored: Kinds.oneOf("skip", "include"),
  maxFileBytes: Kinds.countOrNone
}

const ofRewind: Kinds.Kinds = { conflicts: Kinds.oneOf("fail", "keep", "overwrite"), dryRun: Kinds.flag }

const isPlain = (options: Options): Effect.Effect<void, InvalidArgument> =>
  Effect.gen(function*() {
    yield* Kinds.checkArgument("options", options, Kinds.record)
    yield* Kinds.check(options, ofCheckpoints)
    for (const name of ["directory", "folder"] as const) {
      yield* Kinds.checkArgument(name, options[name], required[name])
      if (options[name].includes("\0")) {
        return yield* new InvalidArgument({ argument: name, detail: "it contains a NUL." })
      }
    }
  })

const present = (repository: Repository.Repository, entry: Records.Entry): Checkpoint => {
  const skipped = new Map(
    [...entry.before.skipped, ...entry.after?.skipped ?? []].map(({ name, size }) => [name, size])
  )
  return {
    id: Records.idOf(entry),
    kind: entry.kind,
    threadId: Option.fromUndefinedOr(entry.threadId),
    turnIds: entry.turnIds,
    createdAt: entry.createdAt,
    isFinished: entry.after !== undefined,
    isShared: entry.after?.isShared ?? false,
    skipped: Array.from(skipped, ([name, size]) => ({ path: repository.shown(name), size }))
  }
}

/** Which of the checkpoints, the oldest first, a rule means. */
const chosen = (entries: ReadonlyArray<Records.Entry>, which: Forget): ReadonlyArray<Records.Entry> => {
  if ("keepLast" in which) return entries.slice(0, Math.max(0, entries.length - which.keepLast))
  if ("threadId" in which) return entries.filter(({ threadId }) => threadId === which.threadId)
  return entries.filter((entry) =>
    which.ids.includes(Records.idOf(entry)) || entry.turnIds.some((id) => which.ids.includes(id))
  )
}

const checkForget = (which: Forget): Effect.Effect<void, InvalidArgument> =>
  Effect.gen(function*() {
    yield* Kinds.checkArgument("which", which, Kinds.record)
    if ("keepLast" in which) return yield* Kinds.checkArgument("keepLast", which.keepLast, Kinds.countOrNone)
    if ("threadId" in which) return yield* Kinds.checkArgument("threadId", which.threadId, Kinds.text)
    yield* Kinds.checkArgument("ids", which.ids, Kinds.texts)
  })

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  Checkpoints["Service"],
  CheckpointError | InvalidArgument,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> {
  yield* isPlain(options)
  const repository = yield* Repository.open(options)
  // One at a time, because they share an index.
  const { withPermit } = yield* Semaphore.make(1)
  const snapshot = withPermit(Snapshot.take(repository))
  const entries = Records.read(repository)

  const find = Effect.fnUntraced(function*(id: string) {
    const all = yield* entries
    const found = all.findLast((entry) => Records.idOf(entry) === id || entry.turnIds.includes(id))
    return found === undefined
      ? yield* new CheckpointError({
        reason: "notFound",
        detail: `There is no checkpoint ${visible(String(id))} of ${options.folder}.`,
        paths: []
      })
      : { all, found }
  })

  const finished = Effect.fnUntraced(function*(id: string) {
    const { found: { after, before } } = yield* find(id)
    return after === undefined
      ? yield* new CheckpointError({
        reason: "unfinished",
        detail: `The checkpoint of ${visible(id)} has no snapshot after the turn.`,
        paths: []
      })
      : { before, after }
  })

  const end = Effect.fnUntraced(function*(begun: Records.Begun, before: string, isShared: boolean) {
    const after = yield* snapshot
    const differences = yield* Changes.differences(repository, before, after.tree)
    const formerlyIgnored = yield* Trees.formerlyIgnored(repository, before, differences)
    const tree = yield* Trees.applied(
      repository,
      after.tree,
      differences
        .filter(({ name }) => formerlyIgnored.has(name))
        .map(({ from, name, to }) => ({ name, from: to, to: from }))
    )
    yield* Records.finish(repository, begun, { ...after, tree }, isShared)
  })

  const track =
    (thread: Pick<Thread, "id" | "events">) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | CheckpointError, R> =>
      Effect.scopedWith((scope) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const isShared = yield* Effect.provideService(Activity.begin(repository), Scope.Scope, scope)
            const before = yield* restore(snapshot)
            const begun = yield* Records.begin(repository, before, { kind: "turn", threadId: thread.id })
            const turnIds = new Set<string>()
            const unstored = new Set<string>()
            const store = Effect.suspend(() =>
              Effect.forEach(
                unstored,
                (id) => Effect.andThen(Records.addTurn(repository, begun, id), Effect.sync(() => unstored.delete(id))),
                {
                  discard: true
                }
              )
            )
            // Stored at once, so that a turn whose program dies can be undone.
            yield* thread.events.pipe(
              Stream.runForEach((event) => {
                if (event._tag !== "turn/started" || turnIds.has(event.params.turn.id)) return Effect.void
                turnIds.add(event.params.turn.id)
                unstored.add(event.params.turn.id)
                return Effect.ignore(store)
              }),
              Effect.ignore,
              Effect.forkIn(scope, { startImmediately: true })
            )
            const exit = yield* Effect.exit(restore(effect))
            const ending = yield* Effect.exit(end(begun, before.tree, yield* isShared))
            const finish = Effect.suspend(() => turnIds.size === 0 ? Records.dropAll(repository, begun) : store).pipe(
              Effect.andThen(ending)
            )
            yield* Effect.catch(
              finish,
              (error) => Effect.logWarning(`There is no snapshot after a turn of thread ${thread.id}: ${error.message}`)
            )
            return yield* exit
          })
        )
      )

  return {
    track,
    list: ({ threadId } = {}) =>
      Effect.map(entries, (all) =>
        all.filter((entry) => threadId === undefined || entry.threadId === threadId)
          .map((entry) => present(repository, entry)).reverse()),
    changes: (id) => Effect.flatMap(finished(id), ({ after, before }) => Changes.changes(repository, before, after)),
    diff: (id) =>
      Effect.flatMap(finished(id), ({ after, before }) => Changes.diff(repository, before.tree, after.tree)),
    rewind: (id, options = {}) =>
      Effect.gen(function*() {
        yield* Kinds.check(options, ofRewind)
        const { all, found } = yield* find(id)
        return yield* Rewind.rewind(repository, all, found, options)
      }).pipe(withPermit),
    forget: (which) =>
      Effect.gen(function*() {
        yield* checkForget(which)
        const forgotten = chosen(yield* entries, which)
        yield* Records.drop(repository, forgotten.flatMap(({ refs }) => refs))
        // Another program may be between the objects of a snapshot and its ref.
        if (forgotten.length > 0) yield* repository.git(["gc", "--quiet", "--prune=1.hour.ago"])
        return forgotten.length
      }).pipe(withPermit)
  }
})
