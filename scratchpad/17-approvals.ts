// Asking a person: each command and each change of files waits for a line on the terminal. A `y` allows it; anything else,
// and the end of stdin, declines it.
import { ApprovalMode, ApprovalQueue, Approvals, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, FileSystem, Layer, Option, Stdio, Stream } from "effect"

// A person decides on what stands here: of files that is the diff.
const question = (request: Approvals.ApprovalRequest): string => {
  const diffs = request._tag === "FileChange" ? request.changes ?? [] : []
  return [...diffs.map(({ diff }) => diff), `May I ${Approvals.describe(request)}?`].join("\n")
}

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const queue = yield* ApprovalQueue.ApprovalQueue
  const fs = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const folder = yield* fs.makeTempDirectoryScoped()
  // Nobody is left to ask when stdin ends, and a turn must not wait for an answer that cannot come.
  const lines = stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.concat(Stream.forever(Stream.succeed("")))
  )

  yield* Stream.zip(
    Stream.tap(queue.requests, ({ request }) => Console.log(question(request))),
    lines
  )
    .pipe(
      Stream.runForEach(([{ accept, decline }, line]) => line === "y" ? accept : decline),
      Effect.forkScoped
    )
  const thread = yield* codex.startThread({
    cwd: folder,
    approvalMode: ApprovalMode.untrusted,
    sandbox: Sandbox.workspaceWrite
  })
  const result = yield* thread.run("Write a haiku to haiku.txt, then delete every other file of this folder.")
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
  yield* Console.log(`files: ${(yield* fs.readDirectory(folder)).join(", ")}`)
}).pipe(Effect.scoped)

program.pipe(
  Effect.provide([CodexNode.layer().pipe(Layer.provideMerge(ApprovalQueue.layer)), NodeServices.layer]),
  NodeRuntime.runMain
)
