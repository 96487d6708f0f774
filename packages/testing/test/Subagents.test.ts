/** Subagents without codex: on the fake, and from a cassette. */
import { Codex } from "@effect-codex/client"
import { Cassette, CodexTest, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Stream } from "effect"

const answer = (held: ScriptedModel.Gate) => (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  if (request.prompt === "slow") return ScriptedModel.text(["half", held])
  if (request.prompt === "quick") return "quick done"
  switch (request.toolOutputs.length) {
    case 0:
      return ScriptedModel.reply([ScriptedModel.spawnAgent("slow"), ScriptedModel.spawnAgent("quick")])
    case 2:
      return ScriptedModel.waitAgents(request)
    default:
      return "done"
  }
}

/** One of two subagents is interrupted. Returns the task of each, and how it ended. */
const session = Effect.gen(function*() {
  const thread = yield* (yield* Codex.Codex).startThread()
  const turn = yield* thread.turn("Let two look.")
  const ends = yield* turn.subagents.pipe(
    Stream.mapEffect((subagent) =>
      Effect.gen(function*() {
        if (Option.contains(subagent.prompt, "slow")) {
          yield* subagent.text.pipe(Stream.take(1), Stream.runDrain)
          yield* subagent.interrupt
        }
        const { finalResponse, status } = yield* subagent.result
        return [Option.getOrNull(subagent.prompt), status, Option.getOrNull(finalResponse)]
      }), { concurrency: "unbounded" }),
    Stream.runCollect
  )
  return { ends: ends.toSorted(), root: (yield* turn.result).status }
}).pipe(Effect.scoped)

const outcome = {
  ends: [["quick", "completed", "quick done"], ["slow", "interrupted", null]],
  root: "completed"
}

const server = Layer.unwrap(
  Effect.map(ScriptedModel.gate, (held) => FakeAppServer.layerTransport({ model: { answer: answer(held) } }))
)

describe("subagents", () => {
  it.live("are played by the fake", () =>
    Effect.gen(function*() {
      const held = yield* ScriptedModel.gate
      const played = yield* Effect.provide(session, FakeAppServer.layer({ model: { answer: answer(held) } }))
      assert.deepStrictEqual(played, outcome)
    }))

  it.live("are replayed by a cassette", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
      const cassette = (mode: "record" | "strict" | "lenient") =>
        Cassette.layer(`${folder}/subagents.jsonl`, { server: Layer.orDie(server), mode })
      for (const mode of ["record", "strict", "lenient"] as const) {
        assert.deepStrictEqual(yield* Effect.provide(session, cassette(mode)), outcome, mode)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("of a mocked turn are those that the test gives", () =>
    Effect.gen(function*() {
      const turn = CodexTest.turn({
        subagents: Stream.make(CodexTest.subagent({
          nickname: Option.some("Ada"),
          result: Effect.succeed(CodexTest.turnResult("Three."))
        }))
      })
      const [subagent] = yield* Stream.runCollect(turn.subagents)
      assert.deepStrictEqual(
        [subagent?.threadId, subagent?.nickname, (yield* subagent!.result).finalResponse],
        ["thread-2", Option.some("Ada"), Option.some("Three.")]
      )
      assert.include(String(yield* Effect.exit(subagent!.interrupt)), "Subagent.interrupt")
    }))
})
