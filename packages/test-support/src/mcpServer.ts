/**
 * An MCP server on stdio for tests. codex runs it as `node mcpServer.ts`, and it ends when its stdin ends. It has three
 * tools: `ask` sends its arguments as `elicitation/create` and returns the answer, `change` declares itself
 * destructive, and `heard` returns all messages so far except tool calls. A program may call two more: `fail` fails,
 * and `process` returns the arguments, the folder and the environment of the server. It has the resources `test://note`
 * and `test://bytes`.
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

const resources = [{ uri: "test://note", name: "note" }, { uri: "test://bytes", name: "bytes" }]

const contents = {
  "test://note": { uri: "test://note", mimeType: "text/plain", text: "buy milk" },
  "test://bytes": { uri: "test://bytes", blob: "AP8=" }
}

const read = (uri: unknown): object => {
  const found = Object.entries(contents).find(([known]) => known === uri)?.[1]
  return found === undefined
    ? { error: { code: -32002, message: `no resource ${String(uri)}` } }
    : { result: { contents: [found] } }
}

const call = (id: Message["id"], name: unknown, input: unknown): void => {
  if (name === "ask") {
    const question = `question-${questions++}`
    waiting.set(question, ({ error, result }) => answer(id, { error, result }))
    send({ id: question, method: "elicitation/create", params: input })
  } else if (name === "fail") {
    send({ id, result: { content: [{ type: "text", text: "it failed" }], isError: true } })
  } else if (name === "process") {
    answer(id, { argv: process.argv.slice(2), cwd: process.cwd(), env: process.env })
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
      result: {
        protocolVersion,
        capabilities: { resources: {}, tools: {} },
        serverInfo: { name: "asker", version: "1.0.0" }
      }
    })
  } else if (method === "tools/list") {
    send({ id, result: { tools } })
  } else if (method === "resources/list") {
    send({ id, result: { resources } })
  } else if (method === "resources/templates/list") {
    send({ id, result: { resourceTemplates: [] } })
  } else if (method === "resources/read") {
    send({ id, ...read(params?.["uri"]) })
  } else if (id !== undefined) {
    send({ id, error: { code: -32601, message: `no ${method}` } })
  }
})
