/** The codex processes that this process starts, whichever package starts them. */
import type { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import * as Processes from "../processes.ts"
import { begin, type Sample } from "./sample.ts"

interface CodexProcesses {
  /** How many there were so far. */
  readonly count: () => number
  /** Begins a measurement in which the CPU time of the only one, which has to run by now, is told apart. */
  readonly begin: () => () => Sample
}

/** Begins to watch those of an executable. */
export const watchCodex = (executable: string): CodexProcesses => {
  const started: Array<ChildProcess> = []
  subscribe("child_process", (message) => {
    started.push((message as { readonly process: ChildProcess }).process)
  })
  // A process is told before it is known what it runs.
  const all = () => started.filter(({ spawnfile }) => spawnfile === executable)
  return {
    count: () => all().length,
    begin: () => {
      const pid = all()[0]!.pid!
      const before = Processes.cpuMs(pid)
      const end = begin()
      return () => {
        const sample = end()
        return { ...sample, codexCpuMs: Processes.cpuMs(pid) - before }
      }
    }
  }
}
