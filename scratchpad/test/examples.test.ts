import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as Collector from "./support/collector.ts"
import { run, testLayer } from "./support/program.ts"

// Every example runs as its own process, as a user runs it, on the real codex with a scripted model.

const folder = join(import.meta.dirname, "..")

interface Expectation {
  /** What the model answers, request by request. All of them have to be asked for. */
  readonly answers: ReadonlyArray<ScriptedModel.Answer>
  /** Further answers, which the example may interrupt before they are asked for. */
  readonly optional?: ReadonlyArray<ScriptedModel.Answer>
  /** Whether it logs in through the browser. */
  readonly browser?: true
  /** What the example reads. */
  readonly stdin?: string
  /** The lines that the example prints, without what codex warns of, which depends on the machine. */
  readonly prints: ReadonlyArray<string | RegExp>
  /** What each further line looks like. Default: there is none. */
  readonly rest?: RegExp
  /** What the example leaves in its folder. */
  readonly files?: ReadonlyArray<string>
  /** What it sends to an OpenTelemetry collector. */
  readonly collected?: (collector: Collector.Collector) => void
  /** What the model was asked. */
  readonly asked?: (requests: ReadonlyArray<ScriptedModel.ModelRequest>) => void
}

const { exec, functionCall, httpFailure, reply, text } = ScriptedModel
const usage = { input: 100, output: 20 }

// An answer that begins and goes on until codex hangs up.
const endless = Effect.runSync(Effect.map(ScriptedModel.gate, (gate) => text(["1\n", gate])))

const patch = (name: string) =>
  exec(`apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: ${name}\n+hello\n*** End Patch\nEOF`)

const hasImage = (request: ScriptedModel.ModelRequest | undefined) =>
  JSON.stringify(request?.input).includes("data:image/png;base64,iVBOR")

const expectations: Record<string, Expectation> = {
  "hello.ts": {
    answers: ["Hello!"],
    prints: ["Hello!"],
    asked: ([request]) => {
      assert.strictEqual(request?.model, "gpt-5.4")
      assert.strictEqual(request?.prompt, "Say hello in one sentence.")
    }
  },
  "01-first-turn.ts": {
    answers: ["Hello!"],
    prints: [/^codex \d+\.\d+\.\d+\S* on \w+$/, "completed: Hello!"]
  },
  "02-turn-result.ts": {
    answers: [reply([exec("ls")], { usage }), reply(["There are none."], { usage })],
    prints: [
      "status: completed",
      "item: userMessage",
      /^item: commandExecution: .*ls/,
      "item: agentMessage",
      "answer: There are none.",
      /^time: \d/,
      "tokens: 240 in this turn, 240 in the thread"
    ]
  },
  "03-stream-events.ts": {
    answers: [exec("ls"), text(["There are ", "none."])],
    prints: ["started", /^\$ .*ls/, "+ There are ", "+ none.", "completed", "There are none."]
  },
  "04-models-and-server.ts": {
    answers: [],
    prints: [/^codex \d+\.\d+\.\d+\S*, \w+ \(\w+\), home .+/, /^[*-] \S+: \w+/],
    rest: /^[*-] \S+: \w+|^\d+ models with the hidden ones$/
  },
  "05-resume.ts": {
    answers: ["I will.", "Green."],
    prints: ["Green."],
    asked: (requests) => assert.include(requests[1]?.userTexts.join("\n"), "My favourite colour is green. Remember it.")
  },
  "06-thread-lifecycle.ts": {
    answers: ["One.", "Two.", "Three.", "They said two words."],
    prints: ["listed: true, turns: 2", "archived: Two words", "the fork has 3 turns", "compaction: completed"]
  },
  "07-image.ts": {
    answers: ["Red."],
    prints: ["Red.", /^Invalid input: /],
    asked: ([request]) => assert.isTrue(hasImage(request))
  },
  "08-local-image.ts": {
    answers: ["Red."],
    prints: ["Red."],
    asked: ([request]) => assert.isTrue(hasImage(request))
  },
  "09-from-promises.ts": {
    // Both turns run at once, so that the answers do not depend on which asks first.
    answers: ["A number.", "A number."],
    prints: ["A number.", "A number."],
    asked: (requests) =>
      assert.sameMembers(requests.map(({ prompt }) => prompt), ["What is one and one?", "What is two and two?"])
  },
  "10-retry-and-errors.ts": {
    answers: [httpFailure(500, "try later"), "Hello!", httpFailure(429, { error: { type: "usage_limit_reached" } })],
    prints: [
      "internalServerError, retryable: true",
      "Hello!",
      "failed (usageLimitExceeded) after 1 items",
      "ThreadNotPersisted"
    ]
  },
  "11-chat.ts": {
    answers: [reply(["Hello!"], { usage }), reply([text(["Green, ", "of course."])], { usage })],
    stdin: "Hello\nWhich colour?\nexit\n",
    prints: ["Hello!", "(120 tokens)", "Green, of course.", "(120 tokens)"]
  },
  "12-structured-output.ts": {
    answers: [
      `{ "value": [{ "name": "Linz", "inhabitants": "many" }] }`,
      `{ "value": [
        { "name": "Linz", "inhabitants": 213000, "river": "Danube" },
        { "name": "Eisenstadt", "inhabitants": 16000, "river": null }
      ] }`,
      `{ "name": "Rattenberg" }`
    ],
    prints: ["Linz: 213000, on the Danube", "Eisenstadt: 16000", /^\{ "name": "Rattenberg" \} does not fit: .+/],
    rest: /./,
    asked: ([first, second]) => {
      assert.isTrue(Option.isSome(first!.outputSchema))
      assert.include(second?.prompt, "inhabitants")
    }
  },
  "13-choose-a-model.ts": {
    answers: ["101.", "103."],
    prints: [/^\S+ with effort \w+$/, "101.", "103."],
    asked: ([first, second]) => {
      assert.notStrictEqual(first?.model, "scripted-model")
      assert.strictEqual(second?.model, first?.model)
      assert.deepStrictEqual(second?.body["reasoning"], first?.body["reasoning"])
    }
  },
  "14-steer-and-interrupt.ts": {
    answers: [endless, "You told me to."],
    optional: [endless, endless],
    prints: ["completed: You told me to.", "interrupted", "too late"],
    asked: ([, request]) => assert.strictEqual(request?.prompt, "Stop counting and say why.")
  },
  "15-login.ts": {
    answers: [],
    browser: true,
    prints: [/^open http:\/\/\S+ to log in$/, /^The login did not succeed \(cancelled\): /, "no account"]
  },
  "16-goal.ts": {
    answers: ["A first haiku.", functionCall("update_goal", { status: "complete" }), "A better haiku."],
    prints: ["A better haiku.", "the goal is complete"]
  },
  "17-approvals.ts": {
    answers: [patch("haiku.txt"), exec("rm -rf other"), "Written, and the rest stays."],
    stdin: "y\nn\n",
    prints: [
      "hello",
      "",
      /^May I add .*haiku\.txt\?$/,
      /^May I run "rm -rf other" in .*\?$/,
      "Written, and the rest stays."
    ],
    files: ["haiku.txt"]
  },
  "18-tools.ts": {
    answers: [
      functionCall("weather", { town: "Linz" }),
      functionCall("weather", { town: "Rust" }),
      "In Linz it has 21 degrees; of Rust I know nothing."
    ],
    prints: ["asked for Linz", "asked for Rust", "In Linz it has 21 degrees; of Rust I know nothing."],
    asked: (requests) => {
      const told = requests.at(-1)?.toolOutputs.map(({ output }) => output)
      assert.deepStrictEqual(told, [
        `{"celsius":21}`,
        "The tool weather failed: There is no weather station in Rust."
      ])
    }
  },
  "19-telemetry.ts": {
    answers: [reply(["Hello!"], { usage })],
    prints: ["Hello!"],
    collected: (collector) => {
      const spans = collector.spans()
      const paths = spans.map((span) => Collector.pathOf(spans, span).join(" > "))
      assert.includeMembers(paths, [
        "hello > Codex.startThread > AppServerRpc.thread/start",
        "hello > Thread.run > AppServerRpc.turn/start",
        "hello > Thread.run > Turn"
      ])
      const turn = spans.find(({ name }) => name === "Turn")
      const attributes = new Map(turn?.attributes.map(({ key, value }) => [key, value]))
      assert.deepStrictEqual(attributes.get("codex.turn.outcome"), { stringValue: "completed" })
      assert.strictEqual(Number(attributes.get("codex.tokens.output")?.intValue), 20)
      assert.includeMembers([...collector.metrics()], [
        "effect_codex_open_turns",
        "effect_codex_turns",
        "effect_codex_tokens",
        "effect_codex_request_duration_seconds"
      ])
      // Neither what the model is asked nor what it answers is told.
      assert.notMatch(collector.text(), /Say hello|Hello!/)
    }
  },
  "20-review-bot.ts": {
    answers: [
      exec("ls"),
      `{ "verdict": "request changes", "findings": [{ "file": "stats.ts", "line": 1, "problem": "there may be none" }] }`
    ],
    prints: ["request changes", "stats.ts:1: there may be none"]
  },
  "21-promise.ts": {
    answers: [
      patch("haiku.txt"),
      exec("rm -rf other"),
      text(["Written, ", "and the rest stays."]),
      `{}`,
      `{ "syllables": [5, 7, 5] }`
    ],
    optional: [endless],
    prints: [/^declined: .*rm -rf other/, "+ Written, ", "+ and the rest stays.", "completed", "5-7-5", "TimeoutError"],
    files: ["haiku.txt"],
    asked: (requests) => assert.match(JSON.stringify(requests[4]?.prompt), /syllables/)
  }
}

const check = Effect.fnUntraced(function*(name: string, expectation: Expectation) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* CodexHome.CodexHome
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(...expectation.answers, ...expectation.optional ?? [])

  const collector = yield* Collector.make
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
  const { code, lines, said, stderr } = yield* Effect.scoped(run(join(folder, name), { stdin: expectation.stdin, env }))
  const isLine = (line: string | undefined, expected: string | RegExp | undefined) =>
    line !== undefined && (typeof expected === "string" ? line === expected : expected?.test(line) === true)
  assert.strictEqual(code, 0, said)
  for (let i = 0; i < Math.max(lines.length, expectation.prints.length); i++) {
    const expected = expectation.prints[i] ?? expectation.rest
    assert.isTrue(isLine(lines[i], expected), `line ${i + 1} should be ${expected ?? "the end"}:\n${said}`)
  }
  assert.strictEqual(stderr, "")

  expectation.collected?.(collector)
  const requests = yield* model.requests
  assert.isAtLeast(requests.length, expectation.answers.length)
  expectation.asked?.(requests)
  assert.deepStrictEqual(yield* fs.readDirectory(home.workspace), [...expectation.files ?? []])
})

describe.concurrent("examples", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"))
  for (const name of new Set([...files, ...Object.keys(expectations)])) {
    it.live(name, () =>
      Effect.gen(function*() {
        const expectation = expectations[name]
        if (expectation === undefined) return assert.fail(`${name} has no expectation: say what it prints`)
        yield* expectation.browser === true
          ? Effect.provide(check(name, expectation), BrowserLogin.layerExclusive)
          : check(name, expectation)
      }).pipe(Effect.scoped, Effect.provide(testLayer())))
  }
})
