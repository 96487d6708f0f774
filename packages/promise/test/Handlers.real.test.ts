/** What each kind of handler is asked, and what becomes of its answer, on the real codex. */
import {
  ApprovalMode,
  type ApprovalRequest,
  type Codex,
  Elicitation,
  type Handlers,
  Sandbox,
  type StartThreadOptions
} from "@effect-codex/promise"
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { type Model, real } from "./support/real.ts"

const { exec, functionCall } = ScriptedModel

const asking: StartThreadOptions = { approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly }

/** What the model was told of its last call. */
const told = async (model: Model): Promise<string> => {
  const output: unknown = (await model.requests()).at(-1)?.toolOutputs.at(-1)?.output
  return String(output)
}

describe("the handler of an MCP server's questions", () => {
  const call = (tool: string, input: Parameters<typeof functionCall>[1]) =>
    functionCall(tool, input, { namespace: "mcp__asker" })
  const askName = call("ask", {
    message: "Who are you?",
    requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] }
  })
  const change = call("change", { file: "a.txt" })
  const home = {
    config: {
      mcp_servers: {
        asker: {
          // Else a turn that begins before it has started has none of its tools.
          required: true,
          command: process.execPath,
          args: [mcpServer]
        }
      }
    }
  }
  const given = async (codex: Codex, handlers: Handlers) => {
    const thread = await codex.startThread({ ...asking, handlers })
    const { items } = await thread.run("Go.")
    return items.flatMap((item) => item.type === "mcpToolCall" ? [item.error ?? item.result?.structuredContent] : [])
  }

  real("fills in forms, and decides on the calls of tools", async ({ codex, model }) => {
    const asked: Array<unknown> = []
    const handlers: Handlers = {
      elicitation: async (request, { signal }) => {
        assert.isFalse(signal.aborted)
        asked.push([request._tag, request.serverName])
        if (request._tag === "Form") return Elicitation.accept({ name: "Ann" })
        return request._tag === "ToolApproval" ? Elicitation.accept() : Elicitation.decline
      }
    }
    await model.enqueue(askName, "done", change, "done", askName, "done", askName, "done")
    assert.deepStrictEqual(await given(codex, handlers), [{ result: { action: "accept", content: { name: "Ann" } } }])
    assert.deepStrictEqual(await given(codex, handlers), [{ called: "change", input: { file: "a.txt" } }])
    assert.deepStrictEqual(asked, [["Form", "asker"], ["ToolApproval", "asker"]])
    assert.deepStrictEqual(
      await given(codex, { elicitation: async () => Elicitation.cancel }),
      [{ result: { action: "cancel" } }]
    )
    // Nobody is asked.
    assert.deepStrictEqual(await given(codex, {}), [{ result: { action: "decline" } }])
  }, { home })

  real("leaves the calls of tools to the handlers of approvals", async ({ codex, model }) => {
    const asked: Array<ApprovalRequest> = []
    const never = () => Promise.reject(new Error("not this one"))
    await model.enqueue(change, "done", change, "done", change, "done")
    assert.deepStrictEqual(
      await given(codex, {
        elicitation: never,
        approvals: {
          mcpTool: async (request) => {
            asked.push(request)
            return "accept"
          }
        }
      }),
      [{ called: "change", input: { file: "a.txt" } }]
    )
    assert.deepInclude(asked[0], { _tag: "McpTool", serverName: "asker", tool: "change", arguments: { file: "a.txt" } })
    const [declined] = await given(codex, { approvals: { mcpTool: async () => "decline" } })
    assert.include(JSON.stringify(declined), "rejected")
    assert.deepStrictEqual(
      await given(codex, { approvals: async ({ _tag }) => _tag === "McpTool" }),
      [{ called: "change", input: { file: "a.txt" } }]
    )
  }, { home })
})

describe("the handlers of approvals", () => {
  real("grant permissions", async ({ codex, model }) => {
    const ask = functionCall("request_permissions", {
      reason: "to fetch",
      permissions: { network: { enabled: true } }
    })
    const reasons: Array<unknown> = []
    const decide = (decision: "accept" | "acceptForSession" | "decline"): Handlers => ({
      approvals: {
        permissions: async ({ reason }) => {
          reasons.push(reason)
          return decision
        }
      }
    })
    const thread = await codex.startThread(asking)
    await model.enqueue(ask, "done", ask, "done", ask, "done")
    await thread.run("Go.", { handlers: decide("decline") })
    assert.deepStrictEqual(JSON.parse(await told(model)), {
      permissions: { network: null, file_system: null },
      scope: "turn"
    })
    await thread.run("Go.", { handlers: decide("accept") })
    assert.deepInclude(JSON.parse(await told(model)), { scope: "turn" })
    assert.include(await told(model), `"enabled":true`)
    await thread.run("Go.", { handlers: decide("acceptForSession") })
    assert.deepInclude(JSON.parse(await told(model)), { scope: "session" })
    assert.deepStrictEqual(reasons, ["to fetch", "to fetch", "to fetch"])
  }, { home: { config: { features: { request_permissions_tool: true } } } })

  real("grant no permissions with what is no decision", async ({ model, open }) => {
    const ask = functionCall("request_permissions", {
      reason: "to fetch",
      permissions: { network: { enabled: true } }
    })
    const logged: Array<string> = []
    const codex = open({ onLog: ({ message }) => logged.push(message) })
    const thread = await codex.startThread(asking)
    // What a program without types may give.
    for (const answer of [undefined, "no", false, true, {}]) {
      await model.enqueue(ask, "done")
      await thread.run("Go.", { handlers: { approvals: { permissions: async () => answer as never } } })
      assert.deepStrictEqual(
        JSON.parse(await told(model)),
        { permissions: { network: null, file_system: null }, scope: "turn" },
        String(answer)
      )
      const line = logged.splice(0).find((line) => line.includes("the handler of"))
      assert.match(
        line ?? "",
        /item\/permissions\/requestApproval failed; the default answers instead\.\nTypeError: it gave .+ where one of accept, acceptForSession, decline or/
      )
    }
  }, { home: { config: { features: { request_permissions_tool: true } } } })

  real("decline what takes longer than the client allows, and are told so", async ({ model, open }) => {
    const codex = open({ handlerTimeout: 50 })
    const aborted = Promise.withResolvers<unknown>()
    const thread = await codex.startThread({
      ...asking,
      handlers: {
        approvals: (_, { signal }) =>
          new Promise(() => signal.addEventListener("abort", () => aborted.resolve(signal.aborted)))
      }
    })
    const escalated = exec("true", { args: { sandbox_permissions: "require_escalated", justification: "why not" } })
    await model.enqueue([escalated], "no")
    const { items } = await thread.run("Go.")
    assert.deepStrictEqual(
      items.flatMap((item) => item.type === "commandExecution" ? [item.status] : []),
      ["declined"]
    )
    assert.isTrue(await aborted.promise)
  })
})

describe("the handler of the agent's questions", () => {
  real("chooses what the agent recommends, if it is firstOption", async ({ codex, model }) => {
    const option = (label: string) => ({ label, description: `${label}, of course.` })
    const ask = functionCall("request_user_input", {
      questions: [
        { id: "colour", header: "Colour", question: "Which?", options: [option("Blue"), option("Red")] },
        { id: "size", header: "Size", question: "How big?", options: [option("Small"), option("Big")] }
      ]
    })
    const thread = await codex.startThread({ config: { features: { default_mode_request_user_input: true } } })
    await model.enqueue(ask, "done", ask, "done")
    await thread.run("Paint.", { handlers: { questions: "firstOption" } })
    assert.deepStrictEqual(JSON.parse(await told(model)), {
      answers: { colour: { answers: ["Blue"] }, size: { answers: ["Small"] } }
    })
    await thread.run("Paint.")
    assert.notInclude(await told(model), "Blue")
  })
})
