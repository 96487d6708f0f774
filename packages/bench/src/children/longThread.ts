/** Reads a stored thread of many items: page by page, and as a whole. */
import { Codex, ThreadView } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { idOf } from "../workload.ts"
import { watchCodex } from "./codexProcesses.ts"
import { record } from "./rollouts.ts"
import { tell } from "./sample.ts"

const count = Number(process.argv[2])
const executable = process.argv[3]!

const { lines, write } = await record(executable)
const at = lines.findIndex((line) => line.includes(`"type":"AgentMessage"`))
// The turn has one item of the user, and all others are like the one of the agent.
const items = Array.from({ length: count - 1 }, (_, n) => lines[at]!.replaceAll("msg-0-0", `msg-0-${n}`))
const threadId = idOf("thread", 1)
write(
  threadId,
  [...lines.slice(0, at), ...items, ...lines.slice(at + 1)].map((line, n) =>
    line.replace(/"ordinal":\d+/, `"ordinal":${n}`)
  )
)

const codexProcesses = watchCodex(executable)

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.resumeThread(threadId)
  const endPages = codexProcesses.begin()
  const seen = yield* Stream.runCount(thread.items({ pageSize: 100 }))
  const pages = endPages()
  const endWhole = codexProcesses.begin()
  const whole = yield* codex.readThread(threadId, { includeTurns: true })
  const view = ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread: whole })
  const read = endWhole()
  const folded = [...view.turns].reduce((sum, { items }) => sum + items.length, 0)
  if (seen !== count || folded !== count) {
    return yield* Effect.die(new Error(`${seen} items by pages and ${folded} in the whole, of ${count}`))
  }
  tell({ ...pages, wholeMs: read.ms, wholeCpuMs: read.cpuMs })
})

await Effect.runPromise(Effect.provide(program, CodexNode.layer({ executable })))
