/** The options of `effect-codex run`, on the real binary. */
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { join, relative } from "node:path"
import * as Cli from "./support/cli.ts"

const timeout = 60_000

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)

/** The id in the line that says how to go on. */
const threadIn = (stderr: string): string =>
  /^thread ([\da-f-]{36}), go on with: effect-codex run --resume \1/m.exec(stderr)![1]!

const tokens = (count: number) => ({ usage: { input: count - 10, output: 10 } })

describe("effect-codex run, on an older thread", () => {
  it.live(
    "goes on with it by its id, by the beginning of its id, and as the last one of its folder",
    () =>
      Effect.gen(function*() {
        const model = yield* ScriptedModel.make({ answers: ["One.", "Two.", "Three.", "Four.", "Five."] })
        const home = yield* Cli.user(model)
        const elsewhere = yield* Cli.newcomer
        const first = yield* Cli.run(["run", "first"], { home })
        assert.strictEqual(first.code, 0, first.stderr)
        const id = threadIn(first.stderr)

        const second = yield* Cli.run(["run", "--resume", id, "second"], { home, cwd: elsewhere })
        assert.strictEqual(second.stdout, "Two.\n", second.stderr)
        assert.strictEqual(threadIn(second.stderr), id)
        const third = yield* Cli.run(["run", "-r", id.slice(0, 20), "third"], { home })
        assert.strictEqual(third.stdout, "Three.\n", third.stderr)
        const fourth = yield* Cli.run(["run", "--last", "fourth"], { home })
        assert.strictEqual(fourth.stdout, "Four.\n", fourth.stderr)
        assert.strictEqual(threadIn(fourth.stderr), id)
        assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["first", "second", "third", "fourth"])
        const fifth = yield* Cli.run(["run", "--last", "-C", relative(elsewhere, home), "fifth"], {
          home,
          cwd: elsewhere
        })
        assert.strictEqual(fifth.stdout, "Five.\n", fifth.stderr)
        assert.strictEqual(threadIn(fifth.stderr), id)
        // It has kept its folder, although the second run was elsewhere.
        const none = yield* Cli.run(["run", "--last", "go"], { home, cwd: elsewhere })
        assert.strictEqual(none.code, 1)
        assert.match(none.stderr, /^error: Invalid --last: there is no thread of the folder .* yet/m)
      }).pipe(Cli.live),
    timeout
  )

  it.live("refuses what names none", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answers: ["One.", "Two."] })
      const home = yield* Cli.user(model)
      assert.strictEqual((yield* Cli.run(["run", "first"], { home })).code, 0)
      assert.strictEqual((yield* Cli.run(["run", "second"], { home })).code, 0)
      const unhappy = [
        [["--resume", "ffff"], /^error: Invalid --resume: no thread begins with ffff/m],
        [["--resume", "0"], /^error: Invalid --resume: several threads begin with 0: /m],
        [["--resume", "my thread"], /^error: Invalid --resume: .* is not the id of a thread/m],
        [["--resume", "00000000-0000-0000-0000-000000000000"], /^error: .*00000000-0000-0000-0000-000000000000/m],
        [["--resume", "0", "--last"], /^error: Invalid --last: it cannot be combined with --resume/m],
        [["--offline", "--last"], /^error: Invalid --last: the offline model/m]
      ] as const
      for (const [args, message] of unhappy) {
        const { code, stderr, stdout } = yield* Cli.run(["run", ...args, "go"], { home })
        assert.strictEqual(code, 1)
        assert.strictEqual(stdout, "")
        assert.match(stderr, message)
      }
      const offline = yield* Cli.run(["run", "--last", "go"], { home: yield* Cli.newcomer })
      assert.strictEqual(offline.code, 1)
      assert.match(offline.stderr, /^error: Invalid --last: nobody is logged in/m)
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run, for the model", () => {
  it.live("passes images, the effort and the configuration on", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const model = yield* ScriptedModel.make({ answers: ["Two images."] })
      const home = yield* Cli.user(model)
      yield* fs.writeFile(join(home, "one.png"), png)
      yield* fs.writeFile(join(home, "two.png"), png)
      const { code, stderr } = yield* Cli.run(
        [
          "run",
          "-i",
          "one.png",
          "--image",
          join(home, "two.png"),
          "--effort",
          "high",
          "-c",
          "model=\"another-model\"",
          "Look."
        ],
        { home }
      )
      assert.strictEqual(code, 0, stderr)
      const [request] = yield* model.requests
      assert.strictEqual(request!.model, "another-model")
      const body = JSON.stringify(request!.body)
      assert.include(body, `"effort":"high"`)
      assert.strictEqual(body.split("data:image/png;base64,").length, 3)
    }).pipe(Cli.live), timeout)

  it.live("asks for a plan, and prints it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({
        answers: ["I looked.\n<proposed_plan>\n# Plan\n- Do it\n</proposed_plan>\n"]
      })
      const home = yield* Cli.user(model)
      const { code, stderr, stdout } = yield* Cli.run(["run", "--mode", "plan", "How?"], { home })
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stdout, "I looked.\n# Plan\n- Do it\n")
      assert.match(stderr, /go on with: effect-codex run --resume \S+ "Implement the plan\."$/m)
    }).pipe(Cli.live), timeout)

  it.live("prints the JSON of an output schema, at the end and nothing else", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const model = yield* ScriptedModel.make({
        answers: [
          [ScriptedModel.text("I look.", { phase: "commentary" }), ScriptedModel.exec("true")],
          "```json\n{\"n\": 12345678901234567890}\n```",
          "no JSON"
        ]
      })
      const home = yield* Cli.user(model)
      const schema = {
        type: "object",
        properties: { n: { type: "integer" } },
        required: ["n"],
        additionalProperties: false
      }
      yield* fs.writeFileString(join(home, "schema.json"), JSON.stringify(schema))
      const args = ["run", "--output-schema", "schema.json", "Count."]
      const good = yield* Cli.run(args, { home })
      assert.strictEqual(good.stdout, "{\"n\": 12345678901234567890}\n", good.stderr)
      assert.include(JSON.stringify((yield* model.requests)[0]!.body), JSON.stringify(schema.properties))
      const bad = yield* Cli.run(args, { home })
      assert.strictEqual(bad.code, 1)
      assert.strictEqual(bad.stdout, "")
      assert.match(bad.stderr, /^error: The answer is not JSON, as --output-schema asks: "no JSON"/m)
      assert.match(bad.stderr, /^thread /m)
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run, within limits", () => {
  it.live("is interrupted when the time is over, with a code of its own", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const model = yield* ScriptedModel.make({ answers: [ScriptedModel.text(["Half", gate, " done."]), "Yes."] })
      const home = yield* Cli.user(model)
      const { code, stderr, stdout } = yield* Cli.run(["run", "--timeout", "6s", "Take your time."], { home })
      assert.strictEqual(code, 124, stderr)
      assert.strictEqual(stdout, "Half")
      assert.match(stderr, /^error: The run took longer than --timeout 6s, and was interrupted\.$/m)
      // The thread is free.
      const again = yield* Cli.run(["run", "--resume", threadIn(stderr), "Well?"], { home })
      assert.strictEqual(again.stdout, "Yes.\n", again.stderr)
      assert.deepStrictEqual(yield* Cli.leftovers(home), [])
    }).pipe(Cli.live), timeout)

  it.live("is interrupted when the budget is spent, in tokens or in dollars", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const costly = ScriptedModel.reply([ScriptedModel.exec("true")], tokens(1000))
      const cheap = ScriptedModel.reply(["Done."], tokens(1000))
      const model = yield* ScriptedModel.make({ answer: ({ prompt }) => prompt === "spend" ? costly : cheap })
      const home = yield* Cli.user(model)
      yield* fs.writeFileString(
        join(home, "prices.json"),
        JSON.stringify({ "scripted-model": { input: 1000, output: 1000 } })
      )
      const byTokens = yield* Cli.run(["run", "--budget", "0.9k", "spend"], { home })
      assert.strictEqual(byTokens.code, 1)
      assert.match(byTokens.stderr, /^error: Turn \S+ was interrupted: the budget is used up: \d+ of 900 tokens/m)
      const byCost = yield* Cli.run(["run", "--budget", "0.5usd", "--prices", "prices.json", "spend"], { home })
      assert.strictEqual(byCost.code, 1)
      assert.match(byCost.stderr, /^error: Turn \S+ was interrupted: the budget is used up: \d+ of 0\.5 /m)
      const within = yield* Cli.run(["run", "--budget", "2usd", "go"], {
        home,
        env: { EFFECT_CODEX_PRICES: "prices.json" }
      })
      assert.strictEqual(within.stdout, "Done.\n", within.stderr)
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run --quiet", () => {
  it.live("prints the answer and nothing else, and still its error", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({
        answers: [
          [ScriptedModel.text("I look.", { phase: "commentary" }), ScriptedModel.exec("exit 3")],
          "Done.",
          ScriptedModel.httpFailure(400, "no such thing")
        ]
      })
      const home = yield* Cli.user(model)
      const good = yield* Cli.run(["run", "-q", "go"], { home })
      assert.deepStrictEqual(good, { code: 0, stdout: "Done.\n", stderr: "" })
      const bad = yield* Cli.run(["run", "--quiet", "go"], { home })
      assert.strictEqual(bad.code, 1)
      assert.strictEqual(bad.stdout, "")
      assert.match(bad.stderr, /^error: The turn failed \(badRequest\): .*no such thing.*\n$/)
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run, given nonsense", () => {
  it.live("names the option, and starts nothing", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* Cli.newcomer
      yield* fs.writeFileString(join(home, "notes.txt"), "no image")
      const unhappy = [
        [["--timeout", "soon"], /^error: Invalid --timeout: "soon" is no duration/],
        [["--budget", "much"], /^error: Invalid --budget: "much" is no limit/],
        [["--budget", "$1"], /^error: Invalid --budget: a limit in dollars needs prices\. Name them with --prices/],
        [["--prices", "gone.json"], /^error: Invalid --prices: gone\.json does not exist/],
        [["--image", "gone.png"], /^error: Invalid --image: gone\.png does not exist/],
        [["-c", "nothing"], /^error: Invalid --config: "nothing": .*key=value/],
        [["--output-schema", "notes.txt"], /^error: Invalid --output-schema: notes\.txt is not JSON/],
        [
          ["--mode", "plan", "--output-schema", "x.json"],
          /^error: Invalid --output-schema: it cannot be combined with --mode/
        ],
        [["--mode", "slow"], /^error: .*slow.*\n(?:.*\n)?Run `effect-codex run --help` for usage\.\n$/]
      ] as const
      for (const [args, message] of unhappy) {
        const { code, stderr, stdout } = yield* Cli.run(["run", ...args, "go"], { home })
        assert.strictEqual(code, 1, stderr)
        assert.strictEqual(stdout, "")
        assert.match(stderr, message)
      }
      const image = yield* Cli.run(["run", "--offline", "--image", "notes.txt", "go"], { home })
      assert.strictEqual(image.code, 1)
      assert.match(image.stderr, /^error: Invalid --image: .*notes\.txt is not an image/m)
      const effort = yield* Cli.run(["run", "--offline", "--effort", "huge", "go"], { home })
      assert.strictEqual(effort.code, 1)
      assert.match(effort.stderr, /^error: Invalid --effort: no model knows "huge"\. Known are none, minimal, low/m)
      assert.deepStrictEqual(Cli.files(home), [join(home, "notes.txt")])
    }).pipe(Cli.live), timeout)
})
