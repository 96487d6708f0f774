/** The view of a session from what is best known of it: a thread of codex, its file, or a cassette. */
import type { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { Codex } from "@effect-codex/client/Codex"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { turnsOf } from "./storedTurns.ts"

export interface Found {
  readonly view: ThreadView.ThreadView
  /** What the page lacks, and why. */
  readonly notices: ReadonlyArray<string>
}

// =============================================================================
// A thread
// =============================================================================

/** More than an agent starts. Bounds what a misbehaving server can cause. */
const maxSubagents = 500

/** Each subagent once, also those that the file of a subagent names. */
const withSubagents = Effect.fnUntraced(function*<E, R>(
  first: ThreadView.ThreadView,
  apply: (view: ThreadView.ThreadView, id: string) => Effect.Effect<ThreadView.ThreadView, E, R>
) {
  const seen = new Set<string>()
  let view = first
  while (seen.size < maxSubagents) {
    const next = [...view.subagents].find(({ threadId }) => !seen.has(threadId))
    if (next === undefined) break
    seen.add(next.threadId)
    view = yield* apply(view, next.threadId)
  }
  return view
})

/**
 * A thread of codex. Its file has the tokens and the times, where this machine has it. What codex stores comes second,
 * because a copy has the turns of its source only there.
 */
export const ofThread = Effect.fnUntraced(function*(
  { codex, rpc }: { readonly codex: Codex["Service"]; readonly rpc: AppServerRpc["Service"] },
  id: string
) {
  const notices: Array<string> = []
  const one = Effect.fnUntraced(function*(view: ThreadView.ThreadView, id: string) {
    const thread = yield* codex.readThread(id)
    const ofFile = thread.path === null ? Option.none() : yield* Effect.option(readRollout(view, thread.path))
    const turns = yield* Stream.runCollect(turnsOf(rpc, id))
    const after = ThreadView.apply(Option.getOrElse(ofFile, () => view), {
      _tag: "StoredThread",
      thread: { ...thread, turns: [...turns] }
    })
    return { hasFile: Option.isSome(ofFile), view: after }
  })
  const { hasFile, view } = yield* one(ThreadView.make(id), id)
  if (!hasFile) notices.push("The thread's file cannot be read on this machine, so the page has no tokens.")
  const whole = yield* withSubagents(view, (view, id) =>
    one(view, id).pipe(
      Effect.map(({ view }) => view),
      // The page has what its parent knows of it.
      Effect.catch(() => Effect.succeed(view))
    ))
  const found: Found = { view: whole, notices }
  return found
})

// =============================================================================
// Files
// =============================================================================

const readRollout = Effect.fnUntraced(function*(view: ThreadView.ThreadView, path: string) {
  const fs = yield* FileSystem.FileSystem
  const rollout = yield* ThreadView.rollout
  return ThreadView.applyAll(view, rollout((yield* fs.readFileString(path)).split("\n")))
})

const invalid = (detail: string) => new InvalidArgument({ argument: "source", detail })

/** Whether a person who types this means a file. Ids are of hexadecimal digits. */
export const isFile = Effect.fnUntraced(function*(source: string) {
  if (/\.jsonl$|[\\/]/.test(source)) return true
  const fs = yield* FileSystem.FileSystem
  return !/^[\da-f-]+$/i.test(source) && (yield* Effect.orElseSucceed(fs.exists(source), () => false))
})

/** A file: a cassette, or codex's own of a thread. */
export const ofFile = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(file),
    ({ reason }) => invalid(`${file} ${reason._tag === "NotFound" ? "does not exist" : "cannot be read"}.`)
  )
  // The first line of each rollout. A line of a cassette cannot begin like it.
  return /^\s*\{[^\n]{0,200}"type"\s*:\s*"session_meta"/.test(text)
    ? yield* ofRollout(file, text)
    : yield* ofCassette(file)
})

const ofRollout = Effect.fnUntraced(function*(file: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const { dirname, join } = yield* Path.Path
  const rollout = yield* ThreadView.rollout
  const first = ThreadView.applyAll(ThreadView.empty, rollout(text.split("\n")))
  const folder = dirname(file)
  const names = yield* Effect.orElseSucceed(fs.readDirectory(folder), () => [])
  let missing = 0
  const view = yield* withSubagents(first, (view, id) => {
    const name = names.find((name) => name.endsWith(`-${id}.jsonl`))
    const unread = Effect.sync(() => {
      missing++
      return view
    })
    return name === undefined ? unread : Effect.catch(readRollout(view, join(folder, name)), () => unread)
  })
  const found: Found = {
    view,
    notices: missing === 0 ? [] : ["Files of subagents are not beside this one, so the page does not have their work."]
  }
  return found
})

const ofCassette = Effect.fnUntraced(function*(file: string) {
  const Cassette = yield* Effect.promise(() => import("@effect-codex/testing/Cassette"))
  const recorded = yield* Effect.mapError(
    Cassette.read(file),
    ({ detail, line }) =>
      invalid(
        `${file} is neither a cassette of \`effect-codex record\` nor a thread's file of codex` +
          `${line === undefined ? "" : ` (line ${line})`}: ${detail}`
      )
  )
  const [id, ...others] = Cassette.threadIds(recorded)
  if (id === undefined) return yield* invalid(`${file} has no thread.`)
  const found: Found = {
    view: ThreadView.applyAll(ThreadView.make(id), yield* Cassette.events(recorded)),
    notices: others.length === 0 ? [] : [`The cassette has ${others.length + 1} threads. The page shows the first one.`]
  }
  return found
})
