/** What the real binary says before it ends, and what is made of it. */
import { Codex, CodexError } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CodexExecutable, CodexNode } from "../src/index.ts"

const backtrace = /backtrace|<unknown>/i

const inHome = (
  name: string,
  test: (home: CodexHome.CodexHome["Service"]) => Effect.Effect<void, unknown, ScriptedModel.ScriptedModel>
) =>
  it.live(
    name,
    () =>
      Effect.flatMap(CodexHome.CodexHome, test).pipe(
        Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
      )
  )

/** The error of a start with backtraces switched on. */
const startError = (home: CodexHome.CodexHome["Service"], options?: CodexNode.Options) =>
  Effect.gen(function*() {
    const env = { ...home.env, RUST_BACKTRACE: "1", ...options?.env }
    const error = yield* Effect.flip(Effect.scoped(Layer.build(CodexNode.layer({ ...options, env }))))
    assert.instanceOf(error, CodexError.AppServerStartError)
    assert.notMatch(error.message, backtrace)
    assert.isFalse(error.isRetryable)
    return error
  })

describe("a start that fails", () => {
  inHome(
    "because the CODEX_HOME is missing says so first, names the folder and what to do",
    (home) =>
      Effect.gen(function*() {
        const path = join(home.path, "none")
        const { message, reason } = yield* startError(home, { env: { CODEX_HOME: path } })
        assert.strictEqual(reason, `CODEX_HOME points to "${path}", but that path does not exist.`)
        assert.isTrue(message.startsWith(`codex app-server did not start (initialize): ${reason}`), message)
        assert.include(message, "Set `CODEX_HOME` to an existing folder")
        assert.notInclude(message, "--help")
      })
  )

  inHome("because the CODEX_HOME is a file, or under one", (home) =>
    Effect.gen(function*() {
      const file = join(home.path, "file")
      writeFileSync(file, "")
      const isFile = yield* startError(home, { env: { CODEX_HOME: file } })
      assert.strictEqual(isFile.reason, `CODEX_HOME points to "${file}", but that path is not a directory.`)
      const under = join(file, "home")
      const isUnder = yield* startError(home, { env: { CODEX_HOME: under } })
      assert.strictEqual(isUnder.reason, `failed to read CODEX_HOME "${under}": Not a directory (os error 20).`)
      assert.include(isUnder.message, "Set `CODEX_HOME` to an existing folder")
    }))

  inHome("because an override is wrong names it", (home) =>
    Effect.gen(function*() {
      const { message } = yield* startError(home, { configOverrides: ["sandbox_mode=3"] })
      assert.match(
        message,
        /initialize\): invalid type: .* in `sandbox_mode`\. \(the process ended with exit code 1\.\) Correct/
      )
    }))

  inHome("because of its arguments", (home) =>
    Effect.gen(function*() {
      const { message } = yield* startError(home, { args: ["app-server", "--listen", "moon"] })
      assert.match(message, /initialize\): invalid value 'moon' for .* Correct the option `args`/)
    }))

  inHome("because there are no file descriptors", (home) =>
    Effect.gen(function*() {
      const { message } = yield* startError(home, { executable: yield* limited(home, 10) })
      assert.match(message, /\(os error 24\)\. .*codex has run out of file descriptors: raise .*`ulimit -n`/)
    }))
})

describe("a client whose process runs out of file descriptors", () => {
  inHome("is told so by the threads that it cannot start", (home) =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const error = yield* Effect.flip(Effect.forever(codex.startThread()))
      assert.match(error.message, /\(os error 24\)\. codex has run out of file descriptors: raise .*`ulimit -n`/)
    }).pipe(
      Effect.provide(Layer.unwrap(
        Effect.map(limited(home, 60), (executable) => CodexNode.layer({ env: home.env, executable }))
      ))
    ))
})

/** The real binary with few file descriptors. */
const limited = (home: CodexHome.CodexHome["Service"], descriptors: number) =>
  Effect.gen(function*() {
    const { executable: codex } = yield* CodexExecutable.find().pipe(Effect.provide(NodeServices.layer))
    const folder = join(home.path, "bin")
    mkdirSync(folder, { recursive: true })
    const executable = join(folder, "codex")
    writeFileSync(executable, `#!/bin/sh\nulimit -n ${descriptors}\nexec "${codex}" "$@"\n`)
    chmodSync(executable, 0o755)
    return executable
  })
