/** The events of cassettes, those without times too. */
import { ThreadView } from "@effect-codex/client"
import { Cassette } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"

const kept = join(import.meta.dirname, "cassettes", "session.jsonl")

describe("a cassette that was recorded before there were times", () => {
  it.live("still loads, and shows all but the times", () =>
    Effect.gen(function*() {
      const recorded = yield* Cassette.read(kept)
      assert.isTrue(recorded.messages.every(({ at }) => at === undefined))
      const [threadId = ""] = Cassette.threadIds(recorded)
      const view = ThreadView.applyAll(ThreadView.make(threadId), yield* Cassette.events(recorded))
      assert.deepStrictEqual(
        [...view.turns].map(({ items, status }) => [
          status,
          ...[...items].map(({ item, state }) => `${item.type} ${state}`)
        ]),
        [
          ["completed", "userMessage completed", "agentMessage completed"],
          ["completed", "userMessage completed", "commandExecution completed", "agentMessage completed"],
          ["completed", "userMessage completed", "dynamicToolCall completed", "agentMessage completed"],
          ["interrupted", "userMessage completed", "agentMessage abandoned"]
        ]
      )
      assert.deepStrictEqual(
        [...view.asks].map(({ answer, by, kind }) => [kind, by, answer]),
        [["command", "client", { result: { decision: "decline" } }]]
      )
    }).pipe(Effect.provide(NodeServices.layer)))
})
