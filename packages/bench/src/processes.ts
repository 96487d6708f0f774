/** Reads CPU time and memory of processes from `/proc`. Only Linux has it; elsewhere every figure is NaN. */
import * as Fs from "node:fs"

/** Whether the system reports these figures. */
export const isTold = process.platform === "linux"

const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    // The process ended in the meantime.
    return ""
  }
}

// The kernel reports times to programs in these ticks, whatever unit it uses itself.
const msPerTick = 10

/** The fields from the third on. The second is the name of the program, which can contain any character. */
const stat = (pid: number | "self"): ReadonlyArray<string> => {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(")") + 2).split(" ")
}

const sum = (pid: number | "self", fields: ReadonlyArray<number>): number => {
  const all = stat(pid)
  return fields.reduce((ticks, field) => ticks + Number(all[field - 3]), 0) * msPerTick
}

/** The CPU time of a running process, without its children. */
export const cpuMs = (pid: number): number => sum(pid, [14, 15])

/** The CPU time of all descendants of this process that have ended and were waited for. */
export const endedChildrenCpuMs = (): number => sum("self", [16, 17])

interface Process {
  readonly pid: number
  readonly executable: string
}

const processOf = (pid: number): Process => {
  try {
    return { pid, executable: Fs.readlinkSync(`/proc/${pid}/exe`) }
  } catch {
    return { pid, executable: "" }
  }
}

const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return Fs.readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      read(`/proc/${pid}/task/${thread}/children`).split(" ").filter((text) => text !== "").map(Number)
    )
  } catch {
    return []
  }
}

/** A process and its descendants. */
const tree = (root: Process): ReadonlyArray<Process> => [
  root,
  ...childrenOf(root.pid)
    .map(processOf)
    // A child that has not loaded its own program yet still shares the memory of its parent.
    .filter(({ executable }) => executable !== "" && executable !== root.executable)
    .flatMap(tree)
]

/** The memory of processes in KiB, from their `status`. Counts what processes of one executable share of it once. */
export const memoryKiB = (
  processes: ReadonlyArray<{ readonly executable: string; readonly status: string }>
): number => {
  let own = 0
  const files = new Map<string, number>()
  for (const { executable, status } of processes) {
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0)
    own += field("RssAnon") + field("RssShmem")
    files.set(executable, Math.max(files.get(executable) ?? 0, field("RssFile")))
  }
  return [...files.values()].reduce((a, b) => a + b, own)
}

const everyMs = 25

/** Watches the memory of a process and its descendants. The returned function stops and gives the peak in MiB. */
export const watchMemory = (pid: number): () => number => {
  if (!isTold) return () => Number.NaN
  let peak = 0
  const timer = setInterval(() => {
    const processes = tree(processOf(pid))
    peak = Math.max(
      peak,
      memoryKiB(processes.map(({ executable, pid }) => ({ executable, status: read(`/proc/${pid}/status`) })))
    )
  }, everyMs)
  return () => {
    clearInterval(timer)
    return peak / 1024
  }
}
