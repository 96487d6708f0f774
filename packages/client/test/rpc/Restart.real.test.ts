/** The codex process is lost and comes back, on the real codex binary. */
import { AppServer, AppServerRpc, Auth, Codex, CodexError, Sandbox } from "@effect-codex/client"
import * as Processes from "@effect-codex/test-support/processes"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Effect,
  Fiber,
  type Layer,
  Logger,
  Option,
  Queue,
  Redacted,
  Schedule,
  Stream
} from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"

const restart = Schedule.max([Schedule.spaced("10 millis"), Schedule.recurs(3)])

/** Kills the process and waits until this is known, or until there is another one. */
const kill = Effect.fnUntraced(function*(until: "ConnectionLost" | "ConnectionRestored" = "ConnectionLost") {
  const rpc = yield* AppServerRpc.AppServerRpc
  const { pid } = yield* AppServer.AppServer
  const noticed = yield* Effect.forkChild(
    rpc.diagnosticEvents.pipe(Stream.takeUntil(({ _tag }) => _tag === until), Stream.runDrain),
    { startImmediately: true }
  )
  process.kill(pid, "SIGKILL")
  yield* Fiber.join(noticed)
  return pid
})

const live = (
  name: string,
  test: Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof ScriptedCodex.layer>>>,
  options?: ScriptedCodex.Options
) =>
  it.live(name, () =>
    test.pipe(
      Effect.provide([
        ScriptedCodex.layer({ ...options, codex: { restart, ...options?.codex } }),
        Logger.layer([])
      ])
    ))

/** A turn that has said something and waits for the model. */
const waitingTurn = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  const gate = yield* ScriptedModel.gate
  yield* model.enqueue(ScriptedModel.exec("echo one"))
  yield* model.enqueue(ScriptedModel.text(["half ", gate, "done"]))
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const turn = yield* thread.turn("go")
  yield* gate.reached
  return { model, gate, thread, turn }
})

describe("a codex process that is killed", () => {
  const mark = Processes.newMark()

  live(
    "is started again, and threads go on where they were",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      const rpc = yield* AppServerRpc.AppServerRpc
      const server = yield* AppServer.AppServer
      yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
      // A command that goes on in the background.
      yield* model.enqueue(ScriptedModel.exec(`sleep ${mark}`, { args: { yield_time_ms: 250 } }), "one")
      const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite, developerInstructions: "Be brief." })
      yield* thread.run("first", { effort: "low" })
      yield* Processes.until(
        "the command runs",
        () => Processes.marked(mark).some(({ args }) => args.startsWith("sleep ")),
        () => Processes.marked(mark)
      )

      const old = yield* kill()
      yield* model.enqueue(ScriptedModel.exec("touch written.txt"))
      yield* model.enqueue("two")
      const result = yield* thread.run("second")

      assert.strictEqual(rpc.restarts, 1)
      assert.notStrictEqual(server.pid, old)
      // Whoever is their parent now.
      yield* Processes.until(
        "of the processes only the new codex is left",
        () => Processes.marked(mark).every(({ pid }) => pid === server.pid),
        () => Processes.marked(mark)
      )
      assert.deepStrictEqual(result.finalResponse, Option.some("two"))
      const { workspace } = yield* CodexHome.CodexHome
      assert.isTrue(existsSync(join(workspace, "written.txt")), "the sandbox is the one of the thread")
      const last = (yield* model.requests).at(-1)
      assert.deepStrictEqual(last?.userTexts.slice(-2), ["first", "second"])
      assert.include(JSON.stringify(last?.body), "Be brief.")
      assert.include(JSON.stringify(last?.body), "\"effort\":\"low\"")
    }).pipe(Effect.scoped),
    { codex: { configOverrides: [`model="${mark}"`] } }
  )

  live(
    "loads a thread again for all of its handles, whichever comes first",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      const rpc = yield* AppServerRpc.AppServerRpc
      const { workspace } = yield* CodexHome.CodexHome
      yield* model.enqueue("one", "two", "three")
      const thread = yield* codex.startThread({
        config: { web_search: "disabled" },
        runtimeWorkspaceRoots: [workspace],
        sandbox: Sandbox.workspaceWriteWith({ networkAccess: true })
      })
      yield* thread.run("first")
      const other = yield* codex.resumeThread(thread.id)
      yield* kill()
      yield* other.run("second")
      const { runtimeWorkspaceRoots, sandbox } = yield* rpc.request("thread/resume", {
        threadId: thread.id,
        excludeTurns: true
      })
      assert.deepStrictEqual(runtimeWorkspaceRoots, [workspace])
      assert.deepInclude(sandbox, { type: "workspaceWrite", networkAccess: true })
      assert.strictEqual((yield* thread.run("third")).status, "completed")
    })
  )

  live(
    "takes its turn with it, whose outcome is unknown and which is not run again",
    Effect.gen(function*() {
      const { model, thread, turn } = yield* waitingTurn
      yield* kill()
      const error = yield* Effect.flip(turn.result)
      assert.instanceOf(error, CodexError.TurnOutcomeUnknown)
      assert.strictEqual(error.turnId, turn.id)
      assert.deepStrictEqual(error.result.items.map(({ type }) => type), ["userMessage", "commandExecution"])
      const events = yield* Stream.runCollect(turn.events)
      assert.isFalse(events.some(({ _tag }) => _tag === "turn/completed"))
      yield* model.enqueue("again")
      assert.deepStrictEqual((yield* thread.run("what did you do?")).finalResponse, Option.some("again"))
      assert.strictEqual((yield* model.requests).length, 3)
    }).pipe(Effect.scoped)
  )

  live(
    "fails what was asked of it, and what is asked meanwhile waits",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const asked = yield* Effect.forkChild(
        Effect.exit(rpc.request("command/exec", { command: ["sleep", "60"] })),
        { startImmediately: true }
      )
      yield* rpc.request("model/list", {})
      yield* kill()
      const cause = yield* Effect.flatMap(Fiber.join(asked), Effect.flip)
      assert.deepInclude(cause, { _tag: "AppServerExited", signal: "SIGKILL" })
      assert.isAbove((yield* rpc.request("model/list", {})).data.length, 0)
    })
  )

  live(
    "is told the login that it does not store",
    Effect.gen(function*() {
      yield* Auth.Auth
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      yield* model.enqueue("one")
      yield* model.enqueue("two")
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      yield* kill()
      yield* thread.run("second")
      const keys = (yield* model.requests).map(({ authorization }) =>
        Option.getOrUndefined(Option.map(authorization, Redacted.value))
      )
      assert.deepStrictEqual(keys, ["Bearer sk-config", "Bearer sk-config"])
    }).pipe(
      Effect.provide(Auth.layerApiKey(Config.Redacted("KEY"))),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ KEY: "sk-config" }))
    ),
    { home: { apiKey: Redacted.make("sk-stored") }, codex: { credentialsStore: "ephemeral" } }
  )

  live(
    "lets the streams of its threads go on",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      yield* model.enqueue("one")
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const seen = yield* Queue.unbounded<string>()
      yield* Effect.forkChild(Stream.runForEach(thread.events, ({ _tag }) => Queue.offer(seen, _tag)), {
        startImmediately: true
      })
      const until = (tag: string): Effect.Effect<void> =>
        Effect.flatMap(Queue.take(seen), (next) => next === tag ? Effect.void : until(tag))
      yield* kill()
      // By another handle, so that the stream is the only one that wants to hear of the thread.
      yield* (yield* codex.resumeThread(thread.id)).setName("renamed")
      yield* until("thread/name/updated")
    })
  )

  live(
    "ends a goal with the cause, and the goal can be gone on with",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* model.enqueue(ScriptedModel.text(["a", gate]))
      const run = yield* Effect.forkChild(Effect.exit(thread.runGoal("count to three")))
      yield* gate.reached
      yield* kill()
      const cause = yield* Effect.flatMap(Fiber.join(run), Effect.flip)
      assert.strictEqual(cause._tag, "AppServerExited")
      assert.strictEqual(Option.getOrThrow(yield* thread.goal).objective, "count to three")
    })
  )

  live(
    "before the first turn of a thread takes the thread with it",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* kill()
      const error = yield* Effect.flip(thread.run("go"))
      assert.include(["ThreadNotFound", "ThreadNotPersisted"], error._tag)
    })
  )

  live(
    "too often ends the client",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      yield* kill()
      const ended = yield* rpc.ended
      assert.deepInclude(ended, { _tag: "TransportError", reason: "restart", isRetryable: false })
      assert.include(ended.message, "SIGKILL")
      assert.strictEqual(yield* Effect.flip(rpc.request("model/list", {})), ended)
    }),
    { codex: { restart: Schedule.recurs(0) } }
  )
})
