/** A program that mocks every timer, as tests do: `Programs.test.ts` starts it. */
import { Codex } from "@effect-codex/promise"
import { mock } from "node:test"

mock.timers.enable()
await using codex = await Codex.start({ onLog: () => {} })
const thread = await codex.startThread()
const turn = await thread.turn("Go.")
for await (const event of turn.events) if (event._tag === "turn/completed") console.log(event.params.turn.status)
console.log((await turn.result()).finalResponse)
