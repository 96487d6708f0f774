import { CodexExecutable } from "@effect-codex/node"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, PlatformError, Stdio, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import * as Prompt from "../src/internal/prompt.ts"
import { Screen } from "../src/internal/screen.ts"
import * as Cli from "./support/cli.ts"
import * as Person from "./support/terminal.ts"

const timeout = 60_000

const latin1 = Buffer.from("für", "latin1")

const cases: ReadonlyArray<{
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly stdin: string | Uint8Array
}> = [
  { name: "an argument and text", args: ["Explain this"], stdin: "diff --git\n+x\n" },
  { name: "an argument and text without an end of line", args: ["Explain this"], stdin: "\ufeffa</stdin>b" },
  { name: "an argument and nothing", args: ["Explain this"], stdin: "" },
  { name: "an argument and blanks", args: ["Explain this"], stdin: " \n" },
  { name: "text for -", args: ["-"], stdin: "  from stdin\n\n" },
  { name: "UTF-16", args: [], stdin: Buffer.from("\ufefffür\n", "utf16le") },
  { name: "another encoding", args: ["Explain this"], stdin: latin1 },
  { name: "blanks alone", args: [], stdin: " \n" }
]

describe("a prompt that is piped in", () => {
  for (const { args, name, stdin } of cases) {
    it.live(`is what codex exec makes of ${name}`, () =>
      Effect.gen(function*() {
        const model = yield* ScriptedModel.make({ answer: () => "done" })
        const home = yield* Cli.user(model)
        const { executable } = yield* CodexExecutable.find()
        const ours = yield* Cli.run(["run", ...args], { home, stdin })
        const asked = yield* model.requests
        const theirs = yield* Cli.runProgram(executable, ["exec", "--skip-git-repo-check", ...args], { home, stdin })
        const expected = (yield* model.requests).slice(asked.length)
        assert.deepStrictEqual(
          [ours.code, asked.map(({ prompt }) => prompt)],
          [theirs.code, expected.map(({ prompt }) => prompt)],
          ours.stderr
        )
      }).pipe(Cli.live), timeout)
  }

  it.live("is read by record, too", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer: () => "done" })
      const home = yield* Cli.user(model)
      const { code, stderr } = yield* Cli.run(["record", join(home, "c.jsonl"), "Explain"], { home, stdin: "this" })
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual((yield* model.requests).map(({ prompt }) => prompt), [
        "Explain\n\n<stdin>\nthis\n</stdin>"
      ])
    }).pipe(Cli.live), timeout)

  it.live("fails before codex is started when it cannot be used", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      for (const args of [["run", "hi"], ["run"], ["run", "-"]]) {
        const { code, stderr, stdout } = yield* Cli.run(args, { home, stdin: latin1 })
        assert.deepStrictEqual([code, stdout, stderr], [
          1,
          "",
          "error: Invalid prompt: stdin is not UTF-8. Convert it first, for example with `iconv -f ISO-8859-1 -t UTF-8`.\n"
        ])
      }
      const endless = yield* Cli.start(["run", "hi"], { home, stdin: null })
      yield* endless.flood
      const { code, stderr } = yield* endless.ended
      assert.deepStrictEqual([code, stderr], [
        1,
        "error: Invalid prompt: stdin is longer than the 1,048,576 characters that codex accepts. Name a file in the prompt " +
        "instead.\n"
      ])
      assert.deepStrictEqual(Cli.files(home), [])
    }).pipe(Cli.live), timeout)

  it.live("is too large for codex with the words of codex's limit", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer: () => "done" })
      const home = yield* Cli.user(model)
      const { code, stderr } = yield* Cli.run(["run", "hi"], { home, stdin: "x".repeat(1_048_576) })
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^error: The input has 1048597 characters, but the server accepts at most 1048576: write the text/m
      )
      assert.deepStrictEqual(yield* model.requests, [])
    }).pipe(Cli.live), timeout)

  it.live("is nothing when stdin is closed, and is told when it cannot be read", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const command = `exec "$@" <&-`
      const closed = spawnSync("/bin/sh", [
        "-c",
        command,
        "sh",
        process.execPath,
        ...Cli.entry,
        "run",
        "--offline",
        "hi"
      ], {
        env: Cli.environment({ home }),
        encoding: "utf8"
      })
      assert.strictEqual(closed.status, 0, closed.stderr)
      assert.include(closed.stdout, `Yours was: "hi"`)

      const broken = Stream.fail(
        PlatformError.systemError({ _tag: "Unknown", module: "Stdio", method: "stdin", description: "EIO" })
      )
      const error = yield* Prompt.read(Option.some("hi")).pipe(
        Effect.provideService(Screen, Person.make().screen),
        Effect.provide(Stdio.layerTest({ stdinIsTerminal: Effect.succeed(false), stdin: broken })),
        Effect.flip
      )
      assert.match(error.message, /^Invalid prompt: stdin cannot be read: .*EIO/)
    }).pipe(Cli.live), timeout)

  it.live("is told to be read when it does not end, and is given up on Ctrl-C", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const home = yield* Cli.newcomer
      const cases = [
        [
          ["run", "hi"],
          "Reading stdin to its end, to add it to the prompt. If there is nothing to add, run with `< /dev/null`.\n"
        ],
        [["run"], "Reading the prompt from stdin to its end.\n"],
        [["run", "-"], "Reading the prompt from stdin to its end.\n"],
        [["login", "--api-key"], "Reading the API key from stdin until it ends.\n"]
      ] as const
      for (const [args, said] of cases) {
        const cli = yield* Cli.start(args, { home, stdin: null })
        yield* cli.stderrHas(said)
        yield* cli.signal("SIGINT")
        const { code, stderr } = yield* cli.ended
        assert.deepStrictEqual([code, stderr], [130, said])
      }
      assert.deepStrictEqual(yield* fs.readDirectory(home), [])
    }).pipe(Cli.live), timeout)
})

describe("a prompt at a terminal", () => {
  const read = (argument: string | undefined, typed: Stream.Stream<Uint8Array>) => {
    const person = Person.make()
    return Prompt.read(Option.fromUndefinedOr(argument)).pipe(
      Effect.result,
      Effect.map((result) => ({ result, text: person.text() })),
      Effect.provideService(Screen, person.screen),
      Effect.provide(Stdio.layerTest({ stdinIsTerminal: Effect.succeed(true), stdin: typed }))
    )
  }
  const nobody = Stream.die("the terminal is read")

  it.effect("is not waited for unless - asks for it", () =>
    Effect.gen(function*() {
      const argument = yield* read("Say hello.", nobody)
      assert.deepStrictEqual([argument.result._tag, argument.text], ["Success", ""])
      const none = yield* read(undefined, nobody)
      assert(none.result._tag === "Failure")
      assert.strictEqual(
        none.result.failure.message,
        `Invalid prompt: there is none. Give it as an argument, effect-codex run "Say hello.", or on stdin.`
      )
      const dash = yield* read("-", Stream.encodeText(Stream.make("What is\n", "here?\n")))
      assert(dash.result._tag === "Success")
      assert.strictEqual(dash.result.success, "What is\nhere?\n")
      assert.strictEqual(
        dash.text,
        "Reading the prompt from the terminal. End it with Ctrl-D at the start of a line.\n"
      )
    }))
})
