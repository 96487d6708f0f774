/** A program that leaves in the middle of a turn: `Programs.test.ts` starts it. */
import { Codex } from "@effect-codex/promise"
import { count } from "./real.ts"

const [how, mark = ""] = process.argv.slice(2)

const codex = await Codex.start({ configOverrides: [mark], onLog: () => {} })
const thread = await codex.startThread()
const turn = await thread.turn("Count.")
for await (const _ of turn.text) break
console.log(`running ${count(mark) - 1}`)

if (how === "exits") process.exit(3)
if (how === "dies") process.kill(process.pid, "SIGKILL")

// None of these is awaited, and all of them reject.
void turn.result()
void thread.run("Busy.")
void codex.resumeThread("nothing")
void codex.readThread("nothing").then(() => {}, () => {})
await codex.close()
void codex.startThread()
void Codex.start({ executable: "/nowhere/codex" })
