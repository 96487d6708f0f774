/** The date is set while something waits: nothing of ours ends early or late for it. */
import { CodexError, ServerRequests } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"
import { jumping } from "../support/jumpingClock.ts"

const hour = 3_600_000

for (const [how, by] of [["forward", hour], ["back", -hour]] as const) {
  describe(`when the clock is set an hour ${how}`, () => {
    it.effect("a turn is silent for as long as it was", () =>
      jumping((jump) =>
        Effect.gen(function*() {
          const { server, thread } = yield* Fake.connectThread()
          yield* Effect.addFinalizer(() => server.close())
          const run = yield* Effect.forkScoped(Effect.flip(thread.run("go", { stallTimeout: "1 minute" })))
          const { id } = yield* server.expect("turn/start")
          yield* server.send(Fake.frame({ id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
          yield* TestClock.adjust("30 seconds")
          yield* jump(by)
          yield* server.send(Fake.delta("turn-1", "m1", "wor"))
          yield* TestClock.adjust("30 seconds")
          yield* jump(by)
          yield* TestClock.adjust("29999 millis")
          assert.isUndefined(run.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          yield* Effect.flatMap(server.expect("thread/turns/list"), (asked) => server.refuse(asked, -32600, "no"))
          yield* Effect.flatMap(server.expect("turn/interrupt"), (asked) => server.reply(asked, {}))
          yield* server.send(Fake.completed("turn-1", "interrupted"))
          assert.instanceOf(yield* Fiber.join(run), CodexError.TurnStalled)
        })
      ))

    it.effect("a request has the time that it was given", () =>
      jumping((jump) =>
        Effect.gen(function*() {
          const { rpc, server } = yield* Fake.connect()
          const early = yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}, { timeout: "10 seconds" }))
          const asked = yield* server.expect("thread/loaded/list")
          const late = yield* Effect.forkScoped(Effect.flip(rpc.request("model/list", {}, { timeout: "20 seconds" })))
          yield* server.expect("model/list")
          yield* TestClock.adjust("1 second")
          yield* jump(by)
          yield* TestClock.adjust("1 second")
          yield* server.reply(asked, { data: [] })
          yield* Fiber.join(early)
          yield* TestClock.adjust("17999 millis")
          assert.isUndefined(late.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          assert.deepInclude(yield* Fiber.join(late), { method: "model/list", timeout: 20_000 })
        })
      ))

    it.effect("a handler has the time that it was given", () =>
      jumping((jump) =>
        Effect.gen(function*() {
          const { server } = yield* Fake.connect({ handlers: { "item/tool/call": () => Effect.never } })
          yield* server.send(Fake.ask("item/tool/call", 0))
          yield* jump(by)
          yield* TestClock.adjust("9 seconds")
          const answer = yield* Effect.forkScoped(server.next)
          yield* jump(by)
          yield* TestClock.adjust("999 millis")
          assert.isUndefined(answer.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          assert.deepInclude(yield* Fiber.join(answer), { id: 0 })
        })
      ).pipe(Effect.provideService(ServerRequests.HandlerTimeout, "10 seconds")))
  })
}
