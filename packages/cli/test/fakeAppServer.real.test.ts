/** `effect-codex fake-app-server` as a program, driven over its pipes by the client as the real codex would be. */
import { ApprovalMode, Approvals, AppServer, AppServerRpc, Codex, Transport } from "@effect-codex/client"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const bin = join(import.meta.dirname, "..", "src", "bin.ts")

const client = (...args: ReadonlyArray<string>) =>
  Codex.layer().pipe(
    Layer.provide(AppServerRpc.layer()),
    Layer.provide(Transport.layerStdio()),
    Layer.provideMerge(AppServer.layer({
      executable: process.execPath,
      args: ["--conditions=@effect-codex/source", bin, "fake-app-server", ...args]
    })),
    Layer.provideMerge(NodeServices.layer)
  )

const script = (content: unknown) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = join(yield* Cli.newcomer, "script.json")
    yield* fs.writeFileString(path, JSON.stringify(content))
    return path
  })

describe("effect-codex fake-app-server", () => {
  it.live("answers what it was asked, and ends with its stdin", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const result = yield* (yield* codex.startThread()).run("hello")
        assert.deepStrictEqual(result.finalResponse, Option.some("You said: hello"))
        return (yield* AppServer.AppServer).exit
      }).pipe(Effect.provide(client()))
      assert.deepStrictEqual(yield* exit, { code: 0, signal: null })
    }))

  it.live("plays a script: reasoning, a command that is approved, a failure", () =>
    Effect.gen(function*() {
      const path = yield* script({
        answers: [
          [{ reasoning: "I look." }, { exec: "make", args: { sandbox_permissions: "require_escalated" } }],
          { reply: [{ text: ["All ", { delay: 1 }, "done."], phase: "final_answer" }], usage: { input: 2, output: 1 } },
          { httpFailure: { status: 500 } }
        ],
        commands: { make: { output: "made\n", exitCode: 0 } }
      })
      yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, handlers: Approvals.acceptAll })
        const result = yield* thread.run("go")
        assert.deepStrictEqual(result.finalResponse, Option.some("All done."))
        assert.deepInclude(result.items.find((item) => item.type === "commandExecution"), {
          status: "completed",
          aggregatedOutput: "made\n"
        })
        assert.strictEqual((yield* Effect.flip(thread.run("again")))._tag, "TurnFailed")
      }).pipe(Effect.provide(client(path)))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("answers a client that writes everything and closes its stdin at once", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const requests = [
        { id: 1, method: "initialize", params: { clientInfo: { name: "other", version: "1" } } },
        { method: "initialized" },
        { id: 2, method: "thread/start", params: {} },
        { id: 3, method: "thread/loaded/list", params: {} }
      ]
      const stdin = requests.map((request) => `${JSON.stringify(request)}\n`).join("")
      const { code, stdout } = yield* Cli.run(["fake-app-server"], { home, stdin })
      const ids = stdout.trimEnd().split("\n").flatMap((line) =>
        (JSON.parse(line) as { readonly id?: unknown }).id ?? []
      )
      assert.deepStrictEqual([code, ids], [0, [1, 2, 3]])
    }).pipe(Cli.live))

  it.live("says what is wrong with a script", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const path = yield* script({ answers: [{ txt: "oops" }] })
      for (const given of [path, join(home, "none.json")]) {
        const { code, stderr, stdout } = yield* Cli.run(["fake-app-server", given], { home })
        assert.strictEqual(code, 1)
        assert.strictEqual(stdout, "")
        assert.include(stderr, `error: the script ${given} cannot be used: `)
      }
    }).pipe(Cli.live))
})
