/** A program for `@openai/codex-sdk`, whose package is an argument: it runs so many turns on one thread, and ends by itself. */
import type * as Sdk from "@openai/codex-sdk"

const [specifier = "", turns = "1", codexPathOverride = ""] = process.argv.slice(2)
const { Codex }: typeof Sdk = await import(specifier)

const codex = new Codex({ codexPathOverride })
const thread = codex.startThread({ skipGitRepoCheck: true })
for (let n = 1; n <= Number(turns); n++) {
  const { events } = await thread.runStreamed(`Turn ${n}.`)
  for await (const event of events) if (event.type !== "thread.started") console.log(JSON.stringify(event))
}
