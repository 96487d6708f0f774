// Saying more to a running turn, and stopping one. Both may be called as soon as there is a handle.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option, Stream } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()

  const first = yield* thread.turn("Count to a hundred, one number a line.")
  yield* Stream.runHead(first.text)
  yield* first.steer("Stop counting and say why.")
  const steered = yield* first.result
  yield* Console.log(`${steered.status}: ${Option.getOrElse(steered.finalResponse, () => "(no answer)")}`)

  const second = yield* thread.turn("Count to a thousand.")
  yield* second.interrupt
  const interrupted = yield* second.result
  yield* Console.log(interrupted.status)

  // A timeout interrupts the turn on the server too, and the thread is free for the next one.
  const inTime = yield* thread.run("Count to a million.").pipe(Effect.timeoutOption("2 seconds"))
  yield* Console.log(Option.isSome(inTime) ? "in time" : "too late")
})

program.pipe(Effect.scoped, Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
