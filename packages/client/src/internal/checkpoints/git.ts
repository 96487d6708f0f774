/** Runs git on the repository of the checkpoints, cut off from the user's repository, configuration and programs. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { CheckpointError } from "../../Checkpoints.ts"
import { visible } from "../text/visibleText.ts"
import * as Names from "./names.ts"

export interface RunOptions {
  /** One character for each byte. Default: nothing. */
  readonly stdin?: string | undefined
  /** Undefined removes a variable. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  /** Where git runs. Default: the root. */
  readonly cwd?: string | undefined
  /** Exit codes besides 0 that are no failure. */
  readonly accept?: ReadonlyArray<number> | undefined
}

/** Runs git and gives its output, one character for each byte. */
export type Git = (args: ReadonlyArray<string>, options?: RunOptions) => Effect.Effect<string, CheckpointError>

/**
 * Variables by which a user's git, or a program that was started by git such as a hook, would lead ours elsewhere.
 * Left out are those that only choose where git writes its traces and how it is found.
 */
const foreign = [
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
  "GIT_ATTR_SOURCE",
  "GIT_CEILING_DIRECTORIES",
  "GIT_COMMON_DIR",
  "GIT_CONFIG",
  "GIT_CONFIG_COUNT",
  "GIT_CONFIG_PARAMETERS",
  "GIT_CONFIG_SYSTEM",
  "GIT_DEFAULT_HASH",
  "GIT_DEFAULT_REF_FORMAT",
  "GIT_DIFF_OPTS",
  "GIT_DISCOVERY_ACROSS_FILESYSTEM",
  "GIT_EXTERNAL_DIFF",
  "GIT_GRAFT_FILE",
  "GIT_ICASE_PATHSPECS",
  "GIT_GLOB_PATHSPECS",
  "GIT_IMPLICIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_INDEX_VERSION",
  "GIT_INTERNAL_SUPER_PREFIX",
  "GIT_NAMESPACE",
  "GIT_NOGLOB_PATHSPECS",
  "GIT_NO_REPLACE_OBJECTS",
  "GIT_OBJECT_DIRECTORY",
  "GIT_PREFIX",
  "GIT_QUARANTINE_PATH",
  "GIT_REDIRECT_STDERR",
  "GIT_REDIRECT_STDIN",
  "GIT_REDIRECT_STDOUT",
  "GIT_REPLACE_REF_BASE",
  "GIT_SHALLOW_FILE",
  "GIT_TEMPLATE_DIR",
  "GIT_WORK_TREE"
]

const environment = {
  ...Object.fromEntries(foreign.map((name) => [name, undefined])),
  GIT_ATTR_NOSYSTEM: "1",
  GIT_AUTHOR_EMAIL: "checkpoints@localhost",
  GIT_AUTHOR_NAME: "effect-codex",
  GIT_COMMITTER_EMAIL: "checkpoints@localhost",
  GIT_COMMITTER_NAME: "effect-codex",
  GIT_AUTHOR_DATE: undefined,
  GIT_COMMITTER_DATE: undefined,
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_LITERAL_PATHSPECS: undefined,
  GIT_TERMINAL_PROMPT: "0",
  // Git takes and returns some hundred KB for each file that it compresses. The C library would ask the system for them
  // each time, which takes longer than the compression.
  MALLOC_TOP_PAD_: String(16 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(128 * 1024 * 1024),
  // Messages are looked at below.
  LC_ALL: "C",
  LANGUAGE: "C"
}

/** What git would otherwise read from the home folder, convert, run or start. */
const settings = [
  "core.attributesFile=/dev/null",
  "core.autocrlf=false",
  "core.bare=false",
  "core.excludesFile=/dev/null",
  "core.fsmonitor=false",
  // A turn would wait for the disk a dozen times.
  "core.fsync=none",
  "core.hooksPath=/dev/null",
  "core.longPaths=true",
  "core.protectHFS=false",
  "core.protectNTFS=false",
  "core.quotePath=false",
  "core.safecrlf=false",
  "core.untrackedCache=false",
  "gc.auto=0",
  "maintenance.auto=false"
].flatMap((setting) => ["-c", setting])

const isLock = (stderr: string): boolean => /\.lock': File exists|cannot lock ref .*: Unable to create/.test(stderr)

const failed = (args: ReadonlyArray<string>, stderr: string, code: number) => {
  const said = visible(Names.toText(stderr).trim())
  return new CheckpointError({
    reason: isLock(stderr) ? "locked" : "git",
    detail: `git ${args[0]} ended with ${code}: ${said === "" ? "it said nothing." : said}`,
    paths: []
  })
}

const notStarted = (executable: string) => ({ message, reason: { _tag, module } }: PlatformError.PlatformError) => {
  // Only the folder that git runs in is looked for in the file system.
  const missing = module === "FileSystem" ? "folder" : "gitMissing"
  return new CheckpointError({
    reason: _tag === "NotFound" ? missing : "git",
    detail: `${executable} could not be run: ${message}.`,
    paths: []
  })
}

// Another program takes its snapshots of the same folder within this time, unless the folder is very large.
const untilUnlocked = Schedule.upTo(Schedule.spaced("50 millis"), { duration: "20 seconds" })

export const make = Effect.fnUntraced(function*(
  { executable, gitDir, root }: { readonly executable: string; readonly gitDir: string; readonly root: string }
): Effect.fn.Return<Git, never, ChildProcessSpawner.ChildProcessSpawner> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const collect = (stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>) =>
    Effect.map(Stream.runCollect(stream), (chunks) => chunks.map(Names.fromBytes).join(""))

  const once: Git = (args, options = {}) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(ChildProcess.make(executable, [...settings, ...args], {
        cwd: options.cwd ?? root,
        env: { ...environment, GIT_DIR: gitDir, GIT_WORK_TREE: root, ...options.env },
        extendEnv: true,
        stdin: options.stdin === undefined ? "ignore" : Stream.make(Names.toBytes(options.stdin))
      }))
      const [stdout, stderr] = yield* Effect.all([collect(handle.stdout), collect(handle.stderr)], { concurrency: 2 })
      const code = yield* handle.exitCode
      return { stdout, stderr, code }
    }).pipe(
      Effect.scoped,
      Effect.mapError(notStarted(executable)),
      Effect.flatMap(({ code, stderr, stdout }) =>
        code === 0 || options.accept?.includes(code) === true
          ? Effect.succeed(stdout)
          : Effect.fail(failed(args, stderr, code))
      )
    )

  return (args, options) =>
    Effect.retry(once(args, options), { schedule: untilUnlocked, while: ({ reason }) => reason === "locked" })
})
