/** The pipeline itself: each package is reviewed in a thread of its own, and one more agent writes the report. */
import { ApprovalMode, Sandbox } from "@effect-codex/client"
import { CodexWorkflow } from "@effect-codex/cluster"
import { Context, Effect, Schema } from "effect"
import { Activity, Workflow } from "effect/workflow"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"

/** Who wants to know how far it is. Called again with the stored results when a pipeline goes on after a crash. */
export class Watcher extends Context.Service<Watcher, {
  readonly thread: (name: string, threadId: string) => Effect.Effect<void>
  readonly step: (name: string, tokens: number) => Effect.Effect<void>
}>()("scratchpad/pipeline/Watcher") {}

const Finding = Schema.Struct({ file: Schema.String, problem: Schema.String })

export const reviewSteps = 2

export const Review = Workflow.make("Review", {
  payload: { name: Schema.String, folder: Schema.String },
  success: Schema.Struct({ findings: Schema.Array(Finding), tokens: Schema.Int }),
  error: CodexWorkflow.CodexFailed,
  idempotencyKey: ({ name }) => name
})

const tokensOf = ({ tokens }: CodexWorkflow.Completed<unknown>) =>
  tokens._tag === "Some" ? tokens.value.input + tokens.value.output : 0

export const ReviewLive = Review.toLayer(Effect.fnUntraced(function*({ folder, name }) {
  const watcher = yield* Watcher
  const thread = yield* CodexWorkflow.thread(`review ${name}`, { cwd: folder, sandbox: Sandbox.readOnly })
  yield* watcher.thread(name, thread.id)
  const read = yield* CodexWorkflow.turn("read", { thread, input: `Read the package ${name}.` })
  yield* watcher.step(name, tokensOf(read))
  const review = yield* CodexWorkflow.turn("review", {
    thread,
    input: "What should be improved?",
    output: Schema.Struct({ findings: Schema.Array(Finding) })
  })
  const { findings } = review.answer
  return { findings, tokens: tokensOf(read) + tokensOf(review) }
}))

export const Report = Workflow.make("Report", {
  payload: { folder: Schema.String, text: Schema.String },
  success: Schema.String,
  error: CodexWorkflow.CodexFailed,
  idempotencyKey: ({ folder }) => folder
})

export const ReportLive = Report.toLayer(Effect.fnUntraced(function*({ folder, text }) {
  const watcher = yield* Watcher
  yield* Activity.make({
    name: "draft",
    execute: Effect.promise(() => writeFile(join(folder, "draft.md"), text))
  })
  const thread = yield* CodexWorkflow.thread("report", {
    cwd: folder,
    approvalMode: ApprovalMode.untrusted,
    // An allowed command may run in the sandbox all the same.
    sandbox: Sandbox.workspaceWrite
  })
  yield* watcher.thread("report", thread.id)
  // Answered by a person, perhaps tomorrow and from another terminal.
  const turn = yield* CodexWorkflow.turn("write", {
    thread,
    input: "Write the report from draft.md.",
    approvals: "durable"
  })
  return turn.answer._tag === "Some" ? turn.answer.value : "It said nothing."
}))
