// The life of a thread: two turns, resume, list, read, name, archive and back, resume with settings, fork, compact.
import { Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
  yield* thread.run("Say one word.")
  yield* thread.run("Say another.")

  const resumed = yield* codex.resumeThread(thread.id)
  const listed = yield* codex.listThreads({ cwd: process.cwd() }).pipe(Stream.take(10), Stream.runCollect)
  const turns = yield* Stream.runCollect(resumed.turns({ sortDirection: "asc" }))
  yield* Console.log(`listed: ${listed.some(({ id }) => id === thread.id)}, turns: ${turns.length}`)

  yield* thread.setName("Two words")
  yield* thread.archive
  const archived = yield* codex.listThreads({ archived: true }).pipe(Stream.take(10), Stream.runCollect)
  yield* Console.log(`archived: ${archived.map(({ name }) => name).join(", ")}`)

  // Unarchiving loads nothing; resuming does, and may change the settings.
  yield* codex.unarchiveThread(thread.id)
  const again = yield* codex.resumeThread(thread.id, { sandbox: Sandbox.workspaceWrite })
  const fork = yield* again.fork()
  yield* fork.run("Say a third.")
  const forkTurns = yield* Stream.runCollect(fork.turns())
  yield* Console.log(`the fork has ${forkTurns.length} turns`)

  const compaction = yield* Effect.scoped(Effect.flatMap(again.compact(), (turn) => turn.result))
  yield* Console.log(`compaction: ${compaction.status}`)
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
