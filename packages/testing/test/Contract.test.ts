/** The contract, held against the fake; and fakes that are wrong, which it has to catch. */
import { Contract, Faults } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Frame, Wire } from "../src/internal/contract/model.ts"
import { story } from "../src/internal/contract/story.ts"
import { transcripts } from "../src/internal/contract/transcripts.ts"
import { layerFake, layerFakeLogin, transportFake } from "./support/contractServers.ts"

describe("fake", () => {
  for (const { effect, name } of Contract.cases) {
    it.effect(`fake: ${name}`, () => effect.pipe(Effect.provide(layerFake)))
  }
  for (const { effect, name } of Contract.handshakeCases) {
    it.effect(`fake: ${name}`, () => effect.pipe(Effect.provide(transportFake)))
  }
  for (const { effect, name } of Contract.loginCases) {
    it.effect(`fake: ${name}`, () => effect.pipe(Effect.provide(layerFakeLogin)))
  }
})

it("docs/testing.md says how many cases there are", () => {
  const text = Fs.readFileSync(Path.join(import.meta.dirname, "../../../docs/testing.md"), "utf8").replace(/\s+/g, " ")
  const { cases, handshakeCases, loginCases } = Contract
  const stories = cases.filter(({ name }) => transcripts[name] !== undefined)
  const all = cases.length + handshakeCases.length + loginCases.length
  assert.include(
    text,
    `${all} cases, each on the fake and on the real codex; in ${stories.length} of them all frames of both are the same`
  )
})

it.effect("what comes late of an earlier case's thread is no part of a story", () =>
  Effect.gen(function*() {
    const told = (threadId: string): Frame => ({
      from: "server",
      message: { method: "thread/queue/changed", params: { threadId } }
    })
    const frames = [told("earlier")]
    const wire = { frames: Effect.sync(() => [...frames]), until: () => Effect.never }
    const telling = (threadId: string) =>
      story("nothing", Effect.sync(() => frames.push(told(threadId)))).effect.pipe(Effect.provideService(Wire, wire))
    yield* telling("earlier")
    const failure = yield* Effect.flip(telling("its own"))
    assert.include(String(failure), "thread/queue/changed")
  }).pipe(Effect.provide(layerFake)))

describe("a fake that is wrong is caught", () => {
  const always = { times: Infinity }

  const caught = (what: string, expected: string, rule: Faults.Rule) =>
    it.effect(what, () =>
      Effect.gen(function*() {
        const wrong = Contract.layer.pipe(Layer.provide(Faults.layer(rule)), Layer.provideMerge(transportFake))
        const one = Contract.cases.find(({ name }) => name.startsWith(expected))
        assert(one !== undefined, expected)
        yield* one.effect.pipe(Effect.scoped, Effect.provide(wrong, { local: true }), Effect.flip)
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
