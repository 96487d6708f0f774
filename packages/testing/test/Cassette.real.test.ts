import {
  ApprovalMode,
  Approvals,
  AppServerRpc,
  Auth,
  Codex,
  CodexError,
  DynamicTools,
  McpServer,
  Sandbox,
  Transport
} from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { Cassette, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, FileSystem, Layer, Logger, Option, Redacted, Schema, Stream } from "effect"
import * as Os from "node:os"
import { join } from "node:path"

const { exec, functionCall, gate, text } = ScriptedModel

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** Where there is no folder yet. */
const newPath = Effect.map(folder, (folder) => join(folder, "cassettes", "session.jsonl"))

const read = (path: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path))

/** A file with these lines. */
const written = Effect.fnUntraced(function*(lines: ReadonlyArray<unknown>) {
  const fs = yield* FileSystem.FileSystem
  const path = join(yield* folder, "cassette.jsonl")
  yield* fs.writeFileString(
    path,
    lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("")
  )
  return path
})

/** A text turn, an approval, a tool of the client, an interrupt. */
const session = Effect.fnUntraced(function*(prompt = "Say hello.", cwd?: string) {
  const codex = yield* Codex.Codex
  const asked: Array<string | undefined> = []
  const weather = DynamicTools.tool("weather", {
    description: "The weather in a town.",
    input: Schema.Struct({ town: Schema.String }),
    output: Schema.Struct({ celsius: Schema.Number }),
    handler: ({ town }) => Effect.sync(() => ({ celsius: asked.push(town) + 20 }))
  })
  const thread = yield* codex.startThread({
    approvalMode: ApprovalMode.untrusted,
    cwd,
    sandbox: Sandbox.workspaceWrite,
    tools: yield* DynamicTools.make(weather),
    handlers: yield* Approvals.make({
      command: ({ actions, cwd }) =>
        Effect.sync(() => {
          asked.push(...actions.map((action) => typeof action.command === "string" ? action.command : action.type), cwd)
          return "decline" as const
        })
    })
  })
  const greeting = yield* thread.run(prompt)
  const touched = yield* thread.run("Touch a file.")
  const told = yield* thread.run("What is the weather?")
  const stopped = yield* Effect.scoped(Effect.gen(function*() {
    const turn = yield* thread.turn("Count.")
    yield* turn.text.pipe(Stream.take(1), Stream.runDrain)
    yield* turn.interrupt
    return yield* turn.result
  }))
  // The server names the client's message as the client did.
  for (const item of greeting.items) if (item.type === "userMessage") assert.match(item.clientId ?? "", /^[\da-f]{8}-/)
  return {
    asked,
    answers: [greeting, touched, told].map(({ finalResponse }) => Option.getOrNull(finalResponse)),
    commands: touched.items.flatMap((item) => item.type === "commandExecution" ? [item.status] : []),
    stopped: stopped.status
  }
})

const outcome = (cwd: string) => ({
  asked: ["touch a.txt", cwd, "Linz"],
  answers: ["Hello!", "I may not.", "It is warm."],
  commands: ["declined"],
  stopped: "interrupted"
})

const answers = Effect.map(gate, (gate) => [
  "Hello!",
  exec("touch a.txt", { callId: "call_0123456789abcdef" }),
  "I may not.",
  functionCall("weather", { town: "Linz" }),
  "It is warm.",
  text(["1 ", gate, "2"])
])

const server = Layer.unwrap(Effect.map(answers, (answers) => ScriptedCodex.layerTransport({ model: { answers } })))

/** Of the session above, with the real codex. `CODEX_CASSETTE=record` records it again. */
const kept = join(import.meta.dirname, "cassettes", "session.jsonl")

const layerOf = (path: string, options?: Cassette.LayerOptions<never>) =>
  Cassette.layer(path, { server: Layer.orDie(server), ...options })

/** A client that departs is told by the end of the connection. */
const departure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const cause = error instanceof CodexError.AppServerStartError ? error.cause : error
    assert.instanceOf(cause, CodexError.TransportError)
    assert.instanceOf(cause.cause, Cassette.CassetteMismatch)
    assert.include(cause.message, cause.cause.message)
    return cause.cause
  })

describe("Cassette", () => {
  it.live("replays what was recorded with the real codex, without it", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      const there = yield* Effect.flatMap(FileSystem.FileSystem, (fs) =>
        fs.makeTempDirectoryScoped({ directory: Os.homedir(), prefix: ".effect-codex-cassette-" }))
      assert.deepStrictEqual(
        yield* Effect.provide(session(undefined, there), layerOf(path, { mode: "record" })),
        outcome(there)
      )
      const replayed = Effect.tap(session(undefined, "/elsewhere"), () =>
        Cassette.verify)
      for (const mode of ["strict", "lenient"] as const) {
        assert.deepStrictEqual(yield* Effect.provide(replayed, layerOf(path, { mode })), outcome("/elsewhere"), mode)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("records the same session as the same lines, without what is different each time", () =>
    Effect.gen(function*() {
      const recordings = yield* Effect.forEach(
        [yield* newPath, yield* newPath],
        (path) => session().pipe(Effect.provide(layerOf(path, { mode: "record" })), Effect.andThen(read(path)))
      )
      // What the server tells of different things at the same time comes in any order.
      const [first, second] = recordings.map((text) => text.replace(/"at":\d+,/g, "").split("\n").sort())
      assert.deepStrictEqual(first, second)
      assert.match(recordings[0]!, /^\{"cassette":1,"codex":"\d+\.\d+\.\d+[^"]*"\}\n/)
      for (
        const changing of [
          /[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/,
          /\b17\d{8}/,
          /\b2\d{3}-\d\d-\d\d(?<!2000-01-01)/,
          /traceparent/
        ]
      ) {
        assert.notMatch(recordings[0]!, changing)
      }
      assert.notInclude(recordings[0], Os.homedir())
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("replays a plan that is implemented in a fresh thread", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      const planned = Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread()
        const turn = yield* thread.turn("Plan.", { mode: "plan" })
        const streamed = yield* Stream.mkString(turn.proposedPlan)
        const implementation = yield* thread.implementPlan(streamed, { fresh: true })
        const { finalResponse } = yield* implementation.result
        const { finalResponse: after } = yield* thread.run("Go on.")
        return [streamed, Option.getOrNull(finalResponse), Option.getOrNull(after)]
      }).pipe(Effect.scoped)
      const server = Layer.orDie(ScriptedCodex.layerTransport({
        model: { answers: ["<proposed_plan>\n# Plan\n</proposed_plan>", "Done.", "Going on."] }
      }))
      const expected = ["# Plan\n", "Done.", "Going on."]
      const recorded = yield* Effect.provide(planned, Cassette.layer(path, { mode: "record", server }))
      assert.deepStrictEqual(recorded, expected)
      const replayed = planned.pipe(Effect.tap(Cassette.verify), Effect.provide(Cassette.layer(path, {})))
      assert.deepStrictEqual(yield* replayed, expected)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("plays a cassette that is kept with the tests", () =>
    Effect.gen(function*() {
      const { asked, ...rest } = yield* session()
      assert.deepStrictEqual({ asked: asked.toSpliced(1, 1), ...rest }, {
        ...outcome(""),
        asked: ["touch a.txt", "Linz"]
      })
      yield* Cassette.verify
    }).pipe(Effect.provide(layerOf(kept))))

  it.live("keeps no secret, wherever it stood", () =>
    Effect.gen(function*() {
      const key = "sk-planted-in-a-login-0123456789"
      const planted = {
        key,
        given: "correct horse battery staple",
        split: "sk-planted-in-deltas-0123456789",
        token: "eyJhbGciOiJub25lIn0.eyJwbGFudGVkIjoxfQ.cGxhbnRlZA",
        github: "ghp_planted0123456789planted0123456789",
        config: "planted config token",
        ofServer: "planted://in:the@environment/of",
        inHeader: "planted in a header",
        environment: "planted-in-the-environment",
        inPath: Os.userInfo().homedir
      }
      process.env["PLANTED_API_KEY"] = planted.environment
      yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env["PLANTED_API_KEY"]))
      const path = yield* newPath
      const server = ScriptedCodex.layerTransport({
        codex: { credentialsStore: "ephemeral" },
        model: {
          answers: [
            "Which one?",
            text(["Yours is sk-plan", "ted-in-del", "tas-0123456789, and ", planted.config]),
            exec(`echo ${planted.github} > /nowhere; echo ${planted.given}`),
            `It said ${planted.token}.`
          ]
        }
      })
      const program = Effect.gen(function*() {
        const codex = yield* Codex.Codex
        yield* (yield* codex.startThread()).run(`I have a ${planted.config} here.`)
        yield* (yield* Auth.Auth).loginApiKey(Redacted.make(key))
        const thread = yield* codex.startThread({
          config: { mcp_servers: { none: { command: "none", enabled: false, env: { NONE_TOKEN: planted.config } } } },
          mcpServers: {
            stdio: McpServer.stdio({ command: "none", enabled: false, env: { DATABASE: planted.ofServer } }),
            http: McpServer.http({ url: "http://none", enabled: false, headers: { "X-Auth": planted.inHeader } })
          }
        })
        yield* thread.run(`My keys are ${planted.given}, ${key}, ${planted.environment}, Bearer ${planted.token} too.`)
        yield* thread.run("Look at ~.")
      })
      const options = { secrets: [Redacted.make(planted.given)] }
      yield* Effect.provide(program, Cassette.layer(path, { ...options, mode: "record", server }))

      const recorded = yield* read(path)
      for (const [name, secret] of Object.entries(planted)) assert.notInclude(recorded, secret, name)
      assert.notMatch(recorded, /ted-in-del|tas-0123456789/)
      assert.include(recorded, "Yours is <redacted>")
      assert.include(recorded, "My keys are <redacted>, <redacted>, <redacted>, <redacted> too.")
      // What was redacted is no difference.
      yield* program.pipe(Effect.andThen(Cassette.verify), Effect.provide(Cassette.layer(path, options)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("tells how the client departed from it", () =>
    Effect.gen(function*() {
      const mismatch = yield* departure(session("Say goodbye."))
      assert.strictEqual(
        mismatch.diff,
        [
          `  …`,
          `      "clientUserMessageId": "<message-1>",`,
          `      "input": [`,
          `        {`,
          `-         "text": "Say hello.",`,
          `+         "text": "Say goodbye.",`,
          `          "text_elements": [],`,
          `          "type": "text"`,
          `        }`,
          `  …`
        ].join("\n")
      )
      assert.match(
        mismatch.message,
        /cassettes\/session\.jsonl, line \d+: the client sent something other than was recorded/
      )
      assert.include((yield* read(kept)).split("\n")[mismatch.line - 1], "Say hello.")
      assert.match(mismatch.message, /record it again: CODEX_CASSETTE=record/)
      assert.deepStrictEqual(yield* Effect.flip(Cassette.verify), mismatch)
    }).pipe(Effect.provide([layerOf(kept, { mode: "strict" }), NodeServices.layer])))

  it.live("takes no notice of the secrets of another environment, and does not show them", () =>
    Effect.gen(function*() {
      process.env["DEPLOY_KEY"] = "Say hello"
      process.env["OTHER_KEY"] = "the-other-key"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          delete process.env["DEPLOY_KEY"]
          delete process.env["OTHER_KEY"]
        })
      )
      yield* Effect.provide(session(), layerOf(kept, { mode: "strict" }))
      const mismatch = yield* departure(
        Effect.provide(session("Say the-other-key."), layerOf(kept, { mode: "strict" }))
      )
      assert.match(mismatch.message, /^\+ .*"text": "Say <redacted>\."/m)
      assert.notInclude(mismatch.message, "the-other-key")
    }))

  it.live("tells what was not sent, also when nobody asks", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const unsent = yield* Effect.flip(Cassette.verify).pipe(
        Effect.provide(layerOf(kept, { mode: "strict" })),
        Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))]))
      )
      // What the server tells by itself stands before or after it, as it came.
      const lines = (yield* Effect.provide(read(kept), NodeServices.layer)).split("\n")
      const line = lines.findIndex((text) => text.includes("\"thread/start\"")) + 1
      assert.include(
        unsent.message,
        `line ${line}: the client ended before it had sent all that was recorded`
      )
      assert.match(unsent.diff, /^- {3}"method": "thread\/start",$/m)
      assert.include(logged, unsent.message)
    }))

  it.live("tells what was sent beyond it", () =>
    Effect.gen(function*() {
      yield* session()
      const { models } = yield* Codex.Codex
      const mismatch = yield* departure(models())
      assert.match(mismatch.message, /: the client sent more than was recorded/)
      assert.match(mismatch.diff, /^\+ {3}"method": "model\/list",$/m)
      // The connection has ended, and says so to everybody.
      assert.deepStrictEqual(yield* departure(models()), mismatch)
    }).pipe(Effect.provide(layerOf(kept, { mode: "strict" }))))

  const sent = (frame: object) => ({ direction: "sent", frame })
  const received = (frame: object) => ({ direction: "received", frame })
  const handshake = [
    { cassette: 1, codex: Methods.codexVersion },
    sent({ id: 1, method: "initialize", params: { clientInfo: { name: "effect_codex" } } }),
    received({
      id: 1,
      result: {
        userAgent: `effect_codex/${Methods.codexVersion} (Linux 0.0.0; x86_64) terminal (effect_codex; 0.0.0)`,
        codexHome: "<codex-home>",
        platformFamily: "unix",
        platformOs: "linux"
      }
    }),
    sent({ method: "initialized" })
  ]
  const named = (id: number, threadId: string, name: string) =>
    sent({ id, method: "thread/name/set", params: { threadId, name } })

  const rename = Effect.fnUntraced(function*(threadId: string, name: string) {
    const rpc = yield* AppServerRpc.AppServerRpc
    yield* rpc.request("thread/name/set", { threadId, name })
  })

  it.live("does not take one thread for two", () =>
    Effect.gen(function*() {
      const path = yield* written([
        ...handshake,
        named(2, "thread-1", "same"),
        received({ id: 2, result: {} }),
        named(3, "thread-2", "same"),
        received({ id: 3, result: {} })
      ])
      const live = layerOf(path, { mode: "lenient" })
      yield* Effect.provide(Effect.andThen(rename("thread-2", "same"), rename("thread-1", "same")), live)
      yield* departure(Effect.andThen(rename("thread-2", "same"), rename("thread-2", "same"))).pipe(
        Effect.provide(live)
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is lenient about order and more keys, and about nothing else", () =>
    Effect.gen(function*() {
      const path = yield* written([
        ...handshake,
        named(2, "thread-1", "one"),
        named(3, "thread-2", "two"),
        received({ id: 2, result: {} }),
        received({ id: 3, result: {} })
      ])
      const turned = rename("thread-2", "two").pipe(
        Effect.andThen(rename("thread-1", "one")),
        Effect.andThen(Cassette.verify)
      )
      yield* Effect.provide(turned, layerOf(path, { mode: "lenient" }))
      assert.strictEqual((yield* departure(Effect.provide(turned, layerOf(path, { mode: "strict" })))).line, 2)

      const other = departure(rename("thread-2", "three")).pipe(Effect.provide(layerOf(path, { mode: "lenient" })))
      assert.match((yield* other).diff, /^- {5}"name": "two",\n\+ {5}"name": "three",\n {6}"threadId": "thread-2"$/m)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is lenient about turns that run at the same time", () =>
    Effect.gen(function*() {
      const orders = [["three", "one", "two"], ["two", "three", "one"], ["one", "two", "three"]] as const
      const folders = yield* Effect.all({ one: folder, two: folder, three: folder })
      const ask = Effect.fnUntraced(
        function*(name: keyof typeof folders, cwd: string | undefined, go: Effect.Effect<void>) {
          const thread = yield* (yield* Codex.Codex).startThread({ cwd })
          yield* go
          const { finalResponse, items } = yield* thread.run(name)
          const info = yield* thread.read()
          const ids = items.map((item) => item.type === "userMessage" && item.clientId !== null && item.clientId.length)
          return { answer: Option.getOrNull(finalResponse), cwd: info.cwd, id: info.id === thread.id, message: ids[0] }
        }
      )
      // All threads at the same time; their turns begin in the order that is given.
      const program = (
        order: ReadonlyArray<keyof typeof folders>,
        isIn: (name: keyof typeof folders) => string | undefined
      ) =>
        Effect.gen(function*() {
          const latches = yield* Effect.forEach(order, () => Deferred.make<void>())
          yield* Deferred.succeed(latches[0]!, undefined)
          return Object.fromEntries(
            yield* Effect.forEach(order, (name, i) => {
              const next = latches[i + 1]
              const asked = ask(name, isIn(name), Deferred.await(latches[i]!)).pipe(
                Effect.ensuring(next === undefined ? Effect.void : Deferred.succeed(next, undefined)),
                Effect.map((answer) => [name, answer] as const)
              )
              return asked
            }, { concurrency: "unbounded" })
          )
        })
      const server = Layer.orDie(ScriptedCodex.layerTransport({ model: { answer: ({ prompt }) => `${prompt}!` } }))
      for (const isIn of [() => undefined, (name: keyof typeof folders) => folders[name]]) {
        const path = yield* newPath
        const record = Cassette.layer(path, { folders, mode: "record", server })
        yield* Effect.provide(program(["one", "two", "three"], isIn), record)
        for (const order of orders) {
          const replayed = Effect.tap(program(order, isIn), () => Cassette.verify)
          const result = yield* Effect.provide(replayed, Cassette.layer(path, { folders, mode: "lenient" }))
          for (const name of order) {
            const cwd = isIn(name) ?? "/workspace"
            assert.deepStrictEqual(result[name], { answer: `${name}!`, cwd, id: true, message: 36 }, order.join())
          }
        }
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("keeps no answer to a secret question", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      const [client, server] = yield* Transport.makeMemory
      const question = { header: "Pin", question: "Which?", isOther: true, options: null }
      yield* Effect.scoped(Effect.gen(function*() {
        const recorder = yield* Cassette.makeRecording(path).pipe(Effect.provideService(Transport.Transport, client))
        const asked = yield* Deferred.make<void>()
        yield* recorder.receive(() => Deferred.doneUnsafe(asked, Effect.void)).pipe(Effect.forkScoped)
        yield* server.send(JSON.stringify({
          id: 7,
          method: "item/tool/requestUserInput",
          params: {
            questions: [{ ...question, id: "pin", isSecret: true }, { ...question, id: "colour", isSecret: false }]
          }
        }))
        yield* Deferred.await(asked)
        yield* recorder.send(
          JSON.stringify({
            id: 7,
            result: { answers: { pin: { answers: ["planted-pin"] }, colour: { answers: ["blue"] } } }
          })
        )
      }))
      const recorded = yield* read(path)
      assert.notInclude(recorded, "planted-pin")
      assert.include(recorded, "blue")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("keeps how the connection ended, and what was no message", () =>
    Effect.gen(function*() {
      const exited = new CodexError.AppServerExited({ code: null, signal: "SIGKILL", stderr: ["a planted line"] })
      const broken = new CodexError.TransportError({ reason: "read", detail: "the other end is gone." })
      for (const cause of [exited, broken]) {
        const path = yield* newPath
        const [client, server] = yield* Transport.makeMemory
        const play = Effect.gen(function*() {
          const rpc = yield* AppServerRpc.AppServerRpc
          const failure = yield* Effect.flip(rpc.request("thread/loaded/list", {}))
          assert.deepStrictEqual(yield* Effect.flip(rpc.request("thread/loaded/list", {})), failure)
          return { failure, garbage: (yield* rpc.diagnostics).garbage }
        })
        yield* server.receive((frames) => {
          for (const frame of frames) {
            const { method } = JSON.parse(frame)
            Effect.runFork(
              method === "initialize"
                ? server.send(JSON.stringify((handshake[2] as { frame: object }).frame))
                : method === "initialized"
                ? server.send("panicked at main.rs")
                : server.close(cause)
            )
          }
        }).pipe(Effect.ignore, Effect.forkScoped)
        const recording = AppServerRpc.layer().pipe(
          Layer.provide(Cassette.layerRecording(path)),
          Layer.provide(Layer.succeed(Transport.Transport, client))
        )
        assert.deepStrictEqual(yield* Effect.provide(play, recording), { failure: cause, garbage: 1 })
        assert.notInclude(yield* read(path), "planted")
        const { failure, garbage } = yield* Effect.provide(play, layerOf(path, { mode: "strict" }))
        assert.strictEqual(garbage, 1)
        assert.strictEqual(failure._tag, cause._tag)
        if (cause === broken) assert.strictEqual(failure.message, cause.message)
        if (cause === exited) assert.match(failure.message, /was ended by SIGKILL/)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("says which line is no line of a cassette", () =>
    Effect.gen(function*() {
      const header = { cassette: 1, codex: null }
      const entry = { direction: "sent", frame: {} }
      const cases: ReadonlyArray<readonly [lines: ReadonlyArray<unknown>, line: number]> = [
        [[], 1],
        [[{ cassette: 2, codex: null }], 1],
        [[header, entry, "{\"direction\":\"sent\",\"fra"], 3],
        [[header, { direction: "up", frame: {} }, entry], 2],
        [[header, entry, "", entry], 3]
      ]
      for (const [lines, line] of cases) {
        const path = yield* written(lines)
        const error = yield* Effect.flip(Layer.build(Cassette.layerReplaying(path)))
        assert.instanceOf(error, Cassette.CassetteUnreadable)
        assert.deepStrictEqual({ path: error.path, line: error.line }, { path, line })
        assert.include(error.message, `${path}, line ${line}`)
      }
      const missing = yield* Effect.flip(Layer.build(Cassette.layerReplaying("/nowhere/cassette.jsonl")))
      assert.deepStrictEqual([missing._tag, missing.line], ["CassetteUnreadable", undefined])
      assert.match(missing.message, /\/nowhere\/cassette\.jsonl.*CODEX_CASSETTE=record/s)
    }).pipe(Effect.provide(NodeServices.layer)))
})
