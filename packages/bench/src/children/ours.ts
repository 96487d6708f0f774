/** The built client on the workload, read in one of several ways. */
import { AppServerRpc, Codex } from "@effect-codex/client"
import { internalsOf } from "@effect-codex/client/internal/rpcInternals"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { Workload } from "../workload.ts"
import { idOf } from "../workload.ts"
import { again, begin } from "./allocations.ts"
import { tell } from "./sample.ts"

/**
 * - `observed`: notifications from `AppServerRpc`, without a turn and without a look at the params
 * - `events`, `batches`: the events of each turn, one by one or in the batches in which they came
 * - `late`: `events`, and a second reader that starts when the first has read half
 * - `result`: only the result of each turn
 */
const reading = process.argv[3] as "observed" | "events" | "batches" | "late" | "result"
const workload = JSON.parse(process.argv[2]!) as Workload

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const rpc = yield* AppServerRpc.AppServerRpc
  let events = 0
  let end: ReturnType<typeof begin> | undefined
  const seen = (more: number): void => {
    const before = events
    events += more
    if (workload.warmUp !== undefined && before < workload.warmUp && events >= workload.warmUp) {
      end = again(end!)
    }
  }
  const count = Effect.sync(() => seen(1))

  const reader = Effect.fnUntraced(function*(n: number) {
    if (reading === "observed") {
      const completed = Deferred.makeUnsafe<void>()
      yield* internalsOf(rpc).observe(idOf("thread", n), {
        onNotification: ({ _tag }) => {
          seen(1)
          if (_tag === "turn/completed") Deferred.doneUnsafe(completed, Exit.void)
        },
        onReadEnd: () => {},
        onEnd: () => {}
      })
      return Deferred.await(completed)
    }
    const thread = yield* codex.startThread()
    const turn = yield* thread.turn("go")
    switch (reading) {
      case "events":
        return Stream.runForEach(turn.events, () => count)
      case "batches":
        return Stream.runForEachArray(turn.events, (batch) => Effect.sync(() => seen(batch.length)))
      case "late": {
        const half = Deferred.makeUnsafe<void>()
        const enough = Math.floor(workload.messages / workload.turns / 2)
        let read = 0
        const first = Stream.runForEach(turn.events, () =>
          Effect.sync(() => {
            seen(1)
            if (++read === enough) Deferred.doneUnsafe(half, Exit.void)
          }))
        const second = Stream.runDrain(turn.events)
        return Effect.all([first, Effect.andThen(Deferred.await(half), second)], { concurrency: "unbounded" })
      }
      case "result":
        return turn.result
    }
  })

  const readers = yield* Effect.forEach(
    Array.from({ length: workload.turns }, (_, n) => n),
    (n) => Effect.flatMap(reader(n), Effect.forkScoped)
  )
  yield* Effect.yieldNow
  end = begin()
  yield* rpc.request("thread/loaded/list", {})
  yield* Effect.forEach(readers, (fiber) => Effect.asVoid(Fiber.join<unknown, unknown>(fiber)), { discard: true })
  tell(reading === "result" ? end() : { ...end(), events })
})

await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(CodexNode.layer({
    executable: process.execPath,
    args: [Path.join(import.meta.dirname, "feeder.ts"), process.argv[2]!]
  })))
)
