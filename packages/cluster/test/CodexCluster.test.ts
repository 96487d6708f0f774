/** A cluster in one file, with the fake of codex. */
import { CodexCluster, CodexSession, CodexThread } from "@effect-codex/cluster"
import { FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Scope, Stream } from "effect"
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

    // What is not stored has no way there, and says so instead of waiting.
    yield* Effect.gen(function*() {
      const { approve, events, forget, info, interrupt, steer } = yield* CodexThread.client("a")
      const calls = [approve("a", "accept"), Stream.runDrain(events), forget, info, interrupt, steer("hello")]
      for (const call of calls) assert.deepInclude(yield* Effect.flip(Effect.asVoid(call)), { tag: "Unreachable" })
    }).pipe(Effect.provide(Layer.fresh(sender)))
  }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

it.live("of two runners on a file the second one waits, and goes on when the first one ends", () =>
  Effect.gen(function*() {
    const filename = `${yield* temporaryFolder}/cluster.sqlite`
    const build = Layer.build(Layer.fresh(
      CodexThread.layer().pipe(
        Layer.provideMerge(CodexCluster.layerSqlite({ filename })),
        Layer.provide(CodexSession.layerLocal)
      )
    ))
    const run = (turnKey: string) => Effect.flatMap(CodexThread.client("a"), (thread) => thread.run(turnKey, turnKey))
    const { enqueue } = yield* ScriptedModel.ScriptedModel
    yield* enqueue("One.", "Two.")
    const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
    const first = yield* Scope.provide(build, scope)
    const waits = yield* Deferred.make<void>()
    const logger = Logger.make(({ message }) => {
      if (String(message).includes("This one waits until it ends")) Deferred.doneUnsafe(waits, Exit.void)
    })
    const second = yield* Effect.forkScoped(Effect.provide(build, Logger.layer([logger])))
    yield* Deferred.await(waits)
    const one = yield* Effect.provideContext(run("t1"), first)
    yield* Scope.close(scope, Exit.void)
    const two = yield* Effect.provideContext(run("t2"), yield* Fiber.join(second))
    assert.deepInclude(two, { how: "ran", threadId: one.threadId, finalResponse: Option.some("Two.") })
  }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
