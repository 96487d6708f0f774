import { Effect, FileSystem } from "effect"
import * as ChildProcess from "node:child_process"

/** Whether a process runs. One that has ended and was not reaped yet does not. */
export const isRunning = (pid: number): boolean => {
  const { stdout } = ChildProcess.spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z")
}

/** Waits until a process has ended, and fails when it does not within 30 seconds: after a SIGKILL it takes a moment. */
export const ended = (pid: number): Effect.Effect<void, Error> =>
  Effect.sync(() => isRunning(pid)).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (running) => !running }),
    Effect.timeoutOrElse({
      duration: "30 seconds",
      orElse: () => Effect.fail(new Error(`process ${pid} still runs`))
    })
  )

/** Waits for the line of process ids that a script writes. */
export const pidsIn = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.orElseSucceed(() => ""),
    Effect.delay("20 millis"),
    // The line is complete when its end is there.
    Effect.repeat({ until: (text) => text.endsWith("\n") }),
    Effect.map((text) => text.trim().split(" ").map(Number)),
    Effect.timeout("30 seconds")
  )
})

/** As {@link pidsIn}, for one. */
export const pidIn = (file: string) => Effect.map(pidsIn(file), ([pid]) => pid!)
