/**
 * Finds the codex executable.
 *
 * The first of these that is there is taken:
 *
 * 1. the option `executable`,
 * 2. the variable `CODEX_BIN`,
 * 3. the installed npm package `@openai/codex`, looked for from this module's folder upwards and then from the working
 *    directory upwards,
 * 4. `codex` on `PATH`.
 *
 * The first two are a decision of the user: when there is something wrong with them nothing else is tried. Both may be a
 * path, or a bare name, which is looked up on `PATH`. npm puts a script named `codex` on `PATH`; what is started is the
 * executable of the package that the script belongs to.
 *
 * @since 0.1.0
 */
import { CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"

// =============================================================================
// Models
// =============================================================================

/**
 * A codex executable and how it was found.
 *
 * @category models
 * @since 0.1.0
 */
export interface CodexExecutable {
  /** The absolute path of a file that can be started without a shell. */
  readonly executable: string
  /** What led to it. */
  readonly source: "option" | "CODEX_BIN" | "package" | "PATH"
  /**
   * The folder with the programs that codex expects on its `PATH` (ripgrep), when the executable belongs to an installed
   * package.
   */
  readonly pathFolder: string | undefined
}

/**
 * Where to look.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The executable: a path, relative to the working directory of this process, or a name that is looked up on `PATH`. */
  readonly executable?: string | undefined
  /** What is searched as `PATH`. Default: `PATH` of the `ConfigProvider`. */
  readonly path?: string | undefined
  /**
   * The folders from which the installed package is looked for, each up to the root of the file system. Default: the
   * folder of this module, then the working directory of this process.
   */
  readonly from?: ReadonlyArray<string> | undefined
  /** As `process.platform` says it. Default: that of this process. */
  readonly platform?: string | undefined
  /** As `process.arch` says it. Default: that of this process. */
  readonly arch?: string | undefined
}

// =============================================================================
// Finding
// =============================================================================

const triples: { readonly [platform: string]: { readonly [arch: string]: string } } = {
  linux: { x64: "x86_64-unknown-linux-musl", arm64: "aarch64-unknown-linux-musl" },
  darwin: { x64: "x86_64-apple-darwin", arm64: "aarch64-apple-darwin" },
  win32: { x64: "x86_64-pc-windows-msvc", arm64: "aarch64-pc-windows-msvc" }
}

/**
 * Finds the codex executable, in the order that the module describes. Fails with `CodexExecutableNotFound`, which lists
 * every place that was looked at and what was wrong there.
 *
 * **Example** (Which codex would be started)
 *
 * ```ts
 * import { CodexExecutable } from "@effect-codex/node"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import { Console, Effect } from "effect"
 *
 * export const which = CodexExecutable.find().pipe(
 *   Effect.flatMap(({ executable, source }) => Console.log(`${executable} (${source})`)),
 *   Effect.provide(NodeServices.layer)
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function*(
  options?: Options
): Effect.fn.Return<CodexExecutable, CodexExecutableNotFound, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const platform: string = options?.platform ?? process.platform
  const arch = options?.arch ?? process.arch
  const windows = platform === "win32"
  const os = platform === "android" ? "linux" : platform
  const triple = triples[os]?.[arch]
  const platformFolder = `codex-${os}-${arch}`
  const platformPackage = `@openai/${platformFolder}`

  const tried: Array<{ readonly place: string; readonly problem: string }> = []
  const failed = (place: string, problem: string): undefined => {
    if (!tried.some((entry) => entry.place === place && entry.problem === problem)) tried.push({ place, problem })
  }
  const notFound = Effect.suspend(() => Effect.fail(new CodexExecutableNotFound({ tried })))

  const variable = (name: string) =>
    Config.option(Config.String(name)).pipe(
      Effect.catch((error) => {
        failed(name, `it could not be read: ${error.message}`)
        return notFound
      }),
      Effect.map(Option.getOrUndefined)
    )

  // What is wrong with a file as an executable; "absent" when there is none.
  const problemOf = (file: string): Effect.Effect<string | undefined> =>
    fs.stat(file).pipe(
      Effect.map(({ mode, type }) => {
        if (type !== "File") return type === "Directory" ? "it is a directory" : "it is not a file"
        return windows || (mode & 0o111) !== 0 ? undefined : "it is not executable"
      }),
      Effect.catch((error: PlatformError.PlatformError) =>
        Effect.succeed(error.reason._tag === "NotFound" ? absent : `it could not be read: ${error.message}`)
      )
    )

  const ancestors = (folder: string): ReadonlyArray<string> => {
    const parent = path.dirname(folder)
    return parent === folder ? [folder] : [folder, ...ancestors(parent)]
  }

  // Where Node looks for the packages of the scope from `folder`. One look at each, because the start waits for them.
  const firstScopeAbove = Effect.fnUntraced(function*<A>(
    folder: string,
    look: (scope: string) => Effect.Effect<A | undefined>
  ) {
    for (const ancestor of ancestors(folder)) {
      if (path.basename(ancestor) === "node_modules") continue
      const scope = path.join(ancestor, "node_modules", "@openai")
      if ((yield* problemOf(scope)) === absent) continue
      const found = yield* look(scope)
      if (found !== undefined) return found
    }
    return undefined
  })

  // ---------------------------------------------------------------------------
  // The installed package
  // ---------------------------------------------------------------------------

  const inVendor = Effect.fnUntraced(function*(folder: string) {
    if (triple === undefined) return undefined
    const vendor = path.join(folder, "vendor", triple)
    const executable = path.join(vendor, "bin", windows ? "codex.exe" : "codex")
    const problem = yield* problemOf(executable)
    if (problem !== undefined) {
      // Without the folder it is the main package, which had it in older versions only.
      return problem === absent && !(yield* exists(vendor)) ? undefined : failed(executable, problem)
    }
    const pathFolder = path.join(vendor, "codex-path")
    return { executable, pathFolder: (yield* exists(pathFolder)) ? pathFolder : undefined }
  })

  const exists = (file: string) => Effect.orElseSucceed(fs.exists(file), () => false)

  const platformPackageAbove = (folder: string) =>
    firstScopeAbove(folder, (scope) => inVendor(path.join(scope, platformFolder)))

  // The main package comes first, because it knows which platform package belongs to it. pnpm links the main package to
  // a place beside which the platform package is, so the links have to be followed.
  const mainPackageAt = Effect.fnUntraced(function*(folder: string) {
    const real = yield* Effect.option(fs.realPath(folder))
    if (Option.isNone(real)) return undefined
    return (yield* platformPackageAbove(real.value)) ?? (yield* inVendor(real.value))
  })

  const packageAbove = (folder: string) =>
    firstScopeAbove(
      folder,
      (scope) =>
        Effect.flatMap(mainPackageAt(path.join(scope, "codex")), (found) =>
          found === undefined ? inVendor(path.join(scope, platformFolder)) : Effect.succeed(found))
    )

  // ---------------------------------------------------------------------------
  // Files
  // ---------------------------------------------------------------------------

  // Undefined when the file cannot be started.
  const fromFile = Effect.fnUntraced(function*(file: string, place: string) {
    const problem = yield* problemOf(file)
    if (problem !== undefined) return failed(place, problem)
    const real = yield* Effect.orElseSucceed(fs.realPath(file), () => file)
    const extension = path.extname(file).toLowerCase()
    const native = !windows || extension === ".exe" || extension === ".com"
    if (native && !/[\\/]bin[\\/]codex\.js$/.test(real)) return { executable: file, pathFolder: undefined }
    // npm's launcher script: a link to it, or beside the `node_modules` that it starts it from.
    const found = (yield* platformPackageAbove(path.dirname(real))) ??
      (yield* inVendor(path.dirname(path.dirname(real)))) ??
      (yield* packageAbove(path.dirname(file)))
    if (found !== undefined) return found
    return native
      ? { executable: file, pathFolder: undefined }
      : failed(
        place,
        `it is a script, which Windows cannot start as an executable, and no ${platformPackage} is near it`
      )
  })

  const onPath = Effect.fnUntraced(function*(name: string, place = `${name} on PATH`) {
    const value = options?.path ?? (yield* variable("PATH")) ?? (windows ? yield* variable("Path") : undefined)
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
      folders.length === 0 ? "PATH is not set" : `it is in no folder of PATH: ${folders.join(", ")}`
    )
  })

  // ---------------------------------------------------------------------------
  // The order
  // ---------------------------------------------------------------------------

  const explicit = Effect.fnUntraced(function*(value: string, source: "option" | "CODEX_BIN") {
    const isPath = (windows ? /[\\/]/ : /\//).test(value)
    const place = `${source === "option" ? "the option `executable`" : source} (${value})`
    const found = isPath ? yield* fromFile(path.resolve(value), place) : yield* onPath(value, place)
    return found === undefined ? yield* notFound : { ...found, source }
  })

  if (options?.executable !== undefined) return yield* explicit(options.executable, "option")
  failed("the option `executable`", "it is not given")

  const fromVariable = yield* variable("CODEX_BIN")
  if (fromVariable !== undefined) return yield* explicit(fromVariable, "CODEX_BIN")
  failed("CODEX_BIN", "it is not set")

  if (triple === undefined) failed("@openai/codex", `there is no package for ${platform} on ${arch}`)
  else {
    for (const folder of new Set((options?.from ?? defaultFrom).map((folder) => path.resolve(folder)))) {
      const found = yield* packageAbove(folder)
      if (found !== undefined) return { ...found, source: "package" }
      failed(platformPackage, `it is not installed for ${folder}, in no node_modules from there upwards`)
    }
  }

  const found = yield* onPath("codex")
  return found === undefined ? yield* notFound : { ...found, source: "PATH" }
})

const absent = "it does not exist"

// A bundler that makes CommonJS leaves `import.meta` empty.
const defaultFrom: ReadonlyArray<string> = [import.meta.dirname ?? ".", "."]
