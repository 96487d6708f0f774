/**
 * An MCP server on stdio for tests. codex runs it as `node mcpServer.ts`, and it ends when its stdin ends. It has three
 * tools: `ask` sends its arguments as `elicitation/create` and returns the answer, `change` declares itself
 * destructive, and `heard` returns all messages so far except tool calls.
 */
import { createInterface } from "node:readline"

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly [key: string]: unknown }
  readonly result?: unknown
  readonly error?: unknown
}

const tool = (name: string, more: object) => ({
  name,
  description: `The tool ${name}.`,
  inputSchema: { type: "object", properties: {}, additionalProperties: true },
  ...more
})

const tools = [
  tool("ask", { annotations: { readOnlyHint: true } }),
  tool("heard", { annotations: { readOnlyHint: true } }),
  tool("change", { title: "Change it", annotations: { readOnlyHint: false, destructiveHint: true } })
]

const heard: Array<Message> = []
const waiting = new Map<unknown, (answer: Message) => void>()
let questions = 0

const send = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const answer = (id: Message["id"], structuredContent: object) =>
  send({ id, result: { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent } })

const call = (id: Message["id"], name: unknown, input: unknown): void => {
  if (name === "ask") {
    const question = `question-${questions++}`
    waiting.set(question, ({ error, result }) => answer(id, { error, result }))
    send({ id: question, method: "elicitation/create", params: input })
  } else {
    answer(id, name === "heard" ? { heard } : { called: name, input })
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line) as Message
  const { id, method, params } = message
  if (method === "tools/call") {
    call(id, params?.name, params?.arguments)
    return
  }
  heard.push(message)
  if (method === undefined) {
    waiting.get(id)?.(message)
    waiting.delete(id)
  } else if (method === "initialize") {
    const protocolVersion = params?.protocolVersion
    send({
      id,
      result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "asker", version: "1.0.0" } }
    })
  } else if (method === "tools/list") {
    send({ id, result: { tools } })
  } else if (id !== undefined) {
    send({ id, error: { code: -32601, message: `no ${method}` } })
  }
})
