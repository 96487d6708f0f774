/**
 * Two runner processes, each with a codex and a home of its own, on one PostgreSQL. The tests run in their order: each
 * takes the runners as the one before left them.
 */
import { Codex } from "@effect-codex/client"
import { CodexCluster, CodexSession, CodexThread, SessionStore } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel as Model } from "@effect-codex/testing"
import { assert, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer, Option, Schedule, Stream, Tracer } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { starts } from "./support/crash.ts"
import { held, layer as machinesLayer, Machines, threadOn } from "./support/machines.ts"
import * as Postgres from "./support/postgres.ts"

const promptsAbout = (turnKey: string) =>
  Effect.map(
    Effect.flatMap(Model.ScriptedModel, ({ requests }) => requests),
    (requests) => requests.filter(({ userTexts }) => userTexts.includes(`begin ${turnKey}`))
  )

const storedLines = Effect.fnUntraced(function*(threadId: string) {
  const { load } = yield* SessionStore.SessionStore
  return (yield* Stream.runCollect(load(threadId))).flatMap(({ lines }) => lines)
})

/** Waits until the store has a text of the thread. */
const untilStored = Effect.fnUntraced(function*(thread: CodexThread.Client, text: string) {
  const threadId = Option.getOrThrow((yield* thread.info).threadId)
  yield* storedLines(threadId).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("50 millis"),
      until: (lines) => lines.some((line) => line.includes(text))
    })
  )
})

/** The milliseconds that an effect takes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - start] as const
  })

/** Starts another runner in the place of the one that a test ends, so that the next test has two whatever becomes of it. */
const replacingA = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.ensuring(
    test,
    Effect.gen(function*() {
      const machines = yield* Machines
      machines.a = yield* machines.start
    })
  )

const Live = machinesLayer({ answer: () => "As always." }, {
  shardingConfig: { entityTerminationTimeout: "2 seconds" }
})

layer(Live, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
  it.effect("a key that two machines use at once has one thread and one answer", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue("Only once.")
      const other = CodexThread.client("twice").pipe(
        Effect.flatMap((thread) => thread.run("t1", "begin twice")),
        Effect.provide(Layer.fresh(CodexCluster.layerClient()))
      )
      const thread = yield* CodexThread.client("twice")
      const [mine, theirs] = yield* Effect.all([thread.run("t1", "begin twice"), other], { concurrency: 2 })
      assert.deepStrictEqual(mine, theirs)
      assert.deepStrictEqual(mine.finalResponse, Option.some("Only once."))
      assert.lengthOf(yield* promptsAbout("twice"), 1)
    }))

  for (const crash of starts) {
    it.effect(
      `a runner that is killed ${crash} leaves it to the other, and the key has one thread`,
      () =>
        Effect.gen(function*() {
          const machines = yield* Machines
          const store = yield* SessionStore.SessionStore
          const killed = machines.a
          const name = `start-${starts.indexOf(crash)}`
          const thread = yield* threadOn(() => killed, name)
          yield* Effect.promise(() => writeFile(join(killed.home.workspace, "crash"), crash))
          const outcome = yield* thread.run("t1", `begin ${name}`)
          yield* killed.exited
          assert.deepInclude(outcome, {
            finalResponse: Option.some("As always."),
            isHistoryStored: true
          })
          const bound = Option.getOrThrow(yield* store.lookup(thread.key))
          assert.deepStrictEqual([bound.threadId, bound.isNew], [outcome.threadId, undefined])
          const asked = (yield* promptsAbout(name)).length
          const maybeOver = crash === "before the thread is named"
          assert.isAtMost(asked, crash === "once codex has begun the first turn" || outcome.how === "continued" ? 2 : 1)
          // It is named once its first lines are stored, which may be before its first turn has ended.
          assert.include(["ran", "continued", ...maybeOver ? ["found"] : []], outcome.how)
          // The next turn has the history of the first one.
          const next = yield* thread.run("t2", `begin ${name} again`)
          assert.deepInclude(next, { runner: machines.b.address, threadId: outcome.threadId, how: "ran" })
          assert.include((yield* promptsAbout(`${name} again`))[0]?.userTexts, `begin ${name}`)
        }).pipe(replacingA),
      60_000
    )
  }

  it.effect("a turn is one trace, from the program that sends it to codex", () =>
    Effect.gen(function*() {
      const { a } = yield* Machines
      const { enqueue } = yield* Model.ScriptedModel
      const sent: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          if (span.name === "CodexThread.client.Run") sent.push(span)
          return span
        }
      })
      const thread = yield* threadOn(() => a, "traced")
      yield* enqueue("Traced.")
      yield* Effect.withTracer(thread.run("t1", "begin traced"), tracer)
      assert.lengthOf(sent, 1)
      for (const name of ["CodexThread.Run", "CodexThread.attempt", "Thread.turn", "Turn"]) {
        yield* a.said(JSON.stringify([name, sent[0]?.traceId]).slice(1, -1))
      }
    }))

  it.effect("a runner that is killed loses its turn to the other, which goes on after the command", () =>
    Effect.gen(function*() {
      const machines = yield* Machines
      const { enqueue } = yield* Model.ScriptedModel
      const killed = machines.a
      const thread = yield* threadOn(() => killed, "killed")
      const reads = yield* Deferred.make<void>()
      const events = yield* thread.events.pipe(
        Stream.tap(() => Deferred.succeed(reads, undefined)),
        Stream.takeUntil(({ _tag }) => _tag === "turn/completed"),
        Stream.runCollect,
        Effect.forkScoped
      )
      const file = join(machines.b.home.workspace, "once.txt")
      const { run } = yield* held(thread, "killed", [Model.exec(`echo once >> ${file}`)])
      yield* enqueue("Went on.")
      yield* Deferred.await(reads)
      yield* killed.kill("SIGKILL")
      const [outcome, time] = yield* timed(Fiber.join(run))
      assert.deepInclude(outcome, {
        how: "continued",
        runner: machines.b.address,
        finalResponse: Option.some("Went on.")
      })
      assert.isBelow(time, 15_000)
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "once\n")
      const [, , last] = yield* promptsAbout("killed")
      assert.deepStrictEqual(last?.input.filter(({ type }) => type === "function_call_output").length, 1)
      // The answer is stored: it is given again without the model.
      assert.deepStrictEqual(yield* thread.run("killed", "begin killed"), outcome)
      assert.lengthOf(yield* promptsAbout("killed"), 3)
      const seen = yield* Fiber.join(events)
      assert.lengthOf(seen.filter(({ _tag }) => _tag === "Moved"), 2)
    }).pipe(replacingA))

  it.effect("a runner that stops answers a turn that ends in time", () =>
    Effect.gen(function*() {
      const machines = yield* Machines
      const stopping = machines.a
      const thread = yield* threadOn(() => stopping, "ends")
      const { gate, run } = yield* held(thread, "ends")
      yield* stopping.kill("SIGTERM")
      yield* gate.release
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { how: "ran", runner: stopping.address, finalResponse: Option.some("Half of it.") })
      yield* stopping.exited
    }).pipe(replacingA))

  it.effect("a runner that stops interrupts a turn that does not end, and the other goes on", () =>
    Effect.gen(function*() {
      const machines = yield* Machines
      const { enqueue } = yield* Model.ScriptedModel
      const stopping = machines.a
      const thread = yield* threadOn(() => stopping, "moves")
      const { run } = yield* held(thread, "moves")
      yield* enqueue("Went on.")
      yield* stopping.kill("SIGTERM")
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { how: "continued", runner: machines.b.address })
      const [first] = yield* promptsAbout("moves")
      assert.strictEqual(yield* first?.outcome ?? Effect.void, "abandoned")
      yield* stopping.exited
    }).pipe(replacingA))

  it.effect("a runner that was frozen stores nothing and answers nothing once it wakes", () =>
    Effect.gen(function*() {
      const machines = yield* Machines
      const { enqueue } = yield* Model.ScriptedModel
      const frozen = machines.a
      const thread = yield* threadOn(() => frozen, "frozen")
      const { gate, run } = yield* held(thread, "frozen")
      yield* enqueue("Went on.")
      yield* untilStored(thread, "begin frozen")
      yield* frozen.kill("SIGSTOP")
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { how: "continued", runner: machines.b.address })
      // Its codex was not frozen, and ends the turn in its own copy of the thread.
      yield* gate.release
      yield* (yield* promptsAbout("frozen"))[0]?.outcome ?? Effect.void
      const stored = yield* storedLines(outcome.threadId)
      yield* frozen.kill("SIGCONT")
      yield* frozen.said("another machine has continued")
      assert.deepStrictEqual(yield* storedLines(outcome.threadId), stored)
      assert.notInclude(stored.join("\n"), "Half of it.")
      assert.deepStrictEqual(yield* thread.run("frozen", "begin frozen"), outcome)
    }))

  it.effect("a database that restarts in a turn delays its answer", () =>
    Effect.gen(function*() {
      const machines = yield* Machines
      const { restart } = yield* Postgres.Postgres
      const thread = yield* threadOn(() => machines.b, "restarted")
      const { gate, run } = yield* held(thread, "restarted")
      yield* restart
      yield* gate.release
      assert.deepInclude(yield* Fiber.join(run), { finalResponse: Option.some("Half of it.") })
      assert.lengthOf(yield* promptsAbout("restarted"), 1)
    }))

  it.effect("a fork and a large history move without the machine that made them", () =>
    Effect.gen(function*() {
      const { enqueue, url } = yield* Model.ScriptedModel
      const store = yield* SessionStore.SessionStore
      const bind = (key: string, threadId: string) =>
        store.bind(key, { threadId, name: Option.none(), cwd: Option.none(), metadata: {} })
      // A machine that is gone before the cluster needs its threads.
      yield* Effect.gen(function*() {
        const home = yield* CodexHome.make({ modelUrl: url })
        const third = CodexSession.layer().pipe(
          Layer.provideMerge(CodexNode.layer({ cwd: home.workspace, env: home.env }))
        )
        yield* Effect.gen(function*() {
          const codex = yield* Codex.Codex
          const session = yield* CodexSession.CodexSession
          const source = yield* codex.startThread()
          yield* enqueue("Noted.")
          yield* source.run("begin fork")
          const fork = yield* source.fork()
          yield* fork.setName("fork")
          yield* (yield* session.follow(fork)).flush
          const large = yield* codex.startThread()
          yield* large.setName("large")
          const text = "x".repeat(1024 * 1024)
          const item = { type: "message", role: "assistant", content: [{ type: "output_text", text }] }
          for (let i = 0; i < 50; i++) yield* large.inject([item])
          yield* (yield* session.follow(large)).flush
          yield* bind("fork", fork.id)
          yield* bind("large", large.id)
        }).pipe(Effect.scoped, Effect.provide(third))
      }).pipe(Effect.scoped)
      for (const key of ["fork", "large"]) {
        yield* enqueue("Moved.")
        const outcome = yield* (yield* CodexThread.client(key)).run("t1", `begin ${key} here`)
        assert.deepInclude(outcome, { how: "ran", finalResponse: Option.some("Moved.") })
      }
      const [forked] = yield* promptsAbout("fork here")
      assert.include(forked?.userTexts, "begin fork")
      const [large] = yield* promptsAbout("large here")
      assert.isAbove(JSON.stringify(large?.input).length, 50 * 1024 * 1024)
    }))
})
