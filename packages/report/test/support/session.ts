/** A session on the real codex that has something of everything, as it was seen live. */
import { ApprovalMode, Approvals, Codex, Sandbox, ThreadView } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { Effect, Fiber, FileSystem, Layer, Stream } from "effect"
import * as Path from "node:path"

const escalated = (command: string, justification: string) =>
  ScriptedModel.exec(command, { args: { sandbox_permissions: "require_escalated", justification } })

const patch = `apply_patch <<'EOF'
*** Begin Patch
*** Update File: src/parse.ts
@@
 export const parse = (text: string) => {
-  const n = Number(text)
-  return n
+  const value = Number(text)
+  if (Number.isNaN(value)) throw new TypeError(\`no number: \${text}\`)
+  return value
 }
*** Add File: test/parse.test.ts
+import { parse } from "../src/parse.ts"
+
+test("refuses what is no number", () => {
+  expect(() => parse("x")).toThrow("no number")
+})
*** End Patch
EOF`

const summary = `\`parse\` now refuses what is no number.

| File | What changed |
| --- | --- |
| \`src/parse.ts\` | throws a \`TypeError\` that names the text |
| \`test/parse.test.ts\` | a test of it |

\`\`\`ts
parse("x") // TypeError: no number: x
\`\`\`

See [Number.isNaN](https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Number/isNaN).`

const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const usage = { input: 4000 + 900 * request.index, cached: 3000, output: 120, reasoning: 40 }
  const step = (parts: ReadonlyArray<string | ScriptedModel.Part>) => ScriptedModel.reply(parts, { usage })
  if (request.prompt.startsWith("Look for")) return step(["No other caller depends on NaN."])
  if (request.prompt === "And publish it.") {
    return request.toolOutputs.length === 0
      ? step([escalated("npm publish", "It has to reach the registry.")])
      : ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", message: "The limit is reached." } })
  }
  switch (request.toolOutputs.length) {
    case 0:
      return step([
        ScriptedModel.reasoning(["**Reading the code** I look at the parser first, then at its callers."]),
        ScriptedModel.functionCall("update_plan", {
          explanation: "A small fix with a test",
          plan: [
            { step: "Read the parser", status: "completed" },
            { step: "Change it", status: "in_progress" },
            { step: "Run the tests", status: "pending" }
          ]
        }),
        ScriptedModel.exec("cat src/parse.ts")
      ])
    case 2:
      return step([ScriptedModel.spawnAgent("Look for callers of `parse` that rely on NaN.")])
    case 3:
      return step([ScriptedModel.waitAgents(request)])
    case 4:
      return step([ScriptedModel.exec(patch)])
    case 5:
      return step([escalated("cat test/parse.test.ts", "It has to be seen.")])
    case 6:
      return step([ScriptedModel.exec("grep -rn 'parse(' lib")])
    default:
      return step([ScriptedModel.text([summary])])
  }
}

/** Runs the session, and gives its view. */
export const session = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const home = yield* CodexHome.CodexHome
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(Path.join(home.workspace, "src"), { recursive: true })
  yield* fs.writeFileString(
    Path.join(home.workspace, "src", "parse.ts"),
    "export const parse = (text: string) => {\n  const n = Number(text)\n  return n\n}\n"
  )
  const thread = yield* codex.startThread({
    approvalMode: ApprovalMode.ask,
    sandbox: Sandbox.workspaceWrite,
    config: { tools: { update_plan: { enabled: true } } },
    handlers: yield* Approvals.make({
      command: ({ command }) => Effect.succeed(command?.includes("publish") === true ? "decline" : "accept")
    })
  })
  yield* thread.setName("Refuse what is no number")
  const stored = yield* thread.read()
  let view = ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread: stored })
  const watching = yield* ThreadView.changes(thread.id, { from: view }).pipe(
    Stream.runForEach((now) =>
      Effect.sync(() => {
        view = now
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* thread.run("Make `parse` refuse what is no number.")
  yield* Effect.ignore(thread.run("And publish it."))
  yield* thread.read()
  yield* Fiber.interrupt(watching)
  return { view, threadId: thread.id }
}).pipe(Effect.scoped)

export const layer = Layer.unwrap(
  Effect.map(CodexHome.CodexHome, ({ env, workspace }) => CodexNode.layer({ env, cwd: workspace }))
).pipe(
  Layer.provideMerge(CodexHome.layer()),
  Layer.provideMerge(ScriptedModel.layer({ answer }))
)
