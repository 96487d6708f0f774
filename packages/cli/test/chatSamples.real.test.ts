/** What a chat looks like: the samples of the documentation. `vitest -u` writes them anew. */
import { ScriptedModel } from "@effect-codex/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { line, render } from "../src/internal/lines.ts"
import * as Chat from "./support/chat.ts"
import * as Cli from "./support/cli.ts"

const docs = join(import.meta.dirname, "..", "..", "..", "docs", "samples")

const patch = `apply_patch <<'EOF'
*** Begin Patch
*** Update File: src/parser.txt
@@
 one
-two
+two lines
+three lines
*** End Patch
EOF`

const usage = { input: 12_000, cached: 9000, output: 345 }

const step = (...parts: ReadonlyArray<ScriptedModel.Part>) => ScriptedModel.reply(parts, { usage })

const plan = (...statuses: ReadonlyArray<string>) =>
  ScriptedModel.functionCall("update_plan", {
    plan: ["See the test fail", "Fix the parser"].map((step, i) => ({ step, status: statuses[i]! }))
  })

const answers = (gate: ScriptedModel.Gate) => [
  // One by one, because codex runs those of one answer at once.
  step(plan("in_progress", "pending")),
  step(ScriptedModel.exec("sh test.sh")),
  step(plan("completed", "in_progress")),
  step(ScriptedModel.exec(patch)),
  step(plan("completed", "completed")),
  // codex ends it for what the person says.
  step(ScriptedModel.text(["The parser dropped the last line.\nNext I look at the exports.", gate])),
  step(ScriptedModel.text("I left the exports alone.")),
  step(
    ScriptedModel.exec("cp src/parser.txt published.txt", {
      args: { sandbox_permissions: "require_escalated", justification: "It leaves the folder of the sources." }
    })
  ),
  step(ScriptedModel.text("It is published."))
]

describe.runIf(Cli.hasTerminals)("a chat", () => {
  for (const columns of [40, 120]) {
    it.live(`at ${columns} columns`, () =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        const { ended, has, home, send, type, until } = yield* Chat.start({ answers: answers(gate) }, {
          args: ["-s", "workspace-write", "-c", "tools.update_plan.enabled=true", "--prices", "prices.json"],
          columns,
          files: {
            "prices.json": `{"scripted-model": {"input": 2, "cachedInput": 0.2, "output": 8}}`,
            "test.sh": "printf 'parser: 3 lines\\nexpected 4 lines, got 3\\n'; exit 1",
            "src/parser.txt": "one\ntwo\n"
          }
        })
        yield* send("Fix the failing test.")
        yield* gate.reached
        yield* has("The parser dropped the last line.")
        yield* send("Leave the exports alone.")
        yield* has("steer> Leave the exports alone.\r\n")
        yield* has("done in")
        yield* send("Publish it.")
        yield* has(columns < 60 ? "y/a/n/c?" : "Allow it?")
        yield* until("y", "  Accepted.")
        yield* has("done in", 2)
        yield* type(Chat.keys.ctrlU)
        yield* send("/status")
        yield* has("context  ")
        yield* type(Chat.keys.ctrlD)
        const { rows } = yield* ended
        const sample = Cli.untimed(rows.join("\n"))
          .replaceAll(home, "~")
          // Other machines, other times and ids.
          .replaceAll(/^done in [\d.]+s(.*(?:\n {2}.*)*)/gm, (_, rest: string) =>
            render(line(`done in 1.2s${rest.replaceAll("\n  ", " ")}`), { colors: false, columns }).join("\n"))
          .replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, "01a228da-49c6-7841-8742-fb9e389629b2")
          .replaceAll(/^warning: .*\n(?: {2}.*\n)*/gm, "")
        yield* Effect.promise(() =>
          expect(sample).toMatchFileSnapshot(join(docs, `chat-${columns}.txt`))
        )
      }).pipe(Cli.live), 120_000)
  }
})
