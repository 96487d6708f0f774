/** A thread that another process writes: two processes of the real codex with one home, and two connections of the fake. */
import { AppServerRpc, Codex, CodexError, CodexRetry, Transport } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, type Scope, Stream } from "effect"

interface Client {
  readonly codex: Codex.Codex["Service"]
  readonly rpc: AppServerRpc.AppServerRpc["Service"]
}

type Connect = Effect.Effect<Client, unknown, Scope.Scope>

const clientOf = (context: Context.Context<Codex.Codex | AppServerRpc.AppServerRpc>): Client => ({
  codex: Context.get(context, Codex.Codex),
  rpc: Context.get(context, AppServerRpc.AppServerRpc)
})

const connectReal: Effect.Effect<Connect, unknown, CodexHome.CodexHome> = Effect.map(
  CodexHome.CodexHome,
  ({ env, workspace }) => Effect.map(Layer.build(CodexNode.layer({ cwd: workspace, env })), clientOf)
)

const connectFake: Effect.Effect<Connect, unknown, FakeAppServer.FakeAppServer> = Effect.map(
  FakeAppServer.FakeAppServer,
  ({ connect }) =>
    Effect.map(
      Layer.build(Layer.fresh(
        Codex.layer().pipe(
          Layer.provideMerge(AppServerRpc.layer()),
          Layer.provide(Layer.effect(Transport.Transport, connect))
        )
      )),
      clientOf
    )
)

const answer = () => "ok"

const servers: ReadonlyArray<
  readonly [
    string,
    (test: (connect: Connect) => Effect.Effect<void, unknown, Scope.Scope>) => Effect.Effect<void, unknown>
  ]
> = [
  ["the real codex", (test) =>
    Effect.flatMap(connectReal, test).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answer }))))
    )],
  ["the fake", (test) =>
    Effect.flatMap(connectFake, test).pipe(
      Effect.scoped,
      Effect.provide(FakeAppServer.layer({ model: { answer } }))
    )]
]

const isInUse = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, CodexError.ThreadInUse)
    return error
  })

const releasedAtOnce = { config: { thread_unload_delay_secs: 0 } }

describe.each(servers)("a thread that another process has, of %s", (_, run) => {
  it.live(
    "can be read and forked, and the rest is an error of its own that says what to do",
    () =>
      run(Effect.fnUntraced(function*(connect) {
        const [mine, other] = [yield* connect, yield* connect]
        const thread = yield* other.codex.startThread()
        yield* thread.run("hello")
        const error = yield* isInUse(mine.codex.resumeThread(thread.id))
        assert.isTrue(CodexRetry.isRetryable(error))
        assert.strictEqual(error.method, "thread/resume")
        for (const words of ["another process", "CodexRetry.transient", "fork the thread", "connect to"]) {
          assert.include(error.message.toLowerCase(), words.toLowerCase())
        }
        yield* isInUse(mine.codex.archiveThread(thread.id))
        yield* isInUse(mine.codex.deleteThread(thread.id))
        assert.strictEqual((yield* mine.codex.readThread(thread.id)).preview, "hello")
        yield* (yield* mine.codex.forkThread(thread.id)).run("go on")
        yield* thread.run("I do, too")
      }))
  )

  it.live(
    "is let go of by unsubscribe as soon as the thread's configuration says",
    () =>
      run(Effect.fnUntraced(function*(connect) {
        const [mine, other] = [yield* connect, yield* connect]
        const thread = yield* other.codex.startThread(releasedAtOnce)
        yield* thread.run("hello")
        yield* isInUse(mine.codex.resumeThread(thread.id))
        const closed = yield* Effect.forkScoped(
          other.rpc.notifications.pipe(
            Stream.filter((event) => event._tag === "thread/closed" && event.params.threadId === thread.id),
            Stream.runHead
          ),
          { startImmediately: true }
        )
        assert.strictEqual(yield* thread.unsubscribe, "unsubscribed")
        assert.isTrue(Option.isSome(yield* Fiber.join(closed)))
        yield* (yield* mine.codex.resumeThread(thread.id)).run("mine")
        // And now it is the other's turn to wait.
        yield* isInUse(thread.run("again"))
      }))
  )

  it.live(
    "is taken by a retry that goes on until the other process ends",
    () =>
      run(Effect.fnUntraced(function*(connect) {
        const mine = yield* connect
        const thread = yield* Effect.scoped(Effect.gen(function*() {
          const other = yield* connect
          const thread = yield* other.codex.startThread()
          yield* thread.run("hello")
          yield* isInUse(mine.codex.resumeThread(thread.id))
          return thread
        }))
        const taken = yield* Effect.retry(mine.codex.resumeThread(thread.id), CodexRetry.transient)
        yield* taken.run("mine")
      }))
  )
})
