/** A client of the real codex in as few lines as it takes: data, split, JSON.parse and a map of requests. */
import { spawn } from "node:child_process"
import { onEachLine } from "./bareLines.ts"

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Params
  readonly result?: Result
  readonly error?: unknown
}

/** What the notifications of a turn have in common, as far as the bench reads them. */
export interface Params {
  readonly threadId?: string
  readonly turnId?: string
  readonly turn?: { readonly id: string; readonly status: string }
  readonly item?: { readonly type: string; readonly text?: string }
}

export interface Result {
  readonly thread?: { readonly id: string }
  readonly turn?: { readonly id: string }
}

export interface BareClient {
  readonly request: (method: string, params: object) => Promise<Result>
  /** Starts a turn. It is over when `onNotification` gets its `turn/completed`. */
  readonly startTurn: (threadId: string, prompt: string) => Promise<Result>
  readonly end: () => void
}

/** Starts codex and initializes it. */
export const start = async (
  executable: string,
  onNotification: (method: string, params: Params) => void
): Promise<BareClient> => {
  const codex = spawn(executable, ["app-server", "--listen", "stdio://"], { stdio: ["pipe", "pipe", "ignore"] })
  const pending = new Map<number, (message: Message) => void>()
  onEachLine(codex.stdout, (line) => {
    const message = JSON.parse(line) as Message
    const { id, method, params } = message
    if (method !== undefined) return onNotification(method, params ?? {})
    if (id === undefined) return
    pending.get(id)?.(message)
    pending.delete(id)
  })
  let lastId = 0
  const request = (method: string, params: object) =>
    new Promise<Result>((resolve, reject) => {
      const id = ++lastId
      pending.set(id, ({ error, result }) =>
        result === undefined ? reject(new Error(`${method}: ${JSON.stringify(error)}`)) : resolve(result))
      codex.stdin.write(`${JSON.stringify({ id, method, params })}\n`)
    })
  await request("initialize", { clientInfo: { name: "bench", title: null, version: "0" } })
  codex.stdin.write(`{"method":"initialized"}\n`)
  return {
    request,
    startTurn: (threadId, prompt) =>
      request("turn/start", { threadId, input: [{ type: "text", text: prompt, text_elements: [] }] }),
    end: () => void codex.stdin.end()
  }
}
