import { Codex } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"

const { reply, spawnAgent, waitAgents } = ScriptedModel

const CodexLive = ScriptedCodex.layer({
  model: {
    answer: (request) => {
      // The subagent and the agent that started it ask at the same time: its prompt tells which one it is.
      if (request.prompt === "Count the files.") return reply(["Three."], { usage: { input: 500, output: 5 } })
      switch (request.toolOutputs.length) {
        case 0:
          return reply([spawnAgent("Count the files.")], { usage: { input: 100, output: 10 } })
        case 1:
          return reply([waitAgents(request)], { usage: { input: 120, cached: 100, output: 10 } })
        default:
          return reply(["There are three files."], { usage: { input: 140, cached: 120, output: 10 } })
      }
    }
  }
})

it.live("counts what the turn and its subagents used", () =>
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    const { usage } = yield* thread.run("How many files are there? Let somebody else count.")
    const { subagents, turn } = Option.getOrThrow(usage)
    assert.strictEqual(turn.totalTokens, 390)
    assert.strictEqual(turn.cachedInputTokens, 220)
    assert.strictEqual(subagents.totalTokens, 505)
  }).pipe(Effect.provide(CodexLive)))
