/**
 * What is left when a signal ends `effect-codex` in the middle of its work: no process, and no folder that it made for
 * itself. The middle is the first request of a kind, which a program between it and the real codex does not pass on.
 */
import { CodexExecutable } from "@effect-codex/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schedule } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const timeout = 120_000

const between = (codex: string, held: string) =>
  `#!${process.execPath}
const codex = require("node:child_process").spawn(${JSON.stringify(codex)}, process.argv.slice(2), {
  stdio: ["pipe", "inherit", "inherit"]
})
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  if (JSON.parse(line).method !== ${JSON.stringify(held)}) return codex.stdin.write(line + "\\n")
  const params = { summary: "held", details: null }
  process.stdout.write(JSON.stringify({ method: "configWarning", params }) + "\\n")
}).on("close", () => process.env.IS_STUBBORN || codex.stdin.end())
if (process.env.IS_STUBBORN) {
  process.on("SIGTERM", () => {})
  setTimeout(() => process.exit(), 30_000)
}
codex.on("exit", () => process.exit())
`

/** A newcomer whose codex keeps the first request of this method to itself. */
const holding = Effect.fnUntraced(function*(held: string) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* Cli.newcomer
  const programs = yield* Cli.newcomer
  const { executable } = yield* CodexExecutable.find()
  const path = join(programs, "codex")
  yield* fs.writeFileString(path, between(executable, held), { mode: 0o755 })
  return { home, env: { CODEX_BIN: path } }
})

const initialize = `${
  JSON.stringify({ id: 1, method: "initialize", params: { clientInfo: { name: "other", version: "1" } } })
}\n`

// The end of a process is known to its parent a moment before it is gone.
const processesEnd = (home: string) =>
  Effect.sync(() => Cli.processesOf(home)).pipe(
    Effect.repeat({ until: (ids) => ids.length === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("10 seconds")
  )

describe("a signal", () => {
  const commands: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [["run", "--offline", "hi"], "thread/start"],
    [["record", "--force", "session.jsonl", "hi"], "thread/start"],
    [["account"], "account/read"],
    [["logout"], "account/read"]
  ]
  for (const [args, held] of commands) {
    it.live(`ends ${args.join(" ")} and leaves nothing behind`, () =>
      Effect.gen(function*() {
        for (const { code: expected, signal } of Cli.signals) {
          const given = yield* holding(held)
          const cli = yield* Cli.start(args, given)
          yield* cli.stderrHas("warning: held\n")
          yield* cli.signal(signal)
          const { code, stderr, stdout } = yield* cli.ended
          assert.deepStrictEqual([code, stdout], [expected, ""], `${signal}: ${stderr}`)
          assert.notInclude(stderr, "error")
          yield* processesEnd(given.home)
          // What the user keeps: the cassette, and the home that codex makes for one who has none.
          const left = Cli.files(given.home).filter((file) =>
            file !== join(given.home, "session.jsonl") && !file.startsWith(join(given.home, ".codex"))
          )
          assert.deepStrictEqual(left, [], signal)
        }
      }).pipe(Cli.live), timeout)
  }

  for (const args of [["fake-app-server"], ["record", "--serve", "session.jsonl"]]) {
    it.live(`ends ${args.join(" ")}`, () =>
      Effect.gen(function*() {
        for (const { code: expected, signal } of Cli.signals) {
          const home = yield* Cli.newcomer
          const cli = yield* Cli.start(args, { home, stdin: null })
          yield* cli.write(initialize)
          yield* cli.stdoutHas(`"id":1`)
          yield* cli.signal(signal)
          const { code, stderr } = yield* cli.ended
          assert.strictEqual(code, expected, `${signal}: ${stderr}`)
          yield* processesEnd(home)
        }
      }).pipe(Cli.live), timeout)
  }

  it.live(
    "that comes again does not wait for a codex that does not end, and leaves nothing behind all the same",
    () =>
      Effect.gen(function*() {
        const given = yield* holding("thread/start")
        const cli = yield* Cli.start(["run", "--offline", "hi"], {
          ...given,
          env: { ...given.env, IS_STUBBORN: "yes" }
        })
        yield* cli.stderrHas("warning: held\n")
        const { code } = yield* Effect.raceFirst(
          cli.ended,
          Effect.andThen(Effect.repeat(cli.signal("SIGHUP"), Schedule.spaced("100 millis")), Effect.never)
        )
        assert.strictEqual(code, 129)
        yield* processesEnd(given.home)
        assert.deepStrictEqual(Cli.files(given.home), [])
      }).pipe(Cli.live),
    timeout
  )
})
