/** A turn over a WebSocket: `Runtimes.test.ts` runs it. */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Effect, Option } from "effect"

const [url = ""] = process.argv.slice(2)

const ask = Effect.gen(function*() {
  const thread = yield* (yield* Codex.Codex).startThread()
  return Option.getOrThrow((yield* thread.run("Say hello.")).finalResponse)
})

console.log(await Effect.runPromise(Effect.provide(ask, CodexNode.layerWebSocket({ url }))))
