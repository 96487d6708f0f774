/** The contract, held against the fake and the real codex; and fakes that are wrong, which it has to catch. */
import { AppServerRpc } from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { Contract, Faults } from "@effect-codex/testing"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, type Exit, Layer, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { transcripts } from "../src/internal/contract/transcripts.ts"
import {
  layerFake,
  layerFakeLogin,
  layerReal,
  layerRealLogin,
  transportFake,
  transportReal
} from "./support/contractServers.ts"

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

// Most cases have it, so that an older codex would differ in nearly all of them.
const isUnheard = (line: string): boolean => line === "thread/readState/changed" && codexVersion < "0.163"

/** A case without what a codex of the version under test does not tell. */
const asTold = <R>(effect: Effect.Effect<void, unknown, R>) =>
  Effect.catch(effect, (error) => {
    if (!(error instanceof Contract.ContractFailure)) return Effect.fail(error)
    const contract = error.contract.filter((line) => !isUnheard(line))
    return contract.join("\n") === error.server.join("\n")
      ? Effect.void
      : Effect.fail(new Contract.ContractFailure({ what: error.what, contract, server: error.server }))
  })

// The fake is of the version that the client is generated from.
if (codexVersion === Methods.codexVersion) {
  layer(layerReal, { excludeTestServices: true, timeout: "60 seconds" })("real", (it) => {
    // Each case runs once on the real server, for whichever of its tests comes first.
    const runs = new Map<string, Exit.Exit<ReadonlyArray<unknown>, unknown>>()
    const onReal = Effect.fnUntraced(function*({ effect, name }: Contract.Case) {
      const exit = runs.get(name) ?? (yield* Effect.exit(Effect.scoped(fields(effect))))
      runs.set(name, exit)
      return yield* exit
    })

    for (const one of Contract.cases) {
      it.effect(`real: ${one.name}`, () => onReal(one))
      if (transcripts[one.name] === undefined) continue
      it.effect(`fake and real: ${one.name}: the frames of both are the same in every field`, () =>
        Effect.gen(function*() {
          const real = yield* onReal(one)
          const fake = yield* fields(one.effect).pipe(Effect.scoped, Effect.provide(layerFake, { local: true }))
          assert.isNotEmpty(real)
          assert.deepStrictEqual(fake, real)
        }))
    }
  })
} else {
  describe("real", () => {
    for (const { effect, name } of Contract.cases) {
      // A server of its own for each: one that does not end a turn would hold all that come after it.
      it.live(`real: ${name}`, () => asTold(effect).pipe(Effect.scoped, Effect.provide(layerReal)), 20_000)
    }
  })
}

describe("real", () => {
  for (const { effect, name } of Contract.handshakeCases) {
    it.live(`real: ${name}`, () => effect.pipe(Effect.scoped, Effect.provide(transportReal)))
  }
  for (const { effect, name } of Contract.loginCases) {
    it.live(`real: ${name}`, () => effect.pipe(Effect.scoped, Effect.provide(layerRealLogin)))
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
