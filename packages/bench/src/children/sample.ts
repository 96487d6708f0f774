/** What a child process measures of itself. */
import * as Fs from "node:fs"

export interface Sample {
  readonly ms: number
  readonly cpuMs: number
  /** Peak resident memory of the process so far. */
  readonly peakMiB: number
  readonly [name: string]: number
}

/** Begins a measurement. The returned function ends it. */
export const begin = (): () => Sample => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  return () => {
    const ms = performance.now() - start
    const { system, user } = process.cpuUsage(cpu)
    return { ms, cpuMs: (user + system) / 1000, peakMiB: process.resourceUsage().maxRSS / 1024 }
  }
}

/** The heap after a full collection, in MiB. Needs `--expose-gc`. */
export const heapMiB = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

export const tell = (sample: { readonly [name: string]: number }): void => {
  Fs.writeSync(1, `${JSON.stringify(sample)}\n`)
}
