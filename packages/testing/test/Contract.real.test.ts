/** The contract, held against the real codex. */
import { AppServerRpc } from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { codexVersion, isAtLeast } from "@effect-codex/test-support/codexVersion"
import { Contract } from "@effect-codex/testing"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, type Exit, type Scope } from "effect"
import { transcripts } from "../src/internal/contract/transcripts.ts"
import { layerFake, layerReal, layerRealLogin, transportReal } from "./support/contractServers.ts"

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
const isUnheard = (line: string): boolean => line === "thread/readState/changed" && !isAtLeast("0.163")

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
  layer(layerReal, { excludeTestServices: true })("real", (it) => {
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
    // Codex has it since 0.171.
    const isThere = (name: string) => isAtLeast("0.171") || !name.startsWith("thread: a search that is streamed")
    for (const { effect, name } of Contract.cases.filter(({ name }) => isThere(name))) {
      // A server of its own for each: one that does not end a turn would hold all that come after it.
      it.live(`real: ${name}`, () => asTold(effect).pipe(Effect.scoped, Effect.provide(layerReal)))
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
