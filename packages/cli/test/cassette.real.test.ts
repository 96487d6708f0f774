import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const timeout = 60_000

describe("effect-codex record and replay", () => {
  it.live("keeps a turn and shows it again without codex", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const model = yield* ScriptedModel.make({
        answers: [
          [ScriptedModel.text("I will look.", { phase: "commentary" }), ScriptedModel.exec("exit 3")],
          ScriptedModel.text("It is sk-planted0123456789.", { phase: "final_answer" })
        ]
      })
      const home = yield* Cli.user(model)
      const cassette = join(home, "cassettes", "turn.jsonl")
      const recorded = yield* Cli.run(["record", cassette, "What is here?"], { home })
      assert.strictEqual(recorded.code, 0, recorded.stderr)
      assert.strictEqual(recorded.stdout, "It is sk-planted0123456789.\n")
      assert.include(recorded.stderr, `recorded ${cassette}`)
      assert.notInclude(yield* fs.readFileString(cassette), "sk-planted")

      const elsewhere = { home: yield* Cli.newcomer, env: { CODEX_BIN: "/nowhere/codex", PATH: "" } }
      const shown = yield* Cli.run(["replay", cassette], elsewhere)
      assert.deepStrictEqual([shown.code, shown.stdout], [0, "It is <redacted>.\n"], shown.stderr)
      assert.includeMembers(Cli.untimed(shown.stderr).split("\n"), [
        "> What is here?",
        "I will look.",
        "ran `exit 3`, exit code 3"
      ])
      const events = (yield* Cli.run(["replay", "--json", cassette], elsewhere)).stdout.trimEnd().split("\n")
      const methods = events.map((line) => Cli.parseLine(line).method)
      assert.deepStrictEqual([methods[0], methods.at(-1)], ["turn/started", "turn/completed"])
    }).pipe(Cli.live), timeout)

  it.live("stands between a client and codex, and then for codex", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answers: ["Hello!"] })
      const home = yield* Cli.user(model)
      const cassette = join(home, "served.jsonl")
      const ask = (command: ReadonlyArray<string>, prompt: string, env = {}) =>
        Effect.gen(function*() {
          const thread = yield* (yield* Codex.Codex).startThread({ cwd: home })
          return Option.getOrNull((yield* thread.run(prompt)).finalResponse)
        }).pipe(Effect.provide(CodexNode.layer({
          executable: process.execPath,
          args: [...Cli.entry, ...command],
          env: { ...Cli.environment({ home }), ...env }
        })))
      assert.strictEqual(yield* ask(["record", "--serve", cassette], "hi"), "Hello!")
      assert.strictEqual(yield* ask(["replay", "--serve", cassette], "hi", { CODEX_BIN: "/nowhere" }), "Hello!")
      assert.lengthOf(yield* model.requests, 1)

      const silent = yield* Cli.run(["replay", "--serve", cassette], { home, stdin: "" })
      assert.deepStrictEqual([silent.code, silent.stdout], [1, ""])
      assert.match(silent.stderr, /^error: .*served\.jsonl, line 2: the client ended before it had sent all/m)

      const error = yield* Effect.flip(ask(["replay", "--serve", cassette], "bye"))
      assert(error._tag === "AppServerExited", String(error))
      assert.strictEqual(error.code, 1)
      assert.match(
        error.stderr.join("\n"),
        /^error: \S*served\.jsonl, line \d+: .*\n[^]*^- +"text": "hi",\n\+ +"text": "bye",/m
      )
    }).pipe(Cli.live), timeout)

  it.live("replaces a cassette only when it is told to", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* Cli.newcomer
      const path = join(home, "kept.jsonl")
      yield* fs.writeFileString(path, "kept")
      const serving = yield* Cli.run(["record", "--serve", path], { home })
      const recording = yield* Cli.run(["record", path, "--offline", "hi"], { home })
      const said = `error: Invalid cassette: ${path} already exists. Choose another name, or replace it with --force.\n`
      assert.deepStrictEqual([serving.code, serving.stdout, serving.stderr], [1, "", said])
      assert.deepStrictEqual([recording.code, recording.stdout, recording.stderr], [1, "", said])
      assert.strictEqual(yield* fs.readFileString(path), "kept")
      assert.deepStrictEqual(Cli.files(home), [path])

      const replaced = yield* Cli.run(["record", "--force", path, "--offline", "hi"], { home })
      assert.strictEqual(replaced.code, 0, replaced.stderr)
      assert.include(yield* fs.readFileString(path), `"cassette":1`)
    }).pipe(Cli.live), timeout)

  it.live("says what is wrong with a file, and with a call", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* Cli.newcomer
      const path = join(home, "broken.jsonl")
      yield* fs.writeFileString(path, `{"cassette":1,"codex":null}\n{"direction":"sent"\n`)
      const broken = yield* Cli.run(["replay", path], { home })
      assert.deepStrictEqual([broken.code, broken.stdout], [1, ""])
      assert.match(broken.stderr, /^error: The cassette cannot be read \(.*broken\.jsonl, line 2\)/m)
      const missing = yield* Cli.run(["replay", "--serve", join(home, "none.jsonl")], { home })
      assert.match(missing.stderr, /^error: The cassette cannot be read .*none\.jsonl/)
      const prompted = yield* Cli.run(["record", "--serve", path, "hi"], { home })
      assert.match(prompted.stderr, /^error: .*with --serve/)
      assert.deepStrictEqual([missing.code, prompted.code], [1, 1])
    }).pipe(Cli.live), timeout)
})
