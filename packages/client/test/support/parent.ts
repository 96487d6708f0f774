/**
 * A program that runs a turn and is killed in the middle of it. `Processes.real.test.ts` starts it as a separate
 * process.
 */
import { ApprovalMode, Approvals, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"

// Without a sandbox codex asks only if each command needs approval.
const options = process.env["TEST_SANDBOX"] === "fullAccess"
  ? { sandbox: Sandbox.fullAccess, approvalMode: ApprovalMode.untrusted }
  : { sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask }

// An uncaught exception.
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
