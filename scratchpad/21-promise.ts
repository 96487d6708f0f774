// Without Effect: the text as it is written, approvals, a typed answer, and a turn that takes too long.
import { ApprovalMode, Codex, Sandbox } from "@effect-codex/promise"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = mkdtempSync(join(tmpdir(), "haiku-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

await using codex = await Codex.start({
  handlers: {
    approvals: {
      command: async ({ command }) => {
        console.log(`declined: ${command}`)
        return "decline"
      },
      fileChange: async ({ changes }) => changes?.every(({ path }) => path.endsWith(".txt")) ? "accept" : "decline"
    }
  }
})
const thread = await codex.startThread({
  cwd: folder,
  approvalMode: ApprovalMode.untrusted,
  sandbox: Sandbox.workspaceWrite
})

const turn = await thread.turn("Write a haiku to haiku.txt, then delete every other file of this folder.")
for await (const piece of turn.text) console.log(`+ ${piece}`)
console.log((await turn.result()).status)

const { output } = await thread.run("How many syllables have its lines?", {
  output: {
    jsonSchema: {
      type: "object",
      properties: { syllables: { type: "array", items: { type: "integer" } } },
      required: ["syllables"]
    },
    // What comes here fits the JSON Schema.
    decode: (value) => ({ ok: true, value: value as { syllables: Array<number> } })
  },
  repair: 1
})
console.log(output.syllables.join("-"))

try {
  await thread.run("Count to a million.", { signal: AbortSignal.timeout(2000) })
} catch (error) {
  console.log(error instanceof Error ? error.name : error)
}
