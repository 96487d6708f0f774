/** `effect-codex report`, on the real binary. */
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const timeout = 180_000

const hostile = "# Look <script>alert(1)</script> ../../etc/passwd"

const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const step = (part: ScriptedModel.Part) => ScriptedModel.reply([part], { usage: { input: 900, output: 100 } })
  if (request.prompt === "Count the callers.") return step(ScriptedModel.text("There are 7 callers."))
  if (request.prompt === "And now?") return step(ScriptedModel.text("Nothing more."))
  switch (request.toolOutputs.length) {
    case 0:
      return step(ScriptedModel.exec("echo seen-by-the-command"))
    case 1:
      return step(ScriptedModel.spawnAgent("Count the callers."))
    case 2:
      return step(ScriptedModel.waitAgents(request))
    default:
      return step(ScriptedModel.text("All is well.", { phase: "final_answer" }))
  }
}

/** A user with one thread, whose prompt would be a bad name for a file. */
const withThread = Effect.gen(function*() {
  const model = yield* ScriptedModel.make({ answer })
  const home = yield* Cli.user(model)
  const fs = yield* FileSystem.FileSystem
  const { code, stderr } = yield* Cli.run(["run", hostile], { home })
  assert.strictEqual(code, 0, stderr)
  const id = /^thread ([\da-f-]{36}), /m.exec(stderr)![1]!
  yield* fs.writeFileString(join(home, "prices.json"), `{"scripted-model": {"input": 100, "output": 100}}`)
  return {
    home,
    id,
    read: (name: string) => fs.readFileString(join(home, name)),
    report: (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
      Cli.run(["report", ...args], { home, env })
  }
})

const textOf = (page: string): string =>
  page.replaceAll(/<style>[^]*?<\/style>|<script>[^]*?<\/script>|<[^>]*>/g, " ").replaceAll(/\s+/g, " ")

describe("effect-codex report", () => {
  it.live("writes the page of a thread, with its subagents and what their files know", () =>
    Effect.gen(function*() {
      const { home, id, read, report } = yield* withThread
      const name = `look-script-alert-1-script-etc-passwd-${id.slice(0, 13)}.html`
      const first = yield* report([id.slice(0, 13), "--prices", "prices.json"])
      assert.deepStrictEqual(first, { code: 0, stdout: `${name}\n`, stderr: "" })
      const page = yield* read(name)
      const text = textOf(page)
      for (
        const part of [
          "All is well.",
          "seen-by-the-command",
          "There are 7 callers.",
          "Subagents 1",
          "Cost $0.5000",
          "Tokens of 5 calls of the model"
        ]
      ) assert.include(text, part)
      assert.notInclude(page, "<script>alert")

      // It is not written twice, and the old one stays.
      const again = yield* report(["--last"])
      assert.deepStrictEqual([again.code, again.stdout], [1, ""])
      assert.match(again.stderr, /^error: Invalid --output: .*already exists\. .*--force\.\n$/)
      assert.strictEqual(yield* read(name), page)
      const forced = yield* report(["--last", "--force", "--title", "Mine & yours"])
      assert.deepStrictEqual([forced.code, forced.stdout], [0, `${name}\n`], forced.stderr)
      assert.include(yield* read(name), "<h1>Mine &amp; yours</h1>")

      const piped = yield* report(["--last", "-o", "-"])
      assert.match(piped.stdout, /^<!doctype html>/i)
      assert.deepStrictEqual(Cli.processesOf(home), [])
    }).pipe(Cli.live), timeout)

  it.live("writes a copy with the turns of its source, which are not in its file", () =>
    Effect.gen(function*() {
      const { home, id, read, report } = yield* withThread
      const copy = yield* Cli.run(["threads", "fork", id, "And now?"], { home })
      assert.strictEqual(copy.code, 0, copy.stderr)
      const copied = yield* report(["--last", "-o", "copy.html"])
      assert.strictEqual(copied.code, 0, copied.stderr)
      const text = textOf(yield* read("copy.html"))
      for (const part of ["etc/passwd", "And now?", "Nothing more.", "seen-by-the-command", "Subagents 1"]) {
        assert.include(text, part)
      }
    }).pipe(Cli.live), timeout)

  it.live("writes the page of a file, without codex", () =>
    Effect.gen(function*() {
      const { home, id, read } = yield* withThread
      const recorded = yield* Cli.run(["record", "turn.jsonl", "Once more."], { home })
      assert.strictEqual(recorded.code, 0, recorded.stderr)
      const env = { CODEX_BIN: "/nowhere/codex" }
      const ofCassette = yield* Cli.run(["report", "turn.jsonl"], { home, env })
      assert.deepStrictEqual(ofCassette, { code: 0, stdout: "turn.html\n", stderr: "" })
      assert.include(textOf(yield* read("turn.html")), "There are 7 callers.")

      const rollout = Cli.files(join(home, ".codex", "sessions")).find((file) => file.endsWith(`${id}.jsonl`))!
      const ofRollout = yield* Cli.run(["report", rollout, "--output", "rollout.html"], { home, env })
      assert.deepStrictEqual(ofRollout, { code: 0, stdout: "rollout.html\n", stderr: "" })
      const text = textOf(yield* read("rollout.html"))
      for (const part of ["All is well.", "There are 7 callers.", "Tokens of 5 calls"]) assert.include(text, part)
    }).pipe(Cli.live), timeout)

  it.live("opens the page where there is a program for it", () =>
    Effect.gen(function*() {
      if (process.platform !== "linux") return
      const { home, read, report } = yield* withThread
      const fs = yield* FileSystem.FileSystem
      const file = "; touch evil .html"
      const without = yield* report(["--last", "-o", file, "--open"], { PATH: "/nowhere" })
      assert.deepStrictEqual([without.code, without.stdout], [0, `${file}\n`], without.stderr)
      assert.match(without.stderr, /^It was not opened: there is no xdg-open\./)
      yield* fs.makeDirectory(join(home, "bin"))
      yield* fs.writeFileString(join(home, "bin", "xdg-open"), `#!/bin/sh\nprintf '%s\\n' "$@" > "$HOME/opened"\n`)
      yield* fs.chmod(join(home, "bin", "xdg-open"), 0o755)
      const opened = yield* report(["--last", "-o", file, "--force", "--open"], { PATH: join(home, "bin") })
      assert.deepStrictEqual([opened.code, opened.stderr], [0, ""])
      assert.strictEqual(yield* read("opened"), `${join(home, file)}\n`)
    }).pipe(Cli.live), timeout)

  it.live("says what is wrong", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer })
      const home = yield* Cli.user(model)
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFileString(join(home, "other.jsonl"), "{\"some\": \"thing\"}\n")
      const unhappy = [
        [[], /^error: Invalid source: name a thread or a file/],
        [["--last"], /^error: Invalid --last: there is no thread of the folder /],
        [["--last", "ffff"], /^error: Invalid --last: it cannot be combined/],
        [["ffff"], /^error: Invalid source: no thread begins with ffff\./],
        [["00000000-0000-0000-0000-000000000000"], /^error: .*00000000-0000-0000-0000-000000000000/],
        [["it"], /^error: Invalid source: .* is not the id of a thread\./],
        [["none.jsonl"], /^error: Invalid source: none\.jsonl does not exist\./],
        [["other.jsonl"], /^error: Invalid source: other\.jsonl is neither a cassette /],
        [["other.jsonl", "--prices", "no.json"], /^error: Invalid --prices: /],
        [["other.jsonl", "-o", "-", "--open"], /^error: Invalid --open: /]
      ] as const
      for (const [args, message] of unhappy) {
        const { code, stderr, stdout } = yield* Cli.run(["report", ...args], { home })
        assert.deepStrictEqual([code, stdout], [1, ""], args.join(" "))
        assert.match(stderr, message)
      }
    }).pipe(Cli.live), timeout)
})
