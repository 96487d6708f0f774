/** Many real codex processes behind one client: placement, faults, spare, recycling and logins. */
import { ApprovalMode, AppServerRpc, Auth, Codex, Metrics } from "@effect-codex/client"
import { CodexPool } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Redacted,
  Schedule,
  type Scope,
  Stream,
  Tracer
} from "effect"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { ended } from "./support/processes.ts"

type Services =
  | Codex.Codex
  | Auth.Auth
  | AppServerRpc.AppServerRpc
  | CodexPool.CodexPool
  | CodexHome.CodexHome
  | ScriptedModel.ScriptedModel

const real = (
  name: string,
  options: CodexPool.Options,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  more: { readonly home?: CodexHome.Options; readonly model?: ScriptedModel.Options } = {}
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      yield* test.pipe(Effect.provide(CodexPool.layer({ env: home.env, cwd: home.workspace, ...options })))
    }).pipe(
      Effect.scoped,
      Effect.provide([
        CodexHome.layer(more.home).pipe(Layer.provideMerge(
          ScriptedModel.layer(more.model ?? { answer: ({ prompt }) => `You said: ${prompt}` })
        )),
        Logger.layer([])
      ])
    ))

const processes = Effect.gen(function*() {
  const pool = yield* CodexPool.CodexPool
  return (yield* pool.stats).processes
})

const owners = Effect.map(processes, (all) => all.map(({ placed }) => placed))

/** Waits until the stats are as wanted. */
const until = (isSo: (stats: CodexPool.Stats) => boolean) =>
  Effect.flatMap(
    CodexPool.CodexPool,
    ({ stats }) =>
      Effect.repeat(Effect.delay(stats, "20 millis"), { until: isSo }).pipe(
        Effect.timeout("30 seconds")
      )
  )

const start = (count: number) =>
  Effect.flatMap(
    Codex.Codex,
    (codex) => Effect.forEach(Array.from({ length: count }), () => codex.startThread(), { concurrency: "unbounded" })
  )

const tagOf = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>): string =>
  Exit.isSuccess(exit)
    ? "ok"
    : Option.match(Exit.findErrorOption(exit), { onNone: () => "defect", onSome: ({ _tag }) => _tag })

describe("a pool", () => {
  real(
    "places threads evenly, each of which stays in its process",
    { processes: 3 },
    Effect.gen(function*() {
      const started: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          if (span.name === "Codex.startThread") started.push(span)
          return span
        }
      })
      const threads = yield* Effect.withTracer(start(6), tracer)
      assert.deepStrictEqual(yield* owners, [2, 2, 2])
      assert.sameMembers(started.map(({ attributes }) => attributes.get("codex.pool.process")), [0, 1, 2, 0, 1, 2])
      const answers = yield* Effect.forEach(threads, (thread) => thread.run("hi"), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(({ status }) => status), Array(6).fill("completed"))
      assert.deepStrictEqual(
        (yield* processes).map(({ active, loaded }) => [loaded, active]),
        Array.from({ length: 3 }, () => [2, 0])
      )

      const ofFirst = (kind: string) =>
        Effect.map(
          Metric.value(Metric.withAttributes(Metrics.poolThreads, { process: "0", kind })),
          ({ value }) => value
        )
      assert.deepStrictEqual([yield* ofFirst("loaded"), yield* ofFirst("active")], [2, 0])
      const [first] = yield* processes
      assert.strictEqual(Option.isSome(first!.descriptors), process.platform === "linux")
      assert.strictEqual(Option.isSome(first!.residentMemory), process.platform === "linux")

      // Another handle of a thread goes where the thread is.
      const codex = yield* Codex.Codex
      for (const { id } of threads) {
        const again = yield* codex.resumeThread(id)
        assert.strictEqual((yield* again.run("and again")).status, "completed")
      }
      assert.deepStrictEqual((yield* processes).map(({ loaded }) => loaded), [2, 2, 2])
      assert.sameMembers([...yield* codex.loadedThreads], threads.map(({ id }) => id))
      const listed = yield* Stream.runCollect(codex.listThreads())
      assert.deepStrictEqual(listed.map(({ status }) => status?.type), Array(6).fill("idle"))
    })
  )

  it.live("ends all its processes with its scope, the spare one too", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const said: Array<unknown> = []
      const all = yield* Effect.gen(function*() {
        const { processes, sparePid } = yield* until(({ sparePid }) => Option.isSome(sparePid))
        return [...processes.map(({ pid }) => pid), Option.getOrThrow(sparePid)]
      }).pipe(
        Effect.provide(CodexPool.layer({ env: home.env, processes: 2, spare: true })),
        Effect.provide(Logger.layer([Logger.make(({ message }) => said.push(message))]))
      )
      assert.deepStrictEqual(said, [])
      assert.lengthOf(all, 3)
      yield* Effect.forEach(all, ended)
    }).pipe(Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))))

  real(
    "finds the process that has a subagent loaded, which it has not placed itself",
    { processes: 3 },
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      const [, thread] = yield* start(2)
      yield* thread!.run("let another look")
      const agentId = (yield* model.requests).flatMap(ScriptedModel.agentIds)[0]!
      const handle = yield* codex.resumeThread(agentId)
      assert.strictEqual((yield* handle.read()).parentThreadId, thread!.id)
      assert.deepStrictEqual(yield* owners, [1, 2, 0])
    }),
    {
      model: {
        answer: (request) =>
          request.prompt !== "let another look"
            ? "I see"
            : request.toolOutputs.length === 0
            ? ScriptedModel.spawnAgent("look")
            : request.toolOutputs.length === 1
            ? ScriptedModel.waitAgents(request)
            : "done"
      }
    }
  )

  real(
    "refuses options that make no sense",
    {},
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const wrong: ReadonlyArray<[string, CodexPool.Options]> = [
        ["processes", { processes: 0 }],
        ["processes", { processes: 1.5 }],
        ["threads", { recycleAfter: { threads: -1 } }],
        ["maxLoadedThreads", { maxLoadedThreads: 0 }]
      ]
      for (const [option, options] of wrong) {
        const error = yield* Effect.flip(Layer.build(CodexPool.layer({ env: home.env, ...options })))
        assert.strictEqual(error._tag, "AppServerStartError")
        assert.include(error.message, option)
      }
    })
  )
})

const pids = Effect.map(processes, (all) => all.map(({ pid }) => pid))

describe("a process of a pool that ends", () => {
  real(
    "settles its own turns, and the others do not notice: kill -9 of one of four with 32 turns",
    { processes: 4 },
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gates = yield* Effect.forEach(Array.from({ length: 32 }), () => ScriptedModel.gate)
      yield* model.enqueue(...gates.map((gate) => ScriptedModel.text([gate, "done"])))
      const threads = yield* start(32)
      assert.deepStrictEqual(yield* owners, [8, 8, 8, 8])
      const turns = yield* Effect.forEach(
        threads,
        (thread) => Effect.forkChild(Effect.exit(thread.run("go")), { startImmediately: true })
      )
      yield* Effect.forEach(gates, ({ reached }) => reached, { concurrency: "unbounded" })
      assert.deepStrictEqual((yield* processes).map(({ active }) => active), [8, 8, 8, 8])

      const [, victim] = yield* pids
      process.kill(victim!, "SIGKILL")
      yield* until(({ processes }) => processes[1]!.restarts === 1)
      yield* Effect.forEach(gates, ({ release }) => release)
      const tags = (yield* Effect.forEach(turns, Fiber.join)).map(tagOf)
      assert.deepStrictEqual(
        [tags.filter((tag) => tag === "ok").length, tags.filter((tag) => tag === "TurnOutcomeUnknown").length],
        [24, 8]
      )
      // Nothing was run a second time.
      assert.lengthOf(yield* model.requests, 32)

      // Each thread goes on, where it was.
      yield* model.enqueue(...threads.map((_, i) => ScriptedModel.text([`again ${i}`])))
      const again = yield* Effect.forEach(threads, (thread) => thread.run("go on"), { concurrency: "unbounded" })
      assert.deepStrictEqual(again.map(({ status }) => status), Array(32).fill("completed"))
      assert.notStrictEqual((yield* pids)[1], victim)
      assert.deepStrictEqual((yield* processes).map(({ loaded, restarts }) => [loaded, restarts]), [
        [8, 0],
        [8, 1],
        [8, 0],
        [8, 0]
      ])
    })
  )

  real(
    "is replaced by the spare one, which has shaken hands already and is replaced itself",
    { processes: 2, spare: true, clientInfo: { name: "mine", version: "1" } },
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const first = yield* until(({ sparePid }) => Option.isSome(sparePid))
      const [thread] = yield* start(1)
      yield* thread!.run("hi")
      process.kill(first.processes[0]!.pid, "SIGKILL")
      const second = yield* until(({ processes, sparePid }) => processes[0]!.restarts === 1 && Option.isSome(sparePid))
      assert.strictEqual(second.processes[0]!.pid, Option.getOrThrow(first.sparePid))
      assert.match(rpc.serverInfo.userAgent, /^mine\//)
      assert.strictEqual((yield* thread!.run("again")).status, "completed")

      // A spare that dies while it waits is replaced too, and nobody notices.
      const dead = Option.getOrThrow(second.sparePid)
      process.kill(dead, "SIGKILL")
      yield* until(({ sparePid }) => Option.isSome(sparePid) && sparePid.value !== dead)
      assert.deepStrictEqual((yield* processes).map(({ restarts }) => restarts), [1, 0])
    })
  )

  real(
    "comes back when all end at once, with their spare",
    { processes: 3, spare: true },
    Effect.gen(function*() {
      const { processes: all, sparePid } = yield* until(({ sparePid }) => Option.isSome(sparePid))
      const threads = yield* start(3)
      yield* Effect.forEach(threads, (thread) => thread.run("hi"), { concurrency: "unbounded" })
      for (const { pid } of all) process.kill(pid, "SIGKILL")
      process.kill(Option.getOrThrow(sparePid), "SIGKILL")
      yield* until(({ processes }) => processes.every(({ restarts, state }) => restarts >= 1 && state === "up"))
      const again = yield* Effect.forEach(threads, (thread) => thread.run("again"), { concurrency: "unbounded" })
      assert.deepStrictEqual(again.map(({ status }) => status), Array(3).fill("completed"))
    })
  )

  real(
    "is ended and replaced when it hangs",
    { processes: 2, hangTimeout: "1500 millis", shutdownGrace: "200 millis" },
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text([gate, "done"]))
      const [thread, other] = yield* start(2)
      const turn = yield* Effect.forkChild(Effect.exit(thread!.run("go")), { startImmediately: true })
      yield* gate.reached
      const [hung] = yield* pids
      process.kill(hung!, "SIGSTOP")
      assert.strictEqual(tagOf(yield* Fiber.join(turn)), "TurnOutcomeUnknown")
      yield* ended(hung!)
      yield* gate.release
      assert.strictEqual((yield* thread!.run("again")).status, "completed")
      // The other one answers and has been left alone.
      assert.strictEqual((yield* other!.run("hi")).status, "completed")
      assert.deepStrictEqual((yield* processes).map(({ restarts }) => restarts), [1, 0])
    })
  )

  real(
    "comes back although another program keeps their database locked meanwhile",
    { processes: 4 },
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const threads = yield* start(4)
      yield* Effect.forEach(threads, (thread) => thread.run("hi"), { concurrency: "unbounded" })
      const database = new DatabaseSync(join(home.path, "state_5.sqlite"))
      yield* Effect.addFinalizer(() => Effect.sync(() => database.close()))
      database.exec("BEGIN EXCLUSIVE")
      for (const pid of (yield* pids).slice(0, 2)) process.kill(pid, "SIGKILL")
      yield* until(({ processes }) => processes.filter(({ state }) => state === "restoring").length === 2)
      const turns = yield* Effect.forkChild(
        Effect.forEach(threads, (thread) => thread.run("again"), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      database.exec("ROLLBACK")
      const again = yield* Fiber.join(turns)
      assert.deepStrictEqual(again.map(({ status }) => status), Array(4).fill("completed"))
    })
  )

  real(
    "leaves its place empty when its schedule ends, and new threads go elsewhere",
    { processes: 2, restart: Schedule.recurs(0) },
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const auth = yield* Auth.Auth
      const rpc = yield* AppServerRpc.AppServerRpc
      const [thread, other] = yield* start(2)
      const changes = yield* Effect.forkChild(Effect.exit(Stream.runCollect(auth.changes)), { startImmediately: true })
      const notifications = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(rpc.notifications, () => Effect.void)),
        { startImmediately: true }
      )
      yield* thread!.run("hi")
      process.kill((yield* pids)[0]!, "SIGKILL")
      yield* until(({ processes }) => processes[0]!.state === "ended")
      const error = yield* Effect.flip(thread!.run("again"))
      assert.strictEqual(error._tag, "TransportError")
      // Another handle finds another process.
      const again = yield* codex.resumeThread(thread!.id)
      assert.strictEqual((yield* again.run("again")).status, "completed")
      assert.strictEqual((yield* other!.run("hi")).status, "completed")
      yield* start(2)
      assert.deepStrictEqual(yield* owners, [1, 4])

      // The other one does what concerns no thread.
      assert.lengthOf(yield* codex.loadedThreads, 4)
      yield* auth.loginApiKey(Redacted.make("sk-of-all"))
      yield* rpc.request("account/read", {})
      assert.isUndefined(changes.pollUnsafe())
      assert.isUndefined(notifications.pollUnsafe())
      process.kill((yield* pids)[1]!, "SIGKILL")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(changes)))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(notifications)))
      yield* rpc.ended
    })
  )
})

describe("recycling", () => {
  real(
    "replaces a process that has had enough threads, once nothing runs in it",
    { processes: 2, recycleAfter: { threads: 2 } },
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      const before = yield* pids
      const threads = yield* start(3)
      yield* model.enqueue(ScriptedModel.text([gate, "done"]))
      const turn = yield* Effect.forkChild(threads[0]!.run("go"), { startImmediately: true })
      yield* gate.reached
      const waiting = yield* until(({ processes }) => processes[0]!.state === "draining")
      assert.strictEqual(waiting.processes[0]!.pid, before[0])
      yield* start(1)
      assert.deepStrictEqual(yield* owners, [2, 2])

      yield* gate.release
      assert.strictEqual((yield* Fiber.join(turn)).status, "completed")
      // A thread without a turn and a name would be lost.
      for (const thread of threads.slice(1)) yield* thread.setName("kept")
      yield* until(({ processes }) => processes[0]!.restarts === 1 && processes[0]!.state === "up")
      assert.strictEqual((yield* threads[0]!.run("again")).status, "completed")
    })
  )

  real(
    "replaces all processes when asked to, and their threads go on with their settings",
    { processes: 2 },
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      const pool = yield* CodexPool.CodexPool
      const thread = yield* codex.startThread({ config: { model_verbosity: "low" } })
      yield* thread.run("one")
      const before = yield* pids
      yield* pool.recycle
      assert.deepStrictEqual((yield* processes).map(({ restarts, state }) => [restarts, state]), [[1, "up"], [1, "up"]])
      yield* thread.run("two")
      const after = yield* pids
      assert.lengthOf(new Set([...before, ...after]), 4)
      const [first, second] = yield* model.requests
      assert.deepStrictEqual(second!.body["text"], first!.body["text"])
      assert.include(JSON.stringify(second!.body), "You said: one")
    })
  )

  real(
    "is no failure that the restart schedule counts",
    { processes: 2, restart: Schedule.recurs(0) },
    Effect.gen(function*() {
      const pool = yield* CodexPool.CodexPool
      yield* pool.recycle
      yield* pool.recycle
      assert.deepStrictEqual((yield* processes).map(({ restarts, state }) => [restarts, state]), [[2, "up"], [2, "up"]])
    })
  )

  it.live("warns of nothing, because nobody has to do anything", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const said: Array<string> = []
      const noting = Logger.make(({ logLevel, message }) => said.push(`${logLevel}: ${String(message)}`))
      yield* Effect.flatMap(CodexPool.CodexPool, (pool) => pool.recycle).pipe(
        Effect.provide(CodexPool.layer({ env: home.env, processes: 1 })),
        Effect.provide(Logger.layer([noting]))
      )
      assert.lengthOf(said, 2)
      assert.match(said[0]!, /^Info: .*replaced: process \d+ was asked to go/)
      assert.match(said[1]!, /^Info: codex app-server is connected again/)
    }).pipe(Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))))

  real(
    "keeps a process whose thread would be lost",
    { processes: 1, recycleAfter: { threads: 1 } },
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({ ephemeral: true })
      yield* thread.run("remember")
      yield* until(({ processes }) => processes[0]!.state === "draining")
      assert.strictEqual((yield* thread.run("still there?")).status, "completed")
      assert.deepStrictEqual((yield* processes).map(({ restarts }) => restarts), [0])
    })
  )
})

describe("the services of a pool", () => {
  const wantsLogin = { config: { model_providers: { scripted: { requires_openai_auth: true } } } }

  for (const credentialsStore of ["file", "ephemeral"] as const) {
    real(
      `log in and out in all processes: ${credentialsStore}`,
      { processes: 3, credentialsStore },
      Effect.gen(function*() {
        const auth = yield* Auth.Auth
        const model = yield* ScriptedModel.ScriptedModel
        yield* auth.loginApiKey(Redacted.make("sk-of-all"))
        const threads = yield* start(3)
        yield* Effect.forEach(threads, (thread) => thread.run("hi"))
        assert.deepStrictEqual(
          (yield* model.requests).map(({ authorization }) => Option.map(authorization, Redacted.value)),
          Array(3).fill(Option.some("Bearer sk-of-all"))
        )
        yield* auth.logout
        const rpc = yield* AppServerRpc.AppServerRpc
        const { account } = yield* rpc.request("account/read", {})
        assert.isNull(account)
      }),
      { home: wantsLogin }
    )
  }

  real(
    "answer a request of any process with one handler, and send requests to the process of their thread",
    { processes: 2 },
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const rpc = yield* AppServerRpc.AppServerRpc
      const codex = yield* Codex.Codex
      const asked: Array<string> = []
      yield* rpc.handle({
        "item/commandExecution/requestApproval": ({ params }) =>
          Effect.sync(() => {
            asked.push(params.threadId)
            return { decision: "decline" as const }
          })
      })
      const threads = yield* Effect.forEach(
        Array.from({ length: 2 }),
        () => codex.startThread({ approvalMode: ApprovalMode.ask })
      )
      for (const thread of threads) {
        yield* model.enqueue(
          ScriptedModel.exec("touch a", {
            args: { sandbox_permissions: "require_escalated", justification: "why not" }
          }),
          ScriptedModel.text(["ok"])
        )
        yield* thread.run("touch")
        const { thread: read } = yield* rpc.request("thread/read", { threadId: thread.id })
        assert.strictEqual(read.status?.type, "idle")
      }
      assert.deepStrictEqual(asked, threads.map(({ id }) => id))
    })
  )
})
