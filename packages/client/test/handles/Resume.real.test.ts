/** One home and several processes, one after the other, on the real codex binary with a scripted model. */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope, Stream } from "effect"
import { appendFileSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Runs on a codex process of its own. */
const inProcess = <A, E, R>(effect: Effect.Effect<A, E, R | Codex.Codex>) =>
  Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    return yield* Effect.scoped(Effect.provide(effect, Layer.fresh(CodexNode.layer({ cwd: workspace, env }))))
  })

const live = (
  name: string,
  test: Effect.Effect<void, unknown, Scope.Scope | CodexHome.CodexHome | ScriptedModel.ScriptedModel>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ))

describe("a thread", () => {
  live(
    "goes on in three more processes, with what was said in all of them",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("to 1", "to 2", "to 3", "to 4")
      const id = yield* inProcess(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* thread.run("question 1")
        return thread.id
      }))
      for (const n of [2, 3, 4]) {
        yield* inProcess(Effect.gen(function*() {
          const codex = yield* Codex.Codex
          const thread = yield* codex.resumeThread(id)
          const { finalResponse, status } = yield* thread.run(`question ${n}`)
          assert.deepStrictEqual([status, finalResponse], ["completed", Option.some(`to ${n}`)])
          assert.strictEqual((yield* Stream.runCollect(thread.turns())).length, n)
        }))
      }
      const asked = (yield* model.requests).at(-1)?.userTexts ?? []
      assert.includeMembers(asked.slice(), ["question 1", "question 2", "question 3", "question 4"])
    })
  )

  live(
    "goes on when a newer codex has written into its history what this one does not know",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const home = yield* CodexHome.CodexHome
      yield* model.enqueue("to 1", "to 2")
      const id = yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread()
        yield* thread.run("question 1")
        return thread.id
      }))
      const [rollout] = globSync(join(home.path, "sessions", "**", `*${id}.jsonl`))
      const file = rollout ?? ""
      const last: { readonly ordinal: number } = JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1) ?? "")
      const future = [
        { type: "future_line", payload: { of: "2030" } },
        { type: "response_item", payload: { type: "future_item", id: "f1", mood: "bright" } },
        { type: "event_msg", payload: { type: "future_event", turn_id: "t" } }
      ].map((line, i) => ({ timestamp: new Date().toISOString(), ordinal: last.ordinal + 1 + i, ...line }))
      appendFileSync(file, future.map((line) => `${JSON.stringify(line)}\n`).join(""))
      yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).resumeThread(id)
        const { finalResponse, status } = yield* thread.run("question 2")
        assert.deepStrictEqual([status, finalResponse], ["completed", Option.some("to 2")])
        const items = yield* Stream.runCollect(thread.items())
        assert.isAtLeast(items.length, 4)
      }))
      assert.includeMembers([...(yield* model.requests).at(-1)?.userTexts ?? []], ["question 1", "question 2"])
    })
  )

  live(
    "that was never used is gone with its process, and the error says so",
    Effect.gen(function*() {
      const id = yield* inProcess(
        Effect.flatMap(Codex.Codex, (codex) => Effect.map(codex.startThread(), (thread) => thread.id))
      )
      const error = yield* inProcess(Effect.flatMap(Codex.Codex, (codex) => Effect.flip(codex.resumeThread(id))))
      assert.strictEqual(error._tag, "ThreadNotPersisted")
      assert.include(error.message, "start a new thread")
    })
  )
})

describe("a turn that runs when its client closes", () => {
  live(
    "is stored as interrupted, and the thread goes on in another process",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working ", gate]), "done")
      const id = yield* inProcess(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* thread.turn("go")
        yield* gate.reached
        return thread.id
      }))
      yield* inProcess(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.resumeThread(id)
        const turns = yield* Stream.runCollect(thread.turns())
        assert.deepStrictEqual(turns.map(({ status }) => status), ["interrupted"])
        assert.strictEqual((yield* thread.run("again")).status, "completed")
      }))
    })
  )
})
