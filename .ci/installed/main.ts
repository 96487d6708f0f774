/** Runs in an empty project that has the packages installed, by `check-packages.ts`, which puts the examples beside it. */
import { Codex } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Option } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
// The package of the project that uses Effect 3.
import { findings } from "findings"
import * as Assert from "node:assert/strict"
import * as Path from "node:path"
import { test } from "./readme-test.ts"

/** Runs a program of the documentation, as a user runs it. */
const program = (name: string) =>
  Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const model = yield* ScriptedModel.ScriptedModel
    yield* model.enqueue("Hello from the packages.")
    const { string } = yield* ChildProcessSpawner.ChildProcessSpawner
    const printed = yield* string(
      ChildProcess.make(process.execPath, [`${name}${Path.extname(import.meta.filename)}`], {
        cwd: import.meta.dirname,
        env: home.env,
        extendEnv: true,
        stdin: "ignore",
        stderr: "inherit"
      })
    )
    Assert.equal(printed.split("\n").at(-2), "Hello from the packages.", name)
  }).pipe(
    Effect.scoped,
    Effect.provide([CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())), NodeServices.layer])
  )

/** An output that was made with Effect 3. */
const ofEffect3 = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(`{ "value": [{ "file": "a.ts", "line": null }] }`)
  const thread = yield* (yield* Codex.Codex).startThread()
  const { output } = yield* thread.run("Look for bugs.", { output: findings })
  Assert.deepEqual(output.map(({ file, line }) => [file, line]), [["a.ts", undefined]])
}).pipe(Effect.provide(ScriptedCodex.layer()))

await Effect.runPromise(Effect.all([
  program("readme-program"),
  program("promise-program"),
  program("codex-sdk-program"),
  Effect.map(test, ({ finalResponse }) => Assert.deepEqual(finalResponse, Option.some("The folder is empty."))),
  ofEffect3,
  Console.log(`the programs of the documentation ran on the installed packages with Node ${process.versions.node}`)
]))
