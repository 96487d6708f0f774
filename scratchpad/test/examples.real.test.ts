import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { scripts } from "../offline/answers.ts"
import * as Collector from "./support/collector.ts"
import { run, testLayer } from "./support/program.ts"

// Every example runs as its own process, as a user runs it, on the real codex with a scripted model.

const folder = join(import.meta.dirname, "..")

interface Expectation {
  /** Whether it logs in through the browser. */
  readonly browser?: true
  /** What the example reads. */
  readonly stdin?: string | undefined
  /** The lines that the example prints, without what codex warns of, which depends on the machine. */
  readonly prints: ReadonlyArray<string | RegExp>
  /** What each further line looks like. Default: there is none. */
  readonly rest?: RegExp
  /** What it sends to an OpenTelemetry collector. */
  readonly collected?: (collector: Collector.Collector) => void
  /** What the model was asked. */
  readonly asked?: (requests: ReadonlyArray<ScriptedModel.ModelRequest>) => void
}

const hasImage = (request: ScriptedModel.ModelRequest | undefined) =>
  JSON.stringify(request?.input).includes("data:image/png;base64,iVBOR")

const hint = "Each line is a turn. An empty line, exit, or the end of stdin ends the chat."

const expectations: Record<string, Expectation> = {
  "hello.ts": {
    prints: ["Hello!"],
    asked: ([request]) => {
      assert.include(readFileSync(join(folder, "hello.ts"), "utf8"), `    model: "${request?.model}",`)
      assert.strictEqual(request?.prompt, "Say hello in one sentence.")
    }
  },
  "01-first-turn.ts": {
    prints: [/^codex \d+\.\d+\.\d+\S* on \w+$/, "completed: Hello!"]
  },
  "02-turn-result.ts": {
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
    prints: ["started", /^\$ .*ls/, "+ There are ", "+ none.", "completed", "There are none."]
  },
  "04-models-and-server.ts": {
    prints: [/^codex \d+\.\d+\.\d+\S*, \w+ \(\w+\), home .+/, /^[*-] \S+: \w+/],
    rest: /^[*-] \S+: \w+|^\d+ models with the hidden ones$/
  },
  "05-resume.ts": {
    prints: ["Green."],
    asked: (requests) => assert.include(requests[1]?.userTexts.join("\n"), "My favourite colour is green. Remember it.")
  },
  "06-thread-lifecycle.ts": {
    prints: ["listed: true, turns: 2", "archived: Two words", "the fork has 3 turns", "compaction: completed"]
  },
  "07-image.ts": {
    prints: ["Red.", /^Invalid input\[1\]: /],
    asked: ([request]) => assert.isTrue(hasImage(request))
  },
  "08-local-image.ts": {
    prints: ["Red."],
    asked: ([request]) => assert.isTrue(hasImage(request))
  },
  "09-from-promises.ts": {
    prints: ["A number.", "A number."],
    asked: (requests) =>
      assert.sameMembers(requests.map(({ prompt }) => prompt), ["What is one and one?", "What is two and two?"])
  },
  "10-retry-and-errors.ts": {
    prints: [
      "overloaded, retryable: true",
      "Hello!",
      "failed (usageLimit) after 1 items",
      "ThreadNotPersisted"
    ]
  },
  "11-chat.ts": {
    stdin: "Hello\nWhich colour?\nexit\n",
    prints: [hint, "Hello!", "(120 tokens)", "Green, of course.", "(120 tokens)"]
  },
  "12-structured-output.ts": {
    prints: ["Linz: 213000, on the Danube", "Eisenstadt: 16000", /^\{ "name": "Rattenberg" \} does not fit: .+/],
    rest: /./,
    asked: ([first, second]) => {
      assert.isTrue(Option.isSome(first!.outputSchema))
      assert.include(second?.prompt, "inhabitants")
    }
  },
  "13-choose-a-model.ts": {
    prints: [/^\S+ with effort \w+$/, "101.", "103."],
    asked: ([first, second]) => {
      assert.notStrictEqual(first?.model, "scripted-model")
      assert.strictEqual(second?.model, first?.model)
      assert.deepStrictEqual(second?.body["reasoning"], first?.body["reasoning"])
    }
  },
  "14-steer-and-interrupt.ts": {
    prints: ["completed: You told me to.", "interrupted", "too late"],
    asked: ([, request]) => assert.strictEqual(request?.prompt, "Stop counting and say why.")
  },
  "15-login.ts": {
    browser: true,
    prints: [/^open http:\/\/\S+ to log in$/, /^The login did not succeed \(cancelled\): /, "no account"]
  },
  "16-goal.ts": {
    prints: ["A better haiku.", "the goal is complete"]
  },
  "17-approvals.ts": {
    stdin: "y\nn\n",
    prints: [
      "hello",
      "",
      /^May I add .*haiku\.txt\?$/,
      /^May I run "rm -rf other" in .*\?$/,
      "Written, and the rest stays.",
      "files: haiku.txt"
    ]
  },
  "18-tools.ts": {
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
    prints: ["request changes", "stats.ts:1: there may be none"]
  },
  "21-promise.ts": {
    prints: [/^declined: .*rm -rf other/, "+ Written, ", "+ and the rest stays.", "completed", "5-7-5", "TimeoutError"],
    asked: (requests) => assert.match(JSON.stringify(requests[4]?.prompt), /syllables/)
  },
  "23-checkpoints.ts": {
    prints: [
      "modified numbers.txt +1 -0",
      "The sum is 11.",
      "modified numbers.txt +1 -0",
      "The sum is 10.",
      "3 4 3 "
    ]
  },
  "22-effect-ai.ts": {
    prints: [
      "Another provider:",
      "asked for Linz",
      "1 result: (none yet)",
      "Yes: 5 messages say so.",
      "codex:",
      "asked for Linz",
      "1 result: 21 degrees.",
      "For shorts, yes."
    ]
  }
}

/** What the examples that read stdin print when something else stands there; undefined: stdin is at its end. */
const typed: ReadonlyArray<readonly [name: string, stdin: string | undefined, prints: Expectation["prints"]]> = [
  ["11-chat.ts", undefined, [hint]],
  ["11-chat.ts", "Hello\n\n", [hint, "Hello!", "(120 tokens)"]],
  ...[
    [undefined, "Not written, and the rest stays.", "files: "],
    ["y\n", "Written, and the rest stays.", "files: haiku.txt"],
    ["no\ny\n", "Not written, and the rest is deleted.", "files: "]
  ].map(([stdin, answer, files]) =>
    [
      "17-approvals.ts",
      stdin,
      ["hello", "", /^May I add .*haiku\.txt\?$/, /^May I run "rm -rf other" in .*\?$/, answer!, files!]
    ] as const
  )
]

const assertPrinted = ({ code, lines, said }: Effect.Success<ReturnType<typeof run>>, expectation: Expectation) => {
  const isLine = (line: string | undefined, expected: string | RegExp | undefined) =>
    line !== undefined && (typeof expected === "string" ? line === expected : expected?.test(line) === true)
  assert.strictEqual(code, 0, said)
  for (let i = 0; i < Math.max(lines.length, expectation.prints.length); i++) {
    const expected = expectation.prints[i] ?? expectation.rest
    assert.isTrue(isLine(lines[i], expected), `line ${i + 1} should be ${expected ?? "the end"}:\n${said}`)
  }
}

const check = Effect.fnUntraced(function*(name: string, expectation: Expectation) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* CodexHome.CodexHome
  const model = yield* ScriptedModel.ScriptedModel
  const { answers, optional = [] } = scripts[name] ?? { answers: [] }
  yield* model.enqueue(...answers, ...optional)

  const collector = yield* Collector.make
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
  const program = yield* Effect.scoped(run(join(folder, name), { stdin: expectation.stdin, env }))
  assertPrinted(program, expectation)
  assert.strictEqual(program.stderr, "")

  expectation.collected?.(collector)
  const requests = yield* model.requests
  assert.isAtLeast(requests.length, answers.length)
  expectation.asked?.(requests)
  assert.deepStrictEqual(yield* fs.readDirectory(home.workspace), [])
})

/** The home of somebody who has never heard of codex. */
const newcomer = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* fs.makeTempDirectoryScoped({ directory: homedir(), prefix: ".effect-codex-newcomer-" })
  const workspace = join(path, "workspace")
  yield* fs.makeDirectory(workspace)
  const env = Object.fromEntries(
    Object.keys(process.env).filter((name) => /^(?:CODEX_(?!BIN$)|OPENAI_)|_PROXY$/i.test(name)).map((
      name
    ) => [name, undefined])
  )
  return CodexHome.CodexHome.of({ path, workspace, env: { ...env, HOME: path, USERPROFILE: path } })
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

  it.live("01-first-turn.ts, with a login", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("I am the user's model.")
      const { code, lines, said, stderr } = yield* run(join(folder, "offline", "run.ts"), { args: ["01"] })
      assert.strictEqual(code, 0, said)
      assert.strictEqual(lines.at(-1), "completed: I am the user's model.", said)
      assert.notInclude(stderr, "offline")
    }).pipe(Effect.scoped, Effect.provide(testLayer())))

  it("have answers of the offline model, all of them", () =>
    assert.sameMembers(Object.keys(scripts), Object.keys(expectations)))

  const withoutLogin: ReadonlyArray<readonly [title: string, name: string, Expectation]> = [
    ...Object.entries(expectations).map(([name, expectation]) => [name, name, expectation] as const),
    ...typed.map(([name, stdin, prints]) =>
      [`${name}, ${stdin === undefined ? "with nothing" : JSON.stringify(stdin)} on stdin`, name, {
        stdin,
        prints
      }] as const
    )
  ]
  for (const [title, name, expectation] of withoutLogin) {
    it.live(`${title}, without a login`, () => {
      const program = Effect.scoped(Effect.gen(function*() {
        const home = yield* newcomer
        const program = yield* Effect.provideService(
          run(join(folder, "offline", "run.ts"), { args: [name], stdin: expectation.stdin }),
          CodexHome.CodexHome,
          home
        )
        assertPrinted(program, expectation)
        assert.strictEqual(
          program.stderr,
          "No Codex login (`npx codex login`) was found: the example uses an offline model, which is a script.\n"
        )
        assert.deepStrictEqual(readdirSync(home.path), ["workspace"])
        assert.deepStrictEqual(readdirSync(home.workspace), [])
      })).pipe(Effect.provide(NodeServices.layer))
      return expectation.browser === true ? Effect.provide(program, BrowserLogin.layerExclusive) : program
    })
  }
})
