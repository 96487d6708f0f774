/** What every transport promises, on the real codex binary: one suite for stdio, WebSocket and unix socket. */
import {
  ApprovalMode,
  Approvals,
  AppServer,
  AppServerRpc,
  Codex,
  CodexError,
  Sandbox,
  type Thread
} from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { onTcp, onUnix, removeLeftovers } from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { join } from "node:path"
import { CodexNode } from "../src/index.ts"

// =============================================================================
// Support
// =============================================================================

/** The process at the other end. */
class Peer extends Context.Service<Peer, {
  readonly pid: number
  /** Another connection to the same server, where one server has several. */
  readonly another: Option.Option<ReturnType<typeof CodexNode.layerWebSocket>>
}>()("test/Peer") {}

const stdio = Layer.unwrap(Effect.map(CodexHome.CodexHome, ({ env, workspace }) =>
  Layer.effect(
    Peer,
    Effect.map(AppServer.AppServer, ({ pid }) => ({ pid, another: Option.none() }))
  ).pipe(Layer.provideMerge(CodexNode.layer({ cwd: workspace, env })))))

const beside = <E, R>(
  start: Effect.Effect<
    { readonly pid: number; readonly connect: () => ReturnType<typeof CodexNode.layerWebSocket> },
    E,
    R
  >
) =>
  Layer.unwrap(Effect.gen(function*() {
    const { connect, pid } = yield* start
    return Layer.merge(connect(), Layer.succeed(Peer, { pid, another: Option.some(connect()) }))
  }))

const webSocket = beside(Effect.map(onTcp(), ({ pid, url }) => ({
  pid,
  connect: () => CodexNode.layerWebSocket({ url })
})))

const unixSocket = beside(Effect.gen(function*() {
  const { workspace } = yield* CodexHome.CodexHome
  // Longer than the system takes, and with what a URL would have to encode.
  const { path, pid } = yield* onUnix(join(workspace, `${"a socket: 100%".repeat(8)}`))
  return { pid, connect: () => CodexNode.layerUnixSocket({ path }) }
}))

const services = Effect.gen(function*() {
  return {
    codex: yield* Codex.Codex,
    rpc: yield* AppServerRpc.AppServerRpc,
    model: yield* ScriptedModel.ScriptedModel,
    home: yield* CodexHome.CodexHome,
    peer: yield* Peer
  }
})

type Services = Effect.Success<typeof services>

const run = (thread: Thread.Thread, prompt: string) =>
  Effect.map(thread.run(prompt), ({ finalResponse }) => finalResponse)

afterAll(removeLeftovers)

// =============================================================================
// The contract
// =============================================================================

describe.each([
  { name: "stdio", transport: stdio },
  { name: "a WebSocket", transport: webSocket },
  { name: "a unix socket", transport: unixSocket }
])("over $name", ({ name, transport }) => {
  const test = (
    title: string,
    body: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
    model?: ScriptedModel.Options
  ) =>
    it.live(title, () =>
      Effect.flatMap(services, body).pipe(
        Effect.scoped,
        Effect.provide(transport.pipe(
          Layer.provideMerge(CodexHome.layer()),
          Layer.provideMerge(ScriptedModel.layer(model))
        ))
      ))

  test("a turn runs, and its text streams as it is written", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["one ", gate, "two é ☃"]))
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
      const turn = yield* thread.turn("count")
      assert.deepStrictEqual(yield* turn.text.pipe(Stream.take(1), Stream.runCollect), ["one "])
      yield* gate.release
      const result = yield* turn.result
      assert.deepStrictEqual(result.finalResponse, Option.some("one two é ☃"))
      assert.strictEqual(codex.serverInfo.version, codexVersion)
    }))

  test("an approval is asked and answered", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(ScriptedModel.exec("echo allowed"), "done")
      const asked: Array<string> = []
      const handlers = yield* Approvals.make({
        command: ({ command }) => {
          asked.push(command ?? "")
          return Effect.succeed("accept")
        }
      })
      const thread = yield* codex.startThread({
        approvalMode: ApprovalMode.untrusted,
        sandbox: Sandbox.workspaceWrite,
        handlers
      })
      const result = yield* thread.run("go")
      assert.strictEqual(asked.length, 1)
      assert.include(asked[0], "echo allowed")
      const command = result.items.find((item) => item.type === "commandExecution")
      assert.include(command?.aggregatedOutput ?? "", "allowed")
    }))

  test("an interrupted turn ends, and the thread runs another", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working ", gate]), "again")
      const thread = yield* codex.startThread()
      const running = yield* Effect.forkScoped(thread.run("go"))
      yield* gate.reached
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(yield* run(thread, "more"), Option.some("again"))
    }))

  test("frames of 8 and of 30 MiB go both ways", ({ home, rpc }) =>
    Effect.gen(function*() {
      for (const mebibytes of [8, 30]) {
        const path = join(home.workspace, `${mebibytes}.bin`)
        const dataBase64 = Buffer.alloc(Math.floor(mebibytes * 1024 * 1024 * 3 / 4), "0123456789").toString("base64")
        yield* rpc.request("fs/writeFile", { path, dataBase64 })
        const read = yield* rpc.request("fs/readFile", { path })
        assert.isTrue(read.dataBase64 === dataBase64)
      }
    }))

  test(
    "16 turns run at once, each with its own answer",
    ({ codex }) =>
      Effect.gen(function*() {
        const prompts = Array.from({ length: 16 }, (_, n) => `number ${n}`)
        const answers = yield* Effect.forEach(
          prompts,
          (prompt) => Effect.flatMap(codex.startThread({ sandbox: Sandbox.readOnly }), (thread) => run(thread, prompt)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(answers, prompts.map((prompt) => Option.some(`you said: ${prompt}`)))
      }),
    { answer: ({ prompt }) => `you said: ${prompt}` }
  )

  test("what the server refuses is a typed error, and nothing ends", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const unknown = "01a204a7-b198-7230-917e-fb51d9aaf8da"
      assert.strictEqual((yield* Effect.flip(codex.resumeThread(unknown)))._tag, "ThreadNotPersisted")
      yield* model.enqueue("fine")
      assert.deepStrictEqual(yield* run(yield* codex.startThread(), "go"), Option.some("fine"))
      assert.deepInclude(yield* rpc.diagnostics, { garbage: 0, unknown: 0, undecodable: 0 })
    }))

  test("the server's SIGKILL ends the turn, its events and every later call with one cause", ({ codex, model, peer }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working ", gate]))
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      const reading = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(turn.events)))
      yield* gate.reached
      process.kill(peer.pid, "SIGKILL")
      const error: unknown = yield* Effect.flip(turn.result)
      if (name === "stdio") {
        assert.instanceOf(error, CodexError.AppServerExited)
        assert.strictEqual(error.signal, "SIGKILL")
      } else {
        assert.instanceOf(error, CodexError.TransportError)
        assert.deepInclude(error, { reason: "read", closeCode: 1006 })
      }
      assert.isTrue((yield* Fiber.join(reading)) === error)
      assert.isTrue((yield* Effect.flip(thread.run("more"))) === error)
      assert.isTrue((yield* Effect.flip(codex.startThread())) === error)
    }))

  // A server on stdio has one client, and ends with it.
  if (name === "stdio") return

  test("a turn goes on without the client that started it, and another client gets its end", ({ model, peer }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working ", gate, "done"]))
      const another = Option.getOrThrow(peer.another)
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
      const first = Context.get(yield* Layer.buildWithScope(Layer.fresh(another), scope), AppServerRpc.AppServerRpc)
      const { thread: { id: threadId } } = yield* first.request("thread/start", {})
      yield* first.request("turn/start", { threadId, input: [{ type: "text", text: "go", text_elements: [] }] })
      yield* gate.reached
      yield* Scope.close(scope, Exit.void)
      const second = Context.get(yield* Layer.build(Layer.fresh(another)), AppServerRpc.AppServerRpc)
      const ended = yield* second.notifications.pipe(
        Stream.filter((notification) => notification._tag === "turn/completed"),
        Stream.take(1),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      const { thread } = yield* second.request("thread/resume", { threadId })
      assert.strictEqual(thread.status.type, "active")
      yield* gate.release
      const [end] = yield* Fiber.join(ended)
      assert.deepInclude(end?._tag === "turn/completed" ? end.params : {}, { threadId })
    }))

  test("clients of one server do not get each other's replies and events", ({ codex, model, peer }) =>
    Effect.gen(function*() {
      yield* model.enqueue("one", "two")
      const other = Context.get(yield* Layer.build(Option.getOrThrow(peer.another)), Codex.Codex)
      const [mine, theirs] = [yield* codex.startThread(), yield* other.startThread()]
      assert.deepStrictEqual(yield* run(mine, "a"), Option.some("one"))
      assert.deepStrictEqual(yield* run(theirs, "b"), Option.some("two"))
    }))
})

describe("a server that is not there", () => {
  it.live("on a unix socket is unreachable, and names the file", () =>
    Effect.gen(function*() {
      const { path: home } = yield* CodexHome.CodexHome
      const path = join(home, "none.sock")
      const error = yield* Effect.flip(Effect.provide(Codex.Codex, CodexNode.layerUnixSocket({ path })))
      assert.instanceOf(error, CodexError.AppServerConnectError)
      assert.deepInclude(error, { reason: "unreachable", isRetryable: true, address: `unix:${path}` })
      assert.include(error.message, "ENOENT")
    }).pipe(Effect.provide(CodexHome.layerUrl("http://127.0.0.1:1/v1"))))

  it.live(
    "any more, and left its socket behind, is unreachable until another takes its place",
    () =>
      Effect.gen(function*() {
        const { path: home } = yield* CodexHome.CodexHome
        const path = join(home, "stale.sock")
        const version = Effect.map(Codex.Codex, ({ serverInfo }) => serverInfo.version).pipe(
          Effect.provide(Layer.fresh(CodexNode.layerUnixSocket({ path })))
        )
        yield* Effect.scoped(onUnix(path))
        const error = yield* Effect.flip(version)
        assert.deepInclude(error, { _tag: "AppServerConnectError", reason: "unreachable", isRetryable: true })
        yield* onUnix(path)
        assert.strictEqual(yield* version, codexVersion)
      }).pipe(Effect.scoped, Effect.provide(CodexHome.layerUrl("http://127.0.0.1:1/v1")))
  )
})
