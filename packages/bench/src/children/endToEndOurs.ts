/** Turns at once on the real codex binary, read by the built client. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { promptOf } from "../stage.ts"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const [turns, deltas] = process.argv.slice(2, 4).map(Number) as [number, number]
const executable = process.argv[4]!
const codexProcesses = watchCodex(executable)

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const threads = yield* Effect.forEach(Array.from({ length: turns }), () => codex.startThread())
  let events = 0
  const run = Effect.fnUntraced(function*(thread: (typeof threads)[number]) {
    const turn = yield* thread.turn(promptOf(deltas))
    yield* Stream.runForEach(turn.events, ({ _tag }) =>
      Effect.sync(() => {
        if (_tag === "item/agentMessage/delta") events++
      }))
    yield* turn.result
  }, Effect.scoped)
  const end = codexProcesses.begin()
  yield* Effect.forEach(threads, run, { concurrency: "unbounded", discard: true })
  tell({ ...end(), events })
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(CodexNode.layer({ executable }))))
