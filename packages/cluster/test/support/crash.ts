/** Where a process of the tests kills itself: where the file says, once. */
import { Effect } from "effect"
import * as Fs from "node:fs"

/** Where a runner dies with a new thread. */
export const starts = [
  "before the key has its thread",
  "before the first turn of the thread",
  "once codex has begun the first turn",
  "before the thread is named"
] as const

export type Start = typeof starts[number]

export const make = <Crash extends string>(file: string) => {
  const isHere = (crash: Crash): boolean => {
    if (!Fs.existsSync(file) || Fs.readFileSync(file, "utf8") !== crash) return false
    Fs.rmSync(file)
    return true
  }
  const die = () => process.kill(process.pid, "SIGKILL")
  const here = (crash: Crash) =>
    Effect.suspend(() => {
      if (!isHere(crash)) return Effect.void
      die()
      return Effect.never
    })
  return { isHere, die, here }
}
