/** The contract, held against the fake and the real codex; and fakes that are wrong, which it has to catch. */
import { AppServerRpc } from "@effect-codex/client"
import { Contract, Faults } from "@effect-codex/testing"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { transcripts } from "../src/internal/contract/transcripts.ts"
import { layerFake, layerReal, transportFake, transportReal } from "./contractServers.ts"

describe("fake", () => {
  for (const { effect, name } of Contract.cases) {
    it.effect(`fake: ${name}`, () => effect.pipe(Effect.provide(layerFake)))
  }
  for (const { effect, name } of Contract.handshakeCases) {
    it.effect(`fake: ${name}`, () => effect.pipe(Effect.provide(transportFake)))
  }
})

/** What the server sends in a case, field by field, without what comes in no order. */
const fields = Effect.fnUntraced(function*<E>(effect: Effect.Effect<void, E, Contract.Services | Scope.Scope>) {
  const { frames } = yield* Contract.Wire
  const rpc = yield* AppServerRpc.AppServerRpc
  yield* rpc.request("thread/loaded/list", {})
  const since = (yield* frames).length
  yield* effect
  const loose: ReadonlySet<unknown> = new Set([
    "warning",
    "thread/settings/updated",
    "item/commandExecution/outputDelta",
    "thread/status/changed"
  ])
  const during = (yield* frames).slice(since)
  // The cases ask for it only to bring what is under way.
  const barriers = new Set(
    during.flatMap(({ message }) => message["method"] === "thread/loaded/list" ? message["id"] : [])
  )
  return Contract.normalize(during.filter(({ message }) => !barriers.has(message["id"]) || "params" in message)).filter(
    ({ from, method }) => from === "server" && !loose.has(method)
  )
})

layer(layerReal, { excludeTestServices: true, timeout: "60 seconds" })("real", (it) => {
  const sent = new Map<string, ReadonlyArray<unknown>>()
  for (const { effect, name } of Contract.cases) {
    it.effect(`real: ${name}`, () =>
      Effect.map(fields(effect), (frames) => {
        if (transcripts[name] !== undefined) sent.set(name, frames)
      }))
  }

  it.effect("fake and real: the frames of both are the same in every field", () =>
    Effect.gen(function*() {
      for (const { effect, name } of Contract.cases) {
        const real = sent.get(name)
        if (real === undefined) continue
        const fake = yield* fields(effect).pipe(Effect.scoped, Effect.provide(layerFake, { local: true }))
        assert.deepStrictEqual(fake, real, name)
      }
      assert.isAbove(sent.size, 30)
    }))
})

describe("real", () => {
  for (const { effect, name } of Contract.handshakeCases) {
    it.live(`real: ${name}`, () => effect.pipe(Effect.scoped, Effect.provide(transportReal)))
  }
})

describe("a fake that is wrong is caught", () => {
  const always = { times: Infinity }

  const caught = (what: string, expected: string, rule: Faults.Rule) =>
    it.effect(what, () =>
      Effect.gen(function*() {
        const failed: Array<string> = []
        for (const { effect, name } of Contract.cases) {
          const wrong = Contract.layer.pipe(Layer.provide(Faults.layer(rule)), Layer.provideMerge(transportFake))
          yield* effect.pipe(
            Effect.scoped,
            Effect.provide(wrong, { local: true }),
            Effect.catch((error) => Effect.sync(() => failed.push(`${name}: ${String(error)}`)))
          )
        }
        assert.isTrue(failed.some((failure) => failure.includes(expected)), failed.join("\n\n").slice(0, 2000))
      }))

  caught(
    "which runs what was declined",
    "approval: decline is told to the model",
    Faults.corrupt((frame) => frame.from === "client" && frame.text.includes("\"decline\""), {
      ...always,
      corrupt: (text) => text.replace("\"decline\"", "\"accept\"")
    })
  )

  caught(
    "which completes a turn before its thread is idle",
    "turn: reasoning, a commentary and a final answer",
    Faults.reorder(({ method, text }) => method === "thread/status/changed" && text.includes("\"idle\""), always)
  )

  caught(
    "which has another text of an error",
    "steer: is refused without a turn",
    Faults.corrupt(({ from, text }) => from === "server" && text.includes("no active turn to steer"), {
      ...always,
      corrupt: (text) => text.replace("no active turn to steer", "there is no turn")
    })
  )

  caught(
    "which tells the usage of the last response as that of the thread",
    "turn: the second one adds to the usage",
    Faults.corrupt("thread/tokenUsage/updated", {
      ...always,
      corrupt: (text) => text.replace(/"total":(\{[^}]*\}),"last":(\{[^}]*\})/, "\"total\":$2,\"last\":$2")
    })
  )
})
