/** Threads: exactly what the client sends for them, and what is heard of them. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, Sandbox } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Predicate, Scope, Stream } from "effect"
import { internalsOf, withInternals } from "../../src/internal/rpcInternals.ts"
import {
  completed,
  connect,
  connectThread,
  notification,
  started,
  threadId,
  threadOpened,
  threadStarted,
  turn
} from "../support/fakeServer.ts"

const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"

type Looks = ReadonlyArray<readonly [method: string, result: unknown]>

describe("what is sent", () => {
  /** Runs a call and answers its one request, and those that look at the thread before and after it. */
  const exchange = Effect.fnUntraced(function*<A, E>(
    server: Effect.Success<ReturnType<typeof connect>>["server"],
    call: Effect.Effect<A, E>,
    method: string,
    result: unknown | ((params: unknown) => unknown) = {},
    looks: { readonly before?: Looks; readonly after?: Looks } = {}
  ) {
    const calling = yield* Effect.forkScoped(call)
    const answer = ([method, result]: readonly [string, unknown]) =>
      Effect.flatMap(server.expect(method), (request) => server.reply(request, result))
    yield* Effect.forEach(looks.before ?? [], answer)
    const request = yield* server.expect(method)
    yield* server.reply(request, Predicate.isFunction(result) ? result(request.params) : result)
    yield* Effect.forEach(looks.after ?? [], answer)
    yield* Fiber.join(calling)
    return request.params
  })

  const everything = {
    model: "m",
    modelProvider: "p",
    config: { model_reasoning_effort: "high" },
    cwd: "/w",
    runtimeWorkspaceRoots: ["/w", "/x"],
    baseInstructions: "base",
    developerInstructions: "dev",
    serviceTier: "flex"
  }
  const reviewed = { approvalPolicy: "on-request", approvalsReviewer: "auto_review" }

  it.effect("by startThread is auto_review and what was given", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const send = (options?: Codex.StartThreadOptions) =>
        exchange(server, codex.startThread(options), "thread/start", (params: unknown) => threadOpened(params))
      assert.deepStrictEqual(yield* send(), reviewed)
      assert.deepStrictEqual(yield* send({ model: undefined, approvalMode: undefined }), reviewed)
      // All of them, so that no option is forgotten here.
      const own: Required<Omit<Codex.StartThreadOptions, keyof Codex.ThreadSettings>> = {
        allowProviderModelFallback: true,
        environments: [],
        ephemeral: false,
        personality: "pragmatic",
        projectId: "project",
        serviceName: "service",
        sessionStartSource: "clear",
        threadSource: "nightly"
      }
      assert.deepStrictEqual(
        yield* send({ ...everything, ...own, sandbox: Sandbox.workspaceWrite, approvalMode: ApprovalMode.denyAll }),
        { ...everything, ...own, sandbox: "workspace-write", approvalPolicy: "never" }
      )
      assert.deepStrictEqual(yield* send({ permissions: ":workspace" }), { ...reviewed, permissions: ":workspace" })
    }))

  it.effect("by resumeThread and forkThread is what was given, without the history", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const bare = { threadId, excludeTurns: true }
      const opened = (params: unknown) => threadOpened(params)
      const forked = (params: unknown) => threadOpened(params, unknown)
      assert.deepStrictEqual(yield* exchange(server, codex.resumeThread(threadId), "thread/resume", opened), bare)
      assert.deepStrictEqual(yield* exchange(server, codex.forkThread(threadId), "thread/fork", forked), bare)
      // Only a thread that is not loaded takes instructions, and only one without a turn those of the developer.
      const { thread } = threadStarted()
      const noTurns = ["thread/turns/list", { data: [], nextCursor: null, backwardsCursor: null }] as const
      assert.deepStrictEqual(
        yield* exchange(
          server,
          codex.resumeThread(threadId, { ...everything, personality: "none", approvalMode: ApprovalMode.autoReview }),
          "thread/resume",
          opened,
          {
            before: [
              ["thread/read", { thread: { ...thread, status: { type: "notLoaded" } }, readState: null }],
              noTurns
            ],
            after: [noTurns]
          }
        ),
        { ...bare, ...everything, ...reviewed, personality: "none" }
      )
      const own = {
        ephemeral: true,
        threadSource: "nightly",
        lastTurnId: "a",
        beforeTurnId: "b",
        attachToSource: false,
        deferGoalContinuation: true
      }
      assert.deepStrictEqual(
        yield* exchange(
          server,
          codex.forkThread(threadId, {
            ...everything,
            ...own,
            developerInstructions: "other",
            sandbox: Sandbox.fullAccess
          }),
          "thread/fork",
          forked,
          { after: [noTurns] }
        ),
        { ...bare, ...everything, ...own, developerInstructions: "other", sandbox: "danger-full-access" }
      )
    }))

  it.effect("is nothing when a permissions profile comes with a sandbox", () =>
    Effect.gen(function*() {
      const { codex, server, thread } = yield* connectThread()
      const refused = Effect.fnUntraced(function*(call: Effect.Effect<unknown, CodexError.CodexError>) {
        const error = yield* Effect.flip(call)
        assert.instanceOf(error, CodexError.InvalidArgument)
        assert.strictEqual(error.argument, "permissions")
      })
      const both = { permissions: ":workspace", sandbox: Sandbox.readOnly }
      const bypass = { permissions: ":workspace", approvalMode: ApprovalMode.dangerouslyBypass }
      for (const options of [both, bypass]) {
        yield* refused(codex.startThread(options))
        yield* refused(codex.resumeThread(threadId, options))
        yield* refused(codex.forkThread(threadId, options))
        yield* refused(thread.fork(options))
        yield* refused(thread.updateSettings(options))
      }
      assert.deepStrictEqual(yield* exchange(server, thread.setName("n"), "thread/name/set"), { threadId, name: "n" })
    }))

  it.effect("by the calls of a thread is its id and what was given", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* connectThread()
      const read = { ...threadStarted(), readState: null }
      assert.deepStrictEqual(yield* exchange(server, thread.read(), "thread/read", read), { threadId })
      assert.deepStrictEqual(
        yield* exchange(server, thread.read({ includeTurns: false }), "thread/read", read),
        { threadId, includeTurns: false }
      )
      assert.deepStrictEqual(yield* exchange(server, thread.status, "thread/read", read), { threadId })
      assert.deepStrictEqual(yield* exchange(server, thread.archive, "thread/archive"), { threadId })
      const reverted = { ...threadStarted(), turnsBackwardsCursor: null, itemsBackwardsCursor: null }
      assert.deepStrictEqual(
        yield* exchange(server, thread.revert("t"), "thread/revert", reverted),
        { threadId, beforeTurnId: "t" }
      )
      assert.deepStrictEqual(
        yield* exchange(server, thread.inject([{ type: "other" }]), "thread/inject_items"),
        { threadId, items: [{ type: "other" }] }
      )
      assert.deepStrictEqual(
        yield* exchange(server, thread.updateSettings({}), "thread/settings/update"),
        { threadId }
      )
      const settings = { model: "m", effort: "low", summary: "concise", cwd: "/w", environments: [] } as const
      assert.deepStrictEqual(
        yield* exchange(
          server,
          thread.updateSettings({ ...settings, serviceTier: null, approvalMode: ApprovalMode.dangerouslyBypass }),
          "thread/settings/update"
        ),
        {
          threadId,
          ...settings,
          serviceTier: null,
          approvalPolicy: "never",
          sandboxPolicy: { type: "dangerFullAccess" }
        }
      )
    }))

  it.effect("by lists is the filters, the page size and the cursor of the page before", () =>
    Effect.gen(function*() {
      const { codex, server, thread } = yield* connectThread()
      const page = (nextCursor: string | null = null) => ({
        data: [threadStarted().thread],
        readStates: null,
        nextCursor,
        backwardsCursor: null
      })
      const all = (options?: Codex.ListThreadsOptions) => Stream.runDrain(codex.listThreads(options))
      assert.deepStrictEqual(yield* exchange(server, all(), "thread/list", page()), {})
      const filters = {
        archived: true,
        cwd: ["/a", "/b"],
        modelProviders: ["p"],
        searchTerm: "s",
        sortKey: "updated_at",
        sortDirection: "asc",
        sourceKinds: ["cli"],
        useStateDbOnly: true,
        projectId: null,
        sectionId: null,
        parentThreadId: "1",
        ancestorThreadId: "2",
        attachedToThreadId: "3"
      } as const
      const reading = yield* Effect.forkScoped(all({ ...filters, pageSize: 7 }))
      const first = yield* server.expect("thread/list")
      assert.deepStrictEqual(first.params, { ...filters, limit: 7 })
      yield* server.reply(first, page("next"))
      const second = yield* server.expect("thread/list")
      assert.deepStrictEqual(second.params, { ...filters, limit: 7, cursor: "next" })
      yield* server.reply(second, page())
      yield* Fiber.join(reading)

      // Nobody asks for the page after the last one that is read.
      yield* exchange(server, Stream.runHead(codex.listThreads()), "thread/list", page("next"))
      assert.deepStrictEqual(
        yield* exchange(server, codex.listThreadsPage({ cursor: "c", pageSize: 1 }), "thread/list", page()),
        { cursor: "c", limit: 1 }
      )
      const empty = { data: [], nextCursor: null, backwardsCursor: null }
      assert.deepStrictEqual(
        yield* exchange(
          server,
          Stream.runDrain(thread.turns({ pageSize: 1, sortDirection: "asc", itemsView: "full" })),
          "thread/turns/list",
          empty
        ),
        { threadId, limit: 1, sortDirection: "asc", itemsView: "full" }
      )
      assert.deepStrictEqual(
        yield* exchange(
          server,
          Stream.runDrain(thread.items({ pageSize: 1, sortDirection: "desc", turnId: "t" })),
          "thread/items/list",
          empty
        ),
        { threadId, limit: 1, sortDirection: "desc", turnId: "t" }
      )
      const models = { data: [], nextCursor: null }
      assert.deepStrictEqual(yield* exchange(server, codex.models(), "model/list", models), { includeHidden: false })
      assert.deepStrictEqual(
        yield* exchange(server, codex.models({ includeHidden: true, modelProvider: "p" }), "model/list", models),
        { includeHidden: true, modelProvider: "p" }
      )
    }))

  it.effect("for a list are few: the first page is small, and the later ones are as large as the server makes them", () =>
    Effect.gen(function*() {
      const { codex, server, thread } = yield* connectThread()
      const entry = threadStarted().thread
      const asked = Effect.fnUntraced(function*<A, E>(
        method: "thread/list" | "thread/turns/list" | "thread/items/list",
        list: Stream.Stream<A, E>
      ) {
        const reading = yield* Effect.forkScoped(Stream.runCount(list))
        const limits: Array<unknown> = []
        for (const nextCursor of ["a", "b", null]) {
          const request = yield* server.expect(method)
          const { limit } = request.params as { readonly limit?: number }
          limits.push(limit)
          const data = method === "thread/list" ? Array.from({ length: limit ?? 25 }, () => entry) : []
          yield* server.reply(request, { data, readStates: null, nextCursor, backwardsCursor: null })
        }
        return [limits, yield* Fiber.join(reading)] as const
      })
      assert.deepStrictEqual(yield* asked("thread/list", codex.listThreads()), [[undefined, 100, 100], 225])
      const [ofTurns] = yield* asked("thread/turns/list", thread.turns())
      assert.deepStrictEqual(ofTurns, [undefined, 100, 100])
      const [ofItems] = yield* asked("thread/items/list", thread.items())
      assert.deepStrictEqual(ofItems, [undefined, 100, 100])
      const [whole] = yield* asked("thread/turns/list", thread.turns({ itemsView: "full" }))
      assert.deepStrictEqual(whole, [25, 25, 25])
      const [own] = yield* asked("thread/items/list", thread.items({ pageSize: 7 }))
      assert.deepStrictEqual(own, [7, 7, 7])
    }))

  it.effect("for a list ends when the server repeats itself", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const read: Array<string> = []
      const reading = yield* Effect.forkScoped(Effect.flip(
        Stream.runForEach(codex.listThreads(), ({ id }) => Effect.sync(() => read.push(id)))
      ))
      for (const cursor of ["a", "b", "a"]) {
        yield* Effect.flatMap(server.expect("thread/list"), (request) =>
          server.reply(request, {
            // A page may be empty and not the last.
            data: cursor === "b" ? [] : [threadStarted().thread],
            readStates: null,
            nextCursor: cursor,
            backwardsCursor: null
          }))
      }
      const error = yield* Fiber.join(reading)
      assert.instanceOf(error, CodexError.DecodeError)
      assert.strictEqual(error.method, "thread/list")
      assert.strictEqual(read.length, 2)
    }))

  it.effect("before a turn of a thread that was unsubscribed is its resumption, once", () =>
    Effect.gen(function*() {
      const { codex, server, thread } = yield* connectThread()
      const resumed = Effect.flatMap(
        server.expect("thread/resume"),
        (request) => Effect.as(server.reply(request, threadOpened(request.params)), request.params)
      )
      const runs = Effect.fnUntraced(function*(turnId: string, before: Effect.Effect<unknown> = Effect.void) {
        const running = yield* Effect.forkScoped(thread.run("go"))
        yield* before
        const request = yield* server.expect("turn/start")
        yield* server.reply(request, { turn: turn(turnId) })
        yield* server.send(started(turnId), completed(turnId))
        yield* Fiber.join(running)
      })
      const leave = exchange(server, thread.unsubscribe, "thread/unsubscribe", { status: "unsubscribed" })
      yield* leave
      // A resumption that fails is the error of the turn, and the next turn tries it again.
      const failing = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      yield* Effect.flatMap(server.expect("thread/resume"), (request) => server.refuse(request, -32603, "disk"))
      assert.strictEqual(kindOf(yield* Fiber.join(failing)), "RpcError: internal")
      yield* runs("1", resumed)
      yield* runs("2")

      yield* leave
      const resuming = yield* Effect.forkScoped(codex.resumeThread(threadId))
      assert.deepStrictEqual(yield* resumed, { threadId, excludeTurns: true })
      yield* Fiber.join(resuming)
      yield* runs("3")
    }))
})

describe("events of a thread", () => {
  const named = (id: string, threadName: string) => notification("thread/name/updated", { threadId: id, threadName })

  it.effect("are its own, whatever the method, and end with the connection's cause", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* connectThread()
      const seen: Array<string> = []
      const reading = yield* thread.events.pipe(
        Stream.runForEach((event) => Effect.sync(() => seen.push(event._tag))),
        Effect.flip,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* server.send(
        named(threadId, "one"),
        named(unknown, "not this one"),
        started("t"),
        notification("thread/started", threadStarted()),
        notification("thread/newThing", { threadId }),
        notification("thread/name/updated", { threadId, threadName: 3 }),
        notification("skills/changed", {})
      )
      yield* server.close()
      const cause = yield* Fiber.join(reading)
      assert.strictEqual(cause, yield* rpc.ended)
      assert.deepStrictEqual(seen, ["thread/name/updated", "turn/started", "thread/started", "Unknown", "Undecodable"])
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(thread.events)), cause)
    }))

  it.effect("are observed as long as somebody reads them, by each reader apart", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* connect()
      let observers = 0
      const internals = internalsOf(rpc)
      const counted = withInternals({ ...rpc }, {
        ...internals,
        observe: (id, observer) =>
          // The client itself listens to what belongs to no thread.
          id === undefined ?
            internals.observe(id, observer) :
            Effect.acquireRelease(Effect.sync(() => observers++), () => Effect.sync(() => observers--)).pipe(
              Effect.andThen(internals.observe(id, observer))
            )
      })
      const context = yield* Layer.build(
        Codex.layer().pipe(
          Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, counted))
        )
      )
      const codex = yield* Effect.provide(Codex.Codex, context)
      const starting = yield* Effect.forkScoped(codex.startThread())
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, threadStarted()))
      const { events } = yield* Fiber.join(starting)
      assert.strictEqual(observers, 0)

      const scope = yield* Scope.make()
      const open = yield* events.pipe(Stream.runDrain, Effect.forkIn(scope, { startImmediately: true }))
      const two = yield* events.pipe(
        Stream.take(2),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      assert.strictEqual(observers, 2)
      yield* server.send(named(threadId, "one"), named(threadId, "two"))
      assert.strictEqual((yield* Fiber.join(two)).length, 2)
      assert.strictEqual(observers, 1)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.await(open)
      assert.strictEqual(observers, 0)
    }))
})
