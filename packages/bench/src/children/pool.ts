/** Turns at once on a pool of codex processes. */
import { Codex } from "@effect-codex/client"
import * as CodexPool from "@effect-codex/node/CodexPool"
import * as Effect from "effect/Effect"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const [processes, turns] = process.argv.slice(2, 4).map(Number) as [number, number]
const [prompt, executable] = process.argv.slice(4) as [string, string]
const codexProcesses = watchCodex(executable)

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const threads = yield* Effect.forEach(Array.from({ length: turns }), () => codex.startThread(), { concurrency: 16 })
  const end = codexProcesses.begin()
  yield* Effect.forEach(threads, (thread) => thread.run(prompt), { concurrency: "unbounded", discard: true })
  tell(end())
})

await Effect.runPromise(Effect.provide(program, CodexPool.layer({ executable, processes })))
