/** The process and its pipes, with small programs in the place of codex. */
import { AppServer, AppServerRpc, CodexError, Transport } from "@effect-codex/client"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Scope,
  type Scope as ScopeType,
  Stream
} from "effect"
import * as DirectPipes from "../../../node/src/internal/directPipes.ts"
import { argv } from "../../src/internal/launch.ts"
import { Spawn } from "../../src/internal/wire/spawn.ts"

const node = (program: string, options?: Partial<AppServer.Options>): AppServer.Options => ({
  executable: process.execPath,
  args: ["-e", program],
  shutdownGrace: "300 millis",
  ...options
})

const live = (
  name: string,
  test: Effect.Effect<void, unknown, ScopeType.Scope | Effect.Services<ReturnType<typeof AppServer.make>>>
) => {
  const pipes = { "the spawner's streams": undefined, "Node's own pipes": DirectPipes.spawn }
  for (const [way, spawn] of Object.entries(pipes)) {
    const withPipes = spawn === undefined ? test : Effect.provideService(test, Spawn, spawn)
    it.live(`${name} (${way})`, () => withPipes.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
  }
}

const text = (chunks: ReadonlyArray<Uint8Array>) => chunks.map((chunk) => new TextDecoder().decode(chunk)).join("")

/** All that the process writes, and the cause of its end. */
const readAll = Effect.fnUntraced(function*(server: AppServer.AppServer["Service"]) {
  const chunks: Array<Uint8Array> = []
  const cause = yield* Effect.flip(server.receive((chunk) => chunks.push(chunk)))
  return { out: text(chunks), cause }
})

const isGone = (pid: number) => assert.throws(() => process.kill(pid, 0), /ESRCH/)

describe("the argument list", () => {
  it("has the overrides before app-server, or is what was given", () => {
    assert.deepStrictEqual(argv({ configOverrides: ["a=1", "b.c=\"x\""] }), [
      "--config=a=1",
      "--config=b.c=\"x\"",
      "app-server",
      "--listen",
      "stdio://"
    ])
    assert.deepStrictEqual(argv({ args: ["proxy"], configOverrides: ["a=1"] }), ["proxy"])
  })
})

describe("what the process is given", () => {
  const hostile = ["$(touch here)", "`touch here`", "; touch here &", "a b", "*", "\"'\\", "--version\n"]

  live(
    "are the arguments as they are: no shell looks at them",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node("", {
        args: ["-e", "console.log(JSON.stringify(process.argv.slice(1)))", "--", ...hostile]
      }))
      assert.deepStrictEqual(JSON.parse((yield* readAll(server)).out), hostile)
    })
  )
})

describe("the end of the process", () => {
  live(
    "is told with its exit code, after everything that it wrote",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node(
        "process.stderr.write('\\u001b[31mred\\u001b[0m words\\n'); process.stdout.write('x'.repeat(300000) + 'end', () => process.exit(3))"
      ))
      const { cause, out } = yield* readAll(server)
      assert.strictEqual(out.length, 300_003)
      assert.deepInclude(cause, { _tag: "AppServerExited", code: 3, signal: null })
      assert.include(cause.message, "exit code 3")
      assert.deepStrictEqual(yield* server.stderr, ["red words"])
      assert.deepStrictEqual(yield* server.exit, { code: 3, signal: null })
    })
  )

  live(
    "is told with its signal",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node("setInterval(() => {}, 1000)"))
      process.kill(server.pid, "SIGKILL")
      assert.deepInclude((yield* readAll(server)).cause, { _tag: "AppServerExited", code: null, signal: "SIGKILL" })
    })
  )

  live(
    "is not hidden by a descendant that keeps its stdout open",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node(
        "const c = require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)']," +
          "{ stdio: ['ignore', 'inherit', 'ignore'], detached: true }); console.log(c.pid); c.unref(); process.exit(0)"
      ))
      const { cause, out } = yield* readAll(server)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(Number(out), "SIGKILL")))
      assert.deepInclude(cause, { _tag: "AppServerExited", code: 0 })
    })
  )

  live(
    "is a broken pipe when the process closes its stdin and stays",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node(
        "require('fs').closeSync(0); console.log('closed'); setInterval(() => {}, 1000)"
      ))
      const closed = yield* Deferred.make<void>()
      const cause = yield* Effect.forkScoped(Effect.flip(server.receive(() => Deferred.doneUnsafe(closed, Exit.void))))
      yield* Deferred.await(closed)
      yield* server.send("hello\n")
      assert.deepInclude(yield* Fiber.join(cause), { _tag: "TransportError", reason: "write" })
      // Later writes neither wait nor fail.
      yield* server.send("more\n")
    })
  )

  live(
    "is a broken pipe when the process closes its stdout and stays",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node("require('fs').closeSync(1); setInterval(() => {}, 1000)"))
      assert.deepInclude((yield* readAll(server)).cause, { _tag: "TransportError", reason: "read" })
    })
  )

  live(
    "releases a writer that waits for a process that does not read",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node("setInterval(() => {}, 1000)"))
      const receiving = yield* Effect.forkScoped(Effect.flip(server.receive(() => {})))
      const kilobyte = `${"x".repeat(1024)}\n`
      const written = yield* Deferred.make<void>()
      const writing = yield* Effect.forkScoped(Effect.gen(function*() {
        for (let i = 0; i < 5000; i++) {
          if (i === 1000) yield* Deferred.succeed(written, undefined)
          yield* server.send(kilobyte)
        }
      }))
      yield* Deferred.await(written)
      assert.isUndefined(writing.pollUnsafe())
      process.kill(server.pid, "SIGKILL")
      yield* Fiber.join(writing)
      assert.strictEqual((yield* Fiber.join(receiving))._tag, "AppServerExited")
    })
  )
})

describe("stderr", () => {
  live(
    "never blocks the process, and its tail is bounded",
    Effect.gen(function*() {
      const server = yield* AppServer.make(node(
        "let n = 0; const next = () => n < 20000 ? process.stderr.write(`line ${n++} ${'x'.repeat(60)}\\n`, next) : console.log('done'); next()",
        { stderrLines: 10 }
      ))
      const { out } = yield* readAll(server)
      assert.strictEqual(out, "done\n")
      const tail = yield* server.stderr
      assert.strictEqual(tail.length, 10)
      assert.isTrue(tail.at(-1)?.startsWith("line 19999 "))
    })
  )
})

describe("closing", () => {
  const closed = Effect.fnUntraced(function*(program: string) {
    const scope = yield* Scope.make()
    const server = yield* Scope.provide(AppServer.make(node(program)), scope)
    const ready = yield* Deferred.make<void>()
    const cause = yield* Effect.forkScoped(Effect.flip(server.receive(() => Deferred.doneUnsafe(ready, Exit.void))))
    yield* Deferred.await(ready)
    yield* Scope.close(scope, Exit.void)
    isGone(server.pid)
    yield* Fiber.join(cause)
    return yield* server.exit
  })

  live(
    "ends stdin, and a process that exits by itself is not signalled",
    Effect.gen(function*() {
      const exit = yield* closed("process.stdin.on('end', () => process.exit(7)).resume(); console.log('ready')")
      assert.deepStrictEqual(exit, { code: 7, signal: null })
    })
  )

  live(
    "sends SIGTERM to one that does not",
    Effect.gen(function*() {
      const exit = yield* closed(
        "process.on('SIGTERM', () => process.exit(8)); setInterval(() => {}, 1000); console.log('ready')"
      )
      assert.deepStrictEqual(exit, { code: 8, signal: null })
    })
  )

  live(
    "sends SIGKILL to one that ignores that",
    Effect.gen(function*() {
      const exit = yield* closed("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready')")
      assert.deepStrictEqual(exit, { code: null, signal: "SIGKILL" })
    })
  )
})

describe("starting", () => {
  live(
    "what is not there, or not executable, is a typed error",
    Effect.gen(function*() {
      const failing = (options: AppServer.Options) => Effect.flip(AppServer.make(options))
      const missing = yield* failing({ executable: "/nowhere/codex" })
      assert.strictEqual(missing._tag, "CodexExecutableNotFound")
      assert.include(missing.message, "/nowhere/codex")
      assert.deepInclude(yield* failing({ executable: import.meta.filename }), {
        _tag: "AppServerStartError",
        phase: "spawn"
      })
      for (const [cwd, problem] of [["/no/where", "does not exist"], [import.meta.filename, "is a file"]] as const) {
        const error = yield* failing(node("", { cwd }))
        assert.deepInclude(error, { _tag: "AppServerStartError", phase: "spawn", option: "cwd" })
        assert.strictEqual(
          error.message,
          `codex app-server did not start (spawn): the folder ${cwd} ${problem}. Change the option \`cwd\`.`
        )
      }
    })
  )
})

describe("layerConfig", () => {
  live(
    "reads its options from the ConfigProvider",
    Effect.gen(function*() {
      const layer = AppServer.layerConfig({
        executable: Config.String("MY_CODEX"),
        args: Config.succeed(["-e", "process.exit(5)"])
      })
      const server = yield* Layer.build(layer).pipe(
        Effect.flatMap((context) => Effect.provide(AppServer.AppServer, context)),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ MY_CODEX: process.execPath })
        )
      )
      assert.deepStrictEqual(yield* server.exit, { code: 5, signal: null })
    })
  )
})

describe("frames over stdio", () => {
  const connect = (program: string, options?: Transport.StdioOptions) =>
    Layer.build(Transport.layerStdio(options).pipe(Layer.provide(AppServer.layer(node(program)))))
      .pipe(Effect.flatMap((context) => Effect.provide(Transport.Transport, context)))

  live(
    "come whole, in order, without the empty ones",
    Effect.gen(function*() {
      const transport = yield* connect("process.stdout.write('{\"a\":1}\\r\\n\\n{\"b\":2}\\nrest')")
      const frames: Array<string> = []
      yield* Effect.flip(transport.receive((read) => frames.push(...read)))
      assert.deepStrictEqual(frames, ["{\"a\":1}", "{\"b\":2}"])
    })
  )

  it.effect("come with the word that more follow, and with the word that no more do though none came", () =>
    Effect.gen(function*() {
      const ended = new CodexError.TransportError({ reason: "read", detail: "gone." })
      const encoder = new TextEncoder()
      const server = AppServer.AppServer.of({
        executable: "codex",
        pid: 1,
        stderr: Effect.succeed([]),
        exit: Effect.never,
        send: () => Effect.void,
        receive: (onChunk) =>
          Effect.suspend(() => {
            onChunk(encoder.encode("1\n2\nrest"), true)
            onChunk(encoder.encode(" of 3"), false)
            onChunk(encoder.encode(" and its end\n"))
            return Effect.fail(ended)
          })
      })
      const transport = yield* Effect.provideService(Transport.makeStdio(), AppServer.AppServer, server)
      const reads: Array<readonly [frames: ReadonlyArray<string>, more: boolean]> = []
      yield* Effect.flip(transport.receive((frames, more) => reads.push([frames, more === true])))
      assert.deepStrictEqual(reads, [[["1", "2"], true], [[], false], [["rest of 3 and its end"], false]])
    }))

  live(
    "that a receiver throws at end its receiving with what it threw, and not the program",
    Effect.gen(function*() {
      const transport = yield* connect("process.stdout.write('1\\n'); setInterval(() => console.log(2), 5)")
      let calls = 0
      const exit = yield* Effect.exit(transport.receive(() => {
        calls++
        throw new Error("boom")
      }))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), "boom")
      assert.strictEqual(calls, 1)
    })
  )

  live(
    "that are too large end the connection with an error that names the method",
    Effect.gen(function*() {
      const transport = yield* connect(
        "process.stdout.write('{\"method\":\"item/completed\",\"params\":\"' + 'x'.repeat(200000)); setInterval(() => {}, 1000)",
        { maxFrameBytes: 100_000 }
      )
      const cause = yield* Effect.flip(transport.receive(() => {}))
      assert.deepInclude(cause, { _tag: "TransportError", reason: "frameTooLarge" })
      assert.include(cause.message, "item/completed")
    })
  )

  live(
    "carry the handshake, and its failure tells what the process wrote to stderr",
    Effect.gen(function*() {
      const error = yield* AppServerRpc.make().pipe(
        Effect.provide(
          Transport.layerStdio().pipe(
            Layer.provide(AppServer.layer(node("console.error('error: unexpected argument'); process.exit(2)")))
          )
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, "AppServerStartError")
      assert.include(error.message, "unexpected argument")
      assert.include(error.message, "exit code 2")
    })
  )

  live(
    "echo",
    Effect.gen(function*() {
      const transport = yield* connect("process.stdin.pipe(process.stdout)")
      const frames: Array<string> = []
      const three = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.ignore(transport.receive((read) => {
        frames.push(...read)
        if (frames.length === 3) Deferred.doneUnsafe(three, Exit.void)
      })))
      yield* Stream.runForEach(Stream.make("{\"é\":1}", "{\"b\":\"\u2028\"}", "{}"), transport.send)
      yield* Deferred.await(three)
      assert.deepStrictEqual(frames, ["{\"é\":1}", "{\"b\":\"\u2028\"}", "{}"])
    })
  )
})
