/**
 * Records the frames of the pinned codex binary for the tests: `node packages/protocol/scripts/record.ts`. codex runs
 * against a model on loopback, which runs one command with an approval and then answers.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import * as readline from "node:readline"
import { findBinary } from "./codex.ts"

const answers: Array<ReadonlyArray<unknown>> = [
  [
    { type: "reasoning", id: "rs-1", summary: [{ type: "summary_text", text: "I create the file." }] },
    {
      type: "function_call",
      id: "fc-1",
      call_id: "call-1",
      name: "exec_command",
      arguments: JSON.stringify({ cmd: "touch probe.txt && echo hi" })
    }
  ],
  [{ type: "message", id: "msg-1", role: "assistant", content: [{ type: "output_text", text: "Done." }] }]
]

const model = http.createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    const send = (type: string, data: object) =>
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`)
    send("response.created", { response: { id: "resp-1" } })
    for (const item of answers.shift() ?? []) {
      send("response.output_item.added", { output_index: 0, item })
      if (JSON.stringify(item).includes("output_text")) {
        send("response.output_text.delta", { item_id: "msg-1", output_index: 0, content_index: 0, delta: "Done." })
      }
      send("response.output_item.done", { output_index: 0, item })
    }
    const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 }
    send("response.completed", { response: { id: "resp-1", usage } })
    response.end()
  })
})

interface Frame {
  readonly kind: "clientRequest" | "serverRequest" | "serverNotification"
  readonly method: string
  readonly params?: unknown
  readonly result?: unknown
}

const root = fs.mkdtempSync(path.join(os.homedir(), ".effect-codex-record-"))
const home = path.join(root, "home")
const workspace = path.join(root, "workspace")
fs.mkdirSync(home)
fs.mkdirSync(workspace)
await new Promise<void>((resolve) => model.listen(0, "127.0.0.1", resolve))
const address = model.address()
const port = typeof address === "object" ? address?.port : undefined
fs.writeFileSync(
  path.join(home, "config.toml"),
  `model = "scripted-model"
model_provider = "scripted"
sandbox_mode = "workspace-write"
[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:${port}/v1"
wire_api = "responses"
`
)

const env = { ...process.env, CODEX_HOME: home, HOME: home }
const codex = spawn(findBinary(), ["app-server"], { cwd: workspace, env, stdio: ["pipe", "pipe", "ignore"] })
const frames: Array<Frame> = []
const pending = new Map<number, { readonly method: string; readonly resume: (line: string) => void }>()
const completed = Promise.withResolvers<void>()
let nextId = 0

const write = (message: object): void => void codex.stdin.write(`${JSON.stringify(message)}\n`)

const request = <A>(method: string, params?: object): Promise<A> =>
  new Promise((resolve) => {
    const id = nextId++
    pending.set(id, { method, resume: (line) => resolve(JSON.parse(line).result) })
    write({ id, method, params })
  })

readline.createInterface({ input: codex.stdout }).on("line", (line) => {
  const message = JSON.parse(line)
  if (message.method === undefined) {
    const call = pending.get(message.id)
    if (message.error !== undefined) console.error(call?.method, message.error)
    else if (call !== undefined) frames.push({ kind: "clientRequest", method: call.method, result: message.result })
    call?.resume(line)
  } else if (message.id === undefined) {
    frames.push({ kind: "serverNotification", method: message.method, params: message.params })
    if (message.method === "turn/completed") completed.resolve()
  } else {
    frames.push({ kind: "serverRequest", method: message.method, params: message.params })
    write({ id: message.id, result: { decision: "accept" } })
  }
})

await request("initialize", {
  clientInfo: { name: "recorder", title: null, version: "0.0.0" },
  capabilities: { experimentalApi: true, requestAttestation: false }
})
write({ method: "initialized" })
const { thread } = await request<{ readonly thread: { readonly id: string } }>("thread/start", {
  cwd: workspace,
  approvalPolicy: "untrusted"
})
await request("turn/start", { threadId: thread.id, input: [{ type: "text", text: "run it", text_elements: [] }] })
await completed.promise
await request("thread/read", { threadId: thread.id, includeTurns: true })
await request("thread/timeline/list", { threadId: thread.id })
await request("thread/items/list", { threadId: thread.id })
await request("thread/list", {})
await request("thread/loaded/list", {})
await request("model/list", {})
await request("account/read", {})
await request("config/read", { includeLayers: true })
await request("configRequirements/read")
await request("mcpServerStatus/list", {})
await request("skills/list", {})
await request("collaborationMode/list", {})
await request("experimentalFeature/list", {})
await request("thread/archive", { threadId: thread.id })

codex.stdin.end()
await new Promise((resolve) => codex.once("exit", resolve))
model.close()
fs.rmSync(root, { recursive: true, force: true, maxRetries: 5 })

const anonymous = (text: string): string =>
  text.replaceAll(home, "/home/user/.codex").replaceAll(workspace, "/home/user/workspace")
    .replaceAll(root, "/home/user").replaceAll(JSON.stringify(os.hostname()), "\"host\"")
    .replace(/"installationId":"[^"]+"/g, "\"installationId\":\"00000000-0000-4000-8000-000000000000\"")
    .replace(/\((?:[^()"]+); ([^()"]+)\) [^"]*?\(/, "(Linux; $1) terminal (")
const file = path.join(import.meta.dirname, "..", "test", "fixtures", "frames.json")
fs.writeFileSync(file, `[\n${frames.map((frame) => anonymous(JSON.stringify(frame))).join(",\n")}\n]\n`)
console.log(`Recorded ${frames.length} frames`)
