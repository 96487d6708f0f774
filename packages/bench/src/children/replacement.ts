/** How long it takes until another codex has taken the place of one that was killed, and has run a turn. */
import { AppServerRpc, Codex } from "@effect-codex/client"
import * as CodexPool from "@effect-codex/node/CodexPool"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { promptOf } from "../stage.ts"
import { begin, tell } from "./sample.ts"

const [how, executable] = process.argv.slice(2) as ["spare" | "none", string]
const spare = how === "spare"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const rpc = yield* AppServerRpc.AppServerRpc
  const { stats } = yield* CodexPool.CodexPool
  const thread = yield* codex.startThread()
  yield* thread.run(promptOf(5))
  const { processes } = yield* Effect.repeat(stats, { until: ({ sparePid }) => !spare || Option.isSome(sparePid) })
  // A process that was just started is not ready yet.
  yield* Effect.sleep("1 second")
  const restored = yield* Effect.forkChild(
    rpc.diagnosticEvents.pipe(Stream.takeUntil(({ _tag }) => _tag === "ConnectionRestored"), Stream.runDrain),
    { startImmediately: true }
  )
  const end = begin()
  process.kill(processes[0]!.pid, "SIGKILL")
  yield* Fiber.join(restored)
  const { ms: restoredMs } = end()
  yield* thread.run(promptOf(5))
  tell({ ...end(), restoredMs })
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(CodexPool.layer({ executable, processes: 1, spare })),
    Effect.provide(Logger.layer([]))
  )
)
