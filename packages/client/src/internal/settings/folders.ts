/**
 * Checks the folders of a thread or a turn before codex is asked. docs/codex-behaviour.md, "A thread takes any
 * folder, and commands in one that does not exist fail".
 *
 * Checks only the folders that a call names. docs/codex-behaviour.md, "A thread whose folder is gone can be
 * resumed and read".
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "../../CodexError.ts"
import type { Sandbox } from "../../Sandbox.ts"
import type { ServerFiles } from "../../ServerFiles.ts"
import { isSandbox } from "./presets.ts"

interface Folders {
  readonly cwd?: string | undefined
  readonly runtimeWorkspaceRoots?: ReadonlyArray<string> | undefined
  readonly sandbox?: Sandbox | undefined
}

export type CheckFolders = (given: Folders | undefined) => Effect.Effect<void, InvalidArgument>

// Accepts Windows paths on every machine, because the server may run on another one.
const isAbsolute = (path: string): boolean => /^(?:\/|\\\\|[a-z]:[\\/])/i.test(path)

const refuse = (argument: string, detail: string) => Effect.fail(new InvalidArgument({ argument, detail }))

/** @param files the server's files, if the client can look at them. */
export const make = (files: ServerFiles | undefined): CheckFolders => {
  const exists = (argument: string, path: string, advice: string): Effect.Effect<void, InvalidArgument> =>
    files === undefined
      ? Effect.void
      : Effect.flatMap(files.look(path.replace(/^~(?=\/|$)/, () => files.home)), (found) => {
        switch (found._tag) {
          case "Folder":
            return Effect.void
          case "File":
            return refuse(argument, `${found.path} is a file, not a folder. ${advice}`)
          case "Missing":
            return refuse(argument, `the folder ${found.path} does not exist. ${advice}`)
          case "Unreadable":
            return refuse(argument, `the folder ${found.path} cannot be read: ${found.detail} ${advice}`)
        }
      })

  const roots = (argument: string, paths: ReadonlyArray<string>) =>
    Effect.forEach(paths, (path, index) => {
      const place = `${argument}[${index}]`
      return Predicate.isString(path) && isAbsolute(path)
        ? exists(place, path, "Create it first, or leave it out.")
        : refuse(place, `codex accepts only absolute paths, and this is ${JSON.stringify(path)}.`)
    }, { discard: true })

  return Effect.fnUntraced(function*(given) {
    const { cwd, runtimeWorkspaceRoots, sandbox } = given ?? {}
    // An untyped program may pass anything.
    if (cwd !== undefined && !Predicate.isString(cwd)) yield* refuse("cwd", "expected the path of a folder.")
    if (cwd === "") yield* refuse("cwd", "the path is empty: leave `cwd` out for the folder that codex runs in.")
    if (cwd !== undefined) {
      yield* exists("cwd", cwd, "No command of the agent could run: create the folder, or name another.")
    }
    if (runtimeWorkspaceRoots !== undefined) yield* roots("runtimeWorkspaceRoots", runtimeWorkspaceRoots)
    if (isSandbox(sandbox) && sandbox.policy.type === "workspaceWrite") {
      yield* roots("sandbox.writableRoots", sandbox.policy.writableRoots ?? [])
    }
  })
}
