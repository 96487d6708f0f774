// Letting the agent try something: what it did to the files stays only if a check of the program's own succeeds.
import { Checkpoints, Codex, Sandbox, Workspace } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, FileSystem, Layer } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const workspace = yield* Workspace.Workspace
  const fs = yield* FileSystem.FileSystem

  // Removed at the end. A program that may want to go back tomorrow has a folder of its own for them.
  const directory = yield* fs.makeTempDirectoryScoped()
  const checkpoints = yield* Checkpoints.make({ folder: ".", directory })

  const numbers = `${process.cwd()}/numbers.txt`
  yield* workspace.writeFile(numbers, "3\n4\n")

  const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite })
  for (const prompt of ["Add a number to numbers.txt so that they add up to 10.", "No: to 10 exactly."]) {
    const turn = yield* thread.run(prompt).pipe(checkpoints.track(thread))
    for (const { deletions, insertions, kind, path } of yield* checkpoints.changes(turn.id)) {
      yield* Console.log(`${kind} ${path} +${insertions} -${deletions}`)
    }
    const { stdout } = yield* workspace.run(["awk", "{ sum += $1 } END { print sum }", numbers], {
      sandbox: Sandbox.readOnly
    })
    yield* Console.log(`The sum is ${stdout.trim()}.`)
    if (stdout.trim() === "10") break
    // The files go back, and the thread remembers the turn.
    yield* checkpoints.rewind(turn.id)
  }
  yield* Console.log((yield* workspace.readText(numbers)).split("\n").join(" "))
  yield* workspace.remove(numbers)
})

const Services = Workspace.layer.pipe(Layer.provideMerge(CodexNode.layer()), Layer.merge(NodeServices.layer))

program.pipe(Effect.scoped, Effect.provide(Services), NodeRuntime.runMain)
