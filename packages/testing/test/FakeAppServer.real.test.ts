/** The fake from the side of an application's test. That it does what the real server does is shown by the contract. */
import { AppServerRpc, Auth, Codex, CodexError, DynamicTools, Transport } from "@effect-codex/client"
import { Methods } from "@effect-codex/protocol"
import { Contract, Expect, FakeAppServer, Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer, Option, Schema, type Scope, Sink, Stdio, Stream } from "effect"
import { TestClock } from "effect/testing"
import { layerFake } from "./support/contractServers.ts"

const { delay, exec, text } = ScriptedModel

const run = (prompt: string) =>
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    return yield* (yield* codex.startThread()).run(prompt)
  })

describe("FakeAppServer", () => {
  it.effect("takes the scripts of ScriptedModel, and shows what the model was asked", () =>
    Effect.gen(function*() {
      const result = yield* run("what time is it?")
      assert.deepStrictEqual(result.finalResponse, Option.some("You asked: what time is it?"))
      const model = yield* ScriptedModel.ScriptedModel
      const [request] = yield* model.received(1)
      assert.deepInclude(request, { index: 0, model: "scripted-model", prompt: "what time is it?" })
      assert.strictEqual(yield* request!.outcome, "answered")
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      assert.lengthOf(yield* receivedOf("turn/start"), 1)
    }).pipe(Effect.provide(FakeAppServer.layer({
      model: { answer: ({ prompt }) => `You asked: ${prompt}` }
    }))))

  it.effect("searches its threads, tells the first hit on the way, and gives all page by page", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const ids: Array<string> = []
      for (const prompt of ["a red pear", "a green plum", "a (Red) plum"]) {
        const thread = yield* codex.startThread()
        yield* thread.run(prompt)
        ids.push(thread.id)
      }
      const [pear, , plum] = ids
      const search = (term: string, options?: Codex.SearchThreadsOptions) =>
        Effect.map(
          Stream.runCollect(codex.searchThreads(term, options)),
          (events) => events.map(({ _tag, hits }) => [_tag, ...hits.map(({ thread }) => thread?.id)])
        )
      assert.deepStrictEqual(yield* search("red"), [["Found", plum], ["Completed", plum, pear]])
      assert.deepStrictEqual(yield* search("(red)"), [["Found", plum], ["Completed", plum]])
      assert.deepStrictEqual(yield* search("violet"), [["Completed"]])
      const [, first] = yield* Stream.runCollect(codex.searchThreads("red", { pageSize: 1 }))
      assert(first?._tag === "Completed" && Option.isSome(first.nextCursor))
      assert.deepStrictEqual(yield* search("red", { cursor: first.nextCursor.value }), [["Found", pear], [
        "Completed",
        pear
      ]])
    }).pipe(Effect.provide(FakeAppServer.layer({ model: { answer: () => "ok" } }))))

  it.effect("drops an answer that it cannot read, and goes on when the client takes that back", () =>
    Effect.gen(function*() {
      const { server } = yield* FakeAppServer.make({
        model: { answers: [ScriptedModel.functionCall("tell", {}), "done"] }
      })
      const transport = yield* Faults.make(yield* server.connect, [
        Faults.corrupt(({ from, text }) => from === "client" && text.includes(`"said"`), {
          corrupt: (text) => text.replace("said", "\\ud83d")
        })
      ])
      const client = Codex.layer().pipe(
        Layer.provideMerge(AppServerRpc.layer()),
        Layer.provide(Layer.succeed(Transport.Transport, transport))
      )
      yield* Effect.gen(function*() {
        const rpc = yield* AppServerRpc.AppServerRpc
        const told = yield* Effect.forkScoped(Stream.runHead(rpc.diagnosticEvents), { startImmediately: true })
        const tools = yield* DynamicTools.make(
          DynamicTools.tool("tell", { description: "d", handler: () => Effect.succeed("said") })
        )
        const thread = yield* (yield* Codex.Codex).startThread({ tools })
        const run = yield* Effect.forkScoped(thread.run("go"))
        assert.deepInclude(Option.getOrUndefined(yield* Fiber.join(told)), { _tag: "FrameDropped" })
        yield* TestClock.adjust("10 seconds")
        const { finalResponse, items } = yield* Fiber.join(run)
        assert.deepStrictEqual(finalResponse, Option.some("done"))
        const call = items.find((item) => item.type === "dynamicToolCall")
        assert.deepStrictEqual(call?.contentItems, [{ type: "inputText", text: "dynamic tool request failed" }])
      }).pipe(Effect.provide(client))
    }))

  it.effect("sends nothing that the protocol does not know, in any case of the contract", () =>
    Effect.gen(function*() {
      for (const { effect } of Contract.cases) yield* Effect.scoped(effect)
      const { frames } = yield* Contract.Wire
      const methods = new Map<unknown, string>()
      const wrong: Array<string> = []
      let checked = 0
      for (const { from, message } of yield* frames) {
        const { id, method, params, result } = message
        if (from === "client") {
          if (typeof method === "string") methods.set(id, method)
          continue
        }
        const name = typeof method === "string" ? method : methods.get(id)
        if (name === undefined || ("error" in message)) continue
        const schema = method === undefined
          ? Methods.clientRequests[name as keyof Methods.ClientRequests].result
          : id === undefined
          ? Methods.serverNotifications[name as keyof Methods.ServerNotifications].params
          : Methods.serverRequests[name as keyof Methods.ServerRequests].params
        const decoded = Schema.decodeUnknownResult(schema() as Schema.Codec<unknown>)(
          method === undefined ? result : params
        )
        checked++
        if (decoded._tag === "Failure") wrong.push(`${name}: ${decoded.failure.message}`)
      }
      assert.deepStrictEqual(wrong, [])
      assert.isAbove(checked, 500)
    }).pipe(Effect.provide(layerFake)))

  it.effect("sends the same in each run", () =>
    Effect.gen(function*() {
      const once = Effect.gen(function*() {
        // The client marks messages of its own with random ids.
        const cases = Contract.cases.filter(({ name }) => /^(?:turn|steer|interrupt|approval|tool):/.test(name))
        for (const { effect } of cases) yield* Effect.scoped(effect)
        return JSON.stringify(yield* (yield* Contract.Wire).frames)
      }).pipe(Effect.provide(layerFake, { local: true }))
      assert.strictEqual(yield* once, yield* once)
    }))

  it.effect("lets time pass on the clock of the test, in answers and in commands", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const running = yield* Effect.forkChild(run("go"))
      yield* model.received(1)
      yield* TestClock.adjust("1 hour")
      yield* model.received(2)
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 hour")
      const result = yield* Fiber.join(running)
      assert.deepStrictEqual(result.finalResponse, Option.some("later"))
      assert.strictEqual(Option.getOrUndefined(Option.map(result.duration, Duration.toHours)), 2)
    }).pipe(Effect.provide(FakeAppServer.layer({
      model: { answers: [exec("make"), text(["la", delay("1 hour"), "ter"])] },
      exec: () => Effect.as(Effect.sleep("1 hour"), { output: "made\n" })
    }))))

  it.effect("gives commands to the test, and what comes of them to the client and the model", () => {
    const commands: Array<FakeAppServer.ExecRequest> = []
    return Effect.gen(function*() {
      const { items } = yield* run("go")
      const command = items.find((item) => item.type === "commandExecution")
      assert.deepInclude(command, { status: "failed", exitCode: 2, aggregatedOutput: "no such target\n" })
      assert.deepInclude(commands[0], { command: "make", cwd: "/project" })
      const { requests } = yield* ScriptedModel.ScriptedModel
      assert.include((yield* requests).at(-1)?.toolOutputs[0]?.output, "no such target")
    }).pipe(Effect.provide(FakeAppServer.layer({
      cwd: "/project",
      model: { answers: [exec("make"), "done"] },
      exec: (request) => {
        commands.push(request)
        return { exitCode: 2, output: "no such target\n" }
      }
    })))
  })

  it.effect("ends as a process does, and another one finds the threads", () =>
    Effect.gen(function*() {
      const { connect, exit } = yield* FakeAppServer.FakeAppServer
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const running = yield* Effect.forkChild(Effect.flip(thread.run("second")))
      yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.received(2))
      yield* exit({ code: null, signal: "SIGKILL" })
      const error = yield* Fiber.join(running)
      assert.instanceOf(error, CodexError.AppServerExited)
      assert.strictEqual(error.signal, "SIGKILL")
      assert.strictEqual(yield* Effect.flip(codex.startThread()), error)

      const next = yield* Codex.layer().pipe(
        Layer.provide(AppServerRpc.layer()),
        Layer.provide(Layer.effect(Transport.Transport, connect)),
        Layer.build
      )
      const resumed = yield* Context.get(next, Codex.Codex).resumeThread(thread.id)
      assert.deepStrictEqual((yield* resumed.run("third")).finalResponse, Option.some("again"))
      const { requests } = yield* ScriptedModel.ScriptedModel
      assert.deepStrictEqual((yield* requests).at(-1)?.userTexts, ["first", "second", "third"])
    }).pipe(Effect.provide(FakeAppServer.layer({
      model: { answers: ["one", text(["on", delay("1 hour")]), "again"] }
    }))))

  it.effect("lets the test be the person at the browser", () =>
    Effect.gen(function*() {
      const { finishLogin } = yield* FakeAppServer.FakeAppServer
      const auth = yield* Auth.Auth
      const first = yield* auth.loginChatgpt()
      assert.isTrue(yield* finishLogin({ email: "someone@example.com", planType: "pro" }))
      yield* first.wait
      assert.deepInclude((yield* auth.account()).account, { type: "chatgpt", email: "someone@example.com" })
      const second = yield* auth.loginChatgpt()
      yield* finishLogin({ error: "Login server error: access_denied" })
      assert.strictEqual((yield* Effect.flip(second.wait))._tag, "LoginFailed")
      assert.isFalse(yield* finishLogin({ error: "nobody waits" }))
    }).pipe(Effect.provide(FakeAppServer.layer({ requiresOpenaiAuth: true }))))

  it.effect("says what it does not do", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const error = yield* Effect.flip(rpc.request("project/list", {}))
      assert.deepInclude(error, { _tag: "RpcError", reason: "methodNotFound" })
      assert.include(error.message, "FakeAppServer does not do project/list")
      const failed = yield* Effect.flip(run("go"))
      assert.include(failed.message, "FakeAppServer does not do an output item of type web_search_call")
    }).pipe(Effect.provide(FakeAppServer.layer({
      model: { answers: [ScriptedModel.item({ type: "web_search_call", id: "ws-1" })] }
    }))))

  it.effect("fails a turn in which the model calls a tool of codex that it does not do", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const calls = [
        ["write_stdin"],
        ["view_image"],
        ["get_goal"],
        ["create_goal"],
        ["update_goal"],
        ["close_agent", "multi_agent_v1"],
        ["resume_agent", "multi_agent_v1"]
      ] as const
      for (const [name, namespace] of calls) {
        yield* model.enqueue(ScriptedModel.functionCall(name, {}, { namespace }))
        const whole = namespace === undefined ? name : `${namespace}.${name}`
        assert.include((yield* Effect.flip(run("go"))).message, `FakeAppServer does not do codex's tool ${whole}. `)
      }
      // None of those that the model is told of is answered with what is not so.
      const { tools } = Expect.told(yield* Expect.modelRequest(1))
      const done = new Set(["exec_command", "request_user_input", "web_search"])
      assert.sameMembers(
        tools.filter((tool) => !tool.startsWith("multi_agent_v1") && !done.has(tool)),
        calls.flatMap(([name, namespace]) => namespace === undefined ? [name] : [])
      )

      // A model that codex knows has other tools.
      yield* model.enqueue(ScriptedModel.functionCall("exec", {}, { namespace: "functions" }))
      const [known] = yield* (yield* Codex.Codex).models()
      const thread = yield* (yield* Codex.Codex).startThread({ model: known!.id })
      assert.include(
        (yield* Effect.flip(thread.run("go"))).message,
        `FakeAppServer does not do the tool functions.exec of ${known!.id}. `
      )
    }).pipe(Effect.provide(FakeAppServer.layer())))

  it.effect("refuses what it would have to leave out", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const { thread: { id: threadId } } = yield* rpc.request("thread/start", {})
      const refused = yield* Effect.forEach([
        rpc.request("thread/settings/update", { threadId, environments: [] }),
        rpc.request("thread/start", { environments: [] })
      ], Effect.flip)
      const said = ({ message }: { readonly message: string }) =>
        /FakeAppServer does not do (.*?)\. /.exec(message)?.[1]
      assert.deepStrictEqual(refused.map(said), [
        "thread/settings/update.environments",
        "thread/start.environments"
      ])

      // What its documentation says that it does not do.
      const auth = yield* Auth.Auth
      const thread = yield* (yield* Codex.Codex).startThread()
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(text([delay("1 hour")]))
      const turn = yield* thread.turn("go")
      yield* Expect.modelRequest(1)
      const undone = yield* Effect.forEach([
        turn.interruptWithTerminals,
        thread.review({ type: "uncommittedChanges" }),
        thread.compact(),
        thread.startGoal("Finish."),
        thread.revert(turn.id),
        auth.usage()
      ], (call: Effect.Effect<unknown, CodexError.CodexError, Scope.Scope>) => Effect.flip(call))
      assert.deepStrictEqual(undone.map(said), [
        "thread/backgroundTerminals/list",
        "review/start",
        "thread/compact/start",
        "thread/goal/clear",
        "thread/revert",
        "account/usage/read"
      ])
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("serves a client in another language over stdin and stdout", () =>
    Effect.gen(function*() {
      const lines = [
        { id: 1, method: "initialize", params: { clientInfo: { name: "other", version: "1" } } },
        { method: "initialized" },
        { id: 2, method: "thread/start", params: {} },
        { id: "three", method: "account/read", params: {} },
        { id: "three", method: "nonsense" }
      ].map((message) => `${JSON.stringify(message)}\n`)
      const written: Array<string> = []
      const stdout = Sink.forEach((chunk: string | Uint8Array) =>
        Effect.sync(() => written.push(typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk)))
      )
      // stdin ends before anything was answered, and the server when everything is.
      yield* FakeAppServer.serveStdio.pipe(Effect.provide(Stdio.layerTest({
        stdin: Stream.encodeText(Stream.fromIterable(lines)),
        stdout: () => stdout
      })))
      const replies = written.join("").trimEnd().split("\n").map((line) =>
        JSON.parse(line) as { readonly id?: unknown }
      )
      assert.deepStrictEqual(replies.flatMap(({ id }) => id === undefined ? [] : [id]), [1, 2, "three", "three"])
    }).pipe(Effect.provide(FakeAppServer.layerTransport())))

  it.effect("ends over stdin and stdout when its process is ended, with what it had said", () =>
    Effect.gen(function*() {
      const { exit } = yield* FakeAppServer.FakeAppServer
      const written: Array<string> = []
      const stdout = Sink.forEach((chunk: string | Uint8Array) => {
        written.push(String(chunk))
        return exit()
      })
      yield* FakeAppServer.serveStdio.pipe(Effect.provide(Stdio.layerTest({
        stdin: Stream.concat(
          Stream.encodeText(Stream.make(`${JSON.stringify({ id: 1, method: "thread/start", params: {} })}\n`)),
          Stream.never
        ),
        stdout: () => stdout
      })))
      assert.match(written.join(""), /Not initialized/)
    }).pipe(Effect.provide(FakeAppServer.layerTransport())))
})

describe("1,000 turns", () => {
  const turns = (count: number) =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      return yield* Effect.forEach(Array.from({ length: count }), () => thread.run("go"))
    }).pipe(
      Effect.provide(FakeAppServer.layer({ model: { answer: (_, index) => `answer ${index}` } }), { local: true })
    )

  it.effect("take no time on the clock of the test, and none of them is lost", () =>
    Effect.gen(function*() {
      const results = yield* turns(1000)
      assert.deepStrictEqual(
        results.map(({ finalResponse }) => Option.getOrNull(finalResponse)),
        results.map((_, index) => `answer ${index}`)
      )
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))

  it.effect("cost ten times what 100 cost, and not a hundred times", () =>
    Effect.gen(function*() {
      // Of the processor and not of the clock, so that what else runs on the machine does not count.
      const cost = Effect.fnUntraced(function*(count: number) {
        const before = process.cpuUsage()
        yield* turns(count)
        const { system, user } = process.cpuUsage(before)
        return (system + user) / 1000
      })
      yield* turns(100)
      const hundred = Math.max(yield* cost(100), yield* cost(100))
      const thousand = Math.min(yield* cost(1000), yield* cost(1000))
      assert.isBelow(thousand, 30 * hundred)
      // It is about a second on a busy machine; this tells another order of magnitude.
      assert.isBelow(thousand, 5000)
    }))
})
