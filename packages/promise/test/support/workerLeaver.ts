/** A program that terminates its worker in the middle of a turn: `Programs.test.ts` starts it. */
import { Codex } from "@effect-codex/promise"
import { once } from "node:events"
import { isMainThread, Worker, workerData } from "node:worker_threads"
import { count } from "./real.ts"

if (isMainThread) {
  const mark = process.argv[3] ?? ""
  const worker = new Worker(new URL(import.meta.url), { workerData: mark, stdout: true })
  await once(worker.stdout, "data")
  console.log(`running ${count(mark) - 1}`)
  await worker.terminate()
  // The program goes on for as long as codex does.
  while (count(mark) > 1) await new Promise((resolve) => setTimeout(resolve, 20))
  console.log("ended")
} else {
  const codex = await Codex.start({ configOverrides: [String(workerData)], onLog: () => {} })
  const turn = await (await codex.startThread()).turn("Count.")
  for await (const _ of turn.text) break
  console.log("reading")
}
