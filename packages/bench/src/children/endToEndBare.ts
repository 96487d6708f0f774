/** Turns at once on the real codex binary, read by hand: data, split, JSON.parse and dispatch by turn. */
import { spawn } from "node:child_process"
import { promptOf } from "../stage.ts"
import { onEachLine } from "./bareLines.ts"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const [turns, deltas] = process.argv.slice(2, 4).map(Number) as [number, number]
const executable = process.argv[4]!
const codexProcesses = watchCodex(executable)

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly turnId?: string; readonly turn?: { readonly status: string } }
  readonly result?: { readonly thread?: { readonly id: string } }
  readonly error?: unknown
}

const codex = spawn(executable, ["app-server", "--listen", "stdio://"], { stdio: ["pipe", "pipe", "ignore"] })
const pending = new Map<number, (message: Message) => void>()
const counts = new Map<string, number>()
const completed = Promise.withResolvers<void>()
let open = turns

const onMessage = (message: Message): void => {
  const { id, method, params } = message
  if (method === undefined) {
    if (id === undefined) return
    pending.get(id)?.(message)
    pending.delete(id)
  } else if (method === "item/agentMessage/delta") {
    counts.set(params!.turnId!, (counts.get(params!.turnId!) ?? 0) + 1)
  } else if (method === "turn/completed") {
    if (params!.turn!.status !== "completed") throw new Error(`a turn ended ${params!.turn!.status}`)
    if (--open === 0) completed.resolve()
  }
}

onEachLine(codex.stdout, (line) => onMessage(JSON.parse(line) as Message))

let lastId = 0
const request = (method: string, params: object) =>
  new Promise<NonNullable<Message["result"]>>((resolve, reject) => {
    const id = ++lastId
    pending.set(id, ({ error, result }) =>
      result === undefined ? reject(new Error(`${method}: ${JSON.stringify(error)}`)) : resolve(result))
    codex.stdin.write(`${JSON.stringify({ id, method, params })}\n`)
  })

await request("initialize", { clientInfo: { name: "bench", title: null, version: "0" } })
codex.stdin.write(`{"method":"initialized"}\n`)
const threads: Array<string> = []
for (let n = 0; n < turns; n++) threads.push((await request("thread/start", {})).thread!.id)

const end = codexProcesses.begin()
const input = [{ type: "text", text: promptOf(deltas), text_elements: [] }]
await Promise.all(threads.map((threadId) => request("turn/start", { threadId, input })))
await completed.promise
tell({ ...end(), events: [...counts.values()].reduce((a, b) => a + b, 0) })
codex.stdin.end()
