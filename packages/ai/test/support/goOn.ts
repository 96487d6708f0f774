/** Goes on with the Chat that is exported in its first argument, in a process of its own, and prints the Chat again. */
import { CodexLanguageModel } from "@effect-codex/ai"
import { CodexNode } from "@effect-codex/node"
import { Effect } from "effect"
import { Chat } from "effect/ai"

const [, , exported = "", prompt = ""] = process.argv

const program = Effect.gen(function*() {
  const chat = yield* Chat.fromJson(exported)
  yield* chat.generateText({ prompt })
  return yield* chat.exportJson
}).pipe(Effect.provide(CodexLanguageModel.layer()), Effect.provide(CodexNode.layer()))

process.stdout.write(await Effect.runPromise(program))
