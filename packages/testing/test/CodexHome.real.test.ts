import * as CodexHome from "@effect-codex/testing/CodexHome"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, FileSystem, Path, PlatformError, Redacted } from "effect"
import * as Net from "node:net"
import * as Os from "node:os"
import { join } from "node:path"
import * as Codex from "./support/codex.ts"
import { withCodex } from "./support/live.ts"

describe("CodexHome", () => {
  it.live("is a home codex works in, and leaves neither files nor processes", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const used = yield* Effect.gen(function*() {
        const home = yield* CodexHome.CodexHome
        const codex = yield* Codex.start()
        const turn = yield* codex.startTurn(yield* codex.startThread({ sandbox: "workspace-write" }), "go")
        assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
        assert.isTrue(yield* fs.exists(join(home.workspace, "a", "b", "c")))
        // Codex says so when it does not like the place of its home.
        assert.notInclude(yield* codex.stderr, "helper binaries")
        return { ...home, pid: codex.pid }
      }).pipe(withCodex({
        model: { answers: [ScriptedModel.exec("mkdir -p a/b && touch a/b/c && chmod 0500 a/b a"), "done"] }
      }))
      assert.isTrue(used.path.startsWith(Os.homedir()))
      assert.isFalse(yield* fs.exists(join(used.path, "..")))
      assert.isFalse(yield* fs.exists(used.workspace))
      assert.throws(() => process.kill(used.pid, 0), "ESRCH")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is removed although its folders were made read-only", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const locked = new Set<string>()
      const home = yield* CodexHome.make({ modelUrl: "http://127.0.0.1:1/v1" }).pipe(
        Effect.tap(({ workspace }) => fs.makeDirectory(join(workspace, "a", "b"), { recursive: true })),
        Effect.tap(({ workspace }) =>
          Effect.sync(() => locked.add(join(workspace, "a")).add(join(workspace, "a", "b")))
        ),
        Effect.scoped,
        // Permissions do not bind a superuser, so this file system refuses what a real one refuses everybody else.
        Effect.provideService(FileSystem.FileSystem, {
          ...fs,
          remove: (path, options) =>
            Effect.suspend(() => locked.size > 0 ? Effect.fail(denied(path)) : fs.remove(path, options)),
          chmod: (path, mode) => Effect.tap(fs.chmod(path, mode), () => Effect.sync(() => locked.delete(path)))
        })
      )
      assert.strictEqual(locked.size, 0)
      assert.isFalse(yield* fs.exists(home.path))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is removed when its user fails", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      let path = ""
      const exit = yield* CodexHome.CodexHome.pipe(
        Effect.flatMap((home) => {
          path = home.path
          return Effect.andThen(fs.exists(path), (exists) => Effect.fail(exists))
        }),
        Effect.provide(CodexHome.layerUrl("http://127.0.0.1:1/v1")),
        Effect.exit
      )
      assert.deepStrictEqual(exit, Exit.fail(true))
      assert.isFalse(yield* fs.exists(path))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("stays in a folder that is given, with what codex has written, and with a new configuration", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = join(yield* fs.makeTempDirectoryScoped(), "home")
      const first = yield* Effect.scoped(CodexHome.make({ modelUrl: "http://127.0.0.1:1/v1", folder }))
      yield* fs.writeFileString(join(first.path, "history"), "kept")
      const second = yield* Effect.scoped(CodexHome.make({ modelUrl: "http://127.0.0.1:2/v1", folder }))
      assert.strictEqual(second.path, first.path)
      assert.strictEqual(yield* fs.readFileString(join(second.path, "history")), "kept")
      assert.include(yield* fs.readFileString(join(second.path, "config.toml")), "http://127.0.0.1:2/v1")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("writes configuration, merged table by table, and the login", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* CodexHome.make({
        modelUrl: "http://127.0.0.1:1/v1",
        model: "some-model",
        requestMaxRetries: 2,
        apiKey: Redacted.make("sk-1"),
        config: {
          model_providers: { scripted: { name: "a \"quoted\" \\ name\n" } },
          tools: { list: [1, 2.5, true, "x"], empty: {} }
        }
      })
      const lines = (yield* fs.readFileString(join(home.path, "config.toml"))).split("\n")
      assert.include(lines, `"model" = "some-model"`)
      assert.include(
        lines,
        `"model_providers" = { "scripted" = { "name" = "a \\"quoted\\" \\\\ name\\n", "base_url" = "http://127.0.0.1:1/v1", ` +
          `"wire_api" = "responses", "requires_openai_auth" = true, "request_max_retries" = 2, "stream_max_retries" = 0 } }`
      )
      assert.include(lines, `"tools" = { "list" = [1, 2.5, true, "x"], "empty" = {  } }`)
      assert.deepStrictEqual(JSON.parse(yield* fs.readFileString(join(home.path, "auth.json"))), {
        auth_mode: "apikey",
        OPENAI_API_KEY: "sk-1"
      })
      assert.strictEqual((yield* fs.stat(join(home.path, "auth.json"))).mode & 0o077, 0)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("keeps the user's settings away from codex", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(
        ["CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_SQLITE_HOME", "ALL_PROXY", "http_proxy"],
        (name) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const before = process.env[name]
              process.env[name] = "http://127.0.0.1:1"
              return before
            }),
            (before) =>
              Effect.sync(() => {
                if (before === undefined) delete process.env[name]
                else process.env[name] = before
              })
          )
      )
      yield* Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        const { env, path } = yield* CodexHome.CodexHome
        assert.strictEqual(env.CODEX_HOME, path)
        assert.notStrictEqual(env.HOME, Os.homedir())
        const codex = yield* Codex.start()
        const turn = yield* codex.startTurn(yield* codex.startThread(), "go")
        assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
        const [, second] = yield* model.requests
        assert.match(second!.toolOutputs[0]!.output, /Output:\nhome=\/.*\/\.effect-codex-\w+ keys=\n?$/)
        assert.isTrue((yield* model.requests).every((request) => request.authorization._tag === "None"))
      }).pipe(withCodex({
        model: {
          answers: [
            ScriptedModel.exec("echo home=$HOME keys=$CODEX_API_KEY$OPENAI_API_KEY$CODEX_SQLITE_HOME$ALL_PROXY"),
            "done"
          ]
        }
      }))
    }))

  // Every HTTP client in codex, and git, goes through the proxy for whatever is not loopback.
  const throughProxy = (home: CodexHome.Options) =>
    Effect.gen(function*() {
      const proxied: Array<string> = []
      const first = yield* Deferred.make<void>()
      const proxy = yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((socket) => {
            socket.on("error", () => {})
            socket.once("data", (data) => {
              proxied.push(String(data).split("\r\n")[0]!)
              Deferred.doneUnsafe(first, Effect.void)
              socket.destroy()
            })
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const address = proxy.address()
      const url = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : ""
      yield* Effect.gen(function*() {
        const codex = yield* Codex.start({
          env: {
            HTTP_PROXY: url,
            HTTPS_PROXY: url,
            ALL_PROXY: url,
            http_proxy: url,
            https_proxy: url,
            NO_PROXY: "127.0.0.1"
          }
        })
        const turn = yield* codex.startTurn(yield* codex.startThread(), "go")
        assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
        yield* codex.request("model/list", {})
        yield* codex.request("account/read", { refreshToken: true })
        yield* codex.request("plugin/list", {})
        yield* codex.request("mcpServerStatus/list", {})
        if (home.config !== undefined) yield* Effect.timeout(Deferred.await(first), "20 seconds")
      }).pipe(withCodex({ model: { answers: [ScriptedModel.exec("true"), "done"] }, home }))
      return proxied
    }).pipe(Effect.scoped)

  it.live("lets codex contact nothing but the model", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* throughProxy({}), [])
      assert.deepStrictEqual(yield* throughProxy({ apiKey: Redacted.make("sk-1") }), [])
    }))

  it.live("would notice a contact to anything else", () =>
    Effect.gen(function*() {
      const proxied = yield* throughProxy({ config: { features: { plugins: true } } })
      assert.isTrue(proxied.some((line) => line.startsWith("CONNECT github.com:443")), proxied.join())
    }))
})

const denied = (pathOrDescriptor: string) =>
  PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method: "remove", pathOrDescriptor })
