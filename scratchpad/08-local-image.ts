// A picture from a file. The server reads it, so the path has to exist where codex runs.
import { Codex, Input } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, FileSystem, Option, Path } from "effect"

// A red square.
const square = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAMAAAAoLQ9TAAAAA1BMVEXcHh4Np/MyAAAADUlEQVR42mNg" +
  "GAXIAAABEAABf80DtQAAAABJRU5ErkJggg=="

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(yield* fs.makeTempDirectoryScoped(), "square.png")
  yield* fs.writeFile(file, Buffer.from(square, "base64"))

  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const result = yield* thread.run(["Which colour is this?", Input.localImage(file)])
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
})

program.pipe(Effect.scoped, Effect.provide([CodexNode.layer(), NodeServices.layer]), NodeRuntime.runMain)
