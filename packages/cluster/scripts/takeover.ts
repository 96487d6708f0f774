/**
 * Measures how long a turn waits for its answer when its runner is lost, with the tuned configuration and with Effect's
 * own: `npx node --conditions=@effect-codex/source packages/cluster/scripts/takeover.ts`. Takes some minutes.
 */
import { CodexThread } from "@effect-codex/cluster"
import { ScriptedModel as Model } from "@effect-codex/testing"
import { Clock, Console, Effect, Fiber } from "effect"
import * as Machines from "../test/support/machines.ts"

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    yield* effect
    return (yield* Clock.currentTimeMillis) - start
  })

const events = ["kill -9", "frozen", "SIGTERM, the turn ends", "SIGTERM, it does not end"] as const
const signals = { "kill -9": "SIGKILL", "frozen": "SIGSTOP" } as const

const measure = Effect.fnUntraced(function*(event: typeof events[number], round: number) {
  const machines = yield* Machines.Machines
  const { enqueue } = yield* Model.ScriptedModel
  const runner = machines.a
  const thread = yield* Machines.threadOn(() => runner, `${event} ${round}`)
  const { gate, run } = yield* Machines.held(thread, event, [Model.exec("sleep 0.5")])
  if (event === "SIGTERM, the turn ends") yield* Effect.forkScoped(Effect.delay(gate.release, "3 seconds"))
  else yield* enqueue("Went on.")
  yield* runner.kill(event === "kill -9" || event === "frozen" ? signals[event] : "SIGTERM")
  const time = yield* timed(Fiber.join(run))
  yield* runner.kill("SIGKILL")
  yield* runner.exited
  machines.a = yield* machines.start
  return time
}, Effect.scoped)

const usual = Effect.gen(function*() {
  const { enqueue } = yield* Model.ScriptedModel
  const thread = yield* CodexThread.client("usual")
  yield* enqueue("One.", "Two.")
  yield* thread.run("t1", "first")
  return { turn: yield* timed(thread.run("t2", "second")), again: yield* timed(thread.run("t2", "second")) }
})

const rounds = Number(process.argv[2] ?? 3)

for (const isDefault of process.argv[3] === "tuned" ? [false] : [false, true]) {
  await Effect.runPromise(
    Effect.gen(function*() {
      yield* Console.log(isDefault ? "Effect's defaults" : "tuned")
      const { again, turn } = yield* usual
      yield* Console.log(`  a turn: ${turn} ms, the same key again: ${again} ms`)
      for (const event of events) {
        const times: Array<number> = []
        for (let round = 0; round < (isDefault ? 1 : rounds); round++) times.push(yield* measure(event, round))
        yield* Console.log(`  ${event}: ${times.map((time) => (time / 1000).toFixed(1)).join(", ")} s`)
      }
    }).pipe(Effect.scoped, Effect.provide(Machines.layer({}, { isDefault })))
  )
}
