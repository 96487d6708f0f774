/** Threads that the client has let go of come back, and nobody notices; and those that it must not let go of. */
import { AppServerRpc, Codex, CodexError, Extensions, Sandbox, type Thread } from "@effect-codex/client"
import { ReadDescriptors } from "@effect-codex/client/internal/descriptors"
import { CodexTest, FakeAppServer, Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

const config = { thread_unload_delay_secs: 0 }

const provided = <A, E>(
  test: Effect.Effect<
    A,
    E,
    Codex.Codex | AppServerRpc.AppServerRpc | FakeAppServer.FakeAppServer | ScriptedModel.ScriptedModel | Scope.Scope
  >,
  maxLoadedThreads: number | undefined
) =>
  test.pipe(
    Effect.scoped,
    Effect.provide(FakeAppServer.layer({
      maxLoadedThreads,
      checkLogin: false,
      model: {
        answer: ({ prompt }) => ScriptedModel.reply([`You said: ${prompt}`], { usage: { input: 3, output: 2 } })
      }
    }))
  )

const loadedIds = Effect.gen(function*() {
  const rpc = yield* AppServerRpc.AppServerRpc
  return (yield* rpc.request("thread/loaded/list", {})).data
})

const start = Effect.fnUntraced(function*(options?: Codex.StartThreadOptions) {
  const codex = yield* Codex.Codex
  return yield* codex.startThread({ config, ...options })
})

const stored = Effect.fnUntraced(function*(options?: Codex.StartThreadOptions) {
  const thread = yield* start(options)
  yield* thread.run("one")
  return thread
})

// Ids and times differ between two runs.
const plain = (u: unknown): unknown =>
  JSON.parse(
    JSON.stringify(u, (key, value: unknown) =>
      /(?:At|AtMs|Ms)$|^(?:timing|duration|path|sessionId)$/.test(key) ? undefined : value)?.replaceAll(
        /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|"\d{4}-\d\d-\d\dT[^"]*"/g,
        "id"
      ) ?? "null"
  )

const outcome = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isSuccess(exit) ? ["ok", plain(exit.value)] : ["failed", plain(Exit.findErrorOption(exit))]

type Member = Exclude<keyof Thread.Thread, "id" | "queue"> | `queue.${keyof Thread.Thread["queue"]}`

const collect = <A, E>(stream: Stream.Stream<A, E>) => Stream.runCollect(stream)

/** One call of each member, and what shows its effect. */
const calls: { readonly [M in Member]: (thread: Thread.Thread) => Effect.Effect<unknown, unknown, Scope.Scope> } = {
  run: (thread) => thread.run("two"),
  turn: (thread) => Effect.flatMap(thread.turn("two"), ({ result }) => result),
  review: (thread) => Effect.flatMap(thread.review({ type: "custom", instructions: "look" }), ({ result }) => result),
  compact: (thread) => Effect.flatMap(thread.compact(), ({ result }) => result),
  ask: (thread) => thread.ask("what?"),
  read: (thread) => Effect.map(thread.read({ includeTurns: true }), ({ turns }) => turns),
  status: (thread) => Effect.asVoid(thread.status),
  turns: (thread) => collect(thread.turns()),
  items: (thread) => collect(thread.items()),
  findTurn: (thread) => thread.findTurn("an id"),
  events: (thread) =>
    Effect.gen(function*() {
      const reading = yield* thread.events.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "turn/completed"),
        Stream.filter(({ _tag }) => _tag.startsWith("turn/")),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      // Its events alone have loaded it: another client's turn is heard.
      yield* CodexTest.settle
      yield* thread.run("two")
      return yield* Fiber.join(reading)
    }),
  search: (thread) => collect(thread.search("one")),
  updateMetadata: (thread) =>
    Effect.map(thread.updateMetadata({ gitInfo: { branch: "main" } }), ({ gitInfo }) => gitInfo),
  moveToSection: (thread) => thread.moveToSection(null),
  setName: (thread) => Effect.andThen(thread.setName("a name"), Effect.map(thread.read(), ({ name }) => name)),
  fork: (thread) => Effect.flatMap(thread.fork(), (fork) => fork.run("two")),
  archive: (thread) => Effect.andThen(thread.archive, Effect.exit(thread.run("two"))),
  revert: (thread) =>
    Effect.gen(function*() {
      const [turn] = yield* collect(thread.turns())
      yield* thread.revert(turn?.id ?? "")
      return yield* Effect.exit(collect(thread.turns()))
    }),
  inject: (thread) =>
    thread.inject([{ type: "message", role: "user", content: [{ type: "input_text", text: "psst" }] }]),
  updateSettings: (thread) =>
    Effect.andThen(thread.updateSettings({ sandbox: Sandbox.readOnly, effort: "high" }), thread.run("two")),
  unsubscribe: (thread) => Effect.andThen(Effect.asVoid(thread.unsubscribe), thread.run("two")),
  startGoal: (thread) =>
    Effect.flatMap(thread.startGoal("a goal"), (turn) => Effect.andThen(turn.interrupt, Effect.exit(turn.result))),
  runGoal: (thread) => Effect.timeoutOption(thread.runGoal("a goal"), "1 second"),
  resumeGoal: (thread) => thread.resumeGoal(),
  goal: (thread) => thread.goal,
  pauseGoal: (thread) => thread.pauseGoal,
  clearGoal: (thread) => thread.clearGoal,
  implementPlan: (thread) => Effect.flatMap(thread.implementPlan("a plan"), ({ result }) => result),
  "queue.add": (thread) =>
    Effect.gen(function*() {
      const message = yield* thread.queue.add("two")
      return yield* (yield* thread.queue.turn(message)).result
    }),
  "queue.list": (thread) => thread.queue.list,
  "queue.changes": (thread) => Stream.runHead(thread.queue.changes),
  "queue.update": (thread) => thread.queue.update("unknown", "two"),
  "queue.remove": (thread) => thread.queue.remove("unknown"),
  "queue.reorder": (thread) => thread.queue.reorder([]),
  "queue.start": (thread) => thread.queue.start(),
  "queue.turn": (thread) => Effect.flatMap(thread.queue.add("two"), (message) => thread.queue.turn(message))
}

describe("a thread that the client has let go of", () => {
  it.effect.each(Object.entries(calls))("does as any other: %s", ([, call]) =>
    Effect.gen(function*() {
      const scenario = (isLetGo: boolean) =>
        Effect.gen(function*() {
          const thread = yield* stored({ sandbox: Sandbox.workspaceWrite })
          const other = yield* stored()
          assert.deepStrictEqual(yield* loadedIds, isLetGo ? [other.id] : [thread.id, other.id])
          return outcome(yield* Effect.exit(call(thread)))
        })
      const expected = yield* provided(scenario(false), undefined)
      assert.deepStrictEqual(yield* provided(scenario(true), 1), expected)
    }))

  it.effect("is held to its settings by each handle, also when another has brought it back", () =>
    provided(
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const { receivedOf } = yield* FakeAppServer.FakeAppServer
        const own = { ...config, model_verbosity: "low" }
        const thread = yield* stored({ config: own, sandbox: Sandbox.readOnly })
        const other = yield* codex.resumeThread(thread.id)
        yield* stored()
        yield* other.run("two")
        const last = (yield* receivedOf("thread/resume")).at(-1)?.params as Codex.ResumeThreadOptions
        assert.deepStrictEqual(last.config, own)
        assert.deepInclude(yield* Effect.map(receivedOf("thread/resume"), (all) => all.at(-1)?.params), {
          sandbox: "read-only"
        })
        yield* thread.run("three")
      }),
      1
    ))

  it.effect("comes back for each of its handles, also after one has unsubscribed it by hand", () =>
    provided(
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* stored()
        const other = yield* codex.resumeThread(thread.id)
        yield* thread.unsubscribe
        yield* thread.run("two")
        yield* stored()
        assert.deepStrictEqual(yield* other.status, { type: "notLoaded" })
        assert.strictEqual((yield* other.run("three")).status, "completed")
      }),
      1
    ))

  it.effect("comes back for a handle from before there was a limit, which another client of the connection has set", () =>
    provided(
      Effect.gen(function*() {
        const thread = yield* stored()
        const limited = yield* Codex.make({ maxLoadedThreads: 1, checkLogin: false })
        yield* limited.resumeThread(thread.id)
        yield* Effect.provideService(stored(), Codex.Codex, limited)
        assert.deepStrictEqual(yield* thread.status, { type: "notLoaded" })
        assert.strictEqual((yield* thread.run("two")).status, "completed")
        yield* Effect.provideService(stored(), Codex.Codex, limited)
        assert.lengthOf(yield* loadedIds, 1)
      }),
      undefined
    ))

  it.effect("is gone like any other: archived and deleted by another handle", () =>
    provided(
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const archived = yield* stored()
        const deleted = yield* stored()
        yield* stored()
        yield* codex.archiveThread(archived.id)
        yield* codex.deleteThread(deleted.id)
        for (const thread of [archived, deleted]) {
          for (const call of [thread.run("two"), thread.inject([]), thread.updateSettings({ effort: "low" })]) {
            assert.strictEqual(
              (yield* Effect.flip(call as Effect.Effect<unknown, CodexError.CodexError>))._tag,
              "ThreadNotFound"
            )
          }
        }
      }),
      1
    ))
})

/** What keeps a thread, each until the returned effect runs. */
const reasons: {
  readonly [reason: string]: Effect.Effect<
    readonly [Thread.Thread, Effect.Effect<unknown, unknown, Codex.Codex | Scope.Scope>],
    unknown,
    Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel | Scope.Scope
  >
} = {
  "it has neither a turn nor a name": Effect.map(start(), (thread) => [thread, thread.setName("a name")]),
  "its events are read": Effect.gen(function*() {
    const thread = yield* stored()
    const reading = yield* Effect.forkScoped(Stream.runDrain(thread.events), { startImmediately: true })
    return [thread, Fiber.interrupt(reading)]
  }),
  "a turn runs": Effect.gen(function*() {
    const thread = yield* stored()
    const gate = yield* ScriptedModel.gate
    yield* (yield* ScriptedModel.ScriptedModel).enqueue(ScriptedModel.text(["wait", gate]))
    const running = yield* Effect.forkScoped(thread.run("two"))
    yield* gate.reached
    return [thread, Effect.andThen(gate.release, Fiber.join(running))]
  }),
  "another client runs a turn": Effect.gen(function*() {
    const thread = yield* stored()
    const gate = yield* ScriptedModel.gate
    yield* (yield* ScriptedModel.ScriptedModel).enqueue(ScriptedModel.text(["wait", gate]))
    const rpc = yield* AppServerRpc.AppServerRpc
    yield* rpc.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "two", text_elements: [] }] })
    yield* gate.reached
    return [thread, Effect.andThen(gate.release, CodexTest.settle)]
  }),
  "its queue has messages": Effect.gen(function*() {
    const thread = yield* stored()
    const gate = yield* ScriptedModel.gate
    yield* (yield* ScriptedModel.ScriptedModel).enqueue(ScriptedModel.text(["wait", gate]))
    const rpc = yield* AppServerRpc.AppServerRpc
    const running = yield* Effect.forkScoped(thread.run("two"))
    yield* gate.reached
    // Another client's message, which rests after the interruption.
    yield* rpc.request("thread/queue/add", {
      threadId: thread.id,
      clientUserMessageId: "three",
      input: [{ type: "text", text: "three", text_elements: [] }]
    })
    yield* Fiber.interrupt(running)
    return [thread, Effect.flatMap(thread.queue.list, ([message]) => thread.queue.remove(message?.id ?? ""))]
  }),
  "a turn has left it in plan mode": Effect.gen(function*() {
    const thread = yield* stored()
    yield* thread.run("two", { mode: "plan" })
    return [thread, thread.run("three")]
  })
}

describe("the limit of loaded threads", () => {
  it.effect("keeps a thread while a tool of its MCP server is called", () =>
    Effect.gen(function*() {
      const extensions = yield* Extensions.make
      const thread = yield* stored()
      const call = extensions.callTool({ threadId: thread.id, server: "docs", tool: "search" })
      const calling = yield* Effect.forkChild(call, { startImmediately: true })
      yield* stored()
      assert.deepStrictEqual(yield* thread.status, { type: "idle" })
      yield* Fiber.interrupt(calling)
      yield* stored()
      assert.deepStrictEqual(yield* thread.status, { type: "notLoaded" })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Codex.layer({ maxLoadedThreads: 1, checkLogin: false }).pipe(
          Layer.provideMerge(AppServerRpc.layer()),
          Layer.provide(Faults.layer(Faults.neverAnswer(({ method }) => method === "mcpServer/tool/call"))),
          Layer.provide(FakeAppServer.layerTransport({ model: { answer: () => ScriptedModel.text("done") } }))
        )
      )
    ))

  it.effect.each(Object.entries(reasons))("keeps a thread while %s", ([, reason]) =>
    provided(
      Effect.gen(function*() {
        const [thread, end] = yield* reason
        const other = yield* stored()
        assert.sameMembers([...yield* loadedIds], [thread.id, other.id])
        yield* end
        // The client asks again after a while.
        yield* CodexTest.advance("10 seconds")
        const last = yield* start()
        assert.deepStrictEqual(yield* loadedIds, [last.id])
      }),
      1
    ))

  it.effect("takes a server as it is that unloads threads later", () =>
    provided(
      Effect.gen(function*() {
        const { receivedOf } = yield* FakeAppServer.FakeAppServer
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        yield* stored()
        assert.lengthOf(yield* receivedOf("thread/unsubscribe"), 1)
        assert.deepStrictEqual(yield* thread.status, { type: "idle" })
        assert.strictEqual((yield* thread.run("two")).status, "completed")
        yield* stored()
        yield* CodexTest.advance("1 minute")
        assert.deepStrictEqual(yield* thread.status, { type: "notLoaded" })
        assert.strictEqual((yield* thread.run("three")).status, "completed")
      }),
      1
    ))

  it.effect("says once that it can do nothing without the experimental API", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const told: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(rpc.diagnosticEvents, ({ message }) => Effect.sync(() => told.push(message))),
        { startImmediately: true }
      )
      for (let i = 0; i < 3; i++) yield* stored()
      yield* CodexTest.settle
      assert.lengthOf(yield* loadedIds, 3)
      assert.lengthOf(told.filter((text) => text.includes("`maxLoadedThreads`") && text.includes("experimentalApi")), 1)
    }).pipe(
      Effect.scoped,
      Effect.provide(FakeAppServer.layer({
        maxLoadedThreads: 1,
        experimentalApi: false,
        checkLogin: false,
        model: { answer: () => ScriptedModel.text("done") }
      }))
    ))

  it.effect("lets go of a thread after logins to its MCP servers that could not be started", () =>
    provided(
      Effect.gen(function*() {
        const extensions = yield* Extensions.make
        const thread = yield* stored()
        const login = extensions.loginMcpServer({ server: "none", threadId: thread.id })
        assert.strictEqual((yield* Effect.flip(login))._tag, "RpcError")
        yield* Fiber.interrupt(yield* Effect.forkChild(login, { startImmediately: true }))
        yield* stored()
        assert.deepStrictEqual(yield* thread.status, { type: "notLoaded" })
      }),
      1
    ))

  it.effect("never lets go of an ephemeral thread", () =>
    provided(
      Effect.gen(function*() {
        const thread = yield* stored({ ephemeral: true })
        yield* stored()
        yield* CodexTest.advance("1 hour")
        yield* stored()
        assert.include(yield* loadedIds, thread.id)
        yield* thread.run("two")
      }),
      1
    ))

  it.effect("lets go of the least recently used", () =>
    provided(
      Effect.gen(function*() {
        const [one, two, three] = yield* Effect.all([stored(), stored(), stored()])
        yield* one.setName("used again")
        const four = yield* stored()
        assert.sameMembers([...yield* loadedIds], [one.id, three.id, four.id])
        yield* two.run("back")
        assert.sameMembers([...yield* loadedIds], [one.id, two.id, four.id])
      }),
      3
    ))

  it.effect("looks at the descriptors once more for all threads that are loaded during a look", () =>
    Effect.gen(function*() {
      let looks = 0
      const seen = yield* Deferred.make<void>()
      const look = Effect.suspend(() => {
        looks++
        return Effect.as(Deferred.await(seen), { open: 10, limit: 1_000 })
      })
      yield* Effect.gen(function*() {
        yield* Effect.forEach(Array.from({ length: 8 }), () => start(), { concurrency: "unbounded" })
        assert.strictEqual(looks, 1)
        yield* Deferred.succeed(seen, undefined)
        yield* CodexTest.settle
        assert.strictEqual(looks, 2)
        yield* start()
        yield* CodexTest.settle
        assert.strictEqual(looks, 3)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          FakeAppServer.layer({ checkLogin: false }).pipe(Layer.provide(Layer.succeed(ReadDescriptors, look)))
        )
      )
    }))

  it.effect("holds for many threads that are used at once", () =>
    provided(
      Effect.gen(function*() {
        const threads = yield* Effect.all(Array.from({ length: 20 }, () => stored()), { concurrency: 5 })
        assert.isAtMost((yield* loadedIds).length, 4 + 5)
        for (let round = 0; round < 3; round++) {
          yield* Effect.all(
            threads.map((thread) =>
              Effect.map(thread.run("again"), ({ status }) => assert.strictEqual(status, "completed"))
            ),
            { concurrency: 10 }
          )
        }
        yield* stored()
        assert.isAtMost((yield* loadedIds).length, 4 + 10)
      }),
      4
    ))

  it.effect("starts a thread that was refused for want of descriptors, once others were let go of", () => {
    // A codex without descriptors refuses whatever opens a file: it may not tell which threads are idle, either.
    let refusals = 0
    const Rpc = Layer.effect(
      AppServerRpc.AppServerRpc,
      Effect.map(AppServerRpc.make(), (rpc) => {
        const request: typeof rpc.request = (method, ...rest) =>
          Effect.suspend(() => {
            const opens = method === "thread/start" || method === "thread/read"
            if (!opens || refusals === 0) return rpc.request(method, ...rest)
            refusals--
            const detail = "No file descriptors available (os error 24)"
            return Effect.fail(new CodexError.RpcError({ method, code: -32600, detail })) as Effect.Effect<never>
          })
        return { ...rpc, request }
      })
    )
    return Effect.gen(function*() {
      yield* Effect.all(Array.from({ length: 8 }, () => stored()))
      refusals = 1 + 8
      yield* TestClock.withLive(start())
      assert.strictEqual(refusals, 0)
      assert.isBelow((yield* loadedIds).length, 8 + 1)
      // None of them is idle as far as the server tells.
      refusals = Number.POSITIVE_INFINITY
      const error = yield* Effect.flip(TestClock.withLive(start()))
      assert.include(error.message, "codex has run out of file descriptors")
    }).pipe(Effect.provide(
      Codex.layer({ maxLoadedThreads: 100, checkLogin: false }).pipe(
        Layer.provideMerge(Rpc),
        Layer.provide(FakeAppServer.layerTransport({ model: { answer: () => ScriptedModel.text("done") } }))
      )
    ))
  })

  it.effect("makes a turn that had no descriptors retryable, once threads were let go of", () =>
    provided(
      Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        const threads = yield* Effect.all(Array.from({ length: 8 }, () => stored()))
        const thread = yield* stored()
        yield* model.enqueue(ScriptedModel.httpFailure(400, "No file descriptors available (os error 24)"))
        const error = yield* Effect.flip(thread.run("two"))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.reason, "resources")
        assert.strictEqual(error.threadsLetGo, 3)
        assert.isTrue(error.isRetryable)
        assert.match(
          error.message,
          /let go of 3 idle threads since: start the turn again.*`maxLoadedThreads`.*`ulimit -n`/
        )
        assert.lengthOf(yield* loadedIds, threads.length + 1 - 3)
        assert.strictEqual((yield* thread.run("three")).status, "completed")
      }),
      100
    ))
})
