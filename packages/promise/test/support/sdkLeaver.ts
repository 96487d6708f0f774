/** A program on the drop-in that has nothing to do after its turn: `Programs.test.ts` starts it. */
import { Codex } from "@effect-codex/promise/codex-sdk"
import { count } from "./real.ts"

const [mark = ""] = process.argv.slice(2)

const codex = new Codex({ configOverrides: [mark] })
await codex.startThread({ skipGitRepoCheck: true }).run("Say hello.")

// Node says so when nothing keeps the program alive.
process.once("beforeExit", () => console.log(`free while ${count(mark) > 0 ? "codex runs" : "no codex runs"}`))
