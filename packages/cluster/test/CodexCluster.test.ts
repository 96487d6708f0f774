/** A cluster in one file, with the fake of codex. */
import { CodexCluster, CodexSession, CodexThread } from "@effect-codex/cluster"
import { FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { temporaryFolder } from "./support/temporaryFolder.ts"

it.live("a cluster in a file remembers its answers when it is opened again", () =>
  Effect.gen(function*() {
    const filename = `${yield* temporaryFolder}/cluster.sqlite`
    const opened = CodexThread.layer().pipe(
      Layer.provideMerge(CodexCluster.layerSqlite({ filename })),
      Layer.provide(CodexSession.layerLocal)
    )
    const run = (turnKey: string) =>
      CodexThread.client("a").pipe(
        Effect.flatMap((thread) => thread.run(turnKey, turnKey)),
        Effect.provide(Layer.fresh(opened))
      )
    const { enqueue, requests } = yield* ScriptedModel.ScriptedModel
    yield* enqueue("One.", "Two.")
    const one = yield* run("t1")
    assert.deepStrictEqual(yield* run("t1"), one)
    const two = yield* run("t2")
    assert.deepInclude(two, { how: "ran", threadId: one.threadId })
    assert.lengthOf(yield* requests, 2)
  }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

it.live("a second process on the file sends a turn, and opens and closes at once", () =>
  Effect.gen(function*() {
    const filename = `${yield* temporaryFolder}/cluster.sqlite`
    const { enqueue } = yield* ScriptedModel.ScriptedModel
    yield* enqueue("Done.")
    const sender = CodexCluster.layerSqliteClient({ filename })
    yield* Effect.scoped(Layer.build(Layer.fresh(sender)))
    const sent = yield* CodexThread.client("a").pipe(
      Effect.flatMap((thread) => thread.run("t1", "hello")),
      Effect.provide(Layer.fresh(sender)),
      Effect.forkScoped
    )
    yield* Layer.build(
      CodexThread.layer().pipe(
        Layer.provideMerge(CodexCluster.layerSqlite({ filename })),
        Layer.provide(CodexSession.layerLocal)
      )
    )
    assert.deepStrictEqual((yield* Fiber.join(sent)).finalResponse, Option.some("Done."))
  }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
