/** The workflow of the crash tests, and the engine that the test and its workers share. */
import { ApprovalMode, Sandbox } from "@effect-codex/client"
import { CodexWorkflow, Decisions, SqliteClient } from "@effect-codex/cluster"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Effect, Layer, Option, Schema } from "effect"
import { ClusterWorkflowEngine, RunnerAddress, SingleRunner } from "effect/cluster"
import { Workflow } from "effect/workflow"
import type { Start } from "./crash.ts"

/** Where a worker dies. */
export type Crash =
  | "before the start"
  | "before the id of the thread is stored"
  | "before the first frame of the turn"
  | "in a command"
  | "before the result is stored"
  | "in the write of the result"
  | "while it waits for a person"
  | Start
  | "never"

export const Job = Workflow.make("Job", {
  payload: { name: Schema.String },
  success: Schema.Struct({ threadId: Schema.String, written: Schema.Option(Schema.String), ok: Schema.Boolean }),
  error: CodexWorkflow.CodexFailed,
  idempotencyKey: ({ name }) => name
})

export const JobLive = Job.toLayer(Effect.fnUntraced(function*({ name }) {
  const thread = yield* CodexWorkflow.thread(name, {
    approvalMode: name === "person" ? ApprovalMode.untrusted : ApprovalMode.denyAll,
    sandbox: Sandbox.workspaceWrite,
    developerInstructions: "Be brief.",
    config: { thread_unload_delay_secs: 0 }
  })
  const input = `Write ${name}.`
  const { answer } = name === "person"
    ? yield* CodexWorkflow.turn("write", { thread, input, approvals: "durable" })
    : yield* CodexWorkflow.turn("write", { thread, input })
  const output = Schema.Struct({ ok: Schema.Boolean })
  const checked = yield* CodexWorkflow.turn("check", { thread, input: `Check ${name}.`, output })
  return { threadId: thread.id, written: answer, ok: checked.answer.ok }
}))

/** On one SQLite file. The test asks and decides as a process without a runner of its own would. */
export const engine = (filename: string, runs: boolean) =>
  Layer.merge(ClusterWorkflowEngine.layer, Decisions.layerSql).pipe(
    Layer.provideMerge(SingleRunner.layer({
      runnerStorage: "memory",
      shardingConfig: {
        runnerAddress: runs ? Option.some(RunnerAddress.make("localhost", 34431)) : Option.none(),
        shardsPerGroup: 8,
        refreshAssignmentsInterval: "100 millis",
        entityMessagePollInterval: "100 millis",
        entityReplyPollInterval: "50 millis",
        entityTerminationTimeout: 0
      }
    })),
    Layer.provide(NodeCrypto.layerDigest),
    Layer.provide(SqliteClient.layer({ filename }))
  )
