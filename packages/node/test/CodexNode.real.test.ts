import { ApprovalMode, AppServer, AppServerRpc, Codex, Sandbox } from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  Scope
} from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Util from "node:util"
import { CodexNode } from "../src/index.ts"
import { tree } from "./support/files.ts"
import { ended, isRunning, pidIn, pidsIn } from "./support/processes.ts"

// =============================================================================
// Support
// =============================================================================

/** A client of the real binary, in a private home on a scripted model. */
const real = (options?: CodexNode.Options, model?: ScriptedModel.Options) =>
  Layer.unwrap(
    Effect.map(CodexHome.CodexHome, (home) =>
      CodexNode.layer({ cwd: home.workspace, ...options, env: { ...home.env, ...options?.env } }))
  ).pipe(
    Layer.provideMerge(CodexHome.layer()),
    Layer.provideMerge(ScriptedModel.layer(model))
  )

const stubbornServer = `
import { createInterface } from "node:readline"
process.on("SIGTERM", () => {})
setInterval(() => {}, 1_000_000)
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line)
  if (method !== "initialize") return
  const result = { userAgent: "x/${codexVersion}", codexHome: "/", platformFamily: "unix", platformOs: "linux" }
  process.stdout.write(JSON.stringify({ id, result }) + "\\n")
})
`

/**
 * Executables that are none, in a folder that goes with the scope. Each writes its process id to the file `pid` first.
 * `stubborn` completes the handshake, and then answers nothing and ends neither with its stdin nor on SIGTERM.
 */
const fakes = Effect.fnUntraced(function*(script?: string) {
  const { at, root } = yield* tree({ "text": "text", "folder": "folder", "stubborn.mjs": { script: stubbornServer } })
  const files = yield* tree({
    "script": { script: `#!/bin/sh\necho $$ > "${at("pid")}"\n${script ?? "exec sleep 600"}\n` },
    "stubborn": { script: `#!/bin/sh\necho $$ > "${at("pid")}"\nexec "${process.execPath}" "${at("stubborn.mjs")}"\n` }
  })
  return { root, at, script: files.at("script"), stubborn: files.at("stubborn") }
})

const startError = (options: CodexNode.Options) =>
  Effect.flip(Effect.provide(Codex.Codex, CodexNode.layer({ shutdownGrace: "200 millis", ...options })))

/** Builds a layer, so that the test can close it. */
const open = Effect.fnUntraced(function*<A, E>(layer: Layer.Layer<A, E>) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const context = yield* Layer.buildWithScope(layer, scope)
  return { context, close: Scope.close(scope, Exit.void) }
})

const texts = (error: Error): string =>
  [error.message, Util.inspect(error, { depth: 10 }), JSON.stringify(error)].join("\n")

// =============================================================================
// Tests
// =============================================================================

describe("CodexNode.layer on the real binary", () => {
  it.live("runs a turn", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const result = yield* thread.run("hello")
      assert.deepStrictEqual(result.finalResponse, Option.some("Hello."))
    }).pipe(Effect.provide(real({}, { answers: ["Hello."] }))))

  for (const name of ["plain", "with/slash", "with space", "a/b c/0.1.0 (x)"]) {
    it.live(`tells the version to the client "${name}"`, () =>
      Effect.gen(function*() {
        const { serverInfo } = yield* Codex.Codex
        assert.strictEqual(serverInfo.version, codexVersion)
        assert.isTrue(serverInfo.userAgent.startsWith(`${name}/`))
      }).pipe(Effect.provide(real({ clientInfo: { name, version: "1.2.3" } }))))
  }

  it.live("leaves no process in the middle of a turn", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const { close, context } = yield* open(real({}, { answers: [ScriptedModel.text(["Hel", gate, "lo"])] }))
      const { pid } = Context.get(context, AppServer.AppServer)
      const thread = yield* Context.get(context, Codex.Codex).startThread()
      yield* Effect.forkScoped(thread.run("hello"))
      yield* gate.reached
      assert.isTrue(isRunning(pid))
      yield* close
      assert.isFalse(isRunning(pid))
    }))

  // Without a sandbox: with it the kernel ends the commands, whatever codex does.
  const command = "sleep 600 & trap '' TERM HUP INT; echo \"$$ $!\" > pids; wait; sleep 600"
  const running = Effect.fnUntraced(function*() {
    const { close, context } = yield* open(real({}, {
      answers: [ScriptedModel.exec(command, { args: { yield_time_ms: 30_000 } })]
    }))
    const thread = yield* Context.get(context, Codex.Codex).startThread({
      sandbox: Sandbox.fullAccess,
      approvalMode: ApprovalMode.denyAll
    })
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    yield* Scope.provide(thread.turn("go"), scope)
    const pids = yield* pidsIn(join(Context.get(context, CodexHome.CodexHome).workspace, "pids"))
    assert.strictEqual(pids.length, 2)
    for (const pid of pids) assert.isTrue(isRunning(pid))
    return { close, interrupt: Scope.close(scope, Exit.void), pid: Context.get(context, AppServer.AppServer).pid, pids }
  }, Effect.provide(NodeServices.layer))

  it.live("leaves no process of a command that runs, however it ignores signals", () =>
    Effect.gen(function*() {
      const { close, pid, pids } = yield* running()
      yield* close
      assert.isFalse(isRunning(pid))
      yield* Effect.forEach(pids, ended, { discard: true })
    }))

  it.live("leaves no process of the command when its turn is interrupted", () =>
    Effect.gen(function*() {
      const { interrupt, pid, pids } = yield* running()
      yield* interrupt
      yield* Effect.forEach(pids, ended, { discard: true })
      assert.isTrue(isRunning(pid))
    }))
})

describe("CodexNode.layer", () => {
  it.live("fails for an executable that is missing, a directory or not executable", () =>
    Effect.gen(function*() {
      const { at } = yield* fakes()
      for (
        const [file, problem] of [["none", "does not exist"], ["folder", "a directory"], [
          "text",
          "not executable"
        ]] as const
      ) {
        const error = yield* startError({ executable: at(file) })
        assert.strictEqual(error._tag, "CodexExecutableNotFound")
        assert.include(error.message, at(file))
        assert.include(error.message, problem)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fails for a working directory that is missing", () =>
    Effect.gen(function*() {
      const { at, script } = yield* fakes()
      const error = yield* startError({ executable: script, cwd: at("none") })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.strictEqual(error.phase, "spawn")
      assert.include(error.message, at("none"))
    }).pipe(Effect.provide(NodeServices.layer)))

  for (
    const [name, text, starts, isLocked] of [
      ["starts codex again that found a database locked", "database is locked", 3, true],
      ["starts codex once that ends for another reason", "disk is full", 1, false]
    ] as const
  ) {
    it.live(name, () =>
      Effect.gen(function*() {
        const { script } = yield* fakes(
          `echo $$ >> "$0.starts"; echo "Error: failed to initialize state runtime at /home: ${text}" >&2; exit 1`
        )
        const error = yield* startError({ executable: script })
        assert.deepInclude(error, { _tag: "AppServerStartError", phase: "initialize", isStateDatabaseLocked: isLocked })
        const pids = readFileSync(`${script}.starts`, "utf8").trim().split("\n").map(Number)
        assert.strictEqual(pids.length, starts)
        assert.deepStrictEqual(pids.filter(isRunning), [])
      }).pipe(Effect.provide([NodeServices.layer, Logger.layer([])])))
  }

  it.live("fails for what the system does not start, without telling a secret", () =>
    Effect.gen(function*() {
      const { script } = yield* fakes()
      const error = yield* startError({ executable: script, env: { TOKEN: Redacted.make("s3cret\0") } })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.strictEqual(error.phase, "spawn")
      assert.include(error.message, "TOKEN")
      assert.notInclude(texts(error), "s3cret")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fails for a script whose interpreter is missing", () =>
    Effect.gen(function*() {
      const { at } = yield* tree({ "script": { script: "#!/none/interpreter\n" } })
      const error = yield* startError({ executable: at("script") })
      assert.include(error.message, at("script"))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fails for a program that ends at once", () =>
    Effect.gen(function*() {
      const error = yield* startError({ executable: "true" })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.strictEqual(error.phase, "initialize")
      assert.match(error.executable, /^\/.*\/true$/)
      assert.include(error.message, "ended with exit code 0")
    }))

  it.live("fails for a program that writes garbage and fails, and tells its stderr", () =>
    Effect.gen(function*() {
      const { at, script } = yield* fakes("echo 'Usage: codex'; echo '{\"half\":'; echo 'no such thing' >&2; exit 1")
      const error = yield* startError({ executable: script })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.include(error.message, script)
      assert.include(error.message, "ended with exit code 1")
      assert.include(error.message, "no such thing")
      assert.deepStrictEqual(error.stderr, ["no such thing"])
      assert.isFalse(isRunning(yield* pidIn(at("pid"))))
    }).pipe(Effect.provide([NodeServices.layer, Logger.layer([])])))

  it.live("fails for a program that is silent, within `initializeTimeout`, and ends it", () =>
    Effect.gen(function*() {
      const { at, script } = yield* fakes()
      const [took, error] = yield* Effect.timed(startError({ executable: script, initializeTimeout: "300 millis" }))
      assert.strictEqual(error._tag, "AppServerStartError")
      assert.include(error.message, "initialize within 300 ms")
      assert.isBelow(Duration.toMillis(took), 5_000)
      assert.isFalse(isRunning(yield* pidIn(at("pid"))))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("leaves no process when it is interrupted while it starts", () =>
    Effect.gen(function*() {
      const { at, script } = yield* fakes()
      const building = yield* Effect.forkScoped(startError({ executable: script }))
      const pid = yield* pidIn(at("pid"))
      assert.isTrue(isRunning(pid))
      yield* Fiber.interrupt(building)
      assert.isFalse(isRunning(pid))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("kills what ends neither with its stdin nor on SIGTERM, within the graces", () =>
    Effect.gen(function*() {
      const { stubborn } = yield* fakes()
      const { close, context } = yield* open(CodexNode.layer({ executable: stubborn, shutdownGrace: "200 millis" }))
      const { exit, pid } = Context.get(context, AppServer.AppServer)
      const [took] = yield* Effect.timed(close)
      assert.isFalse(isRunning(pid))
      assert.deepStrictEqual(yield* exit, { code: null, signal: "SIGKILL" })
      assert.isAtLeast(Duration.toMillis(took), 400)
      assert.isBelow(Duration.toMillis(took), 3_000)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("merges `env`: adds, removes, and hides what is redacted", () =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(
        Effect.sync(() => process.env.EFFECT_CODEX_TEST_REMOVED = "here"),
        () => Effect.sync(() => delete process.env.EFFECT_CODEX_TEST_REMOVED)
      )
      const { script } = yield* fakes(
        `echo "\${EFFECT_CODEX_TEST_REMOVED-removed} $ADDED" >&2; [ "$TOKEN" = s3cret ] && echo reached >&2; exit 1`
      )
      const error = yield* startError({
        executable: script,
        env: { EFFECT_CODEX_TEST_REMOVED: undefined, ADDED: "added", TOKEN: Redacted.make("s3cret") }
      })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.deepStrictEqual(error.stderr, ["removed added", "reached"])
      assert.notInclude(texts(error), "s3cret")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("puts the programs of an installed package first on PATH", () =>
    Effect.gen(function*() {
      const target = `codex-${process.platform}-${process.arch}`
      const triple = `${process.arch === "x64" ? "x86_64" : "aarch64"}-${
        process.platform === "darwin" ? "apple-darwin" : "unknown-linux-musl"
      }`
      const vendor = `node_modules/@openai/${target}/vendor/${triple}`
      const { at } = yield* tree({
        "node_modules/@openai/codex/bin/codex.js": "program",
        [`${vendor}/bin/codex`]: { script: "#!/bin/sh\necho \"$PATH\" >&2\nexit 1\n" },
        [`${vendor}/codex-path/rg`]: "program"
      })
      const error = yield* startError({
        executable: at("node_modules/@openai/codex/bin/codex.js"),
        env: { PATH: "/usr/bin::/bin" }
      })
      assert.strictEqual(error._tag, "AppServerStartError")
      if (error._tag !== "AppServerStartError") return
      assert.deepStrictEqual(error.stderr, [`${at(`${vendor}/codex-path`)}:/usr/bin:/bin`])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("is one process for a layer and another for the next one", () =>
    Effect.gen(function*() {
      const { stubborn } = yield* fakes()
      const options = { executable: stubborn, shutdownGrace: 0 }
      const pid = Effect.map(AppServer.AppServer, ({ pid }) => pid)
      const pids = (first: ReturnType<typeof CodexNode.layer>, second: ReturnType<typeof CodexNode.layer>) =>
        Effect.gen(function*() {
          const memo = yield* Layer.makeMemoMap
          const scope = yield* Effect.scope
          return yield* Effect.forEach([first, second], (layer) =>
            Effect.flatMap(Layer.buildWithMemoMap(layer, memo, scope), (context) =>
              Effect.provideContext(pid, context)))
        }).pipe(Effect.scoped)
      const shared = CodexNode.layer(options)
      const [a, b] = yield* pids(shared, shared)
      assert.strictEqual(a, b)
      const [c, d] = yield* pids(CodexNode.layer(options), CodexNode.layer(options))
      assert.notStrictEqual(c, d)
      for (const pid of [a, b, c, d]) {
        assert.isFalse(isRunning(pid!))
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("reads CODEX_BIN from the ConfigProvider that is provided to it", () =>
    Effect.gen(function*() {
      const { stubborn } = yield* fakes()
      const provider = ConfigProvider.fromUnknown({ CODEX_BIN: stubborn })
      const { executable } = yield* Effect.provide(
        AppServer.AppServer,
        CodexNode.layer({ shutdownGrace: 0 }).pipe(Layer.provide(ConfigProvider.layer(provider)))
      )
      assert.strictEqual(executable, stubborn)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("reads the references that are provided to it", () =>
    Effect.gen(function*() {
      const { stubborn } = yield* fakes()
      const error = yield* Effect.flatMap(Codex.Codex, (codex) => Effect.flip(codex.startThread())).pipe(
        Effect.provide(
          CodexNode.layer({ executable: stubborn, shutdownGrace: 0 }).pipe(
            Layer.provide(Layer.succeed(AppServerRpc.DefaultRequestTimeout, "50 millis"))
          )
        )
      )
      assert.strictEqual(error._tag, "AppServerTimeout")
      assert.include(error.message, "50 ms")
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe("CodexNode.layerConfig", () => {
  const config = {
    executable: Config.String("MY_CODEX"),
    shutdownGrace: Config.Duration("MY_GRACE"),
    clientInfo: { name: Config.String("MY_NAME"), version: Config.succeed("1.0.0") }
  }
  const provide = (values: Readonly<Record<string, string>>) =>
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values)))

  it.live("reads its options", () =>
    Effect.gen(function*() {
      const { stubborn } = yield* fakes()
      const layer = CodexNode.layerConfig(config).pipe(
        provide({ MY_CODEX: stubborn, MY_GRACE: "0 millis", MY_NAME: "x" })
      )
      const [executable, version] = yield* Effect.gen(function*() {
        return [(yield* AppServer.AppServer).executable, (yield* Codex.Codex).serverInfo.version]
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual([executable, version], [stubborn, codexVersion])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("takes one Config of all options", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(
        Codex.Codex,
        CodexNode.layerConfig(Config.map(Config.String("MY_CODEX"), (executable) => ({ executable }))).pipe(
          provide({ MY_CODEX: "/none/codex" })
        )
      ))
      assert.strictEqual(error._tag, "CodexExecutableNotFound")
      assert.include(error.message, "/none/codex")
    }))

  it.live("fails with ConfigError", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(Codex.Codex, CodexNode.layerConfig(config).pipe(provide({}))))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "MY_CODEX")
    }))
})
