/** Reads what a process uses, its file descriptors and its memory, where the system tells them: on Linux. */
import type * as AppServer from "@effect-codex/client/AppServer"
import type { Descriptors } from "@effect-codex/client/internal/descriptors"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

const limitIn = (limits: string): number | undefined => {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? []
  return soft === undefined ? undefined : Number(soft)
}

/** Undefined also for a process of another user, which the system does not show. */
export const read = Effect.fnUntraced(
  function*(pid: number): Effect.fn.Return<Descriptors | undefined, never, FileSystem.FileSystem> {
    if (process.platform !== "linux") return undefined
    const fs = yield* FileSystem.FileSystem
    return yield* Effect.gen(function*() {
      const [open, limits] = yield* Effect.all([
        fs.readDirectory(`/proc/${pid}/fd`),
        fs.readFileString(`/proc/${pid}/limits`)
      ])
      const limit = limitIn(limits)
      return limit === undefined ? undefined : { open: open.length, limit }
    }).pipe(Effect.orElseSucceed(() => undefined))
  }
)

/** The memory that the process occupies, in bytes. Undefined as above. */
export const residentMemory = Effect.fnUntraced(
  function*(pid: number): Effect.fn.Return<number | undefined, never, FileSystem.FileSystem> {
    if (process.platform !== "linux") return undefined
    const fs = yield* FileSystem.FileSystem
    const status = yield* Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/status`), () => "")
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? []
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  }
)

/** Reads those of the current process of a server, which may be restarted. */
export const of = (server: AppServer.AppServer["Service"]) =>
  Effect.map(
    FileSystem.FileSystem,
    (fs) => Effect.suspend(() => Effect.provideService(read(server.pid), FileSystem.FileSystem, fs))
  )
