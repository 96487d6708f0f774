/** As much of `@openai/codex-sdk` as a script of one turn needs, on an app-server and with nothing around it. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

export class Codex {
  #executable

  constructor({ codexPathOverride }) {
    this.#executable = codexPathOverride
  }

  startThread() {
    return { run: (prompt) => this.#run(prompt) }
  }

  #run(prompt) {
    const codex = spawn(this.#executable, ["app-server", "--listen", "stdio://"], { stdio: ["pipe", "pipe", "ignore"] })
    const send = (message) => void codex.stdin.write(`${JSON.stringify(message)}\n`)
    const { promise, reject, resolve } = Promise.withResolvers()
    let finalResponse = ""
    createInterface({ input: codex.stdout }).on("line", (line) => {
      const { error, id, method, params, result } = JSON.parse(line)
      if (error !== undefined) reject(new Error(JSON.stringify(error)))
      if (id === 1) {
        send({ method: "initialized" })
        send({ id: 2, method: "thread/start", params: { approvalPolicy: "never", cwd: process.cwd() } })
      }
      if (id === 2) {
        const input = [{ type: "text", text: prompt, text_elements: [] }]
        send({ id: 3, method: "turn/start", params: { threadId: result.thread.id, input } })
      }
      if (method === "item/completed" && params.item.type === "agentMessage") finalResponse = params.item.text
      if (method !== "turn/completed") return
      codex.stdin.end()
      resolve({ finalResponse })
    })
    send({ id: 1, method: "initialize", params: { clientInfo: { name: "bench", title: null, version: "0" } } })
    return promise
  }
}
