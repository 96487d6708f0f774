// Watching a turn while it runs. An event's tag is the method name of the protocol, so the compiler knows its params.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Match, Option, Stream } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const turn = yield* thread.turn("Which files are here?")

  yield* Stream.runForEach(turn.events, (event) =>
    Match.value(event).pipe(
      Match.tag("turn/started", () => Console.log("started")),
      Match.tag("item/started", ({ params: { item } }) =>
        item.type === "commandExecution" ? Console.log(`$ ${item.command}`) : Effect.void),
      Match.tag("item/agentMessage/delta", ({ params }) =>
        Console.log(`+ ${params.delta}`)),
      Match.tag("turn/completed", ({ params }) => Console.log(params.turn.status)),
      Match.orElse(() => Effect.void)
    ))

  // The result is there whether or not anybody has read the events.
  const result = yield* turn.result
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
})

// Leaving the scope before the end would interrupt the turn.
program.pipe(Effect.scoped, Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
