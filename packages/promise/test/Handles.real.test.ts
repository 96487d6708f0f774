/** Handles on turns, without codex. */
import type * as Client from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Stream } from "effect"
import { Host, type Services } from "../src/internal/host.ts"
import { startTurn } from "../src/internal/turn.ts"
import { rejection, unhandled, until } from "./support/real.ts"

const make = () => {
  const ended = Deferred.makeUnsafe<Client.TurnResult.TurnResult>()
  let open = 0
  const turn: Client.Turn.Turn = {
    id: "turn",
    threadId: "thread",
    events: Stream.never,
    messages: Stream.never,
    text: Stream.never,
    reasoning: Stream.never,
    items: Stream.never,
    plan: Stream.never,
    proposedPlan: Stream.never,
    diff: Stream.never,
    usage: Stream.never,
    subagents: Stream.never,
    subagentTree: Stream.never,
    result: Deferred.await(ended),
    partialResult: Effect.die("it is not asked for"),
    updateSettings: () => Effect.void,
    steer: () => Effect.void,
    interrupt: Effect.void,
    interruptWithTerminals: Effect.succeed([])
  }
  const result: Client.TurnResult.TurnResult = {
    id: "turn",
    threadId: "thread",
    status: "completed",
    error: Option.none(),
    startedAt: Option.none(),
    completedAt: Option.none(),
    duration: Option.none(),
    timing: Option.none(),
    model: Option.some("scripted-model"),
    finalResponse: Option.none(),
    plan: Option.none(),
    items: [],
    usage: Option.none(),
    cost: Option.none(),
    output: undefined
  }
  return {
    host: new Host(Layer.empty as Layer.Layer<never> as Layer.Layer<Services>),
    start: Effect.acquireRelease(
      Effect.sync(() => {
        open++
        return turn
      }),
      () => Effect.sync(() => void open--)
    ),
    open: () => open,
    end: () => Deferred.doneUnsafe(ended, Effect.succeed(result))
  }
}

/** A signal that tells how many listen to it. */
const counted = (controller: AbortController) => {
  const { signal } = controller
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(signal, args)
  }
  return { signal, listeners: () => listeners }
}

describe("a handle", () => {
  it("that nobody closes lets go of everything when its turn ends, of its signal too", async () => {
    const { end, host, open, start } = make()
    const { listeners, signal } = counted(new AbortController())
    const turn = await startTurn(host, start, signal)
    assert.deepStrictEqual([open(), listeners()], [1, 1])
    end()
    await turn.result()
    await until(() => open() === 0)
    assert.strictEqual(listeners(), 0)
    await host.close()
  })

  it("is closed once, however often it is told to", async () => {
    const { host, open, start } = make()
    const turn = await startTurn(host, start)
    await Promise.all([turn.close(), turn.close(), turn[Symbol.asyncDispose]()])
    assert.strictEqual(open(), 0)
    await host.close()
  })

  it("is closed by its signal, and by the end of the client", async () => {
    const { host, open, start } = make()
    const controller = new AbortController()
    await startTurn(host, start, controller.signal)
    await startTurn(host, start)
    assert.strictEqual(open(), 2)
    controller.abort()
    await until(() => open() === 1)
    await host.close()
    assert.strictEqual(open(), 0)
  })

  it("that is aborted while it starts is closed before the promise rejects", async () => {
    const { host, open, start } = make()
    const controller = new AbortController()
    const starting = startTurn(host, Effect.tap(start, () => Effect.never), controller.signal)
    await until(() => open() === 1)
    controller.abort("no")
    assert.strictEqual(await rejection(starting), "no")
    assert.strictEqual(open(), 0)
    await host.close()
  })

  it("whose start cannot be aborted any more is closed all the same", async () => {
    const { host, open, start } = make()
    const controller = new AbortController()
    const accepted = Deferred.makeUnsafe<void>()
    const starting = startTurn(
      host,
      Effect.uninterruptible(Effect.tap(start, () => Deferred.await(accepted))),
      controller.signal
    )
    await until(() => open() === 1)
    controller.abort("no")
    Deferred.doneUnsafe(accepted, Effect.void)
    assert.strictEqual(await rejection(starting), "no")
    assert.strictEqual(open(), 0)
    await host.close()
  })

  it("whose closing breaks is told to who awaits it, and ends nothing else", async () => {
    const { host, open, start } = make()
    const broken = new Error("broken")
    const breaking = Effect.andThen(Effect.addFinalizer(() => Effect.die(broken)), start)
    const controller = new AbortController()
    const seen = await unhandled(async () => {
      await startTurn(host, breaking, controller.signal)
      const dropped = await startTurn(host, breaking)
      const awaited = await startTurn(host, breaking)
      controller.abort()
      void dropped.close()
      assert.strictEqual(await rejection(awaited.close()), broken)
      await until(() => open() === 0)
    })
    assert.deepStrictEqual(seen, [])
    assert.strictEqual(open(), 0)
    await host.close()
  })
})
