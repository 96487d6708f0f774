/** Finds processes on this machine, to check what became of those that a test started. */
import { Effect } from "effect"
import * as ChildProcess from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly args: string
}

const linux = (): ReadonlyArray<Process> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8")
      // The program's name, in parentheses, may contain any character.
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      if (state === "Z" || state === "X") return []
      const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").join(" ")
      return [{ pid: Number(name), parent: Number(parent), args }]
    } catch {
      // The process has ended in the meantime.
      return []
    }
  })

const posix = (): ReadonlyArray<Process> => {
  const ps = ChildProcess.spawnSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" })
  if (ps.error !== undefined) throw ps.error
  return ps.stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state, args] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    return state === undefined || state.startsWith("Z") || args === undefined
      ? []
      : [{ pid: Number(pid), parent: Number(parent), args }]
  })
}

/** All running processes. Zombies are left out. */
export const all = process.platform === "linux" ? linux : posix

/** The processes with this mark in their arguments, whatever their parent. See {@link newMark}. */
export const marked = (mark: string): ReadonlyArray<Process> => all().filter(({ args }) => args.includes(mark))

/** A process and all its descendants. */
export const tree = (root: number): ReadonlyArray<Process> => {
  const processes = all()
  const found = new Set([root])
  for (const pid of found) {
    for (const process of processes) if (process.parent === pid) found.add(process.pid)
  }
  return processes.filter(({ pid }) => found.has(pid))
}

/** Polls until `look` returns true, for at most 20 seconds. The error then shows `state`. */
export const until = (what: string, look: () => boolean, state: () => unknown): Effect.Effect<void, Error> =>
  Effect.sync(look).pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: (found) => found }),
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.fail(new Error(`not within 20 seconds: ${what}\n${JSON.stringify(state(), null, 2)}`))
    }),
    Effect.asVoid
  )

/** A mark that no other process has in its arguments, for {@link marked}. It is a number of seconds, for `sleep`. */
export const newMark = (): string => `${1_000_000_000 + Math.floor(Math.random() * 1_000_000_000)}`

/** Kills the processes that a failed test left behind. */
export const killMarked = (mark: string): void => {
  for (const { pid } of marked(mark)) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // The process has ended in the meantime.
    }
  }
}
