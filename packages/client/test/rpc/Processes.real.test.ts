/** No way to end leaves a process, a descriptor, a listener or a file behind, on the real codex binary. */
import { AppServer, Auth, Codex, Sandbox } from "@effect-codex/client"
import { CodexExecutable, CodexNode } from "@effect-codex/node"
import { mcpServer } from "@effect-codex/test-support/files"
import * as Processes from "@effect-codex/test-support/processes"
import * as Servers from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import * as ChildProcess from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

// =============================================================================
// Support
// =============================================================================

afterAll(Servers.removeLeftovers)

const live = (
  name: string,
  test: (services: {
    readonly model: ScriptedModel.ScriptedModel["Service"]
    readonly home: CodexHome.CodexHome["Service"]
    /** In the arguments of every process of the test. */
    readonly mark: string
  }) => Effect.Effect<void, unknown, CodexHome.CodexHome | Scope.Scope>,
  timeout = 60_000
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const home = yield* CodexHome.CodexHome
      const mark = Processes.newMark()
      yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
      yield* test({ model, home, mark })
    }).pipe(
      Effect.scoped,
      Effect.provide([CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())), Logger.layer([])])
    ), timeout)

/** A program of `support` in a process of its own, on the test's home and with a folder of its own for temporary files. */
const program = Effect.fnUntraced(function*(
  file: string,
  home: CodexHome.CodexHome["Service"],
  env: Readonly<Record<string, string>>
) {
  const { executable } = yield* CodexExecutable.find().pipe(Effect.provide(NodeServices.layer))
  const temporary = join(home.workspace, "..", "temporary")
  mkdirSync(temporary)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, [
        "--conditions=@effect-codex/source",
        join(import.meta.dirname, "..", "support", file)
      ], {
        cwd: home.workspace,
        env: { ...process.env, ...home.env, TMPDIR: temporary, TEST_EXECUTABLE: executable, ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const ended = once(child, "close")
  const output = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => output.stdout += text)
  child.stderr.setEncoding("utf8").on("data", (text: string) => output.stderr += text)
  return { child, pid: child.pid ?? 0, output, temporary, ended: Effect.promise(() => ended) }
})

// One lock for all sandboxes of a user, which codex keeps.
const isSandboxLock = (file: string | Buffer): boolean =>
  /^codex-bwrap-synthetic-mount-targets-\d+(?:\/lock)?$/.test(file.toString())

const gone = (mark: string) =>
  Processes.until(
    "all processes are gone",
    () => Processes.marked(mark).length === 0,
    () => Processes.marked(mark)
  )

/** A client whose process has the mark. */
const layer = (home: CodexHome.CodexHome["Service"], mark: string, options?: CodexNode.Options) =>
  CodexNode.layer({ cwd: home.workspace, env: home.env, configOverrides: [`model="${mark}"`], ...options })

/** As {@link layer}, on a scope of its own. */
const open = Effect.fnUntraced(function*(
  home: CodexHome.CodexHome["Service"],
  mark: string,
  options?: CodexNode.Options
) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const building = yield* Effect.forkScoped(Layer.buildWithScope(Layer.fresh(layer(home, mark, options)), scope))
  return { building, close: Scope.close(scope, Exit.void) }
})

/** Lets the event loop turn once. */
const nextTurn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const started = (mark: string) =>
  Processes.until("a process is started", () => Processes.marked(mark).length > 0, Processes.all)

// =============================================================================
// The end of the parent
// =============================================================================

describe("a program that ends in the middle of a turn leaves no process and no file", () => {
  const dies = (how: string, options: {
    readonly end: (pid: number) => void
    readonly exit: { readonly code: number | null; readonly signal?: string }
    /** Whether a second command waits for its approval. */
    readonly asks?: boolean
  }) => {
    for (const sandbox of ["readOnly", "fullAccess"]) {
      live(`${how}, with a command in the sandbox ${sandbox}`, ({ home, mark, model }) =>
        Effect.gen(function*() {
          const gate = yield* ScriptedModel.gate
          yield* model.enqueue(
            ScriptedModel.exec(`sleep ${mark} & wait`, { args: { yield_time_ms: options.asks ? 250 : 30_000 } }),
            [
              gate,
              ScriptedModel.exec("touch asked", {
                args: { sandbox_permissions: "require_escalated", justification: "May I?" }
              })
            ]
          )
          const { child, ended, output, pid, temporary } = yield* program("parent.ts", home, {
            TEST_MARK: mark,
            TEST_SANDBOX: sandbox
          })
          const runs = ({ args }: Processes.Process) => args.startsWith(`sleep ${mark}`)
          yield* Processes.until("the command runs", () => Processes.marked(mark).some(runs), () => output)
          const processes = Processes.tree(pid)
          assert.isTrue(processes.some(({ args }) => args.includes("app-server")))
          assert.isTrue(processes.some(runs))

          if (options.asks) yield* Effect.andThen(gate.reached, gate.release)
          options.end(pid)
          yield* ended
          assert.deepStrictEqual([child.exitCode, child.signalCode], [options.exit.code, options.exit.signal ?? null])
          yield* gone(mark)
          // Also those without the mark, as codex' helpers.
          const left = () => {
            const now = Processes.all()
            return processes.filter((old) => now.some(({ args, pid }) => pid === old.pid && args === old.args))
          }
          yield* Processes.until("all processes are gone", () => left().length === 0, left)
          assert.deepStrictEqual(readdirSync(temporary, { recursive: true }).filter((file) => !isSandboxLock(file)), [])
          assert.deepStrictEqual(readdirSync(home.workspace), [])
        }))
    }
  }

  dies("killed", { end: (pid) => process.kill(pid, "SIGKILL"), exit: { code: null, signal: "SIGKILL" } })
  dies("by an exception that nobody catches", { end: (pid) => process.kill(pid, "SIGUSR2"), exit: { code: 1 } })
  dies("by exit inside an approval handler", { end: () => {}, exit: { code: 3 }, asks: true })
  // NodeRuntime answers both signals with 130.
  dies("by SIGTERM under runMain", { end: (pid) => process.kill(pid, "SIGTERM"), exit: { code: 130 } })
  dies("by SIGINT under runMain", { end: (pid) => process.kill(pid, "SIGINT"), exit: { code: 130 } })
})

// =============================================================================
// Starts that fail
// =============================================================================

describe("a start that fails leaves no process, also none that it started", () => {
  // Neither ends with its stdin nor on SIGTERM.
  const stubborn = (mark: string, onLine: string) => `
    process.on("SIGTERM", () => {})
    require("node:child_process").spawn("sleep", ["${mark}"], { stdio: "ignore" })
    setInterval(() => {}, 1_000_000)
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id } = JSON.parse(line)
      ${onLine}
    })`

  const cases = {
    "a server that never answers": "",
    "a server that answers with garbage": "console.log('{\"id\":' + id)",
    "a server that answers with what fits nothing": "console.log(JSON.stringify({ id, result: 7 }))",
    "a server that refuses `initialize`": "console.log(JSON.stringify({ id, error: { code: -32600, message: 'no' } }))",
    "a server that closes its stdout": "require('node:fs').closeSync(1)"
  }

  for (const [name, onLine] of Object.entries(cases)) {
    live(name, ({ mark }) =>
      Effect.gen(function*() {
        const building = yield* Effect.forkScoped(Effect.flip(Effect.scoped(Layer.build(CodexNode.layer({
          executable: process.execPath,
          args: ["-e", stubborn(mark, onLine)],
          initializeTimeout: "1 second",
          shutdownGrace: "100 millis"
        })))))
        yield* started(mark)
        assert.deepInclude(yield* Fiber.join(building), { _tag: "AppServerStartError", phase: "initialize" })
        assert.deepStrictEqual(Processes.marked(mark), [])
      }))
  }
})

describe("a start that is given up leaves no process", () => {
  live("interrupted at any point", ({ home, mark }) =>
    Effect.gen(function*() {
      // From before there is a process until it was there a few times.
      for (let turns = 0, seen = 0; seen < 5; turns = Math.ceil(turns * 1.2) + 1) {
        const { building } = yield* open(home, mark)
        for (let i = 0; i < turns; i++) yield* nextTurn
        if (Processes.marked(mark).length > 0) seen++
        yield* Fiber.interrupt(building)
        // The scope is still open: a start that is interrupted cleans up by itself.
        assert.deepStrictEqual(Processes.marked(mark), [])
      }
    }))

  live(
    "interrupted in the handshake, while another one on the same home goes on",
    ({ home, mark }) =>
      Effect.gen(function*() {
        const [first, second] = yield* Effect.all([open(home, `${mark}-first`), open(home, `${mark}-second`)])
        yield* started(`${mark}-first`)
        yield* Fiber.interrupt(first.building)
        yield* first.close
        assert.deepStrictEqual(Processes.marked(`${mark}-first`), [])

        const client = yield* Fiber.join(second.building)
        assert.strictEqual((yield* Context.get(client, Auth.Auth).account()).requiresOpenaiAuth, false)
        assert.strictEqual(Processes.marked(mark).length, 1)
        yield* second.close
        assert.deepStrictEqual(Processes.marked(mark), [])
      })
  )

  live("by closing its scope in the handshake", ({ home, mark }) =>
    Effect.gen(function*() {
      const { building, close } = yield* open(home, mark)
      yield* started(mark)
      yield* close
      assert.deepStrictEqual(Processes.marked(mark), [])
      assert.isTrue(Exit.isFailure(yield* Fiber.await(building)))
    }))
})

// =============================================================================
// A server that hangs
// =============================================================================

describe("a codex that hangs", () => {
  live("is killed, and its command in the sandbox with it", ({ home, mark, model }) =>
    Effect.gen(function*() {
      const { building, close } = yield* open(home, mark, { shutdownGrace: "100 millis" })
      const client = yield* Fiber.join(building)
      yield* model.enqueue(ScriptedModel.exec(`sleep ${mark} & wait`, { args: { yield_time_ms: 30_000 } }))
      const thread = yield* Context.get(client, Codex.Codex).startThread({ sandbox: Sandbox.readOnly })
      yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      yield* Processes.until(
        "the command runs",
        () => Processes.marked(mark).some(({ args }) => args.startsWith("sleep ")),
        () => Processes.marked(mark)
      )
      // It reads neither its stdin nor its signals any more.
      const server = Context.get(client, AppServer.AppServer)
      process.kill(server.pid, "SIGSTOP")
      yield* close
      assert.deepStrictEqual(yield* server.exit, { code: null, signal: "SIGKILL" })
      yield* gone(mark)
    }))
})

// =============================================================================
// MCP servers
// =============================================================================

describe("the MCP servers of threads", () => {
  live("end when their threads are unloaded, and with the client", ({ home, mark, model }) =>
    Effect.gen(function*() {
      const threads = 3
      yield* model.enqueue(...Array.from({ length: threads + 1 }, () => "done"))
      const { building, close } = yield* open(home, "of threads", {
        configOverrides: ["thread_unload_delay_secs=1"],
        shutdownGrace: "1 second"
      })
      const codex = Context.get(yield* Fiber.join(building), Codex.Codex)
      const args = [mcpServer, mark]
      const start = Effect.gen(function*() {
        const thread = yield* codex.startThread({
          config: { mcp_servers: { asker: { command: process.execPath, args, required: true } } }
        })
        yield* thread.run("go")
        return thread
      })
      const started = yield* Effect.forEach(Array.from({ length: threads }), () => start)
      assert.strictEqual(Processes.marked(mark).length, threads)
      for (const thread of started) yield* thread.unsubscribe
      yield* gone(mark)
      yield* start
      assert.strictEqual(Processes.marked(mark).length, 1)
      yield* close
      yield* gone(mark)
    }))
})

// =============================================================================
// Many clients
// =============================================================================

describe("many clients", () => {
  const oneAfterAnother = Effect.fnUntraced(function*(
    home: CodexHome.CodexHome["Service"],
    env: Readonly<Record<string, string>> = {}
  ) {
    const { child, ended, output, temporary } = yield* program("oneAfterAnother.ts", home, {
      ...env,
      TEST_CLIENTS: "100"
    })
    yield* ended
    assert.strictEqual(child.exitCode, 0, output.stderr)
    const { after, before } = JSON.parse(output.stdout)
    assert.deepStrictEqual(after, before)
    assert.strictEqual(after.processes.length, 1)
    assert.deepStrictEqual(readdirSync(temporary), [])
    assert.deepStrictEqual(readdirSync(home.workspace), [])
  })

  live(
    "one after another hold no descriptor, listener, handle or process",
    ({ home }) => oneAfterAnother(home),
    // On a busy machine each start of codex takes a second.
    300_000
  )

  live(
    "one after another over WebSockets to one server hold none either",
    ({ home }) => Effect.flatMap(Servers.onTcp(), ({ url }) => oneAfterAnother(home, { TEST_URL: url }))
  )

  live(
    "one after another over the unix socket of one server hold none either",
    ({ home }) => Effect.flatMap(Servers.onUnix(), ({ path }) => oneAfterAnother(home, { TEST_SOCKET: path }))
  )

  live("at the same time start on one new home", ({ home, mark }) =>
    Effect.gen(function*() {
      const clients = yield* Effect.all(Array.from({ length: 10 }, () => open(home, mark)))
      for (const { building } of clients) {
        const client = yield* Fiber.join(building)
        yield* Context.get(client, Codex.Codex).startThread()
      }
      assert.strictEqual(Processes.marked(mark).length, 10)
      yield* Effect.all(clients.map(({ close }) => close), { concurrency: "unbounded" })
      assert.deepStrictEqual(Processes.marked(mark), [])
    }))
})

// =============================================================================
// A locked database
// =============================================================================

describe("a database in the home that another program keeps locked", () => {
  // codex itself waits 15 seconds for it.
  live("ends codex, which is started again", ({ home, mark }) =>
    Effect.gen(function*() {
      const database = new DatabaseSync(join(home.path, "state_5.sqlite"))
      yield* Effect.addFinalizer(() => Effect.sync(() => database.close()))
      database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE mine (a)")

      const warnings: Array<string> = []
      const unlock = Logger.make(({ message }) => {
        // Others may come first, such as the one of a version that was not tested.
        if (!String(message).includes("keeps a database in the CODEX_HOME locked")) return
        warnings.push(String(message))
        assert.deepStrictEqual(Processes.marked(mark), [])
        database.exec("ROLLBACK; PRAGMA locking_mode = NORMAL; SELECT * FROM sqlite_master")
      })
      const { building } = yield* open(home, mark).pipe(Effect.provide(Logger.layer([unlock])))
      yield* Fiber.join(building)
      assert.lengthOf(warnings, 1)
      assert.lengthOf(Processes.marked(mark), 1)
    }))
})
