/** What a turn costs from the start of its thread to its end, when many run at once. Needs `--expose-gc`. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { Workload } from "../workload.ts"
import { begin, heapMiB, tell } from "./sample.ts"

const { turns } = JSON.parse(process.argv[2]!) as Workload

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const before = heapMiB()
  const end = begin()
  const results = yield* Effect.forEach(
    Array.from({ length: turns }),
    Effect.fnUntraced(function*() {
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* Stream.runDrain(turn.events)
      return yield* turn.result
    }),
    { concurrency: "unbounded" }
  )
  const sample = end()
  const heapKiB = (heapMiB() - before) * 1024
  if (results.length !== turns) return yield* Effect.die(new Error(`${results.length} turns of ${turns}`))
  tell({ ...sample, heapKiB })
})

await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(CodexNode.layer({
    executable: process.execPath,
    args: [Path.join(import.meta.dirname, "feeder.ts"), process.argv[2]!]
  })))
)
