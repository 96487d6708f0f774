/** Programs as processes of their own. */
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { ChildProcess as ChildProcessOf } from "effect/process"
import * as ChildProcess from "node:child_process"
import { fileURLToPath } from "node:url"
import { compare } from "../scripts/twentyTurns.ts"
import { count, newMark, until } from "./support/real.ts"

describe("a program", () => {
  it.live(
    "of the SDK prints the same with either package, ends by itself, and starts codex once instead of each time",
    () =>
      Effect.gen(function*() {
        const [theirs, ours] = yield* compare(4)
        assert.strictEqual(ours?.said, theirs?.said)
        assert.strictEqual(ours?.said.split("turn.completed").length, 5)
        assert.deepStrictEqual([theirs?.code, ours?.code], [0, 0])
        assert.deepStrictEqual([theirs?.processes, ours?.processes], [4, 1])
      })
  )

  it.live(
    "on the drop-in is not kept alive by a server that waits for a next turn, and ends it",
    () =>
      Effect.gen(function*() {
        const home = yield* CodexHome.CodexHome
        const mark = newMark()
        const leaver = fileURLToPath(new URL("support/sdkLeaver.ts", import.meta.url))
        const child = yield* ChildProcessOf.make(
          process.execPath,
          ["--conditions=@effect-codex/source", leaver, mark],
          {
            cwd: home.workspace,
            env: home.env,
            extendEnv: true,
            stdin: "ignore",
            stderr: "inherit"
          }
        )
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(child.stdout)), "free while codex runs\n")
        assert.strictEqual(yield* child.exitCode, 0)
        assert.strictEqual(count(mark), 0)
      }).pipe(
        Effect.scoped,
        Effect.provide(CodexHome.layer()),
        Effect.provide(ScriptedModel.layer({ answers: ["Hello!"] })),
        Effect.provide(NodeServices.layer)
      )
  )

  for (
    const [how, said] of [
      ["runs", "Hello!\ncodex starts, Effect loads\n"],
      ["aborts", "AbortError\ncodex starts, Effect loads\n"],
      ["is refused", "Error\nEffect loads\n"],
      ["exits", "codex starts\n"]
    ] as const
  ) {
    it.live(
      `on the drop-in whose first turn ${how} starts codex before Effect is loaded, and leaves none behind`,
      () =>
        Effect.gen(function*() {
          const home = yield* CodexHome.CodexHome
          const mark = newMark()
          const program = fileURLToPath(new URL("support/sdkEarly.ts", import.meta.url))
          const child = yield* ChildProcessOf.make(process.execPath, [
            "--conditions=@effect-codex/source",
            program,
            how,
            mark
          ], {
            cwd: home.workspace,
            env: home.env,
            extendEnv: true,
            stdin: "ignore",
            stderr: "inherit"
          })
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(child.stdout)), said)
          assert.strictEqual(yield* child.exitCode, 0)
          yield* Effect.promise(() => until(() => count(mark) === 0))
        }).pipe(
          Effect.scoped,
          Effect.provide(CodexHome.layer()),
          Effect.provide(ScriptedModel.layer({ answers: ["Hello!"] })),
          Effect.provide(NodeServices.layer)
        )
    )
  }

  it.live("whose timers are mocked works all the same, and ends by itself", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(ScriptedModel.exec(`printf %1000000s x`), "Done.")
      const child = ChildProcess.spawn(
        process.execPath,
        ["--conditions=@effect-codex/source", fileURLToPath(new URL("support/mockedTimers.ts", import.meta.url))],
        { cwd: home.workspace, env: { ...process.env, ...home.env }, stdio: ["ignore", "pipe", "pipe"] }
      )
      const said: Array<string> = []
      child.stdout.on("data", (chunk) => said.push(String(chunk)))
      child.stderr.on("data", (chunk) => said.push(String(chunk)))
      const code = yield* Effect.callback<number | null>((resume) => {
        child.on("close", (code) => resume(Effect.succeed(code)))
        return Effect.sync(() => child.kill("SIGKILL"))
      }).pipe(Effect.timeout("45 seconds"), Effect.orElseSucceed(() => "it hangs"))
      assert.deepStrictEqual([code, said.join("")], [0, "completed\nDone.\n"])
    }).pipe(
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ))

  for (const how of ["exits", "dies", "awaits nothing", "terminates its worker"] as const) {
    it.live(`that ${how} in the middle of a turn leaves no process behind`, () =>
      Effect.gen(function*() {
        const home = yield* CodexHome.CodexHome
        const mark = newMark()
        const child = ChildProcess.spawn(
          process.execPath,
          [
            "--conditions=@effect-codex/source",
            fileURLToPath(
              new URL(
                how === "terminates its worker" ? "support/workerLeaver.ts" : "support/leaver.ts",
                import.meta.url
              )
            ),
            how,
            mark
          ],
          { cwd: home.workspace, env: { ...process.env, ...home.env }, stdio: ["ignore", "pipe", "pipe"] }
        )
        const said: Array<string> = []
        child.stdout.on("data", (chunk) => said.push(String(chunk)))
        child.stderr.on("data", (chunk) => said.push(String(chunk)))
        const [code, signal] = yield* Effect.promise(() =>
          new Promise<[number | null, string | null]>((resolve) =>
            child.on("close", (code, signal) => resolve([code, signal]))
          )
        )
        // More than one while codex forks a command of its own.
        assert.match(said.join(""), /running [1-9]/, said.join(""))
        assert.deepStrictEqual(
          [code, signal],
          how === "dies" ? [null, "SIGKILL"] : [how === "exits" ? 3 : 0, null],
          said.join("")
        )
        yield* Effect.sync(() => count(mark)).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: (left) => left === 0 }),
          Effect.timeout("20 seconds")
        )
      }).pipe(
        Effect.scoped,
        Effect.provide(
          CodexHome.layer().pipe(
            Layer.provideMerge(ScriptedModel.layer({
              answer: () =>
                Effect.map(ScriptedModel.gate, (gate) => ScriptedModel.reply([ScriptedModel.text(["1 ", gate])]))
            }))
          )
        )
      ))
  }
})
