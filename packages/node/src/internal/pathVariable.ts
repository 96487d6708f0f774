/** The variable `PATH` of a child, which Windows has in any spelling. Without Effect, for `earlyProcess.ts`. */

interface Env<A> {
  readonly [name: string]: string | A | undefined
}

/**
 * Adds to `env`, which is merged over `parent`, what puts `folder` first on the PATH of the child. `change` changes the text
 * in a value that is none.
 */
export const prepend = <A extends object>(
  folder: string,
  env: Env<A>,
  parent: { readonly [name: string]: string | undefined },
  platform: string,
  change: (value: A, f: (path: string) => string) => A
): Env<A> => {
  const windows = platform === "win32"
  const isPath = (name: string) => name === "PATH" || (windows && name.toUpperCase() === "PATH")
  const given = Object.keys(env).filter(isPath)
  const inherited = Object.keys(parent).filter(isPath)
  // On Windows the names differ in case only, and a child with two spellings of one sees either.
  const name = inherited.at(-1) ?? given.at(-1) ?? "PATH"
  const base = given.length > 0 ? env[given.at(-1)!] : parent[name]

  const delimiter = windows ? ";" : ":"
  const prepended = (path: string): string =>
    [...new Set([folder, ...path.split(delimiter).filter((entry) => entry !== "")])].join(delimiter)
  return {
    ...env,
    ...Object.fromEntries([...given, ...inherited].map((other) => [other, undefined])),
    [name]: typeof base === "object" ? change(base, prepended) : prepended(base ?? "")
  }
}
