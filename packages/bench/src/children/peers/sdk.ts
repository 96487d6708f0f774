/** A package with the surface of `@openai/codex-sdk`. */
import type * as Sdk from "@openai/codex-sdk"
import { onThreads, type Peer } from "./peer.ts"

export const load = async (specifier: string): Promise<Peer> => {
  const { Codex }: Pick<typeof Sdk, "Codex"> = await import(specifier)
  return {
    run: (work) => {
      const codex = new Codex({ codexPathOverride: work.executable })
      return onThreads(work, async () => {
        const thread = codex.startThread({ skipGitRepoCheck: true })
        const answers: Array<string> = []
        for (let n = 0; n < work.turns; n++) answers.push((await thread.run(work.prompt)).finalResponse)
        return answers
      })
    },
    stream: async ({ executable, prompt }, onText) => {
      const thread = new Codex({ codexPathOverride: executable }).startThread({ skipGitRepoCheck: true })
      const { events } = await thread.runStreamed(prompt)
      for await (const event of events) {
        if ("item" in event && event.item.type === "agent_message" && event.item.text !== "") onText()
      }
    }
  }
}
