/** Processes that were started before the client, and what becomes of them. */
import { AppServer, Codex } from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { type ChildProcess, spawnSync } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { CodexNode } from "../src/index.ts"
import * as EarlyProcess from "../src/internal/earlyProcess.ts"
import { tree } from "./support/files.ts"
import { ended, isRunning, pidsIn } from "./support/processes.ts"

/** The processes that this program has started since. */
const children = Effect.acquireRelease(
  Effect.sync(() => {
    const started: Array<ChildProcess> = []
    const note = (message: unknown): void => {
      const { process } = message as { readonly process: ChildProcess }
      if (process.spawnfile !== "ps") started.push(process)
    }
    subscribe("child_process", note)
    return { started, note, pids: () => started.map(({ pid }) => pid) }
  }),
  ({ note, started }) =>
    Effect.sync(() => {
      unsubscribe("child_process", note)
      for (const child of started) child.kill("SIGKILL")
    })
)

/** Has the environment of a private home on a scripted model. */
const inHome = (
  name: string,
  test: (
    env: Readonly<Record<string, string | undefined>>,
    codex: Effect.Success<typeof children>
  ) => Effect.Effect<void, unknown, NodeServices.NodeServices | Scope.Scope>
) =>
  it.live(
    name,
    () =>
      Effect.flatMap(Effect.all([CodexHome.CodexHome, children]), ([{ env }, codex]) => test(env, codex)).pipe(
        Effect.scoped,
        Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()))),
        Effect.provide(NodeServices.layer)
      )
  )

const pidOf = Effect.all([AppServer.AppServer, Codex.Codex]).pipe(Effect.map(([{ pid }]) => pid))

const configOverrides = ["model=another-model"]

describe.skipIf(process.platform === "win32")("an early process", () => {
  inHome(
    "is the one of a client that would start the same, is greeted once, and ends with the client",
    (env, codex) =>
      Effect.gen(function*() {
        const endUnused = EarlyProcess.start({ configOverrides, credentialsStore: "ephemeral", env })
        const pid = yield* Effect.gen(function*() {
          const { pid } = yield* AppServer.AppServer
          // Says that a turn would work: a second greeting is refused.
          assert.isNotEmpty(yield* (yield* Codex.Codex).models())
          endUnused()
          assert.isTrue(isRunning(pid))
          return pid
        }).pipe(Effect.provide(CodexNode.layer({ configOverrides, credentialsStore: "ephemeral", env })))
        assert.deepStrictEqual(codex.pids(), [pid])
        assert.isFalse(isRunning(pid))
      })
  )

  inHome("is taken once", (env, codex) =>
    Effect.gen(function*() {
      EarlyProcess.start({ env })
      const layers = [CodexNode.layer({ env }), CodexNode.layer({ env })]
      const pids = yield* Effect.forEach(layers, (layer) => Effect.provide(pidOf, layer))
      assert.deepStrictEqual(codex.pids(), pids)
      assert.lengthOf(new Set(pids), 2)
    }))

  inHome(
    "is left alone by a client with other options, and is then ended by who started it",
    (env, codex) =>
      Effect.gen(function*() {
        const endUnused = EarlyProcess.start({ env })
        const layers = [
          CodexNode.layer({ env, configOverrides }),
          CodexNode.layer({ env: { ...env, ANOTHER: "variable" } }),
          CodexNode.layer({ env, cwd: "/" }),
          CodexNode.layer({ env, clientInfo: { name: "my_app", version: "1" } }),
          CodexNode.layer({ env, experimentalApi: false })
        ]
        const pids = yield* Effect.forEach(layers, (layer) => Effect.provide(pidOf, layer))
        assert.deepStrictEqual(codex.pids().slice(1), pids)
        const early = codex.pids()[0]!
        assert.isTrue(isRunning(early))
        endUnused()
        yield* ended(early)
        // Later ones do not find it.
        assert.notStrictEqual(yield* Effect.provide(pidOf, CodexNode.layer({ env })), early)
      })
  )

  inHome(
    "that cannot be started, or has ended, leaves the error to the client",
    (env, codex) =>
      Effect.gen(function*() {
        const files = yield* tree({
          "fails": { script: "#!/bin/sh\necho no luck today >&2\nexit 3\n" },
          "text": "text"
        })
        const executable = files.at("fails")
        EarlyProcess.start({ env, executable })
        yield* ended(codex.pids()[0]!)
        const error = yield* Effect.flip(Effect.provide(pidOf, CodexNode.layer({ env, executable })))
        assert.strictEqual(error._tag, "AppServerStartError")
        assert.include(error.message, "no luck today")

        for (const options of [{ executable: files.at("none") }, { configOverrides: [`notify=["C:\\x"]`] }]) {
          const before = codex.pids()
          EarlyProcess.start({ env, ...options })
          assert.deepStrictEqual(codex.pids(), before)
          yield* Effect.flip(Effect.provide(pidOf, CodexNode.layer({ env, ...options })))
        }
        EarlyProcess.start({ env, executable: files.at("text") })
        const { message } = yield* Effect.flip(
          Effect.provide(pidOf, CodexNode.layer({ env, executable: files.at("text") }))
        )
        assert.include(message, "it is not executable")
      })
  )

  // Completes the handshake, has a child, and neither ends with its stdin nor on SIGTERM.
  const stubborn = (pids: string) =>
    `#!${process.execPath}
const child = require("node:child_process").spawn(process.execPath, ["-e", \`
  process.on("SIGTERM", () => {})
  setInterval(() => {}, 1000)
  console.log("ready")\`])
process.on("SIGTERM", () => {})
setInterval(() => {}, 1000)
child.stdout.once("data", () => require("node:readline").createInterface(process.stdin).on("line", (line) => {
  const { id, method } = JSON.parse(line)
  if (method === "fail") process.exit(3)
  if (method !== "initialize") return
  require("node:fs").writeFileSync(${JSON.stringify(pids)}, process.pid + " " + child.pid + "\\n")
  const result = { userAgent: "x/${codexVersion}", codexHome: "/", platformFamily: "unix", platformOs: "linux" }
  process.stdout.write(JSON.stringify({ id, result }) + "\\n")
}))
`

  inHome("ends with all that it has started, by force if need be", (env, codex) =>
    Effect.gen(function*() {
      const { at } = yield* tree({})
      const files = yield* tree({ "stubborn": { script: stubborn(at("pids")) } })
      const options = { env, executable: files.at("stubborn") }
      EarlyProcess.start(options)
      const pid = yield* Effect.provide(pidOf, CodexNode.layer({ ...options, shutdownGrace: "200 millis" }))
      const pids = yield* pidsIn(at("pids"))
      assert.deepStrictEqual([codex.pids()[0], pids[0]], [pid, pid])
      yield* Effect.forEach(pids, ended)
    }))

  inHome("tells how it ended", (env, codex) =>
    Effect.gen(function*() {
      EarlyProcess.start({ env })
      const { code, signal } = yield* Effect.gen(function*() {
        const { exit, pid } = yield* AppServer.AppServer
        yield* Codex.Codex
        process.kill(pid, "SIGKILL")
        return yield* exit
      }).pipe(Effect.provide(CodexNode.layer({ env })))
      assert.deepStrictEqual([code, signal], [null, "SIGKILL"])
      assert.lengthOf(codex.pids(), 1)
    }))

  it("starts without Effect", () => {
    const program = `
      const { registerHooks } = await import("node:module")
      registerHooks({
        resolve: (specifier, context, next) => {
          if (/^(?:effect|@effect)[/]/.test(specifier)) console.log(specifier)
          return next(specifier, context)
        }
      })
      await import(${JSON.stringify(new URL("../src/internal/earlyProcess.ts", import.meta.url).href)})
      console.log("loaded")`
    const { stderr, stdout } = spawnSync(
      process.execPath,
      ["--conditions=@effect-codex/source", "--input-type=module", "--eval", program],
      { encoding: "utf8" }
    )
    // Two predicates of Effect's that import nothing else of it.
    assert.deepStrictEqual(stdout.trim().split("\n"), ["effect/Predicate", "loaded"], stderr)
  })
})
