/**
 * Goes on with the Chat that is exported in its first argument, in a process of its own, and prints the Chat again. With
 * a third argument it has the toolkit, whose handler answers with that argument.
 */
import { CodexLanguageModel } from "@effect-codex/ai"
import { CodexNode } from "@effect-codex/node"
import { Effect } from "effect"
import { Chat } from "effect/ai"
import { Where } from "./where.ts"

const [, , exported = "", prompt = "", answer] = process.argv

const program = Effect.gen(function*() {
  const chat = yield* Chat.fromJson(exported)
  if (answer === undefined) yield* chat.generateText({ prompt })
  else {
    yield* chat.generateText({ prompt, toolkit: Where }).pipe(
      Effect.provide(Where.toLayer({ Where: () => Effect.succeed(answer) }))
    )
  }
  return yield* chat.exportJson
}).pipe(Effect.provide(CodexLanguageModel.layer()), Effect.provide(CodexNode.layer()))

process.stdout.write(await Effect.runPromise(program))
