import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Redacted } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const timeout = 60_000

describe("effect-codex run, offline", () => {
  it.live("runs a real turn for a newcomer and leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* Cli.newcomer
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(join(folder, "marker.txt"), "")
      const { code, stderr, stdout } = yield* Cli.run(["run", "Say hello in one sentence."], { home, cwd: folder })
      assert.strictEqual(
        stdout,
        `Hello from the offline model, a script that cannot answer prompts. Yours was: "Say hello in one sentence."\n\n` +
          "I ran `ls`, and it showed:\n  marker.txt\n",
        stderr
      )
      const lines = Cli.untimed(stderr).split("\n")
      assert.strictEqual(
        lines[0],
        "No Codex login (`effect-codex login`), CODEX_API_KEY or OPENAI_API_KEY was found: using the offline model, " +
          "a script that drives the real codex but cannot answer prompts."
      )
      assert.includeMembers(lines, [
        "thinking",
        "thought: I am a script and cannot act on a prompt. I can show how codex runs a command.",
        "I look at what is in this folder.",
        "running `ls`",
        "ran `ls`",
        "writing"
      ])
      assert.match(
        lines.at(-2) ?? "",
        /^done in [\d.]+s by \S+, [\d,]+ tokens \([\d,]+ in, 0 of them cached, [\d,]+ out\)(?:, \d+% of the context left)?$/
      )
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(Cli.files(home), [])
      assert.deepStrictEqual(yield* Cli.leftovers(home), [])
      assert.deepStrictEqual(Cli.files(folder), [join(folder, "marker.txt")])
    }).pipe(Cli.live), timeout)

  it.live("is what --offline asks for, whatever the user has", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answers: ["from the user's model"] })
      const home = yield* Cli.user(model, { apiKey: Redacted.make("sk-stored") })
      const before = Cli.files(home)
      const { code, stderr, stdout } = yield* Cli.run(["run", "--offline", "hi"], {
        home,
        env: { CODEX_API_KEY: "sk-key" }
      })
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^Hello from the offline model/)
      assert.deepStrictEqual(yield* model.requests, [])
      assert.deepStrictEqual(Cli.files(home), before)
    }).pipe(Cli.live), timeout)

  it.live("prints events as lines of JSON", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const { code, stderr, stdout } = yield* Cli.run(["run", "--json"], { home, stdin: "from stdin\n" })
      assert.strictEqual(code, 0, stderr)
      const events = stdout.trimEnd().split("\n").map((line) => Cli.parseLine(line))
      const methods = events.map((event) => event.method)
      assert.strictEqual(methods[0], "turn/started")
      assert.strictEqual(methods.at(-1), "turn/completed")
      assert.includeMembers(methods, [
        "item/started",
        "item/reasoning/summaryTextDelta",
        "item/agentMessage/delta",
        "item/completed",
        "thread/tokenUsage/updated"
      ])
      assert.include(JSON.stringify(events.find((event) => event.method === "item/completed")), "from stdin")
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run", () => {
  it.live("streams the answer to stdout and tells the rest on stderr", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const model = yield* ScriptedModel.make({
        answers: [
          [ScriptedModel.text("I will look.", { phase: "commentary" }), ScriptedModel.exec("exit 3")],
          ScriptedModel.text(["The first half, ", gate, "the second half.\n\n"], { phase: "final_answer" })
        ]
      })
      const home = yield* Cli.user(model)
      const cli = yield* Cli.start(["run"], { home, stdin: "What is\nhere?\n" })
      yield* gate.reached
      assert.strictEqual(yield* cli.stdoutHas("The first half,"), "The first half, ")
      yield* gate.release
      const { code, stderr, stdout } = yield* cli.ended
      assert.strictEqual(stdout, "The first half, the second half.\n")
      assert.includeMembers(Cli.untimed(stderr).split("\n"), [
        "I will look.",
        "running `exit 3`",
        "ran `exit 3`, exit code 3"
      ])
      assert.notInclude(stderr, "offline")
      assert.strictEqual(code, 0)
      assert.strictEqual((yield* model.requests)[0]?.prompt, "What is\nhere?\n")
    }).pipe(Cli.live), timeout)

  it.live("passes the model, the sandbox and the folder on", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const exec = ScriptedModel.exec("touch made.txt")
      const model = yield* ScriptedModel.make({ answers: [exec, "done", exec, "done"] })
      const home = yield* Cli.user(model)
      const folder = yield* Effect.flatMap(Cli.newcomer, fs.realPath)
      const made = fs.exists(join(folder, "made.txt"))

      assert.strictEqual((yield* Cli.run(["run", "go"], { home, cwd: folder })).code, 0)
      assert.isFalse(yield* made)
      const options = ["--sandbox", "workspace-write", "--cwd", folder, "--model", "another-model"]
      assert.strictEqual((yield* Cli.run(["run", ...options, "go"], { home })).code, 0)
      assert.isTrue(yield* made)
      assert.deepStrictEqual((yield* model.requests).map((request) => request.model), [
        "scripted-model",
        "scripted-model",
        "another-model",
        "another-model"
      ])
    }).pipe(Cli.live), timeout)

  it.live("fails with the message of the typed error", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer: () => ScriptedModel.httpFailure(400, "no such thing") })
      const home = yield* Cli.user(model)
      const { code, stderr, stdout } = yield* Cli.run(["run", "hi"], { home })
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^error: The turn failed \(badRequest\): .*no such thing/m)
      assert.notMatch(stderr, /^\s+at /m)
      assert.deepStrictEqual(yield* Cli.leftovers(home), [])
    }).pipe(Cli.live), timeout)

  it.live("fails before it starts anything when the command line is wrong", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const cases = [
        [["run", "--modle", "x", "hi"], "error: Unrecognized flag: --modle"],
        [["run", "--sandbox", "none", "hi"], "error: Invalid value for flag --sandbox"],
        [
          ["run", "--cwd", join(home, "nowhere"), "hi"],
          `error: Invalid --cwd: ${join(home, "nowhere")} does not exist`
        ],
        [["run", " "], "error: Invalid prompt: it is empty."],
        [["run", "--approve", "all", "hi"], "error: Invalid value for flag --approve"],
        [
          ["run", "--approve", "ask", "-"],
          "error: Invalid --approve: ask reads your answers from stdin, so the prompt cannot come from there."
        ],
        [
          ["run", "--approve", "ask", "hi"],
          "error: Invalid --approve: ask needs a terminal: stdin and stdout must be one"
        ]
      ] as const
      for (const [args, error] of cases) {
        const { code, stderr, stdout } = yield* Cli.run(args, { home })
        assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
        assert.isTrue(stderr.startsWith(error), stderr)
      }
      assert.deepStrictEqual(Cli.files(home), [])
    }).pipe(Cli.live), timeout)

  for (const { code: expected, signal } of Cli.signals) {
    it.live(`interrupts the turn on ${signal}`, () =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        const model = yield* ScriptedModel.make({ answers: [ScriptedModel.text(["The first half, ", gate, "never"])] })
        const home = yield* Cli.user(model)
        const cli = yield* Cli.start(["run", "hi"], { home })
        yield* cli.stdoutHas("The first half,")
        yield* cli.signal(signal)
        const { code, stderr, stdout } = yield* cli.ended
        assert.strictEqual(code, expected)
        assert.include(stderr, "Interrupting the turn.\n")
        assert.notInclude(stderr, "error")
        assert.strictEqual(stdout, "The first half, ")
        const [request] = yield* model.requests
        assert.strictEqual(yield* request!.outcome, "abandoned")
        assert.deepStrictEqual(yield* Cli.leftovers(home), [])
      }).pipe(Cli.live), timeout)
  }

  it.live("stops the agent without a word when nobody reads its answer", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const endless = Array.from({ length: 500 }, (_, i) => [`${i}\n`, ScriptedModel.delay("10 millis")]).flat()
      const model = yield* ScriptedModel.make({
        answers: [ScriptedModel.text(["first\n", "second ", gate, ...endless])]
      })
      const home = yield* Cli.user(model)
      const cli = yield* Cli.start(["run", "hi"], { home })
      yield* cli.stdoutHas("first\n")
      yield* cli.closeStdout
      yield* gate.release
      const { code, stderr } = yield* cli.ended
      assert.strictEqual(code, 141)
      assert.deepStrictEqual(stderr.split("\n").filter((line) => !line.startsWith("warning: ")), [
        "thinking",
        "writing",
        ""
      ])
      const [request] = yield* model.requests
      assert.strictEqual(yield* request!.outcome, "abandoned")
    }).pipe(Cli.live), timeout)
})

describe("effect-codex run, logging in", () => {
  const trial = Effect.fnUntraced(function*(options: {
    readonly stored?: string
    readonly env: Readonly<Record<string, string>>
  }) {
    const fs = yield* FileSystem.FileSystem
    const model = yield* ScriptedModel.make({ answer: () => "hello" })
    const home = yield* Cli.user(model, {
      apiKey: options.stored === undefined ? undefined : Redacted.make(options.stored),
      config: { model_providers: { scripted: { requires_openai_auth: true } } }
    })
    const auth = Effect.option(fs.readFileString(join(home, ".codex", "auth.json")))
    const before = yield* auth
    const { code, stderr, stdout } = yield* Cli.run(["run", "hi"], { home, env: options.env })
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(yield* auth, before)
    for (const key of Object.values(options.env).filter((key) => key !== "")) assert.notInclude(stdout + stderr, key)
    return {
      stdout,
      stderr,
      authorization: (yield* model.requests).map((request) =>
        Option.match(request.authorization, { onNone: () => undefined, onSome: Redacted.value })
      )
    }
  })

  it.live("uses the stored login", () =>
    Effect.gen(function*() {
      const { authorization, stdout } = yield* trial({ stored: "sk-stored", env: { OPENAI_API_KEY: "sk-openai" } })
      assert.deepStrictEqual([stdout, authorization], ["hello\n", ["Bearer sk-stored"]])
    }).pipe(Cli.live), timeout)

  it.live("prefers CODEX_API_KEY and leaves the stored login alone", () =>
    Effect.gen(function*() {
      const { authorization, stderr, stdout } = yield* trial({
        stored: "sk-stored",
        env: { CODEX_API_KEY: "sk-codex" }
      })
      assert.deepStrictEqual([stdout, authorization], ["hello\n", ["Bearer sk-codex"]])
      assert.include(stderr, "Using the API key of CODEX_API_KEY for this run.\n")
    }).pipe(Cli.live), timeout)

  it.live("uses OPENAI_API_KEY when nobody is logged in, and stores nothing", () =>
    Effect.gen(function*() {
      const { authorization, stderr, stdout } = yield* trial({
        env: { CODEX_API_KEY: "", OPENAI_API_KEY: "sk-openai" }
      })
      assert.deepStrictEqual([stdout, authorization], ["hello\n", ["Bearer sk-openai"]])
      assert.include(stderr, "Using the API key of OPENAI_API_KEY for this run.\n")
    }).pipe(Cli.live), timeout)

  it.live("goes offline when there is a configuration and no login", () =>
    Effect.gen(function*() {
      const { authorization, stdout } = yield* trial({ env: {} })
      assert.match(stdout, /^Hello from the offline model/)
      assert.deepStrictEqual(authorization, [])
    }).pipe(Cli.live), timeout)
})
