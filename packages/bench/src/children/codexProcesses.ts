/** Watches the codex processes that this process starts, whichever package starts them. */
import type { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import * as Processes from "../processes.ts"
import { begin, type Sample } from "./sample.ts"

interface CodexProcesses {
  /** How many have been started so far. */
  readonly count: () => number
  /** Begins a measurement that also gives the CPU time of all codex processes, which must be running by now. */
  readonly begin: () => () => Sample
}

/** Watches from now on the processes of one executable. */
export const watchCodex = (executable: string): CodexProcesses => {
  const started: Array<ChildProcess> = []
  subscribe("child_process", (message) => {
    started.push((message as { readonly process: ChildProcess }).process)
  })
  // Node announces a process before it sets what it runs, so the executable is compared only later.
  const all = () => started.filter(({ spawnfile }) => spawnfile === executable)
  return {
    count: () => all().length,
    begin: () => {
      const pids = all().map(({ pid }) => pid!)
      const cpuMs = () => pids.reduce((sum, pid) => sum + Processes.cpuMs(pid), 0)
      const before = cpuMs()
      const end = begin()
      return () => {
        const sample = end()
        return { ...sample, codexCpuMs: cpuMs() - before }
      }
    }
  }
}
