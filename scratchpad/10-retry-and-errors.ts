// Every failure is a typed error, and only what may succeed when it is made again is retried.
import { Codex, CodexRetry } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex

  // A request that an overloaded server did not admit is sent again.
  const thread = yield* Effect.retry(codex.startThread(), CodexRetry.overload)

  // A turn that failed because of the model or the way to it is run again, as a new turn of the same thread.
  const answer = yield* thread.run("Say hello.").pipe(
    Effect.tapErrorTag("TurnFailed", (error) => Console.log(`${error.reason}, retryable: ${error.isRetryable}`)),
    Effect.retry(CodexRetry.transient)
  )
  yield* Console.log(Option.getOrElse(answer.finalResponse, () => "(no answer)"))

  yield* thread.run("Do something expensive.").pipe(
    Effect.catchTags({
      TurnFailed: (error) => Console.log(`failed (${error.reason}) after ${error.result.items.length} items`),
      ThreadBusy: (error) => Console.log(`turn ${error.activeTurnId} is still running`)
    })
  )

  yield* codex.resumeThread("00000000-0000-7000-8000-000000000000").pipe(
    Effect.catchTag("ThreadNotPersisted", (error) => Console.log(error._tag))
  )
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
