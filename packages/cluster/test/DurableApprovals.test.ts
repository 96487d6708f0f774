/** What a decision allows, without a codex. */
import { ServerRequests } from "@effect-codex/client"
import { Decisions } from "@effect-codex/cluster"
import { CodexTest } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Approvals from "../src/internal/workflow/approvals.ts"

const place = { id: "1", token: "token", workflow: "Review", executionId: "1" }

const Json = Schema.fromJsonString(Schema.toCodecJson(Decisions.Question))
const storedAndRead = (question: Decisions.Question) =>
  Effect.flatMap(Schema.encodeEffect(Json)(question), Schema.decodeEffect(Json))

type Ask = Effect.Effect<unknown, unknown>

/** Asks, allows that after it was stored, and returns what the next turn answers to the same and to the others. */
const allowed = Effect.fnUntraced(function*(ask: Ask, others: ReadonlyArray<Ask>) {
  const first = yield* Approvals.make({ name: "turn", place, left: [] })
  assert.strictEqual(yield* Effect.provide(ask, ServerRequests.layer(first.handlers)), "cancel")
  const asked = yield* first.asked
  assert.isDefined(asked)
  const left = [Approvals.printOf(yield* storedAndRead(asked.question))]
  return yield* Effect.forEach([ask, ...others], (ask) =>
    Effect.flatMap(
      Approvals.make({ name: "turn", place, left }),
      ({ handlers }) => Effect.provide(ask, ServerRequests.layer(handlers))
    ))
}, Effect.provide(Decisions.layerMemory))

const add = { path: "a.txt", kind: { type: "add" }, diff: "text" } as const

describe("a decision allows", () => {
  it.effect("the change of files that was asked for, and no other one with the same text", () =>
    Effect.gen(function*() {
      const update = (move_path: string | null) =>
        CodexTest.askFileChange([{ path: "a.txt", kind: { type: "update", move_path }, diff: "text" }])
      const decisions = yield* allowed(CodexTest.askFileChange([add]), [
        CodexTest.askFileChange([{ ...add, kind: { type: "delete" } }]),
        update(null),
        CodexTest.askFileChange([])
      ])
      assert.deepStrictEqual(decisions, ["accept", "cancel", "cancel", "cancel"])
      assert.deepStrictEqual(yield* allowed(update(null), [update("/etc/a.txt")]), ["accept", "cancel"])
      assert.deepStrictEqual(yield* allowed(CodexTest.askFileChange([]), []), ["cancel"])
    }))

  it.effect("the command that was asked for, and no input for it", () =>
    Effect.gen(function*() {
      const decisions = yield* allowed(CodexTest.askCommand("make", { reason: "to build" }), [
        CodexTest.askCommand("make", { reason: "in other words" }),
        CodexTest.askCommand("make", { kind: "writeStdin" }),
        CodexTest.askCommand("make", { cwd: "/elsewhere" })
      ])
      assert.deepStrictEqual(decisions, ["accept", "accept", "cancel", "cancel"])
    }))
})
