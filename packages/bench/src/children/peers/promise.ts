/** The promise API. */
import { Codex } from "@effect-codex/promise"
import { onThreads, type Peer } from "./peer.ts"

export const load = (): Promise<Peer> =>
  Promise.resolve({
    run: async (work, onAnswers) => {
      await using codex = new Codex({ executable: work.executable })
      const answers = await onThreads(work, async () => {
        const thread = await codex.startThread()
        const ofThread: Array<string> = []
        for (let n = 0; n < work.turns; n++) ofThread.push((await thread.run(work.prompt)).finalResponse ?? "")
        return ofThread
      })
      onAnswers()
      return answers
    },
    stream: async ({ executable, prompt }, onText) => {
      await using codex = new Codex({ executable })
      const thread = await codex.startThread()
      await using turn = await thread.turn(prompt)
      for await (const event of turn.events) {
        if (event._tag === "item/agentMessage/delta") onText()
      }
    }
  })
