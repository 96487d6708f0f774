/** Lists and resumes threads of a home that has many. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { idOf } from "../workload.ts"
import { watchCodex } from "./codexProcesses.ts"
import { record } from "./rollouts.ts"
import { type Sample, tell } from "./sample.ts"

const count = Number(process.argv[2])
const executable = process.argv[3]!

// Codex itself would take a tenth of a second for each.
const { lines, write } = await record(executable)
for (let n = 1; n < count; n++) write(idOf("thread", n), lines)

// Only now, because it cannot watch a codex that has ended.
const codexProcesses = watchCodex(executable)

const timed = <E, R>(body: Effect.Effect<unknown, E, R>): Effect.Effect<Sample, E, R> =>
  Effect.suspend(() => {
    const end = codexProcesses.begin()
    return Effect.map(body, end)
  })

const all = (useStateDbOnly: boolean) =>
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const seen = yield* Stream.runCount(codex.listThreads({ useStateDbOnly, pageSize: 100 }))
    if (seen !== count) return yield* Effect.die(new Error(`${seen} threads of ${count}`))
  })

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const found = yield* timed(all(false))
  const listed = yield* timed(all(true))
  const resumed = yield* timed(codex.resumeThread(idOf("thread", count >> 1)))
  tell({ ...listed, foundMs: found.ms, resumeMs: resumed.ms })
})

await Effect.runPromise(Effect.provide(program, CodexNode.layer({ executable })))
