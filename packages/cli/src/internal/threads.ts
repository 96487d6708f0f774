/** The threads of the user's own codex. */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import type { ThreadInfo } from "@effect-codex/client/Thread"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { line } from "./lines.ts"
import * as Run from "./run.ts"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"
import { turnsOf } from "./storedTurns.ts"
import * as ThreadIds from "./threadIds.ts"
import * as ThreadLines from "./threadLines.ts"
import { headLines, turnLines } from "./transcript.ts"
import * as TurnWarnings from "./turnWarnings.ts"

// Only `fork` with a prompt runs a turn.
const connected = TurnWarnings.without(Session.connect({}))

const connect = Effect.map(connected, ({ codex }) => codex)

// oxlint-disable-next-line no-restricted-properties -- threads were used at a date
const currentTime = Clock.currentTimeMillis

interface ListOptions {
  readonly archived: boolean
  readonly limit: number
  readonly json: boolean
}

const checkLimit = ({ limit }: ListOptions) =>
  limit >= 1 && limit <= 10_000
    ? Effect.void
    : Effect.fail(
      new InvalidArgument({ argument: "--limit", detail: `it is ${limit}. Give a number from 1 to 10000.` })
    )

// =============================================================================
// Finding
// =============================================================================

export const list = Effect.fnUntraced(function*(options: ListOptions & { readonly all: boolean }) {
  yield* checkLimit(options)
  const { line: tell } = yield* Screen
  const codex = yield* connect
  const found = yield* codex.listThreads({
    archived: options.archived,
    cwd: options.all ? undefined : process.cwd(),
    sourceKinds: ThreadIds.sourceKinds,
    sortKey: "updated_at",
    // One more tells whether there are more.
    pageSize: Math.min(options.limit + 1, 100)
  }).pipe(Stream.filter(ThreadIds.isDecoded), Stream.take(options.limit + 1), Stream.runCollect)
  const threads = found.slice(0, options.limit)
  if (threads.length === 0) {
    const kind = options.archived ? "archived threads" : "threads"
    return yield* tell(
      options.all ? `There are no ${kind}.` : `There are no ${kind} of this folder. --all lists those of all folders.`
    )
  }
  yield* print(threads, options, options.all)
  if (found.length > threads.length) yield* tell(`There are more. --limit ${options.limit * 5} shows more of them.`)
}, Effect.scoped)

export const search = Effect.fnUntraced(function*(options: ListOptions & { readonly text: string }) {
  yield* checkLimit(options)
  if (options.text.trim() === "") return yield* new InvalidArgument({ argument: "text", detail: "it is empty." })
  const { answer, answerLines, columns, line: tell } = yield* Screen
  const codex = yield* connect
  const events = yield* Stream.runCollect(codex.searchThreads(options.text, {
    archived: options.archived,
    sourceKinds: ThreadIds.sourceKinds,
    pageSize: Math.min(options.limit, 100)
  }))
  const hits = (events.at(-1)?.hits ?? []).filter(ThreadIds.isDecoded).slice(0, options.limit)
  if (hits.length === 0) return yield* tell("No thread was found.")
  if (options.json) return yield* answer(hits.map((hit) => `${JSON.stringify(hit)}\n`).join(""))
  yield* answerLines(ThreadLines.hits(hits, { columns, now: yield* currentTime }))
}, Effect.scoped)

const print = Effect.fnUntraced(function*(
  threads: ReadonlyArray<ThreadInfo>,
  options: ListOptions,
  hasFolders: boolean
) {
  const { answer, answerLines, columns } = yield* Screen
  if (options.json) return yield* answer(threads.map((thread) => `${JSON.stringify(thread)}\n`).join(""))
  yield* answerLines(ThreadLines.table(threads, { columns, hasFolders, now: yield* currentTime }))
})

// =============================================================================
// One thread
// =============================================================================

export const show = Effect.fnUntraced(function*(options: { readonly id: string; readonly json: boolean }) {
  const { answer, answerLines, rich } = yield* Screen
  const { codex, rpc } = yield* connected
  const id = yield* ThreadIds.resolveAny(codex, "id", options.id)
  const thread = yield* codex.readThread(id)
  if (options.json) {
    const turns = yield* Stream.runCollect(turnsOf(rpc, id))
    return yield* answer(`${JSON.stringify({ ...thread, turns })}\n`)
  }
  yield* answerLines(headLines(thread))
  // Page by page, because a thread can be far longer than the memory that is worth it.
  yield* Stream.runForEach(turnsOf(rpc, id), (turn) => answerLines(turnLines(turn, thread.cwd, rich)))
}, Effect.scoped)

export const archive = Effect.fnUntraced(function*(options: { readonly id: string }) {
  const { line: tell } = yield* Screen
  const codex = yield* connect
  const id = yield* ThreadIds.resolve(codex, "id", options.id)
  yield* codex.archiveThread(id)
  // Not wrapped, so that the command can be copied.
  yield* tell({ ...line(`archived ${id}, bring it back with: effect-codex threads unarchive ${id}`), isRigid: true })
}, Effect.scoped)

export const unarchive = Effect.fnUntraced(function*(options: { readonly id: string }) {
  const { line: tell } = yield* Screen
  const codex = yield* connect
  const id = yield* ThreadIds.resolve(codex, "id", options.id, { archived: true })
  yield* codex.unarchiveThread(id)
  yield* tell(line(`brought back ${id}`))
}, Effect.scoped)

export interface ForkOptions extends Run.TurnOptions {
  readonly id: string
  readonly prompt: Option.Option<string>
}

export const fork = (options: ForkOptions) =>
  Option.isSome(options.prompt)
    ? Run.runOn(Session.open(options), options, options.prompt, Effect.succeed({ _tag: "Fork", id: options.id }))
    : copy(options)

const copy = Effect.fnUntraced(function*(options: ForkOptions) {
  const { answer } = yield* Screen
  const codex = yield* connect
  const thread = yield* codex.forkThread(yield* ThreadIds.resolve(codex, "id", options.id))
  yield* answer(`${thread.id}\n`)
}, Effect.scoped)
