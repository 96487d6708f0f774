/**
 * Runs a turn over each transport, and one with promises, on the installed packages. Without addresses it uses only
 * stdio. `rows.ts` runs it in every runtime and bundle.
 */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Codex as Promises, tool } from "@effect-codex/promise"
import { Effect, Option } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"

const ask = Effect.gen(function*() {
  const thread = yield* (yield* Codex.Codex).startThread()
  return Option.getOrThrow((yield* thread.run("Go.")).finalResponse)
})

const withPromises = async (): Promise<ReadonlyArray<string>> => {
  const store = new AsyncLocalStorage<string>()
  const noted: Array<string> = []
  const note = tool("note", {
    description: "Notes.",
    input: { jsonSchema: { type: "object", properties: {} }, decode: (value) => ({ ok: true, value }) },
    handler: () => {
      noted.push(store.getStore() ?? "no store")
      return "Noted."
    }
  })
  const codex = await Promises.start()
  const thread = await store.run("store", () => codex.startThread({ tools: [note] }))
  const { finalResponse = "" } = await thread.run("Go.")
  await codex.close()
  return [...noted, finalResponse]
}

export const main = async ([url, path]: ReadonlyArray<string>): Promise<void> => {
  const said = [await Effect.runPromise(Effect.provide(ask, CodexNode.layer()))]
  if (url !== undefined) said.push(await Effect.runPromise(Effect.provide(ask, CodexNode.layerWebSocket({ url }))))
  if (path !== undefined) said.push(await Effect.runPromise(Effect.provide(ask, CodexNode.layerUnixSocket({ path }))))
  said.push(...await withPromises())
  console.log(said.join(", "))
}
