/** Checks paths of the server's machine before they are sent. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "../../CodexError.ts"
import { isRelative } from "./paths.ts"

const problemOf = (path: unknown): string | undefined => {
  if (!Predicate.isString(path)) return "expected an absolute path as a string."
  if (path === "") return "the path is empty."
  if (path.includes("\0")) return "the path contains a NUL character."
  // docs/codex-behaviour.md, "The server reads and writes files at absolute paths only".
  return isRelative(path)
    ? `codex accepts only absolute paths, and this is ${JSON.stringify(path)}. It does not expand \`~\`.`
    : undefined
}

export const check = (argument: string, path: unknown): Effect.Effect<void, InvalidArgument> =>
  Effect.suspend(() => {
    const detail = problemOf(path)
    return detail === undefined ? Effect.void : new InvalidArgument({ argument, detail })
  })

export const checkAll = (argument: string, paths: unknown): Effect.Effect<void, InvalidArgument> =>
  Array.isArray(paths)
    ? Effect.forEach(paths, (path, index) => check(`${argument}[${index}]`, path), { discard: true })
    : new InvalidArgument({ argument, detail: "expected a list of absolute paths." })
