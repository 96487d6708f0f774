// The same client from code that knows promises only: a runtime is made once and disposed of at the end.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Effect, ManagedRuntime, Option } from "effect"

const runtime = ManagedRuntime.make(CodexNode.layer())

const ask = (question: string): Promise<string> =>
  runtime.runPromise(Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const thread = yield* codex.startThread()
    const result = yield* thread.run(question)
    return Option.getOrElse(result.finalResponse, () => "(no answer)")
  }))

try {
  const answers = await Promise.all([ask("What is one and one?"), ask("What is two and two?")])
  for (const answer of answers) console.log(answer)
} finally {
  await runtime.dispose()
}
