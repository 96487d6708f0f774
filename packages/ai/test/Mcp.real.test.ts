/** Threads as the tools of an MCP server, on the real codex with a scripted model and the MCP client of Effect. */
import * as Mcp from "@effect-codex/ai/Mcp"
import { Sandbox } from "@effect-codex/client"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option, Queue, Schema } from "effect"
import { McpProtocol, McpTest } from "effect/ai"
import { conversation, enqueue, lastRequest, real } from "./support/real.ts"

const connected = McpTest.makeClient(Mcp.layer({ sandbox: Sandbox.readOnly }), { protocols: [McpProtocol.v2025_11_25] })

const answerOf = Schema.decodeUnknownSync(Mcp.Answer)

describe("an MCP server of codex", () => {
  real(
    "starts a thread, and goes on with it by its id",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.")
      const client = yield* connected
      const { tools } = yield* client.listTools()
      assert.deepStrictEqual(tools.map(({ name }) => name), ["codex", "codex_reply"])
      const first = answerOf(
        (yield* client.callTool({ name: "codex", arguments: { prompt: "first" } })).structuredContent
      )
      assert.strictEqual(first.answer, "One.")
      const called = yield* client.callTool({
        name: "codex_reply",
        arguments: { threadId: first.threadId, prompt: "second" }
      })
      const second = answerOf(called.structuredContent)
      assert.deepStrictEqual([second.threadId, second.answer], [first.threadId, "Two."])
      assert.deepStrictEqual(conversation(yield* lastRequest), ["user: first", "assistant: One.", "user: second"])
    })
  )

  real(
    "answers in the shape of a schema",
    Effect.gen(function*() {
      yield* enqueue(`{"count":3}`)
      const client = yield* connected
      const outputSchema = {
        type: "object",
        properties: { count: { type: "integer" } },
        required: ["count"],
        additionalProperties: false
      }
      const { structuredContent } = yield* client.callTool({
        name: "codex",
        arguments: { prompt: "Count.", outputSchema }
      })
      assert.deepStrictEqual(answerOf(structuredContent).output, { count: 3 })
      assert.deepStrictEqual(Option.getOrUndefined((yield* lastRequest).outputSchema), outputSchema)
    })
  )

  real(
    "tells how a turn goes to who asked for it, without what could move a cursor",
    Effect.gen(function*() {
      yield* enqueue(
        [ScriptedModel.text("I \u001b[2Jlook.", { phase: "commentary" }), ScriptedModel.exec("echo hi")],
        ScriptedModel.text("Done.", { phase: "final_answer" })
      )
      const client = yield* connected
      yield* client.callTool({ name: "codex", arguments: { prompt: "x" }, _meta: { progressToken: "p" } })
      const told = yield* Queue.takeAll(client.notifications)
      const progress = told.flatMap(({ method, payload }) => method === "notifications/progress" ? [payload] : [])
      assert.deepStrictEqual(progress.map(({ progress, progressToken }) => [progressToken, progress]), [["p", 1], [
        "p",
        2
      ]])
      const [commentary, command] = progress.map(({ message }) => message)
      assert.strictEqual(commentary, "I [2Jlook.")
      assert.match(command ?? "", /^\$ .*echo hi/)
    })
  )

  real(
    "runs two replies to a thread one after the other",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", "Three.")
      const client = yield* connected
      const called = yield* client.callTool({ name: "codex", arguments: { prompt: "first" } })
      const { threadId } = answerOf(called.structuredContent)
      const reply = client.callTool({ name: "codex_reply", arguments: { threadId, prompt: "again" } })
      const replies = yield* Effect.all([reply, reply], { concurrency: 2 })
      assert.sameMembers(replies.map(({ structuredContent }) => answerOf(structuredContent).answer), ["Two.", "Three."])
      assert.deepStrictEqual(conversation(yield* lastRequest), [
        "user: first",
        "assistant: One.",
        "user: again",
        "assistant: Two.",
        "user: again"
      ])
    })
  )

  real(
    "interrupts the turn of a call that is cancelled",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["One ", gate]))
      const client = yield* connected
      const call = yield* Effect.forkChild(client.callTool({ name: "codex", arguments: { prompt: "x" } }))
      yield* gate.reached
      yield* Fiber.interrupt(call)
      assert.strictEqual(yield* (yield* lastRequest).outcome, "abandoned")
    })
  )

  real(
    "tells failures with the thread that they can be gone on with in",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.httpFailure(400, "no"), "Two.")
      const client = yield* connected
      const unknown = yield* client.callTool({
        name: "codex_reply",
        arguments: { threadId: "01a22317-0000-7000-8000-000000000000", prompt: "x" }
      })
      assert.isTrue(unknown.isError)
      assert.include(JSON.stringify(unknown.content), "ThreadNotPersisted")
      const nowhere = yield* client.callTool({ name: "codex", arguments: { prompt: "x", cwd: "/nowhere" } })
      assert.include(JSON.stringify(nowhere.content), "InvalidArgument")
      const failed = yield* client.callTool({ name: "codex", arguments: { prompt: "x" } })
      const [content] = failed.content
      if (content?.type !== "text") return assert.fail("a failure is told as text")
      const { error, threadId } = Schema.decodeSync(Schema.fromJsonString(Mcp.Failure))(content.text)
      assert.strictEqual(error, "TurnFailed")
      const again = yield* client.callTool({ name: "codex_reply", arguments: { threadId, prompt: "again" } })
      assert.strictEqual(answerOf(again.structuredContent).answer, "Two.")
    })
  )
})
