/** Tools that the program serves, with promises, on the real codex. */
import { InvalidArgument, tool } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { AsyncLocalStorage } from "node:async_hooks"
import { inspect } from "node:util"
import { real, rejection } from "./support/real.ts"

const callOf = (name: string) => ScriptedModel.functionCall(name, { id: "A" }, { namespace: "mcp__host" })

const storage = new AsyncLocalStorage<string>()

const says = (name: string, seen: Array<unknown> = []) =>
  tool(name, {
    description: "d",
    input: { jsonSchema: { type: "object" }, decode: (value) => ({ ok: true, value }) },
    handler: (_, { threadId }) => {
      seen.push(threadId, storage.getStore())
      return `${name} ran`
    }
  })

describe("tools that are served", () => {
  real("are called, change, and end with their handle", async ({ codex, model }) => {
    const seen: Array<unknown> = []
    const host = await storage.run("context", () => codex.hostTools([says("find", seen)], { description: "Ours." }))
    const server = host.mcpServer({ approval: "approve", followToolChanges: true })
    assert.match(String(server.bearerToken), /^[\da-f]{64}$/)
    assert.notInclude(inspect(server) + JSON.stringify(server) + inspect(host, { depth: 9 }), server.bearerToken!)
    const thread = await codex.startThread({ mcpServers: { host: server } })
    await model.enqueue(callOf("find"), "done")
    await thread.run("go")
    assert.deepStrictEqual(seen, [thread.id, "context"])
    await host.set([says("close")])
    await model.enqueue(callOf("close"), "done")
    await thread.run("go")
    assert.include((await model.requests()).at(-1)?.toolOutputs[0]?.output, "close ran")

    const same = [says("close"), says("close")]
    assert.instanceOf(await rejection(host.set(same)), InvalidArgument)
    assert.instanceOf(await rejection(codex.hostTools(same)), InvalidArgument)
    assert.instanceOf(await rejection(codex.hostTools(5 as never)), InvalidArgument)
    await host.close()
    assert.instanceOf(await rejection(fetch(server.url)), TypeError)
  })

  real("abort the signal of a call whose turn is interrupted, and end with the client", async ({ codex, model }) => {
    const started = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const wait = tool("wait", {
      description: "d",
      input: { jsonSchema: { type: "object" }, decode: (value) => ({ ok: true, value }) },
      handler: (_, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve())
        started.resolve()
        return aborted.promise
      }
    })
    const host = await codex.hostTools([wait])
    const server = host.mcpServer({ approval: "approve" })
    const thread = await codex.startThread({ mcpServers: { host: server } })
    await model.enqueue(callOf("wait"))
    const turn = await thread.turn("go")
    await started.promise
    await turn.interrupt()
    await aborted.promise
    await codex.close()
    assert.instanceOf(await rejection(fetch(server.url)), TypeError)
  })
})
