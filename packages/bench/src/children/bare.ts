/**
 * The floor: data, split, JSON.parse and dispatch by turn, with nothing around it. With the argument `keep` it keeps
 * every message, as a turn keeps its items.
 */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import type { Workload } from "../workload.ts"
import { again, begin } from "./allocations.ts"
import { onEachLine } from "./bareLines.ts"
import { tell } from "./sample.ts"

const workload = JSON.parse(process.argv[2]!) as Workload
const feeder = spawn(process.execPath, [Path.join(import.meta.dirname, "feeder.ts"), process.argv[2]!], {
  stdio: ["pipe", "pipe", "inherit"]
})

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly turnId?: string; readonly turn?: { readonly id: string } }
}

const kept: Array<Message> | undefined = process.argv[3] === "keep" ? [] : undefined
const counts = new Map<string, number>()
let open = workload.turns
let seen = 0
let end: ReturnType<typeof begin> | undefined

const request = (id: number, method: string): void => {
  feeder.stdin.write(`${JSON.stringify({ id, method, params: {} })}\n`)
}

const onMessage = (message: Message): void => {
  if (message.method === undefined) {
    if (message.id !== 1) return
    end = begin()
    return request(2, "thread/loaded/list")
  }
  const turnId = message.params?.turnId ?? message.params?.turn?.id
  if (turnId === undefined) return
  kept?.push(message)
  counts.set(turnId, (counts.get(turnId) ?? 0) + 1)
  if (++seen === workload.warmUp) end = again(end!)
  if (message.method !== "turn/completed" || --open > 0) return
  tell({ ...end!(), events: [...counts.values()].reduce((a, b) => a + b) })
  feeder.stdin.end()
}

onEachLine(feeder.stdout, (line) => onMessage(JSON.parse(line) as Message))
request(1, "initialize")
