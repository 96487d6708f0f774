/** Measures on the feeder what stays in memory. Needs `--expose-gc`. */
import { AppServerRpc, Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import { begin, heapMiB, tell } from "./sample.ts"

/**
 * - `unread`, `read`: one turn whose events nobody reads before its end, and the same with a reader
 * - `threads`: opened and closed one after the other, `count` of them
 * - `turns`: run and read one after the other, each on a thread of its own, `count` of them
 * - `handles`: like `turns`, but nobody reads the events
 */
const mode = process.argv[3] as "unread" | "read" | "threads" | "turns" | "handles"
const count = Number(process.argv[4] ?? 0)

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const rpc = yield* AppServerRpc.AppServerRpc
  const heaps: Record<string, number> = {}
  const end = begin()
  if (mode === "unread" || mode === "read") {
    const thread = yield* codex.startThread()
    const turn = yield* thread.turn("go")
    const read = Deferred.makeUnsafe<void>()
    let deltas = 0
    const reader = yield* Effect.forkScoped(Effect.andThen(
      mode === "read" ? Effect.void : Deferred.await(read),
      Stream.runForEach(turn.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "item/agentMessage/delta") deltas += event.params.delta.length
        }))
    ))
    yield* Effect.yieldNow
    yield* rpc.request("thread/loaded/list", {})
    yield* turn.result
    heaps["heapMiB"] = heapMiB()
    const sample = end()
    yield* Deferred.succeed(read, undefined)
    yield* Fiber.join(reader)
    return tell({ ...sample, ...heaps, characters: deltas })
  }
  for (let n = 1; n <= count; n++) {
    yield* Effect.scoped(Effect.gen(function*() {
      const thread = yield* codex.startThread()
      if (mode === "threads") return yield* thread.unsubscribe
      const turn = yield* thread.turn("go")
      if (mode === "turns") yield* Stream.runDrain(turn.events)
      return yield* turn.result
    }))
    if (n * 10 === count || n * 2 === count || n === count) heaps[`heap${n}`] = heapMiB()
  }
  tell({ ...end(), ...heaps })
})

await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(CodexNode.layer({
    executable: process.execPath,
    args: [Path.join(import.meta.dirname, "feeder.ts"), process.argv[2]!]
  })))
)
