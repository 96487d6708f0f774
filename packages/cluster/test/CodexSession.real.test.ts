/** Threads that move between two machines, each with a codex of its own: the real binary with a scripted model. */
import { AppServer, AppServerRpc, Codex, Sandbox, type Thread } from "@effect-codex/client"
import { CodexSession, SessionStore } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Ref, type Scope, Stream } from "effect"
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
    pid: Context.get(context, AppServer.AppServer).pid,
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

/** The store, which can be down, and tells when a line with this text is stored. */
const fallibleStore = Effect.fn(function*(text: string) {
  const store = yield* SessionStore.SessionStore
  const isDown = yield* Ref.make(false)
  const isStored = yield* Deferred.make<void>()
  const down = new SessionStore.SessionStoreUnavailable({ operation: "append lines", cause: "down" })
  const append = Effect.fn(function*(lines: SessionStore.SessionLines) {
    if (yield* Ref.get(isDown)) return yield* down
    yield* store.append(lines)
    if (lines.lines.some((line) => line.includes(text))) yield* Deferred.succeed(isStored, undefined)
  })
  return { isDown, isStored: Deferred.await(isStored), store: { ...store, append } }
})

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
              const stored = yield* store.sizes(id)
              const { followed, thread } = yield* takeOver(id)
              // The folder differs from the one of before.
              yield* followed.flush
              for (const [file, lines] of yield* store.sizes(id)) assert.strictEqual(lines, (stored.get(file) ?? 0) + 1)
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

  live(
    "whose codex is killed in a turn, while the store is down, goes on elsewhere with the command that had finished",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const [a, b] = [yield* newHome, yield* newHome]
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue("to q1", ScriptedModel.exec("echo finished"), ScriptedModel.text(["half", gate]), "to q3")
      const { isDown, isStored, store } = yield* fallibleStore("Output:\\nfinished")
      const id = yield* onMachine(a, ({ codex, pid, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread({ sandbox: Sandbox.fullAccess })
          yield* session.follow(thread)
          yield* Ref.set(isDown, true)
          assert.strictEqual((yield* thread.run("q1")).status, "completed")
          assert.strictEqual((yield* store.sizes(thread.id)).size, 0)
          const turn = yield* thread.turn("q2")
          yield* gate.reached
          yield* Ref.set(isDown, false)
          yield* isStored
          process.kill(pid, "SIGKILL")
          assert.strictEqual((yield* Effect.flip(turn.result))._tag, "AppServerExited")
          return thread.id
        })).pipe(Effect.provideService(SessionStore.SessionStore, store))
      yield* onMachine(b, ({ takeOver }) =>
        Effect.gen(function*() {
          const { thread } = yield* takeOver(id)
          const [last] = yield* Stream.runCollect(thread.turns())
          assert.strictEqual(last?.status, "interrupted")
          yield* thread.run("q3")
          assert.deepStrictEqual((yield* told).filter((text) => text.startsWith("q")), ["q1", "q2", "q3"])
          const outputs = (yield* model.requests).at(-1)?.input.filter(({ type }) => type === "function_call_output")
          assert.include(JSON.stringify(outputs), "finished")
        }))
    })
  )

  const agents = (name: string, args: ScriptedModel.JsonObject) =>
    ScriptedModel.functionCall(name, args, { namespace: "multi_agent_v1" })
  live(
    "takes its subagents along, which know what they have done",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const model = yield* ScriptedModel.ScriptedModel
      const [a, b] = [yield* newHome, yield* newHome]
      const [id, subagent] = yield* onMachine(a, ({ codex, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread()
          yield* session.follow(thread)
          const turn = yield* thread.turn("go")
          const [first] = yield* Stream.runCollect(turn.subagents)
          return [thread.id, first?.threadId ?? ""]
        }))
      assert.strictEqual((yield* store.sizes(subagent)).size, 1)
      yield* onMachine(b, ({ path, takeOver }) =>
        Effect.gen(function*() {
          const { followed, thread } = yield* takeOver(id)
          assert.lengthOf(filesOf({ path }), 2)
          const before = yield* store.sizes(subagent)
          yield* thread.run(`wake ${subagent}`)
          const asked = (yield* model.requests).find(({ prompt }) => prompt === "more")
          assert.includeMembers(asked?.userTexts.slice() ?? [], ["count", "more"])
          yield* followed.flush
          for (const [file, lines] of yield* store.sizes(subagent)) assert.isAbove(lines, before.get(file) ?? lines)
        }))
    }),
    {
      answer: (request) => {
        const [word, id = ""] = request.prompt.split(" ")
        if (word === "go") {
          if (request.toolOutputs.length === 0) return ScriptedModel.reply([ScriptedModel.spawnAgent("count")])
          return request.toolOutputs.length === 1 ? ScriptedModel.waitAgents(request) : "root done"
        }
        if (word !== "wake") return `to ${request.prompt}`
        const steps = [agents("resume_agent", { id }), agents("send_input", { target: id, message: "more" })]
        return steps[request.toolOutputs.length]
          ?? (request.toolOutputs.length === 2 ? agents("wait_agent", { targets: [id], timeout_ms: 10_000 }) : "done")
      }
    }
  )

  live(
    "of 20 MB, which a kill has cut in the middle of a line, is stored as codex mends it and goes on elsewhere, compacted",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const [a, b] = [yield* newHome, yield* newHome]
      const [id, file] = yield* onMachine(a, ({ codex, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread()
          yield* session.follow(thread)
          yield* thread.run("q1")
          return [thread.id, yield* pathOf(thread)]
        }))
      const lines = Fs.readFileSync(file, "utf8").split("\n").length - 1
      const big = Array.from({ length: 20 }, (_, i) => ({
        timestamp: "2026-01-01T00:00:00.000Z",
        ordinal: lines + i,
        type: "future_line",
        payload: "x".repeat(1024 * 1024)
      }))
      const half = `{"timestamp":"2026-01-01T00:00:00.000Z","ordi`
      Fs.appendFileSync(file, big.map((line) => `${JSON.stringify(line)}\n`).join("") + half)
      yield* onMachine(a, ({ codex, session }) =>
        Effect.gen(function*() {
          const thread = yield* codex.resumeThread(id)
          yield* session.follow(thread)
          for (const size of (yield* store.sizes(id)).values()) assert.isAtLeast(size, lines + big.length)
          yield* thread.run("q2")
          yield* Effect.scoped(Effect.flatMap(thread.compact(), (turn) => turn.result))
          yield* thread.run("q3")
        }))
      yield* onMachine(b, ({ path, takeOver }) =>
        Effect.gen(function*() {
          const { thread } = yield* takeOver(id)
          const text = Fs.readFileSync(yield* pathOf(thread), "utf8")
          const there = Fs.readFileSync(file, "utf8")
          // Resuming it in another folder has added a line.
          assert.isTrue(text.startsWith(there))
          assert.include(text, `\n${half}\n`)
          assert.lengthOf(filesOf({ path }), 1)
          yield* thread.run("q4")
          assert.includeMembers([...yield* told], ["q3", "q4"])
        }))
    }),
    answerAnything
  )
})
