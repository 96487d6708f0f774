import type * as AppServer from "@effect-codex/client/AppServer"
import * as Redacted from "effect/Redacted"

type Env = NonNullable<AppServer.Options["env"]>

/**
 * Adds to `env`, which is merged over `parent`, what puts `folder` first on the PATH of the child.
 */
export const prepend = (
  folder: string,
  env: Env,
  parent: { readonly [name: string]: string | undefined },
  platform: string
): Env => {
  const windows = platform === "win32"
  const isPath = (name: string) => name === "PATH" || (windows && name.toUpperCase() === "PATH")
  const given = Object.keys(env).filter(isPath)
  const inherited = Object.keys(parent).filter(isPath)
  // On Windows the names differ in case only, and a child with two spellings of one sees either.
  const name = inherited.at(-1) ?? given.at(-1) ?? "PATH"
  const base = given.length > 0 ? env[given.at(-1)!] : parent[name]
  const value = Redacted.isRedacted(base) ? Redacted.value(base) : base ?? ""

  const delimiter = windows ? ";" : ":"
  const path = [...new Set([folder, ...value.split(delimiter).filter((entry) => entry !== "")])].join(delimiter)
  return {
    ...env,
    ...Object.fromEntries([...given, ...inherited].map((other) => [other, undefined])),
    [name]: Redacted.isRedacted(base) ? Redacted.make(path) : path
  }
}
