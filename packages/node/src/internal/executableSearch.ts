/**
 * The search for a codex executable. It yields its lookups to a driver: `CodexExecutable` performs them with Effect's
 * services, `earlyProcess.ts` before Effect is loaded. So this module imports neither Effect nor a file system.
 */
import type { CodexExecutable, Options } from "../CodexExecutable.ts"

/** A lookup of the search. The driver answers undefined if there is nothing. */
export type Look =
  /** Why a file cannot be executed; {@link absent} if it does not exist. */
  | { readonly for: "problem"; readonly file: string }
  /** The path itself, if the file or folder exists. */
  | { readonly for: "existing"; readonly file: string }
  /** The path with all links resolved. */
  | { readonly for: "realPath"; readonly file: string }
  | { readonly for: "variable"; readonly name: string }

export interface Place {
  readonly place: string
  readonly problem: string
}

/** A search returns the executable, or undefined if there is none. */
export type Search<A = CodexExecutable> = Generator<Look, A | undefined, string | undefined>

/** The path functions that the search needs. */
export interface Paths {
  readonly basename: (path: string) => string
  readonly dirname: (path: string) => string
  readonly extname: (path: string) => string
  readonly join: (...paths: ReadonlyArray<string>) => string
  readonly resolve: (...paths: ReadonlyArray<string>) => string
}

type Found = Omit<CodexExecutable, "source">

export const absent = "it does not exist"

const triples: { readonly [platform: string]: { readonly [arch: string]: string } } = {
  linux: { x64: "x86_64-unknown-linux-musl", arm64: "aarch64-unknown-linux-musl" },
  darwin: { x64: "x86_64-apple-darwin", arm64: "aarch64-apple-darwin" },
  win32: { x64: "x86_64-pc-windows-msvc", arm64: "aarch64-pc-windows-msvc" }
}

/** Adds each place that it searches, and what is wrong there, to `tried`. */
export function* search(
  options: Options & { readonly from: ReadonlyArray<string> },
  path: Paths,
  tried: Array<Place>
): Search {
  const platform: string = options.platform ?? process.platform
  const arch = options.arch ?? process.arch
  const windows = platform === "win32"
  const os = platform === "android" ? "linux" : platform
  const triple = triples[os]?.[arch]
  const platformFolder = `codex-${os}-${arch}`
  const platformPackage = `@openai/${platformFolder}`

  const failed = (place: string, problem: string): undefined => {
    if (!tried.some((entry) => entry.place === place && entry.problem === problem)) tried.push({ place, problem })
  }

  function* variable(name: string): Search<string> {
    return yield { for: "variable", name }
  }

  function* problemOf(file: string): Search<string> {
    return yield { for: "problem", file }
  }

  const ancestors = (folder: string): ReadonlyArray<string> => {
    const parent = path.dirname(folder)
    return parent === folder ? [folder] : [folder, ...ancestors(parent)]
  }

  // The places where Node resolves the scope's packages from `start`. Looks once at each, because codex's start waits
  // for it.
  function* firstScopeAbove(start: string, look: (scope: string) => Search<Found>): Search<Found> {
    for (const ancestor of ancestors(start)) {
      if (path.basename(ancestor) === "node_modules") continue
      const scope = path.join(ancestor, "node_modules", "@openai")
      if ((yield* problemOf(scope)) === absent) continue
      const found = yield* look(scope)
      if (found !== undefined) return found
    }
    return undefined
  }

  // ---------------------------------------------------------------------------
  // The installed package
  // ---------------------------------------------------------------------------

  function* inVendor(start: string): Search<Found> {
    if (triple === undefined) return undefined
    const vendor = path.join(start, "vendor", triple)
    const executable = path.join(vendor, "bin", windows ? "codex.exe" : "codex")
    const problem = yield* problemOf(executable)
    if (problem !== undefined) {
      // Without the folder this is the main package, which contained the executable only in older versions.
      const isVendor = problem !== absent || (yield { for: "existing", file: vendor }) !== undefined
      return isVendor ? failed(executable, problem) : undefined
    }
    return { executable, pathFolder: yield { for: "existing", file: path.join(vendor, "codex-path") } }
  }

  const platformPackageAbove = (start: string) =>
    firstScopeAbove(start, (scope) => inVendor(path.join(scope, platformFolder)))

  // The main package comes first, because it determines its platform package. pnpm links the main package to a place
  // beside the platform package, so resolve the links.
  function* mainPackageAt(start: string): Search<Found> {
    const real = yield { for: "realPath", file: start }
    if (real === undefined) return undefined
    return (yield* platformPackageAbove(real)) ?? (yield* inVendor(real))
  }

  const packageAbove = (start: string) =>
    firstScopeAbove(start, function*(scope) {
      return (yield* mainPackageAt(path.join(scope, "codex"))) ?? (yield* inVendor(path.join(scope, platformFolder)))
    })

  // ---------------------------------------------------------------------------
  // Files
  // ---------------------------------------------------------------------------

  // Returns undefined if the file cannot be started.
  function* fromFile(file: string, place: string): Search<Found> {
    const problem = yield* problemOf(file)
    if (problem !== undefined) return failed(place, problem)
    const real = (yield { for: "realPath", file }) ?? file
    const extension = path.extname(file).toLowerCase()
    const native = !windows || extension === ".exe" || extension === ".com"
    if (native && !/[\\/]bin[\\/]codex\.js$/.test(real)) return { executable: file, pathFolder: undefined }
    // npm's launcher script: a link to it, or a shim beside the `node_modules` folder.
    const found = (yield* platformPackageAbove(path.dirname(real))) ??
      (yield* inVendor(path.dirname(path.dirname(real)))) ??
      (yield* packageAbove(path.dirname(file)))
    if (found !== undefined) return found
    return native
      ? { executable: file, pathFolder: undefined }
      : failed(
        place,
        `it is a script, which Windows cannot start as an executable, and there is no ${platformPackage} near it`
      )
  }

  function* onPath(name: string, place = `${name} on PATH`): Search<Found> {
    const value = options.path ?? (yield* variable("PATH")) ?? (windows ? yield* variable("Path") : undefined)
    const folders = (value ?? "").split(windows ? ";" : ":").filter((folder) => folder !== "")
    const extensions = windows && path.extname(name) === ""
      ? [...((yield* variable("PATHEXT")) ?? ".COM;.EXE;.BAT;.CMD").toLowerCase().split(";"), ".ps1"]
      : [""]
    for (const folder of folders) {
      for (const extension of extensions) {
        const file = path.resolve(folder, `${name}${extension}`)
        if ((yield* problemOf(file)) === absent) continue
        const found = yield* fromFile(file, file)
        if (found !== undefined) return found
      }
    }
    return failed(
      place,
      folders.length === 0 ? "PATH is not set" : `it is not in any folder of PATH: ${folders.join(", ")}`
    )
  }

  // ---------------------------------------------------------------------------
  // The order
  // ---------------------------------------------------------------------------

  function* explicit(value: string, source: "option" | "CODEX_BIN"): Search {
    const isPath = (windows ? /[\\/]/ : /\//).test(value)
    const place = `${source === "option" ? "the option `executable`" : source} (${value})`
    const found = isPath ? yield* fromFile(path.resolve(value), place) : yield* onPath(value, place)
    return found && { ...found, source }
  }

  if (options.executable !== undefined) return yield* explicit(options.executable, "option")
  failed("the option `executable`", "it is not given")

  const fromVariable = yield* variable("CODEX_BIN")
  if (fromVariable !== undefined) return yield* explicit(fromVariable, "CODEX_BIN")
  failed("CODEX_BIN", "it is not set")

  if (triple === undefined) failed("@openai/codex", `there is no package for ${platform} on ${arch}`)
  else {
    for (const start of new Set(options.from.map((start) => path.resolve(start)))) {
      const found = yield* packageAbove(start)
      if (found !== undefined) return { ...found, source: "package" }
      failed(platformPackage, `it is not installed for ${start}: no node_modules from there upwards has it`)
    }
  }

  const found = yield* onPath("codex")
  return found && { ...found, source: "PATH" }
}
