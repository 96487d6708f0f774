/**
 * Finds the codex executable.
 *
 * The search takes the first that exists:
 *
 * 1. the option `executable`,
 * 2. the variable `CODEX_BIN`,
 * 3. the installed npm package `@openai/codex`, searched upwards from this module's folder, then from the working
 *    directory,
 * 4. `codex` on `PATH`.
 *
 * The first two are explicit choices: if one of them is wrong, nothing else is tried. Each is a path, or a bare name
 * that is looked up on `PATH`. npm puts a script named `codex` on `PATH`; the search resolves it to the executable of
 * the script's package.
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
import * as Search from "./internal/executableSearch.ts"

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
  /** The absolute path of a file that starts without a shell. */
  readonly executable: string
  /** Where it was found. */
  readonly source: "option" | "CODEX_BIN" | "package" | "PATH"
  /**
   * The folder of the programs that codex expects on its `PATH` (ripgrep), if the executable belongs to an installed
   * npm package.
   */
  readonly pathFolder: string | undefined
}

/**
 * Options of {@link find}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The executable: a path, relative to the working directory of this process, or a name to look up on `PATH`. Default:
   * `CODEX_BIN`, else the installed package, else `codex` on `PATH`.
   */
  readonly executable?: string | undefined
  /** The value to search as `PATH`. Default: `PATH` of the `ConfigProvider`. */
  readonly path?: string | undefined
  /**
   * The folders to search for the installed package, each upwards to the root of the file system. Default: the folder
   * of this module, then the working directory of this process.
   */
  readonly from?: ReadonlyArray<string> | undefined
  /** A value of `process.platform`. Default: that of this process. */
  readonly platform?: string | undefined
  /** A value of `process.arch`. Default: that of this process. */
  readonly arch?: string | undefined
}

// =============================================================================
// Finding
// =============================================================================

/**
 * Finds the codex executable, in the order that the module documents. Fails with `CodexExecutableNotFound`, which lists
 * every place that was searched and what was wrong there.
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
  const windows = (options?.platform ?? process.platform) === "win32"
  const tried: Array<Search.Place> = []
  const notFound = Effect.suspend(() => Effect.fail(new CodexExecutableNotFound({ tried })))

  const problemOf = (file: string): Effect.Effect<string | undefined> =>
    fs.stat(file).pipe(
      Effect.map(({ mode, type }) => {
        if (type !== "File") return type === "Directory" ? "it is a directory" : "it is not a file"
        return windows || (mode & 0o111) !== 0 ? undefined : "it is not executable"
      }),
      Effect.catch((error: PlatformError.PlatformError) =>
        Effect.succeed(error.reason._tag === "NotFound" ? Search.absent : `it could not be read: ${error.message}`)
      )
    )

  const look = (what: Search.Look): Effect.Effect<string | undefined, CodexExecutableNotFound> => {
    switch (what.for) {
      case "problem":
        return problemOf(what.file)
      case "existing":
        return Effect.match(fs.exists(what.file), {
          onFailure: () => undefined,
          onSuccess: (exists) => exists ? what.file : undefined
        })
      case "realPath":
        return Effect.orElseSucceed(fs.realPath(what.file), () => undefined)
      case "variable":
        return Config.option(Config.String(what.name)).pipe(
          Effect.catch((error) => {
            tried.push({ place: what.name, problem: `it could not be read: ${error.message}` })
            return notFound
          }),
          Effect.map(Option.getOrUndefined)
        )
    }
  }

  const search = Search.search({ ...options, from: options?.from ?? defaultFrom }, path, tried)
  let step = search.next()
  while (step.done !== true) step = search.next(yield* look(step.value))
  return step.value ?? (yield* notFound)
})

// Bundlers leave `import.meta` empty in CommonJS output.
const defaultFrom: ReadonlyArray<string> = [import.meta.dirname ?? ".", "."]
