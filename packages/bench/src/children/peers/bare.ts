/** A client of 40 lines, which checks nothing and forgets nothing. */
import { start } from "../bareClient.ts"
import { onThreads, type Peer } from "./peer.ts"

export const load = (): Promise<Peer> =>
  Promise.resolve({
    run: async (work, onAnswers) => {
      const texts = new Map<string, string>()
      const waiting = new Map<string, (answer: string) => void>()
      const codex = await start(work.executable, (method, { item, threadId, turn }) => {
        if (method === "item/completed" && item!.type === "agentMessage") texts.set(threadId!, item!.text!)
        if (method !== "turn/completed") return
        if (turn!.status !== "completed") throw new Error(`a turn ended ${turn!.status}`)
        waiting.get(threadId!)!(texts.get(threadId!) ?? "")
      })
      const answers = await onThreads(work, async () => {
        const { id } = (await codex.request("thread/start", {})).thread!
        const ofThread: Array<string> = []
        for (let n = 0; n < work.turns; n++) {
          const answer = new Promise<string>((resolve) => waiting.set(id, resolve))
          await codex.startTurn(id, work.prompt)
          ofThread.push(await answer)
        }
        return ofThread
      })
      onAnswers()
      codex.end()
      return answers
    },
    stream: async ({ executable, prompt }, onText) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const codex = await start(executable, (method) => {
        if (method === "item/agentMessage/delta") onText()
        if (method === "turn/completed") resolve()
      })
      const { thread } = await codex.request("thread/start", {})
      await codex.startTurn(thread!.id, prompt)
      await promise
      codex.end()
    }
  })
