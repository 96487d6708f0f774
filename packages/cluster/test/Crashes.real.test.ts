import { CodexThread, Decisions, SqliteClient } from "@effect-codex/cluster"
import * as Processes from "@effect-codex/test-support/processes"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, References, Schedule, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { starts } from "./support/crash.ts"
import { type Crash, engine, Job } from "./support/job.ts"

const soon = Schedule.spaced("20 millis")

/** A worker that runs until it dies. Its codex ends with it. */
class Workers extends Context.Service<Workers, {
  /** Starts a worker unless one runs. Waits for its end, if it dies. */
  readonly start: Effect.Effect<Worker>
  /** Until the scope closes, workers have another home, and carry histories. Kills the one that runs. */
  readonly moveTo: (home: CodexHome.CodexHome["Service"]) => Effect.Effect<void, never, Scope.Scope>
  readonly database: string
  readonly crashFile: string
}>()("Workers") {}

interface Worker {
  readonly pid: number
  readonly died: Effect.Effect<void>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

const WorkersLive = Layer.effect(
  Workers,
  Effect.gen(function*() {
    const { env, path, workspace } = yield* CodexHome.CodexHome
    const here = { env, carries: false }
    let place = here
    const [database, crashFile] = [`${path}/pipeline.sqlite`, `${path}/crash`]
    let running: ChildProcess.ChildProcess | undefined
    const said: Array<string> = []
    const hasDied = (child: ChildProcess.ChildProcess) => child.exitCode !== null || child.signalCode !== null
    const start = Effect.sync((): Worker => {
      const child = running !== undefined && !hasDied(running) ? running : ChildProcess.spawn(
        process.execPath,
        [
          "--conditions=@effect-codex/source",
          "--disable-warning=ExperimentalWarning",
          fileURLToPath(new URL("support/worker.ts", import.meta.url)),
          database,
          crashFile,
          `${place.carries}`
        ],
        { cwd: workspace, env: { ...process.env, ...place.env }, stdio: ["ignore", "pipe", "pipe"] }
      )
      if (child !== running) {
        child.stdout?.on("data", (text) => said.push(String(text)))
        child.stderr?.on("data", (text) => said.push(String(text)))
      }
      running = child
      const died = Effect.suspend(() => {
        const { exitCode, signalCode } = child
        // 130 is NodeRuntime's for a signal.
        if (exitCode !== null && exitCode !== 130) return Effect.die(new Error(said.join("")))
        return Effect.succeed(exitCode !== null || signalCode !== null)
      }).pipe(Effect.repeat({ until: (dead) => dead, schedule: soon }), Effect.asVoid)
      return {
        pid: child.pid ?? 0,
        died,
        kill: (signal) => Effect.andThen(Effect.sync(() => child.kill(signal)), died)
      }
    })
    const end = Effect.sync(() => {
      running?.kill("SIGKILL")
      return running === undefined || hasDied(running)
    }).pipe(Effect.repeat({ until: (isOver) => isOver, schedule: soon }))
    const beAt = (next: typeof here) => Effect.andThen(end, Effect.sync(() => void (place = next)))
    yield* Effect.addFinalizer(() => end)
    const moveTo = ({ env }: CodexHome.CodexHome["Service"]) =>
      Effect.acquireRelease(beAt({ env, carries: true }), () => beAt(here))
    return { start, moveTo, database, crashFile }
  })
)

const Engine = Layer.unwrap(Effect.map(Workers, ({ database }) => engine(database, false)))

const written = (name: string) => `echo ${name} >> ${name}.txt`

const Model = ScriptedModel.layer({
  answer: ({ prompt, toolOutputs, userTexts }) => {
    const name = userTexts.flatMap((text) => /^Write (\w+)\.$/.exec(text)?.[1] ?? []).at(-1) ?? ""
    if (prompt.startsWith("Check")) return JSON.stringify({ ok: true })
    const isHeld = name === "term" || name === "alone" || name === "early"
    if (isHeld && prompt === `Write ${name}.`) return ["Let me", ScriptedModel.delay("1 hour")]
    const isBegun = toolOutputs.length > 0 || !isHeld && prompt.startsWith("You were interrupted before")
    if (name === "moved" && toolOutputs.length === 1 && prompt === "Write moved.") {
      return ScriptedModel.exec("touch wait; while [ -e wait ]; do sleep 0.05; done")
    }
    if (isBegun) return `Wrote ${name}.`
    return ScriptedModel.exec(
      name === "command" ? `touch wait; ${written(name)}; while [ -e wait ]; do sleep 0.05; done` : written(name)
    )
  }
})

const TestLive = Engine.pipe(
  Layer.provideMerge(WorkersLive),
  Layer.provideMerge(CodexHome.layer()),
  Layer.provideMerge(Model),
  Layer.provideMerge(NodeServices.layer),
  // Effect warns of a runner that is not registered yet.
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
)

/** Starts the job, and returns what it comes to. */
const started = Effect.fnUntraced(function*(name: string, crash: Crash) {
  const { crashFile, start } = yield* Workers
  Fs.writeFileSync(crashFile, crash)
  const executionId = yield* Job.execute({ name }, { discard: true })
  return { executionId, worker: yield* start }
})

/** Runs the first turn of a thread of the cluster. */
const runOf = Effect.fnUntraced(function*(name: string, crash: Crash) {
  const { crashFile, start } = yield* Workers
  Fs.writeFileSync(crashFile, crash)
  const run = yield* Effect.forkScoped(
    Effect.flatMap(CodexThread.client(name), (thread) => thread.run("t1", `Write ${name}.`))
  )
  return { run, worker: yield* start }
})

const resultOf = Effect.fnUntraced(function*(name: string) {
  const { start } = yield* Workers
  yield* start
  const { workspace } = yield* CodexHome.CodexHome
  const result = yield* Job.execute({ name })
  assert.deepInclude(result, { written: Option.some(`Wrote ${name}.`), ok: true })
  const file = `${workspace}/${name}.txt`
  const { requests } = yield* ScriptedModel.ScriptedModel
  const outputs = (yield* requests).filter(({ userTexts }) => userTexts.includes(`Write ${name}.`)).map((request) => [
    request.prompt,
    request.toolOutputs
  ])
  assert.strictEqual(Fs.existsSync(file) && Fs.readFileSync(file, "utf8"), `${name}\n`, JSON.stringify(outputs))
  return result
})

/** The last prompt of each request that the model got about the job. */
const prompts = (name: string) =>
  Effect.flatMap(
    ScriptedModel.ScriptedModel,
    ({ requests }) =>
      Effect.map(requests, (requests) =>
        requests.filter(({ userTexts }) =>
          userTexts.includes(`Write ${name}.`)
        ).map(({ input, prompt }) => {
          assert.include(JSON.stringify(input), "Be brief.", "the thread keeps its instructions")
          return prompt
        }))
  )

layer(TestLive, { excludeTestServices: true })("a pipeline whose worker is killed", (it) => {
  const rows: ReadonlyArray<[name: string, Crash]> = [
    ["start", "before the start"],
    ["thread", "before the id of the thread is stored"],
    ["frame", "before the first frame of the turn"],
    ["result", "before the result is stored"],
    ["store", "in the write of the result"]
  ]
  for (const [name, crash] of rows) {
    it.effect(`${crash} runs nothing twice`, () =>
      Effect.gen(function*() {
        const { worker } = yield* started(name, crash)
        yield* worker.died
        yield* resultOf(name)
        assert.deepStrictEqual(yield* prompts(name), [`Write ${name}.`, `Write ${name}.`, `Check ${name}.`])
      }))
  }

  it.effect("in a command goes on in the thread, with the command in its history", () =>
    Effect.gen(function*() {
      const { workspace } = yield* CodexHome.CodexHome
      const { worker } = yield* started("command", "never")
      yield* Effect.sync(() => Fs.existsSync(`${workspace}/command.txt`)).pipe(
        Effect.repeat({ until: (isThere) => isThere, schedule: soon })
      )
      yield* worker.kill("SIGKILL")
      Fs.rmSync(`${workspace}/wait`)
      yield* resultOf("command")
      const asked = yield* prompts("command")
      assert.deepStrictEqual([asked.length, asked[0], asked[2]], [3, "Write command.", "Check command."])
      assert.include(asked[1], "You were interrupted before you finished")
      const { requests } = yield* ScriptedModel.ScriptedModel
      const goesOn = (yield* requests).find(({ prompt }) => prompt === asked[1])
      assert.include(JSON.stringify(goesOn?.input), "echo command >> command.txt")
    }))

  it.effect("in a command goes on in another home, with the finished command in its history", () =>
    Effect.gen(function*() {
      const { database, moveTo } = yield* Workers
      const { workspace } = yield* CodexHome.CodexHome
      const { requests, url } = yield* ScriptedModel.ScriptedModel
      const newHome = CodexHome.make({ modelUrl: url })
      yield* moveTo(yield* newHome)
      const { worker } = yield* started("moved", "never")
      const stored = Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const lines = yield* sql<{ body: Uint8Array }>`SELECT body FROM codex_session_lines`
        return lines.some(({ body }) => Buffer.from(body).includes("touch wait"))
      })
      yield* stored.pipe(
        Effect.orElseSucceed(() => false),
        Effect.repeat({ until: (isThere) => isThere, schedule: soon }),
        Effect.provide(SqliteClient.layer({ filename: database }))
      )
      yield* worker.kill("SIGKILL")
      Fs.rmSync(`${workspace}/wait`, { force: true })
      yield* moveTo(yield* newHome)
      yield* resultOf("moved")
      const asked = yield* prompts("moved")
      assert.deepStrictEqual([asked.length, asked[0], asked[3]], [4, "Write moved.", "Check moved."])
      assert.include(asked[2], "You were interrupted before you finished")
      const goesOn = (yield* requests).find(({ prompt, userTexts }) =>
        prompt === asked[2] && userTexts.includes("Write moved.")
      )
      assert.include(JSON.stringify(goesOn?.input), "echo moved >> moved.txt")
    }))

  it.effect("or not, but codex alone in a turn, goes on in the thread without being started again", () =>
    Effect.gen(function*() {
      const { worker } = yield* started("alone", "never")
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.receivedWhere(({ prompt }) => prompt === "Write alone.")
      for (const { args, pid } of Processes.tree(worker.pid)) {
        if (pid !== worker.pid && args.includes("app-server")) process.kill(pid, "SIGKILL")
      }
      yield* resultOf("alone")
      const asked = yield* prompts("alone")
      assert.deepStrictEqual([asked.length, asked[0], asked[3]], [4, "Write alone.", "Check alone."])
      assert.include(asked[1], "You were interrupted before you finished")
      assert.strictEqual((yield* (yield* Workers).start).pid, worker.pid)
    }))

  it.effect("with SIGTERM in a turn interrupts it at once, and goes on in the thread", () =>
    Effect.gen(function*() {
      const { worker } = yield* started("term", "never")
      const model = yield* ScriptedModel.ScriptedModel
      const held = yield* model.receivedWhere(({ prompt }) => prompt === "Write term.")
      yield* worker.kill("SIGTERM")
      assert.strictEqual(yield* held.outcome, "abandoned")
      yield* resultOf("term")
      const asked = yield* prompts("term")
      assert.deepStrictEqual([asked.length, asked[0], asked[3]], [4, "Write term.", "Check term."])
      assert.include(asked[1], "You were interrupted before you finished")
    }))

  it.effect("while it waits for a person goes on with the decision that was made meanwhile", () =>
    Effect.gen(function*() {
      const { executionId, worker } = yield* started("person", "never")
      yield* Job.poll(executionId).pipe(
        Effect.repeat({ until: Option.exists(({ _tag }) => _tag === "Suspended"), schedule: soon })
      )
      yield* worker.kill("SIGKILL")
      const [waiting, ...others] = yield* Decisions.pending
      assert.deepStrictEqual(others, [])
      assert.deepInclude({ ...waiting }, { workflow: "Job", executionId, name: "write" })
      assert.include(waiting?.summary, "run \"echo person >> person.txt\"")
      yield* Decisions.decide(waiting!.id, { allow: true })
      yield* resultOf("person")
      const asked = yield* prompts("person")
      assert.deepStrictEqual([asked.length, asked[0], asked[3]], [4, "Write person.", "Check person."])
      assert.include(asked[1], "The user allows you to run `echo person >> person.txt`")
      assert.strictEqual(asked[2], asked[1])
      assert.deepStrictEqual(yield* Decisions.pending, [])
    }))

  for (const [i, crash] of starts.entries()) {
    it.effect(`${crash} of a new thread of the cluster runs nothing twice`, () =>
      Effect.gen(function*() {
        const name = `thread${i}`
        const { workspace } = yield* CodexHome.CodexHome
        const { run, worker } = yield* runOf(name, crash)
        yield* worker.died
        yield* (yield* Workers).start
        const outcome = yield* Fiber.join(run)
        assert.deepInclude(outcome, { finalResponse: Option.some(`Wrote ${name}.`) })
        assert.strictEqual(Fs.readFileSync(`${workspace}/${name}.txt`, "utf8"), `${name}\n`)
        const asked = yield* prompts(name)
        if (outcome.how === "continued") assert.include(asked.at(-1), "You were interrupted")
        else assert.deepStrictEqual(asked, [`Write ${name}.`, `Write ${name}.`])
      }))
  }

  it.effect("in the first turn of a new thread of the cluster goes on in the thread", () =>
    Effect.gen(function*() {
      const { run, worker } = yield* runOf("early", "never")
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.receivedWhere(({ prompt }) => prompt === "Write early.")
      yield* worker.kill("SIGKILL")
      yield* (yield* Workers).start
      assert.deepInclude(yield* Fiber.join(run), { how: "continued", finalResponse: Option.some("Wrote early.") })
      const asked = yield* prompts("early")
      assert.deepStrictEqual([asked.length, asked[0]], [3, "Write early."])
      assert.include(asked[1], "You were interrupted")
    }))
})
