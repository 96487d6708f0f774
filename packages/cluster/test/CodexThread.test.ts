/** The entity's behaviour, with the fake of codex and a cluster in memory. */
import { ApprovalMode, AppServerRpc, Codex, Transport } from "@effect-codex/client"
import { CodexSession, CodexThread, Metrics, SessionStore } from "@effect-codex/cluster"
import { CodexTest, FakeAppServer, ScriptedModel as Model } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Fiber,
  Layer,
  Metric,
  Option,
  Schedule,
  Schema,
  Scope,
  Stream,
  Tracer
} from "effect"
import { TestRunner } from "effect/cluster"
import type * as Hub from "../src/internal/thread/hub.ts"
import * as Reader from "../src/internal/thread/reader.ts"

const codexOn = (connect: FakeAppServer.FakeAppServer["Service"]["connect"]) =>
  Codex.layer({ stopGrace: "1 second" }).pipe(
    Layer.provide(
      AppServerRpc.layerSupervised(Layer.effect(Transport.Transport, connect), { restart: Schedule.forever })
    )
  )

/** A machine with a cluster of its own. The machines of a test share the store and the home of codex. */
const machine = Effect.fn(function*(
  options: CodexThread.LayerOptions = {},
  session: Layer.Layer<CodexSession.CodexSession> = CodexSession.layerLocal
) {
  const { connect } = yield* FakeAppServer.FakeAppServer
  const codex = codexOn(connect)
  const context = yield* Layer.build(Layer.fresh(
    CodexThread.layer(options).pipe(
      Layer.provideMerge(TestRunner.layer),
      Layer.provide([codex, session])
    )
  ))
  return (key: string): Effect.Effect<CodexThread.Client> => Effect.provideContext(CodexThread.client(key), context)
})

const memory = Layer.mergeAll(FakeAppServer.layer(), SessionStore.layerMemory)

type Body<E> = Effect.Effect<void, E, Layer.Success<typeof memory> | Scope.Scope>

const test = <E>(name: string, body: Body<E>) => it.live(name, () => Effect.provide(Effect.scoped(body), memory))

/** Of what takes a while, on the test's clock. */
const testInNoTime = <E>(name: string, body: Body<E>) =>
  it.effect(name, () => Effect.provide(CodexTest.eventually(Effect.scoped(body)), memory))

const promptsOf = Effect.map(
  Effect.flatMap(Model.ScriptedModel, ({ requests }) => requests),
  (requests) => requests.map(({ prompt }) => prompt)
)

const failureOf = <A, R>(run: Effect.Effect<A, CodexThread.ThreadFailed | CodexThread.TurnOutcomeUnknown, R>) =>
  Effect.map(Effect.flip(run), ({ isRetryable, message, tag }) => ({ tag, message, isRetryable }))

const untilEvent = <A extends CodexThread.Event>(
  thread: CodexThread.Client,
  matches: (event: CodexThread.Event) => event is A
) => Effect.map(Stream.runHead(Stream.filter(thread.events, matches)), Option.getOrThrow)

/** A thread with a turn, from a client of its own, which is gone. */
const unnamed = Effect.gen(function*() {
  const { connect } = yield* FakeAppServer.FakeAppServer
  yield* (yield* Model.ScriptedModel).enqueue("Noted.")
  const context = yield* Layer.build(Layer.fresh(codexOn(connect)))
  const thread = yield* Context.get(context, Codex.Codex).startThread()
  yield* thread.run("note")
  return thread
}).pipe(Effect.scoped, Effect.orDie)

/** A turn that waits in the model. */
const held = Effect.fnUntraced(function*(thread: CodexThread.Client, turnKey: string) {
  const { enqueue } = yield* Model.ScriptedModel
  const gate = yield* Model.gate
  yield* enqueue(Model.text(["Half of ", gate, "it."]))
  const run = yield* Effect.forkScoped(thread.run(turnKey, "begin"))
  yield* gate.reached
  return { run, gate }
})

describe("a thread of the cluster", () => {
  test(
    "runs its turns one after another, and each key once",
    Effect.gen(function*() {
      const thread = yield* (yield* machine())("a")
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue("One.", "Two.")
      const [one, two] = yield* Effect.all([thread.run("t1", "first"), thread.run("t2", "second")], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual([one.finalResponse, two.finalResponse], [Option.some("One."), Option.some("Two.")])
      assert.strictEqual(one.threadId, two.threadId)
      assert.strictEqual(one.how, "ran")
      const again = yield* thread.run("t1", "first")
      assert.deepStrictEqual(again, one)
      assert.deepStrictEqual(yield* promptsOf, ["first", "second"])
    })
  )

  test(
    "answers in the shape that was asked for, also when the turn is found again",
    Effect.gen(function*() {
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue("{\"safe\":true}", "no JSON")
      const output = Schema.Struct({ safe: Schema.Boolean })
      const ask = Effect.flatMap(
        machine(),
        (of) => Effect.flatMap(of("a"), (thread) => thread.run("t1", "Is it safe?", { output }))
      )
      assert.deepStrictEqual((yield* Effect.scoped(ask)).output, { safe: true })
      const found = yield* Effect.scoped(ask)
      assert.deepStrictEqual([found.how, found.output], ["found", { safe: true }])
      const thread = yield* (yield* machine())("a")
      assert.strictEqual((yield* failureOf(thread.run("t2", "And now?", { output }))).tag, "OutputInvalid")
    })
  )

  test(
    "fails a turn that it finds failed as the turn had failed, without the keys that the server quotes",
    Effect.gen(function*() {
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue(
        Model.failed("rate_limit_exceeded", "no quota for sk-proj-abcdefghijklmnopqrstuvwxyz0123456789\u001b[2K")
      )
      const fail = Effect.flatMap(
        machine(),
        (of) => Effect.flatMap(of("a"), (thread) => failureOf(thread.run("t1", "hello")))
      )
      const first = yield* Effect.scoped(fail)
      assert.strictEqual(first.tag, "TurnFailed")
      assert.include(first.message, `failed (${first.tag})`)
      assert.notInclude(first.message, "abcdefghijklmnopqrstuvwxyz")
      assert.notInclude(first.message, "\u001b")
      assert.deepStrictEqual(yield* fail, first)
      assert.lengthOf(yield* promptsOf, 1)
    })
  )

  test(
    "refuses what cannot run, and says what is wrong",
    Effect.gen(function*() {
      const client = yield* machine()
      const thread = yield* client("a")
      const long = "x".repeat(256)
      const halves = "has a NUL, or a half of a character, which no database keeps."
      for (
        const [key, turnKey, message] of [
          ["a", "", "the key of a turn must not be empty."],
          ["a", "a#1", "the key of a turn must not contain `#`."],
          ["a", long, "the key of a turn has 256 characters, and 255 are allowed. Use a hash of it."],
          ["a", "\0", `the key of a turn ${halves}`],
          [" ", "t", "the key of a thread must not be empty."],
          [long, "t", "the key of a thread has 256 characters, and 255 are allowed. Use a hash of it."],
          ["\ud800", "t", `the key of a thread ${halves}`]
        ] as const
      ) {
        const failure = yield* failureOf((yield* client(key)).run(turnKey, "hello"))
        assert.deepStrictEqual(failure, { tag: "InvalidArgument", message, isRetryable: false })
      }
      const wrong: string = JSON.parse("{\"type\":\"smell\"}")
      assert.strictEqual((yield* failureOf(thread.run("t1", wrong))).tag, "InvalidArgument")
      assert.strictEqual((yield* failureOf(thread.run("t2", "x", { output: Schema.Unknown }))).tag, "InvalidArgument")
      assert.strictEqual((yield* failureOf(thread.steer("more"))).tag, "NoActiveTurn")
      assert.isFalse(yield* thread.interrupt)
      assert.isFalse(yield* thread.approve("none", "accept"))
      // A turn that fails has an answer, too.
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue(Model.failed("context_length_exceeded", "too long"))
      const failure = yield* failureOf(thread.run("t3", "hello"))
      assert.strictEqual(failure.tag, "TurnFailed")
      assert.deepStrictEqual(yield* failureOf(thread.run("t3", "hello")), failure)
      assert.deepStrictEqual(yield* promptsOf, ["hello"])
    })
  )

  test(
    "goes on without its sender, is steered and interrupted, and tells where it is",
    Effect.gen(function*() {
      const thread = yield* (yield* machine({ settings: (key) => ({ name: `thread ${key}` }) }))("a")
      assert.deepStrictEqual((yield* thread.info).turnKey, Option.none())
      const { gate, run } = yield* held(thread, "t1")
      yield* Fiber.interrupt(run)
      const info = yield* thread.info
      assert.deepStrictEqual(info.turnKey, Option.some("t1"))
      assert.isTrue(Option.isSome(info.threadId))
      yield* (yield* Model.ScriptedModel).enqueue("Steered.")
      yield* thread.steer("and this")
      yield* gate.release
      assert.deepStrictEqual((yield* thread.run("t1", "begin")).finalResponse, Option.some("Steered."))
      const second = yield* held(thread, "t2")
      assert.isTrue(yield* thread.interrupt)
      assert.strictEqual((yield* failureOf(Fiber.join(second.run))).tag, "TurnInterrupted")
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      assert.deepInclude((yield* receivedOf("thread/name/set"))[0], { method: "thread/name/set" })
    })
  )

  test(
    "sends its events to readers that come late, each once",
    Effect.gen(function*() {
      const thread = yield* (yield* machine())("a")
      const { gate, run } = yield* held(thread, "t1")
      const tags = yield* thread.events.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.tap((tag) => tag === "item/agentMessage/delta" ? gate.release : Effect.void),
        Stream.takeUntil((tag) => tag === "turn/completed"),
        Stream.runCollect
      )
      assert.strictEqual(tags[0], "Moved")
      assert.strictEqual(tags[1], "turn/started")
      assert.strictEqual(tags.filter((tag) => tag === "item/agentMessage/delta").length, 2)
      yield* Fiber.join(run)
    })
  )

  test(
    "lets a client of the cluster decide about its commands",
    Effect.gen(function*() {
      const thread = yield* (yield* machine({
        approvals: "client",
        settings: { approvalMode: ApprovalMode.untrusted }
      }))("a")
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue(Model.exec("make install"), "Installed.")
      const run = yield* Effect.forkScoped(thread.run("t1", "install it"))
      const { approval } = yield* untilEvent(thread, (event) => event._tag === "ApprovalOpened")
      assert.deepInclude(approval, { kind: "Command", description: "run \"make install\" in /workspace" })
      assert.deepStrictEqual((yield* thread.info).approvals, [approval])
      assert.isTrue(yield* thread.approve(approval.approvalId, "accept"))
      assert.deepStrictEqual((yield* Fiber.join(run)).finalResponse, Option.some("Installed."))
      assert.isFalse(yield* thread.approve(approval.approvalId, "accept"))
      assert.deepStrictEqual((yield* thread.info).approvals, [])
    })
  )

  test(
    "shows a turn from its sender to codex as one trace",
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function*() {
        const thread = yield* (yield* machine())("a")
        yield* (yield* Model.ScriptedModel).enqueue("Done.")
        yield* Effect.withSpan(thread.run("t1", "hello"), "program")
      }).pipe(Effect.withTracer(tracer))
      const traceId = spans.find(({ name }) => name === "program")?.traceId
      const names = spans.filter((span) => span.traceId === traceId).map(({ name }) => name)
      assert.includeMembers(names, ["CodexThread.client.Run", "CodexThread.Run", "CodexThread.attempt", "Turn"])
    })
  )

  test(
    "is removed with its answers",
    Effect.gen(function*() {
      const thread = yield* (yield* machine())("a")
      const { enqueue } = yield* Model.ScriptedModel
      yield* enqueue("One.", "Another.")
      const one = yield* thread.run("t1", "first")
      assert.isTrue(yield* thread.forget)
      const store = yield* SessionStore.SessionStore
      assert.isTrue(Option.isNone(yield* store.lookup("a")))
      const another = yield* thread.run("t1", "first")
      assert.deepStrictEqual(another.finalResponse, Option.some("Another."))
      assert.notStrictEqual(another.threadId, one.threadId)
    })
  )
})

/** A thread of which codex knows nothing, as its machine was lost before it ran anything. */
const lost = (isNew: boolean): SessionStore.BoundThread => ({
  threadId: "0198c0de-0000-7000-8000-000000000001",
  name: Option.none(),
  cwd: Option.none(),
  metadata: {},
  isNew
})

const boundTo = (key: string) =>
  Effect.map(Effect.flatMap(SessionStore.SessionStore, ({ lookup }) => lookup(key)), Option.getOrThrow)

describe("a new thread", () => {
  test(
    "has its key before its first turn, and for good after it",
    Effect.gen(function*() {
      const thread = yield* (yield* machine())("a")
      const { gate, run } = yield* held(thread, "t1")
      const during = yield* boundTo("a")
      yield* gate.release
      const { threadId } = yield* Fiber.join(run)
      assert.deepStrictEqual([during.threadId, during.isNew], [threadId, true])
      assert.isUndefined((yield* boundTo("a")).isNew)
    })
  )

  test(
    "is named after its first turn, or by the machine that has it next",
    Effect.gen(function*() {
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      const { enqueue } = yield* Model.ScriptedModel
      const named = (count: number) =>
        Effect.repeat(receivedOf("thread/name/set"), {
          until: (received) => received.length === count,
          schedule: Schedule.spaced("5 millis")
        })
      const run = Effect.fnUntraced(function*(turnKey: string, thread: CodexThread.Client) {
        yield* enqueue("Done.")
        return yield* thread.run(turnKey, "hello")
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const thread = yield* (yield* machine())("a")
        const { gate, run } = yield* held(thread, "t1")
        assert.lengthOf(yield* receivedOf("thread/name/set"), 0)
        yield* gate.release
        yield* Fiber.join(run)
        assert.deepInclude((yield* named(1))[0]?.params, { name: "a" })
      }))
      // Another home has the histories alone.
      yield* (yield* SessionStore.SessionStore).bind("b", { ...yield* boundTo("a"), threadId: (yield* unnamed).id })
      yield* run("t1", yield* (yield* machine())("b"))
      assert.deepInclude((yield* named(2))[1]?.params, { name: "b" })
      yield* run("t2", yield* (yield* machine())("a"))
      assert.lengthOf(yield* receivedOf("thread/name/set"), 2)
    })
  )

  test(
    "that was lost before it ran anything is replaced, and one that has a history is not",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      yield* store.bind("a", lost(true))
      yield* store.bind("b", lost(false))
      yield* store.begin("a", "t1", "another")
      const of = yield* machine()
      yield* (yield* Model.ScriptedModel).enqueue("Done.")
      const outcome = yield* (yield* of("a")).run("t1", "hello")
      assert.deepInclude(outcome, { how: "ran", finalResponse: Option.some("Done.") })
      assert.notStrictEqual(outcome.threadId, lost(true).threadId)
      assert.strictEqual((yield* boundTo("a")).threadId, outcome.threadId)
      assert.strictEqual((yield* failureOf((yield* of("b")).run("t1", "hello"))).tag, "ThreadNotPersisted")
      assert.strictEqual((yield* boundTo("b")).threadId, lost(false).threadId)
      assert.deepStrictEqual(yield* promptsOf, ["hello"])
    })
  )

  test(
    "whose key another machine has given a thread meanwhile is left without a turn and a name",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      const theirs = yield* unnamed
      let isFirst = true
      const bind: typeof store.bind = (key, thread) =>
        Effect.suspend(() => {
          if (!isFirst) return store.bind(key, thread)
          isFirst = false
          return Effect.andThen(
            store.bind(key, { ...thread, threadId: theirs.id, isNew: false }),
            store.bind(key, thread)
          )
        })
      const of = yield* Effect.provideService(machine(), SessionStore.SessionStore, { ...store, bind })
      yield* (yield* Model.ScriptedModel).enqueue("Done.")
      assert.strictEqual((yield* (yield* of("a")).run("t1", "hello")).threadId, theirs.id)
      const about = (method: "turn/start" | "thread/name/set" | "thread/unsubscribe") =>
        Effect.map(receivedOf(method), (received) => received.map((frame) => JSON.stringify(frame).includes(theirs.id)))
      assert.deepStrictEqual(yield* about("thread/unsubscribe"), [false])
      assert.deepStrictEqual(yield* about("turn/start"), [true, true])
      assert.notInclude(yield* about("thread/name/set"), false)
    })
  )

  test(
    "that another machine has replaced has no answer here",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const thread = yield* (yield* machine())("a")
      const { gate, run } = yield* held(thread, "t1")
      const ours = yield* boundTo("a")
      const theirs = yield* unnamed
      yield* store.rebind("a", ours.threadId, { ...ours, threadId: theirs.id })
      yield* (yield* Model.ScriptedModel).enqueue("Again.")
      yield* gate.release
      assert.deepInclude(yield* Fiber.join(run), {
        threadId: theirs.id,
        how: "ran",
        finalResponse: Option.some("Again.")
      })
      assert.deepStrictEqual(yield* promptsOf, ["begin", "note", "begin"])
    })
  )
})

describe("a turn whose machine stops", () => {
  const stopped = Effect.fn(function*(options?: CodexThread.LayerOptions) {
    const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
    const first = yield* Scope.provide(machine(options), scope)
    const { run } = yield* held(yield* first("a"), "t1")
    yield* Fiber.interrupt(run)
    yield* Scope.close(scope, yield* Effect.exit(Effect.void))
    return yield* (yield* machine(options))("a")
  })

  testInNoTime(
    "goes on elsewhere with what it did",
    Effect.gen(function*() {
      const thread = yield* stopped()
      yield* (yield* Model.ScriptedModel).enqueue("Done.")
      const outcome = yield* thread.run("t1", "begin")
      assert.deepInclude(outcome, { how: "continued", finalResponse: Option.some("Done.") })
      // codex must not keep the thread as it was, for when it comes back to this machine.
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      assert.lengthOf(yield* receivedOf("thread/unsubscribe"), 1)
      const counted = yield* Metric.value(Metric.withAttributes(Metrics.takeovers, { how: "continued" }))
      assert.isAtLeast(counted.count, 1)
      const [first, second] = yield* promptsOf
      assert.strictEqual(first, "begin")
      assert.include(second ?? "", "You were interrupted")
    })
  )

  testInNoTime(
    "is of unknown outcome if nobody is to go on with it",
    Effect.gen(function*() {
      const thread = yield* stopped({ onInterrupted: "fail" })
      const error = yield* Effect.flip(thread.run("t1", "begin"))
      assert.instanceOf(error, CodexThread.TurnOutcomeUnknown)
      assert.include(error.message, "turn t1 was begun by localhost:34431, and how it ended is unknown")
      assert.lengthOf(yield* promptsOf, 1)
    })
  )

  testInNoTime(
    "is begun no more often than allowed",
    Effect.gen(function*() {
      const thread = yield* stopped({ maxAttempts: 1 })
      const error = yield* Effect.flip(thread.run("t1", "begin"))
      assert.instanceOf(error, CodexThread.TurnOutcomeUnknown)
      assert.include(error.message, "it was begun 1 times")
    })
  )
})

describe("a turn whose codex ends alone", () => {
  testInNoTime(
    "goes on in the codex that is started next, on the same machine",
    Effect.gen(function*() {
      const thread = yield* (yield* machine())("a")
      const { run } = yield* held(thread, "t1")
      yield* (yield* Model.ScriptedModel).enqueue("Went on.")
      const { exit } = yield* FakeAppServer.FakeAppServer
      yield* exit({ code: null, signal: "SIGKILL" })
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { how: "continued", finalResponse: Option.some("Went on.") })
      const [first, second, ...more] = yield* promptsOf
      assert.strictEqual(first, "begin")
      assert.include(second ?? "", "You were interrupted")
      assert.deepStrictEqual(more, [])
      // The answer is stored, as that of any other turn.
      assert.deepStrictEqual(yield* thread.run("t1", "begin"), outcome)
    })
  )
})

testInNoTime(
  "a turn runs if only the answer of the store that it is begun is lost",
  Effect.gen(function*() {
    const store = yield* SessionStore.SessionStore
    let isLost = true
    const begin: typeof store.begin = (...turn) =>
      Effect.tap(store.begin(...turn), () => {
        if (!isLost) return Effect.void
        isLost = false
        return new SessionStore.SessionStoreUnavailable({ operation: "begin a turn", cause: "the answer was lost" })
      })
    const of = yield* Effect.provideService(machine({ onInterrupted: "fail" }), SessionStore.SessionStore, {
      ...store,
      begin
    })
    yield* (yield* Model.ScriptedModel).enqueue("Done.")
    assert.strictEqual((yield* (yield* of("a")).run("t1", "hello")).how, "ran")
  })
)

describe("a turn whose history", () => {
  const session = (members: Partial<CodexSession.Followed>) =>
    Layer.succeed(CodexSession.CodexSession, {
      restore: () => Effect.succeed(false),
      follow: () => Effect.succeed({ flush: Effect.void, fenced: Effect.never, ...members })
    })

  test(
    "is continued elsewhere has no answer here, and begins again with what the store has",
    Effect.gen(function*() {
      const fence = yield* Deferred.make<SessionStore.SessionFenced>()
      let follows = 0
      const layer = Layer.succeed(CodexSession.CodexSession, {
        restore: () => Effect.succeed(false),
        follow: () =>
          Effect.sync(() => ({ flush: Effect.void, fenced: follows++ === 0 ? Deferred.await(fence) : Effect.never }))
      })
      const thread = yield* (yield* machine({}, layer))("a")
      const { run } = yield* held(thread, "t1")
      yield* (yield* Model.ScriptedModel).enqueue("Again.")
      yield* Deferred.succeed(fence, new SessionStore.SessionFenced({ threadId: "t", file: "f", line: 1 }))
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { how: "continued", finalResponse: Option.some("Again.") })
      assert.strictEqual(follows, 2)
    })
  )

  testInNoTime(
    "the store does not take is answered all the same, and says so",
    Effect.gen(function*() {
      let isDown = false
      const down = new SessionStore.SessionStoreUnavailable({ operation: "append", cause: "down" })
      const flush = Effect.suspend(() => isDown ? Effect.fail(down) : Effect.void)
      const thread = yield* (yield* machine({}, session({ flush })))("a")
      const { gate, run } = yield* held(thread, "t1")
      isDown = true
      yield* gate.release
      const outcome = yield* Fiber.join(run)
      assert.deepInclude(outcome, { finalResponse: Option.some("Half of it."), isHistoryStored: false })
    })
  )
})

it.live("a reader goes on after a stop and a kill of its runner, and leaves out what it has had", () =>
  Effect.gen(function*() {
    const sent = (epoch: string, seq: number): Hub.Sent => ({
      epoch,
      seq,
      runner: `runner of ${epoch}`,
      event: { _tag: `${epoch}${seq}`, params: {} }
    })
    const asked: Array<Hub.Position | undefined> = []
    // The cluster sends the first request again after a kill; after a stop it ends in an interrupt.
    const subscriptions = [
      Stream.concat(
        Stream.make(sent("a", 1), sent("a", 2), sent("a", 1), sent("a", 2)),
        Stream.fromEffect(Effect.interrupt)
      ),
      Stream.make(sent("a", 2), sent("a", 3), sent("b", 1))
    ]
    const events = yield* Reader.read((after) => {
      asked.push(after)
      return subscriptions[asked.length - 1] ?? Stream.never
    }, () => Option.none()).pipe(Stream.take(6), Stream.runCollect)
    assert.deepStrictEqual(
      events.map((event) =>
        event._tag === "Moved" ? event.runner : event._tag === "Unknown" ? event.method : event._tag
      ),
      ["runner of a", "a1", "a2", "a3", "runner of b", "b1"]
    )
    assert.deepStrictEqual(asked, [undefined, { epoch: "a", seq: 2 }])
  }))
