/** What `effect-codex run` shows of a turn of the real binary. */
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"
import * as Person from "./support/terminal.ts"

const timeout = 60_000

const plan = (...statuses: ReadonlyArray<string>) =>
  ScriptedModel.functionCall("update_plan", {
    explanation: "",
    plan: statuses.map((status, i) => ({ step: ["Read the code that fails", "Fix it"][i], status }))
  })

const usage = { usage: { input: 990, output: 10 } }

const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  if (request.userTexts.includes("count the files")) return "There are three."
  switch (request.toolOutputs.length) {
    case 0:
      return plan("in_progress", "pending")
    case 1:
      return ScriptedModel.exec("printf 'one\\n\\033[31mtwo\\033[0m\\n\\033]0;title\\007three\\n'; exit 4")
    case 2:
      return ScriptedModel.exec(
        "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: src/new.txt\n+hello\n+you\n*** Update File: old.txt\n" +
          "@@\n-before\n+after\n*** End Patch\nEOF"
      )
    case 3:
      return plan("completed", "in_progress")
    case 4:
      return ScriptedModel.spawnAgent("count the files")
    case 5:
      return ScriptedModel.waitAgents(request)
    default:
      return ScriptedModel.reply(["# Done\n\nI **fixed** `old.txt`.\u001b]52;c;eA==\u0007\n"], usage)
  }
}

const turn = (env: Record<string, string>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const model = yield* ScriptedModel.make({ answer })
    const home = yield* Cli.user(model)
    yield* fs.writeFileString(join(home, "old.txt"), "before\n")
    yield* fs.writeFileString(join(home, "prices.json"), `{"scripted-model": {"input": 1, "output": 1}}`)
    const args = [
      "run",
      "-s",
      "workspace-write",
      "-c",
      "tools.update_plan.enabled=true",
      "--prices",
      "prices.json",
      "go"
    ]
    const { code, stderr, stdout } = yield* Cli.run(args, { home, env })
    assert.strictEqual(code, 0, stderr)
    return { stdout, stderr, lines: Cli.untimed(stderr).split("\n") }
  })

describe("the progress of a turn", () => {
  it.live("tells the plan, the files, what failed, and the subagents, in a pipe", () =>
    Effect.gen(function*() {
      const { lines, stderr, stdout } = yield* turn({})
      assert.deepStrictEqual(lines.slice(lines.indexOf("the plan:"), -3), [
        "the plan:",
        "  [>] Read the code that fails",
        "  [ ] Fix it",
        "running `printf 'one\\n\\033[31mtwo\\033[0m\\n\\033]0;title\\007three\\n'; exit 4`",
        "ran `printf 'one\\n\\033[31mtwo\\033[0m\\n\\033]0;title\\007three\\n'; exit 4`, exit code 4",
        "    one",
        "    two",
        "    three",
        "editing old.txt, new.txt",
        "edited old.txt +1 -1",
        "added src/new.txt +2",
        "  [x] Read the code that fails",
        "  [>] Fix it",
        "starting a subagent",
        "started a subagent: count the files",
        "waiting for subagents",
        "subagent completed: There are three.",
        "writing"
      ])
      assert.match(
        lines.at(-3)!,
        /^done in \S+ by scripted-model, 1,000 tokens .*, \$0\.0010, \d+% of the context left$/
      )
      // A program may read it: nothing is taken away.
      assert.strictEqual(stdout, "# Done\n\nI **fixed** `old.txt`.\u001b]52;c;eA==\u0007\n")
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(stderr, /[\u0000-\u0009\u000b-\u001f]/)
    }).pipe(Cli.live), timeout)

  it.live("has colours, rendered Markdown and short lines where they are asked for", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* turn({ FORCE_COLOR: "1", COLUMNS: "40" })
      assert.strictEqual(
        stdout,
        "\u001b[1mDone\u001b[0m\n\nI \u001b[1mfixed\u001b[0m \u001b[36mold.txt\u001b[0m.\\u{1b}]52;c;eA==\\u{7}\n"
      )
      assert.include(stderr, "added src/new.txt\u001b[32m +2\u001b[0m\n")
      // oxlint-disable-next-line no-control-regex
      const rows = stderr.replace(/\u001b\[[\d;]*m/g, "").split("\n")
      const long = rows.filter((row) => row.length > 40 && !row.startsWith("thread "))
      assert.deepStrictEqual(long, [])
    }).pipe(Cli.live), timeout)
})

// Where the program of util-linux is not there, nothing makes a pseudo-terminal without a dependency.
const hasScript = existsSync("/usr/bin/script") && process.platform === "linux"

describe.runIf(hasScript)("a pseudo-terminal of 40 columns", () => {
  it.live("shows a status that is erased, and the Markdown of the answer", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const model = yield* ScriptedModel.make({
        answers: [ScriptedModel.text(["# Title\n\nSome **bold** te", gate, "xt that is long enough to be wrapped.\n"])]
      })
      const home = yield* Cli.user(model)
      const command = [process.execPath, ...Cli.entry, "run", "go"].map((word) => `'${word}'`).join(" ")
      const running = yield* Effect.forkScoped(
        Cli.runProgram("/usr/bin/script", ["-qec", `stty cols 40; ${command}`, "/dev/null"], {
          home,
          env: { TERM: "xterm", NO_COLOR: "", CI: "" }
        })
      )
      yield* gate.reached
      yield* gate.release
      const { code, stdout } = yield* Fiber.join(running)
      assert.strictEqual(code, 0, stdout)
      const seen = stdout.replaceAll("\r\n", "\n")
      assert.include(seen, "\u001b[1mTitle\u001b[0m\n\n")
      assert.include(seen, "Some \u001b[1mbold\u001b[0m text that is long enough to be\nwrapped.\n")
      assert.include(seen, "\r\u001b[2K")
      // What was erased is gone, and no status is longer than a row.
      const rows = Person.seen(seen)
      assert.isEmpty(rows.filter((row) => /thinking|writing|starting/.test(row)))
      for (const status of seen.matchAll(/\u001b\[2K([^\r\n\u001b]*)/g)) assert.isBelow(status[1]!.length, 40)
    }).pipe(Cli.live), timeout)
})
