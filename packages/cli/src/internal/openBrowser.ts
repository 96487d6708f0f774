/** Opens an address in the browser of the user. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { Screen } from "./screen.ts"

const commandOf = (file: string): readonly [string, ReadonlyArray<string>] => {
  switch (process.platform) {
    case "darwin":
      return ["open", [file]]
    case "win32":
      return ["cmd", ["/c", "start", "", file]]
    default:
      return ["xdg-open", [file]]
  }
}

/**
 * By way of a file that only this user may read: every user of the machine sees the arguments of a process, and the
 * address has a token. The file is gone with the scope.
 */
export const open = Effect.fnUntraced(function*(url: Redacted.Redacted) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const { line } = yield* Screen
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effect-codex-" })
  const file = join(folder, "open.html")
  yield* fs.writeFileString(
    file,
    `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=${Redacted.value(url)}">\n`,
    { mode: 0o600 }
  )
  const isOpened = yield* Effect.callback<boolean>((resume) => {
    const [command, args] = commandOf(file)
    const child = spawn(command, args, { stdio: "ignore", detached: true })
    child.once("error", () => resume(Effect.succeed(false)))
    child.once("spawn", () => {
      child.unref()
      resume(Effect.succeed(true))
    })
  })
  if (!isOpened) yield* line("There is no browser here to open it with.")
})
