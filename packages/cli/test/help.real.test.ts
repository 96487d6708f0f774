/** The help and the completions of `effect-codex`, which need no codex. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const commands = {
  run: ["--resume", "--last", "--image", "--output-schema", "--budget", "--timeout", "--quiet"],
  chat: ["--resume", "--last", "--approve", "--budget"],
  threads: ["list", "search", "show", "fork", "archive", "unarchive"],
  watch: ["--connect", "--port", "--open", "--prices"],
  report: ["--last", "--output", "--open"],
  doctor: ["--json", "--timeout"]
}

describe("effect-codex", () => {
  it.live("helps with every command, without codex", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const env = { CODEX_BIN: "/nowhere/codex" }
      const all = yield* Cli.run(["--help"], { home, env })
      for (const [command, parts] of Object.entries(commands)) {
        assert.include(all.stdout, command)
        const one = yield* Cli.run([command, "--help"], { home, env })
        assert.strictEqual(one.code, 0, one.stderr)
        for (const part of parts) assert.include(one.stdout, part)
      }
      assert.deepStrictEqual(Cli.files(home), [])
    }).pipe(Cli.live), 60_000)

  it.live("has every option on its page", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "cli.md"), "utf8")
      for (
        const command of [
          "run",
          "chat",
          "threads list",
          "threads search",
          "threads show",
          "report",
          "doctor",
          "login",
          "replay"
        ]
      ) {
        const { stdout } = yield* Cli.run([...command.split(" "), "--help"], { home })
        const flags = stdout.slice(0, stdout.indexOf("GLOBAL FLAGS")).match(/^ {2}--[\w-]+/gm) ?? []
        assert.isNotEmpty(flags, command)
        for (const flag of flags) assert.include(page, flag.trim(), command)
      }
    }).pipe(Cli.live), 60_000)

  it.live("completes its commands in shells", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      for (const shell of ["bash", "zsh", "fish"]) {
        const { code, stdout } = yield* Cli.run(["--completions", shell], { home })
        assert.strictEqual(code, 0)
        for (const command of Object.keys(commands)) assert.include(stdout, command)
        if (shell !== "bash") continue
        const checked = yield* Cli.runProgram("bash", ["-n"], { home, stdin: stdout })
        assert.deepStrictEqual(checked, { code: 0, stdout: "", stderr: "" })
      }
      const wrong = yield* Cli.run(["--completions", "nu"], { home })
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.stderr, /^error: .*nu/)
    }).pipe(Cli.live), 60_000)
})
