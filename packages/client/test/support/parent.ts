/** A program that runs a turn, and is ended in the middle of it: `Processes.test.ts` starts it as a process of its own. */
import { ApprovalMode, Approvals, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"

// Without a sandbox codex asks for nothing unless each command is to be asked for.
const options = process.env["TEST_SANDBOX"] === "fullAccess"
  ? { sandbox: Sandbox.fullAccess, approvalMode: ApprovalMode.untrusted }
  : { sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask }

// An exception that nobody catches.
process.on("SIGUSR2", () => {
  throw new Error("crashed")
})

const program = Effect.gen(function*() {
  const handlers = yield* Approvals.make({
    command: ({ command }) => command?.includes("sleep") ? Effect.succeed("accept") : Effect.sync(() => process.exit(3))
  })
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ ...options, handlers })
  return yield* thread.run("go")
}).pipe(Effect.provide(CodexNode.layer({
  executable: process.env["TEST_EXECUTABLE"],
  configOverrides: [`model="${process.env["TEST_MARK"]}"`]
})))

NodeRuntime.runMain(program)
