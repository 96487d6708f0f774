/** The `PATH` variable of a child, in any case on Windows. Does not import Effect, for `earlyProcess.ts`. */

interface Env<A> {
  readonly [name: string]: string | A | undefined
}

/**
 * Puts `folder` first on the child's PATH. Returns `env` with the change; `env` is merged over `parent`. `change` maps
 * the text within a value that is not a string.
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
  // On Windows names are case-insensitive. A child that inherits two spellings may see either, so keep only one.
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
