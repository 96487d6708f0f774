/** What a long history costs who looks at it: the fold of its events, of its stored form, and the report. */
import { ThreadView } from "@effect-codex/client"
import type { Thread } from "@effect-codex/client/Received"
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import { Report } from "@effect-codex/report"
import { completed, idOf, message, started, turnOf } from "../workload.ts"
import { tell } from "./sample.ts"

const [items, perTurn] = process.argv.slice(2, 4).map(Number) as [number, number]
const turns = Math.ceil(items / perTurn)
const threadId = idOf("thread", 0)

interface Line {
  readonly method: string
  readonly params: { readonly threadId: string; readonly item?: { readonly id: string } }
}

/** The messages of the workload, all of one thread, as the client hands them over. */
const events: Array<ServerNotification> = []
const stored: Array<object> = []
const push = (text: string): Line => {
  const { method, params } = JSON.parse(text) as Line
  const event = { _tag: method, params: { ...params, threadId } }
  events.push(event as unknown as ServerNotification)
  return { method, params: event.params }
}
for (let turn = 0, made = 0; turn < turns; turn++) {
  push(started(turn))
  const ofTurn: Array<object> = []
  for (let n = 0; n < perTurn && made < items; n++, made++) {
    const { params } = push(message({ kind: "outputs", itemBytes: 200, messages: 0, turns: 1 }, turn, made))
    ofTurn.push(params.item!)
  }
  push(completed(turn))
  stored.push({ ...turnOf(turn, "completed"), items: ofTurn, itemsView: "full" })
}

const timed = <A>(body: () => A): readonly [A, number] => {
  const before = process.cpuUsage()
  const result = body()
  const { system, user } = process.cpuUsage(before)
  return [result, (user + system) / 1000]
}

const [folded, foldMs] = timed(() =>
  events.reduce((view, event) => ThreadView.apply(view, event), ThreadView.make(threadId))
)
const thread = { id: threadId, cwd: "/workspace", preview: "", status: { type: "idle" }, turns: stored }
const [view, storedMs] = timed(() =>
  ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread: thread as unknown as Thread })
)
const [page, reportMs] = timed(() => Report.render(view))

for (const each of [folded, view]) {
  const seen = [...each.turns].reduce((sum, { items }) => sum + [...items].length, 0)
  if (seen !== items) throw new Error(`${seen} items of ${items}`)
}
tell({
  ms: foldMs + storedMs + reportMs,
  cpuMs: foldMs + storedMs + reportMs,
  peakMiB: process.resourceUsage().maxRSS / 1024,
  foldMs,
  storedMs,
  reportMs,
  pageBytes: page.length
})
