/** Turns at once on the real codex binary, read by hand: data, split, JSON.parse and dispatch by turn. */
import { promptOf } from "../stage.ts"
import { type Params, start } from "./bareClient.ts"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const [turns, deltas] = process.argv.slice(2, 4).map(Number) as [number, number]
const executable = process.argv[4]!
const codexProcesses = watchCodex(executable)

const counts = new Map<string, number>()
const completed = Promise.withResolvers<void>()
let open = turns

const onNotification = (method: string, params: Params): void => {
  if (method === "item/agentMessage/delta") {
    counts.set(params.turnId!, (counts.get(params.turnId!) ?? 0) + 1)
  } else if (method === "turn/completed") {
    if (params.turn!.status !== "completed") throw new Error(`a turn ended ${params.turn!.status}`)
    if (--open === 0) completed.resolve()
  }
}

const codex = await start(executable, onNotification)
const threads: Array<string> = []
for (let n = 0; n < turns; n++) threads.push((await codex.request("thread/start", {})).thread!.id)

const end = codexProcesses.begin()
await Promise.all(threads.map((threadId) => codex.startTurn(threadId, promptOf(deltas))))
await completed.promise
tell({ ...end(), events: [...counts.values()].reduce((a, b) => a + b, 0) })
codex.end()
