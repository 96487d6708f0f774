/** Threads: what the client promises of them, on the real codex binary. */
import { ApprovalMode, AppServerRpc, Codex, type CodexError, Sandbox } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"

const services = Effect.all({
  codex: Codex.Codex,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc
})

type Services = Effect.Success<typeof services>

/** A test on a codex of its own, whose model repeats the prompt unless something else is enqueued. */
const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  home: ScriptedCodex.Options["home"] = {}
) =>
  it.live(name, () =>
    Effect.flatMap(services, test).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ home, model: { answer: (request) => `re: ${request.prompt}` } }))
    ))

const failsWith = Effect.fnUntraced(function*<A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>,
  kind: Exclude<E["_tag"], "RpcError"> | "RpcError: invalidRequest" | "RpcError: methodNotFound"
) {
  assert.strictEqual(kindOf(yield* Effect.flip(effect)), kind)
})

const ids = <A extends { readonly id: string }>(stream: Stream.Stream<A, CodexError.RequestError>) =>
  Effect.map(Stream.runCollect(stream), (all) => all.map(({ id }) => id))

const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"

describe("real codex", () => {
  real(
    "example 06 lifecycle: start, two turns, list, read, name, archive, list archived, unarchive, resume, fork, delete",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        yield* thread.run("first")
        yield* thread.run("second")
        assert.deepStrictEqual(yield* ids(codex.listThreads()), [thread.id])

        yield* thread.setName("a name")
        const info = yield* thread.read()
        assert.deepStrictEqual([info.id, info.name, info.preview, info.turns], [thread.id, "a name", "first", []])
        const whole = yield* codex.readThread(thread.id, { includeTurns: true })
        assert.deepStrictEqual(whole.turns.map(({ items }) => items?.map(({ type }) => type)), [
          ["userMessage", "agentMessage"],
          ["userMessage", "agentMessage"]
        ])

        yield* thread.archive
        assert.deepStrictEqual(yield* ids(codex.listThreads()), [])
        assert.deepStrictEqual(yield* ids(codex.listThreads({ archived: true })), [thread.id])
        yield* failsWith(codex.resumeThread(thread.id), "RpcError: invalidRequest")

        const unarchived = yield* codex.unarchiveThread(thread.id)
        assert.deepStrictEqual(yield* unarchived.status, { type: "notLoaded" })
        yield* failsWith(codex.unarchiveThread(thread.id), "ThreadNotPersisted")
        yield* unarchived.run("third")
        const resumed = yield* codex.resumeThread(thread.id, { model: "another-model" })
        assert.deepStrictEqual(yield* resumed.status, { type: "idle" })
        assert.strictEqual((yield* resumed.read()).model, "another-model")

        const fork = yield* codex.forkThread(thread.id)
        assert.notStrictEqual(fork.id, thread.id)
        assert.strictEqual((yield* fork.read()).forkedFromId, thread.id)
        yield* failsWith(codex.deleteThread(thread.id), "RpcError: invalidRequest")
        yield* codex.deleteThread(fork.id)
        yield* codex.deleteThread(thread.id)
        yield* failsWith(codex.readThread(thread.id), "ThreadNotFound")
        assert.deepStrictEqual(yield* ids(codex.listThreads()), [])
      })
  )

  real("thread_list gives all pages, filters, sorts and searches", ({ codex }) =>
    Effect.gen(function*() {
      const made: Array<string> = []
      for (const text of ["red", "green", "blue", "yellow", "black"]) {
        const thread = yield* codex.startThread({ cwd: text === "blue" ? "/" : undefined })
        yield* thread.run(text)
        yield* thread.setName(`the ${text} one`)
        made.push(thread.id)
      }
      const asc = { sortDirection: "asc", sortKey: "created_at", pageSize: 2 } as const
      assert.sameMembers(yield* ids(codex.listThreads({ pageSize: 2 })), made)
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, useStateDbOnly: true })), made)
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, searchTerm: "yell" })), [made[3]])
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, cwd: ["/", "/nowhere"] })), [made[2]])
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, cwd: "/nowhere" })), [])
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, modelProviders: ["nobody's"] })), [])
      assert.deepStrictEqual(yield* ids(codex.listThreads({ ...asc, sourceKinds: ["exec"] })), [])

      const first = yield* codex.listThreadsPage(asc)
      const second = yield* codex.listThreadsPage({ ...asc, cursor: Option.getOrThrow(first.nextCursor) })
      const third = yield* codex.listThreadsPage({ ...asc, cursor: Option.getOrThrow(second.nextCursor) })
      assert.deepStrictEqual([first, second, third].flatMap(({ data }) => data.map(({ id }) => id)), made)
      assert.deepStrictEqual(third.nextCursor, Option.none())
      yield* failsWith(codex.listThreadsPage({ cursor: "nonsense" }), "RpcError: invalidRequest")
    }))

  real("thread_list does not know an ephemeral thread", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ ephemeral: true })
      yield* thread.run("hush")
      assert.deepStrictEqual(yield* ids(codex.listThreads()), [])
      yield* failsWith(codex.resumeThread(thread.id), "ThreadNotPersisted")
    }))

  real("turns and items come page by page, in both directions", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const turns = yield* Effect.forEach(
        ["one", "two", "three"],
        (text) => Effect.map(thread.run(text), ({ id }) => id)
      )
      assert.deepStrictEqual(yield* ids(thread.turns({ pageSize: 1 })), [...turns].reverse())
      const full = yield* Stream.runCollect(thread.turns({ pageSize: 2, sortDirection: "asc", itemsView: "full" }))
      assert.deepStrictEqual(full.map(({ id, itemsView }) => [id, itemsView]), turns.map((id) => [id, "full"]))
      const items = yield* Stream.runCollect(thread.items({ pageSize: 1 }))
      assert.deepStrictEqual(items.map(({ turnId }) => turnId), turns.flatMap((id) => [id, id]))
      const second = yield* Stream.runCollect(thread.items({ turnId: turns[1]!, sortDirection: "desc" }))
      assert.deepStrictEqual(second.map(({ item }) => item?.type), ["agentMessage", "userMessage"])
    }))

  real(
    "history of a fresh thread is a typed error until its first turn, or its name",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        assert.deepStrictEqual((yield* thread.read()).turns, [])
        yield* failsWith(Stream.runDrain(thread.turns()), "ThreadNotPersisted")
        yield* failsWith(Stream.runDrain(thread.items()), "RpcError: methodNotFound")
        yield* failsWith(thread.fork(), "ThreadNotPersisted")
        yield* failsWith(codex.resumeThread(thread.id), "ThreadNotPersisted")
        // Refused, it stores the thread all the same, and then the answers are others.
        yield* failsWith(thread.read({ includeTurns: true }), "RpcError: methodNotFound")
        yield* failsWith(Stream.runDrain(thread.turns()), "RpcError: methodNotFound")
        yield* thread.setName("kept")
        assert.deepStrictEqual((yield* thread.read({ includeTurns: true })).turns, [])
        yield* thread.fork()
        yield* failsWith(thread.setName(""), "RpcError: invalidRequest")
      })
  )

  real(
    "threads that are not there are the errors that were measured, call by call",
    ({ codex, rpc }) =>
      Effect.gen(function*() {
        yield* failsWith(codex.readThread(unknown), "ThreadNotFound")
        yield* failsWith(codex.resumeThread(unknown), "ThreadNotPersisted")
        yield* failsWith(codex.forkThread(unknown), "ThreadNotPersisted")
        yield* failsWith(codex.archiveThread(unknown), "ThreadNotPersisted")
        yield* failsWith(codex.unarchiveThread(unknown), "ThreadNotPersisted")
        yield* failsWith(codex.deleteThread(unknown), "ThreadNotPersisted")
        yield* failsWith(codex.readThread("no uuid"), "RpcError: invalidRequest")
        // A handle whose thread is gone.
        const thread = yield* codex.startThread()
        yield* rpc.request("thread/delete", { threadId: thread.id })
        yield* failsWith(thread.read(), "ThreadNotFound")
        yield* failsWith(thread.status, "ThreadNotFound")
        yield* failsWith(thread.setName("x"), "ThreadNotPersisted")
        yield* failsWith(thread.archive, "ThreadNotPersisted")
        yield* failsWith(thread.revert(unknown), "ThreadNotFound")
        yield* failsWith(thread.inject([]), "ThreadNotFound")
        yield* failsWith(thread.updateSettings({ model: "x" }), "ThreadNotFound")
        yield* failsWith(Stream.runDrain(thread.turns()), "ThreadNotFound")
        assert.strictEqual(yield* thread.unsubscribe, "notLoaded")
      })
  )

  real(
    "thread_fork has the history up to where it was asked for, and goes its own way",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const first = yield* thread.run("one")
        const second = yield* thread.run("two")
        assert.deepStrictEqual(
          (yield* ids((yield* thread.fork({ lastTurnId: first.id })).turns({ itemsView: "notLoaded" }))).length,
          1
        )
        const fork = yield* thread.fork({ beforeTurnId: second.id, ephemeral: true, baseInstructions: "BE BRIEF" })
        yield* fork.run("three")
        const request = (yield* model.requests).at(-1)
        assert.includeMembers(request?.userTexts.slice() ?? [], ["one", "three"])
        assert.notInclude(request?.userTexts ?? [], "two")
        assert.include(JSON.stringify(request?.body), "BE BRIEF")
        assert.isTrue((yield* fork.read()).ephemeral)
        assert.strictEqual((yield* ids(thread.turns())).length, 2)
        yield* failsWith(thread.fork({ lastTurnId: "nonsense" }), "RpcError: invalidRequest")

        const attached = yield* thread.fork({ attachToSource: true })
        assert.notInclude(yield* ids(codex.listThreads()), attached.id)
        assert.deepStrictEqual(yield* ids(codex.listThreads({ attachedToThreadId: thread.id })), [attached.id])
      })
  )

  real(
    "fork of running shows the running turn as interrupted, and does not end it",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["wor", gate, "king"]))
        const running = yield* Effect.forkScoped(thread.run("two"))
        yield* gate.reached
        const turns = yield* Stream.runCollect((yield* thread.fork()).turns())
        assert.deepStrictEqual(turns.map(({ status }) => status), ["interrupted", "completed"])
        yield* gate.release
        assert.deepStrictEqual((yield* Fiber.join(running)).finalResponse, Option.some("working"))
      })
  )

  real(
    "resume and fork keep a full access, and lose a workspace-write; a fork loses the model too",
    ({ codex, rpc }) =>
      Effect.gen(function*() {
        const settings = (method: "thread/resume" | "thread/fork", id: string) =>
          Effect.map(
            rpc.request(method, { threadId: id, excludeTurns: true }),
            ({ approvalPolicy, model, sandbox, serviceTier }) => [sandbox.type, approvalPolicy, model, serviceTier]
          )
        const kept = [[Sandbox.fullAccess, "dangerFullAccess"], [Sandbox.workspaceWrite, "readOnly"]] as const
        for (const [sandbox, then] of kept) {
          const thread = yield* codex.startThread({
            sandbox,
            model: "another-model",
            serviceTier: "flex",
            approvalMode: ApprovalMode.denyAll
          })
          yield* thread.run("go")
          assert.deepStrictEqual(yield* settings("thread/fork", thread.id), [then, "never", "scripted-model", null])
          yield* thread.archive
          yield* codex.unarchiveThread(thread.id)
          assert.deepStrictEqual(yield* settings("thread/resume", thread.id), [then, "never", "another-model", "flex"])
        }
      })
  )

  real("archive interrupts a running turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working", gate]))
      const thread = yield* codex.startThread()
      const running = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      yield* gate.reached
      yield* codex.archiveThread(thread.id)
      assert.strictEqual((yield* Fiber.join(running))._tag, "TurnInterrupted")
    }))

  real("revert takes a turn and what follows out of the history", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const first = yield* thread.run("one")
      const second = yield* thread.run("two")
      yield* thread.run("three")
      const reverted = yield* thread.events.pipe(
        Stream.takeUntil((event) => event._tag === "thread/reverted"),
        Stream.runDrain,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* thread.revert(second.id)
      yield* Fiber.join(reverted)
      assert.deepStrictEqual(yield* ids(thread.turns()), [first.id])
      yield* thread.run("four")
      const texts = (yield* model.requests).at(-1)?.userTexts ?? []
      assert.includeMembers([...texts], ["one", "four"])
      assert.notInclude(texts, "two")
      yield* failsWith(thread.revert(second.id), "RpcError: invalidRequest")
    }))

  real("inject adds to what the model sees, and is no item", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      yield* thread.run("one")
      const said = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })
      yield* thread.inject([said("by the way")])
      yield* thread.run("two")
      assert.includeMembers([...(yield* model.requests).at(-1)?.userTexts ?? []], ["one", "by the way", "two"])
      assert.strictEqual((yield* Stream.runCollect(thread.items())).length, 4)
      yield* failsWith(thread.inject([{ nonsense: true }]), "RpcError: invalidRequest")
    }))

  real("updateSettings counts from the next turn on", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
      const settings = yield* thread.events.pipe(
        Stream.filter((event) => event._tag === "thread/settings/updated"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* thread.updateSettings({
        model: "another-model",
        effort: "low",
        serviceTier: "flex",
        sandbox: Sandbox.workspaceWriteWith({ networkAccess: true }),
        approvalMode: ApprovalMode.denyAll
      })
      const { threadSettings } = Option.getOrThrow(yield* Fiber.join(settings)).params
      assert.deepInclude(threadSettings, { approvalPolicy: "never", model: "another-model", effort: "low" })
      assert.deepInclude(threadSettings.sandboxPolicy, { type: "workspaceWrite", networkAccess: true })
      yield* thread.run("go")
      const { body } = (yield* model.requests).at(-1)!
      assert.deepInclude(body, { model: "another-model", service_tier: "flex" })
      yield* thread.updateSettings({ serviceTier: null, permissions: ":read-only" })
      const now = yield* rpc.request("thread/resume", { threadId: thread.id, excludeTurns: true })
      assert.deepStrictEqual([now.serviceTier, now.activePermissionProfile?.id], ["default", ":read-only"])
    }))

  real(
    "thread_start takes a permissions profile, a project that exists, and no environment",
    ({ codex, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ permissions: ":workspace", environments: [] })
        yield* thread.run("go")
        const now = yield* rpc.request("thread/resume", { threadId: thread.id, excludeTurns: true })
        assert.strictEqual(now.activePermissionProfile?.id, ":workspace")
        assert.deepStrictEqual((yield* thread.read()).environments, [])
        yield* failsWith(codex.startThread({ projectId: "nobody's" }), "RpcError: invalidRequest")
        yield* failsWith(codex.startThread({ permissions: "nobody's" }), "RpcError: invalidRequest")
      })
  )

  real("thread/unsubscribe: a later turn of the handle is heard all the same", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      yield* thread.run("one")
      assert.strictEqual(yield* thread.unsubscribe, "unsubscribed")
      assert.strictEqual(yield* thread.unsubscribe, "notSubscribed")
      // It is still loaded: the server would run this turn and say nothing of it.
      assert.strictEqual((yield* thread.run("two")).status, "completed")
    }))

  real(
    "thread/unsubscribe unloads an idle thread, and a later turn of the handle loads it again",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        const closed = yield* thread.events.pipe(
          Stream.takeUntil((event) => event._tag === "thread/closed"),
          Stream.runDrain,
          Effect.forkScoped({ startImmediately: true })
        )
        yield* thread.unsubscribe
        yield* Fiber.join(closed)
        assert.deepStrictEqual(yield* thread.status, { type: "notLoaded" })
        assert.strictEqual(yield* thread.unsubscribe, "notLoaded")
        assert.strictEqual((yield* thread.run("two")).status, "completed")
      }),
    { config: { thread_unload_delay_secs: 1 } }
  )

  real(
    "events and status follow the thread: its turns, its state, its name",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const other = yield* codex.startThread()
        const reading = yield* thread.events.pipe(
          Stream.takeUntil((event) => event._tag === "thread/name/updated"),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        assert.deepStrictEqual(yield* thread.status, { type: "idle" })
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["working", gate]))
        const running = yield* Effect.forkScoped(thread.run("go"))
        yield* gate.reached
        assert.deepStrictEqual(yield* thread.status, { type: "active", activeFlags: [] })
        yield* gate.release
        yield* Fiber.join(running)
        yield* other.run("not to be heard")
        yield* model.enqueue(ScriptedModel.httpFailure(401, "no"))
        yield* failsWith(thread.run("fail"), "TurnFailed")
        assert.deepStrictEqual(yield* thread.status, { type: "systemError" })
        yield* thread.setName("a name")

        const events = yield* Fiber.join(reading)
        const tags = events.map((event) => event._tag)
        assert.notInclude(tags, "Unknown")
        assert.notInclude(tags, "Undecodable")
        assert.deepStrictEqual(tags.filter((tag) => tag === "turn/started" || tag === "turn/completed"), [
          "turn/started",
          "turn/completed",
          "turn/started",
          "turn/completed"
        ])
        assert.deepStrictEqual(
          events.flatMap((event) => event._tag === "thread/status/changed" ? [event.params.status.type] : []),
          ["active", "idle", "active", "systemError"]
        )
        const last = events.at(-1)
        assert.deepStrictEqual(last?._tag === "thread/name/updated" ? last.params.threadName : undefined, "a name")
      })
  )

  real("models gives the whole catalogue, with the hidden ones if asked for", ({ codex }) =>
    Effect.gen(function*() {
      const shown = yield* codex.models()
      const all = yield* codex.models({ includeHidden: true })
      assert.isAbove(all.length, shown.length)
      assert.isTrue(shown.every(({ hidden }) => !hidden))
      assert.strictEqual(all.filter(({ isDefault }) => isDefault).length, 1)
    }))
})
