/** Threads that move between two machines, each with a codex of its own: the real binary with a scripted model. */
import { AppServerRpc, Codex, type Thread } from "@effect-codex/client"
import { CodexSession, SessionStore } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

type Home = CodexHome.CodexHome["Service"]

const newHome = Effect.flatMap(ScriptedModel.ScriptedModel, ({ url }) => CodexHome.make({ modelUrl: url }))

/** A codex and a session on a home, until the scope closes. */
const machine = Effect.fn(function*({ env, path, workspace }: Home) {
  const context = yield* Layer.build(
    Layer.fresh(CodexSession.layer()).pipe(
      Layer.provideMerge(Layer.fresh(CodexNode.layer({ cwd: workspace, env }))),
      Layer.provide(NodeServices.layer)
    )
  )
  const codex = Context.get(context, Codex.Codex)
  const session = Context.get(context, CodexSession.CodexSession)
  return {
    codex,
    session,
    rpc: Context.get(context, AppServerRpc.AppServerRpc),
    workspace,
    path,
    /** What a machine does that takes a thread over. */
    takeOver: Effect.fn(function*(threadId: string) {
      assert.isTrue(yield* session.restore(threadId))
      const thread = yield* codex.resumeThread(threadId, { cwd: workspace })
      return { thread, followed: yield* session.follow(thread) }
    })
  }
})

/** Something that one machine does, and all that it was. */
const onMachine = <A, E, R>(
  home: Home,
  use: (it: Effect.Success<ReturnType<typeof machine>>) => Effect.Effect<A, E, R>
) => Effect.scoped(Effect.flatMap(machine(home), use))

const live = (
  name: string,
  test: Effect.Effect<
    void,
    unknown,
    SessionStore.SessionStore | ScriptedModel.ScriptedModel | NodeServices.NodeServices | Scope.Scope
  >,
  options?: ScriptedModel.Options
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide([ScriptedModel.layer(options), Layer.fresh(SessionStore.layerMemory)]),
      Effect.provide(NodeServices.layer)
    ))

/** What the model was told last, without the environment. */
const told = Effect.map(
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests),
  (requests) => requests.at(-1)?.userTexts.filter((text) => !text.startsWith("<")) ?? []
)

const pathOf = (thread: Thread.Thread) => Effect.map(thread.read(), ({ path }) => path ?? "")

/** The files of a home below `sessions`. */
const filesOf = ({ path }: Pick<Home, "path">) =>
  Fs.readdirSync(Path.join(path, "sessions"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".jsonl")).sort()

const revertLast = Effect.fn(function*(thread: Thread.Thread) {
  const [last] = yield* Stream.runCollect(thread.turns())
  if (last !== undefined) yield* thread.revert(last.id)
})

const answerAnything: ScriptedModel.Options = { answer: ({ prompt }) => `to ${prompt}` }

describe("a thread", () => {
  live(
    "moves to a machine without anything and back, where the loser of a split brain stores nothing and keeps its lines aside",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const [a, b] = [yield* newHome, yield* newHome]
      const id = yield* onMachine(a, ({ codex, path, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread()
          const file = yield* pathOf(thread)
          assert.isFalse(Fs.existsSync(file))
          const followed = yield* session.follow(thread)
          yield* thread.run("q1")
          yield* thread.setName("mine")
          yield* followed.flush
          // The absolute path of the file below the home; all of its lines are whole, and stored.
          const [[key, count] = ["", 0]] = yield* store.sizes(thread.id)
          assert.strictEqual(Path.join(path, key), file)
          assert.match(key, /^sessions\/\d{4}\/\d\d\/\d\d\/rollout-[-\dT]+-[-\da-f]+\.jsonl$/)
          assert.strictEqual(Fs.readFileSync(file, "utf8").split("\n").length - 1, count)
          return thread.id
        }))
      yield* onMachine(a, (stale) =>
        Effect.gen(function*() {
          const old = yield* stale.takeOver(id)
          yield* onMachine(b, ({ takeOver }) =>
            Effect.gen(function*() {
              const { thread } = yield* takeOver(id)
              assert.strictEqual((yield* thread.read()).name, null)
              yield* thread.run("q2")
              assert.deepStrictEqual(yield* told, ["q1", "q2"])
            }))
          const before = yield* store.sizes(id)
          yield* old.thread.run("split")
          assert.strictEqual((yield* Effect.flip(old.followed.flush))._tag, "SessionFenced")
          assert.strictEqual((yield* old.followed.fenced).threadId, id)
          assert.deepStrictEqual(yield* store.sizes(id), before)
        }))
      yield* onMachine(a, ({ takeOver }) =>
        Effect.gen(function*() {
          const { thread } = yield* takeOver(id)
          yield* thread.run("q3")
          assert.deepStrictEqual(yield* told, ["q1", "q2", "q3"])
          const folder = Path.dirname(yield* pathOf(thread))
          const kept = Fs.readdirSync(folder).filter((name) => name.includes(".jsonl.kept-"))
          assert.lengthOf(kept, 1)
          assert.include(Fs.readFileSync(Path.join(folder, kept[0] ?? ""), "utf8"), "split")
        }))
    }),
    answerAnything
  )

  live(
    "that was reverted elsewhere goes on with what is left, also on a machine that knew it, and so does its fork without its source",
    Effect.gen(function*() {
      const [a, b, c] = [yield* newHome, yield* newHome, yield* newHome]
      const id = yield* onMachine(a, ({ codex, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread()
          yield* session.follow(thread)
          yield* thread.run("q1")
          yield* thread.run("q2")
          return thread.id
        }))
      yield* onMachine(b, ({ takeOver }) => Effect.flatMap(takeOver(id), ({ thread }) => thread.run("q3")))
      yield* onMachine(a, ({ path, takeOver }) =>
        Effect.gen(function*() {
          const { followed, thread } = yield* takeOver(id)
          const before = yield* pathOf(thread)
          yield* revertLast(thread)
          const after = yield* pathOf(thread)
          assert.match(after, new RegExp(`-${id}_[-\\da-f]+\\.jsonl$`))
          assert.include(before, `-${id}.jsonl`)
          assert.lengthOf(filesOf({ path }), 2)
          yield* thread.run("q4")
          yield* followed.flush
        }))
      // Only the source's stored files and its own: this machine never followed the source.
      const forkId = yield* onMachine(b, ({ codex, rpc, session, takeOver }) =>
        Effect.gen(function*() {
          yield* takeOver(id)
          const { thread: { path } } = yield* rpc.request("thread/read", { threadId: id, includeTurns: false })
          assert.match(path ?? "", /_[-\da-f]+\.jsonl$/)
          const fork = yield* codex.forkThread(id)
          yield* session.follow(fork)
          yield* fork.run("q5")
          assert.deepStrictEqual(yield* told, ["q1", "q2", "q4", "q5"])
          const [first = ""] = Fs.readFileSync(yield* pathOf(fork), "utf8").split("\n")
          assert.include(first, `"forked_from_id":"${id}"`)
          return fork.id
        }))
      yield* onMachine(c, ({ codex, path, rpc, session, workspace }) =>
        Effect.gen(function*() {
          assert.isTrue(yield* session.restore(forkId))
          const all = filesOf({ path })
          const sources = all.filter((file) => file.includes(id)).map((file) => Path.join(path, "sessions", file))
          for (const file of sources) Fs.renameSync(file, `${file}.away`)
          const alone = yield* Effect.flip(codex.resumeThread(forkId))
          assert.include(alone.message, "missing source rollout")
          for (const file of sources) Fs.renameSync(`${file}.away`, file)
          const fork = yield* codex.resumeThread(forkId, { cwd: workspace })
          yield* fork.run("q6")
          assert.deepStrictEqual(yield* told, ["q1", "q2", "q4", "q5", "q6"])
          assert.lengthOf(all, 3)
          assert.deepStrictEqual(rpc.restarts, 0)
        }))
    }),
    answerAnything
  )
})
