/** Opens a file with the program of the desktop. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"

const openers: { readonly [platform: string]: readonly [program: string, ...args: ReadonlyArray<string>] } = {
  darwin: ["open"],
  // `start` belongs to a shell, which would read the name of the file.
  win32: ["rundll32", "url.dll,FileProtocolHandler"]
}

/** An opener that is still running after this time has started the browser itself. */
const patience = "2 seconds"

/**
 * Opens a file without a shell. Succeeds with what is wrong, if anything: a machine without a desktop has no opener.
 *
 * @param path absolute, so that it cannot be an option
 */
export const openFile = (path: string): Effect.Effect<string | undefined> => {
  const [program, ...args] = openers[process.platform] ?? ["xdg-open"]
  return Effect.callback<string | undefined>((resume) => {
    // It goes on when this program ends.
    const child = spawn(program, [...args, path], { stdio: "ignore", detached: true })
    child.once("error", (error: NodeJS.ErrnoException) =>
      resume(
        Effect.succeed(error.code === "ENOENT" ? `there is no ${program}` : `${program} cannot be started`)
      ))
    child.once("exit", (code) =>
      resume(
        Effect.succeed(code === 0 ? undefined : `${program} ended with exit code ${code ?? "of a signal"}`)
      ))
    child.unref()
  }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(undefined) }))
}
