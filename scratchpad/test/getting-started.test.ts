import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import { run, TestLive } from "./support/program.ts"

// Every example of docs/getting-started.md runs on the real codex with a scripted model.

const root = join(import.meta.dirname, "..", "..")
const page = readFileSync(join(root, "docs", "getting-started.md"), "utf8")

const examples = page.split(/^## /m).slice(1).flatMap((section) =>
  [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map((match, i) => ({
    name: `${section.slice(0, section.indexOf("\n"))} (${i + 1})`,
    code: match[1]!
  }))
)

interface Expectation {
  readonly answers: ReadonlyArray<ScriptedModel.Answer>
  /** An Effect that needs the client and succeeds with what is printed. Default: the example is a program itself. */
  readonly effect?: string
  readonly prints: string
}

const { exec, text } = ScriptedModel
const endless = Effect.runSync(Effect.map(ScriptedModel.gate, (gate) => text(["1\n", gate])))
const escalated = exec("touch /nowhere", {
  args: { sandbox_permissions: "require_escalated", justification: "why not" }
})

const status = "Effect.map(example.program, ({ status }) => status)"

const expectations: Record<string, Expectation> = {
  "3. Run your first turn (1)": { answers: ["Hello!"], prints: "Hello!" },
  "4. Choose what the agent may touch (1)": { answers: ["Fixed.", "Fine."], effect: status, prints: "completed" },
  "4. Choose what the agent may touch (2)": {
    answers: [escalated, "I may not."],
    effect: `Effect.provide(
      Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ approvalMode: ApprovalMode.ask })
        const { items } = yield* thread.run("Touch it.")
        return items.find(({ type }) => type === "commandExecution").status
      }),
      example.CodexLive
    )`,
    prints: "May I run COMMAND?\ndeclined"
  },
  "5. Go on with the conversation (1)": { answers: ["A lot.", "Much."], effect: status, prints: "completed" },
  "6. Watch a turn (1)": {
    answers: ["None."],
    effect: status,
    prints: "userMessage\nagentMessage\nNone.\ncompleted"
  },
  "7. Steer and interrupt (1)": { answers: [endless, endless], effect: "example.program", prints: "interrupted" },
  "7. Steer and interrupt (2)": {
    answers: ["Fixed."],
    effect: `Effect.gen(function*() {
      return (yield* example.within(yield* (yield* Codex.Codex).startThread())).status
    })`,
    prints: "completed"
  },
  "8. Get a typed answer (1)": {
    answers: [
      `{ "value": [{ "file": "a.ts", "line": 1, "severity": "low" }, { "file": "b.ts", "line": 2, "severity": "high" }] }`
    ],
    effect: "Effect.map(example.findings, (findings) => findings.map(({ file }) => file).join())",
    prints: "b.ts"
  },
  "9. Handle errors (1)": { answers: ["Hello!"], effect: status, prints: "completed" },
  "10. Resume a thread (1)": {
    answers: ["Here.", "There."],
    effect: `Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* thread.run("Stop.")
      const { finalResponse } = yield* example.goOn(thread.id)
      return finalResponse.value + (yield* example.recent).length
    })`,
    prints: "There.1"
  },
  "11. Types (1)": {
    answers: [exec("true"), "Done."],
    effect: `Effect.gen(function*() {
      return example.commands(yield* (yield* (yield* Codex.Codex).startThread()).run("Do nothing.")).length
    })`,
    prints: "1"
  },
  "11. Types (2)": {
    answers: [],
    effect: "Effect.map(example.account, ({ account }) => account)",
    prints: "null"
  }
}

const main = (effect: string) =>
  `import { ApprovalMode, Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import * as example from "./example.mjs"

Effect.flatMap(${effect}, Console.log).pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
`

const check = Effect.fnUntraced(function*(code: string, expectation: Expectation) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* CodexHome.CodexHome
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(...expectation.answers)

  // Below node_modules, so that an example resolves packages as the workspace does. Node strips no types there.
  const cache = join(root, "node_modules", ".cache")
  yield* fs.makeDirectory(cache, { recursive: true })
  const folder = yield* fs.makeTempDirectoryScoped({ directory: cache, prefix: "getting-started-" })
  yield* fs.writeFileString(join(folder, "example.mjs"), stripTypeScriptTypes(code))
  if (expectation.effect !== undefined) {
    yield* fs.writeFileString(join(folder, "main.mjs"), main(expectation.effect))
  }

  const { code: exit, lines, said, stderr } = yield* Effect.scoped(
    run(join(folder, expectation.effect === undefined ? "example.mjs" : "main.mjs"))
  )
  assert.strictEqual(exit, 0, said)
  assert.strictEqual(lines.join("\n").replace(/(?<=run ).*touch.*(?=\?)/, "COMMAND"), expectation.prints, said)
  assert.strictEqual(stderr, "")
  assert.strictEqual((yield* model.requests).length, expectation.answers.length)
  assert.deepStrictEqual(yield* fs.readDirectory(home.workspace), [])
})

describe.concurrent("getting started", () => {
  it("has an expectation for every example", () =>
    assert.deepStrictEqual(examples.map(({ name }) => name), Object.keys(expectations)))

  for (const { code, name } of examples) {
    it.live(name, () =>
      Effect.gen(function*() {
        const expectation = expectations[name]
        if (expectation === undefined) return assert.fail(`${name} has no expectation: say what it prints`)
        yield* check(code, expectation)
      }).pipe(Effect.scoped, Effect.provide(TestLive)))
  }
})
