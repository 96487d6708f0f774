import * as CodexHome from "@effect-codex/testing/CodexHome"
import type * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Schema, type Scope } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Os from "node:os"
import { join } from "node:path"
import type { Readable } from "node:stream"

/** What Node is given to be `effect-codex`. */
export const entry = ["--conditions=@effect-codex/source", join(import.meta.dirname, "..", "..", "src", "bin.ts")]

/** The home directory of a user who has never heard of codex. Codex does not like the system's temporary directory. */
export const newcomer = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeTempDirectoryScoped({ directory: Os.homedir(), prefix: ".effect-codex-cli-test-" })
)

/** The home directory of a user whose codex talks to this model, and to nobody else. */
export const user = Effect.fnUntraced(function*(
  model: ScriptedModel.ScriptedModel["Service"],
  options?: CodexHome.Options
) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* newcomer
  const codexHome = yield* CodexHome.make({ ...options, modelUrl: model.url })
  yield* fs.copy(codexHome.path, join(home, ".codex"))
  return home
})

/** What ends a program, and the exit code that a shell gives to one that it ended. */
export const signals = [
  { signal: "SIGHUP", code: 129 },
  { signal: "SIGINT", code: 130 },
  { signal: "SIGQUIT", code: 131 },
  { signal: "SIGTERM", code: 143 }
] as const

export interface Options {
  readonly home: string
  readonly cwd?: string | undefined
  /** Default: nothing, and its end. With `null` a pipe that stays open and silent. */
  readonly stdin?: string | Uint8Array | null | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** The environment of a program that knows nothing but this home, and the codex that `npm run compat` tests. */
export const environment = ({ env, home }: Options) => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:CODEX_(?!BIN$)|OPENAI_)|_PROXY$/i.test(name))
  ),
  HOME: home,
  USERPROFILE: home,
  ...env
})

const collect = (stream: Readable) => {
  let text = ""
  let waiting: Array<() => void> = []
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
    for (const check of waiting) check()
  })
  return {
    text: () => text,
    /** Waits until a text was written that often, and gives all that was written until then. */
    has: (part: string, times = 1) =>
      Effect.callback<string>((resume) => {
        const check = () => {
          if (text.split(part).length > times) resume(Effect.succeed(text))
        }
        waiting.push(check)
        check()
      }).pipe(
        Effect.timeout("30 seconds"),
        Effect.tapError(() => Effect.logError(`It never said ${JSON.stringify(part)} but ${JSON.stringify(text)}.`))
      )
  }
}

/** Starts a program, which ends with the scope at the latest. */
const startProgram = Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>, options: Options) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(program, args, {
        cwd: options.cwd ?? options.home,
        env: environment(options),
        stdio: "pipe"
      })
    ),
    (child) => Effect.sync(() => void (child.exitCode ?? child.signalCode ?? child.kill("SIGKILL")))
  )
  // A program that refuses its stdin does not read it.
  child.stdin.on("error", () => {})
  if (options.stdin !== null) child.stdin.end(options.stdin ?? "")
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  return {
    stdoutHas: stdout.has,
    stderrHas: stderr.has,
    write: (text: string) => Effect.sync(() => void child.stdin.write(text)),
    /** Writes without an end. */
    flood: Effect.sync(() => {
      const block = Buffer.alloc(1 << 20, "x")
      const more = () => {
        while (child.stdin.writable && child.stdin.write(block)) {}
      }
      child.stdin.on("drain", more)
      more()
    }),
    closeStdout: Effect.sync(() => child.stdout.destroy()),
    signal: (signal: NodeJS.Signals) => Effect.sync(() => child.kill(signal)),
    ended: Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>(
      (resume) => {
        child.once("close", (code) => resume(Effect.succeed({ code, stdout: stdout.text(), stderr: stderr.text() })))
      }
    )
  }
})

/** Starts `effect-codex`, which ends with the scope at the latest. */
export const start = (args: ReadonlyArray<string>, options: Options) =>
  startProgram(process.execPath, [...entry, ...args], options)

/** Where the program of util-linux is not there, nothing makes a pseudo-terminal without a dependency. */
export const hasTerminals = process.platform === "linux" && existsSync("/usr/bin/script")

/** Starts `effect-codex` on a pseudo-terminal: what is written are keys, and stdout is the screen. */
export const startOnTerminal = (
  args: ReadonlyArray<string>,
  options: Omit<Options, "stdin"> & { readonly columns?: number | undefined }
) => {
  const command = [process.execPath, ...entry, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")
  return startProgram("/usr/bin/script", ["-qec", `stty cols ${options.columns ?? 100}; ${command}`, "/dev/null"], {
    ...options,
    stdin: null,
    env: { TERM: "xterm", NO_COLOR: "1", CI: "", ...options.env }
  })
}

/** Runs another program to its end. */
export const runProgram = (program: string, args: ReadonlyArray<string>, options: Options) =>
  Effect.scoped(Effect.flatMap(startProgram(program, args, options), (child) => child.ended))

/** Runs `effect-codex` to its end. */
export const run = (args: ReadonlyArray<string>, options: Options) =>
  Effect.scoped(Effect.flatMap(start(args, options), (cli) => cli.ended))

/** Without the times of commands, which are told when a machine is slow. */
export const untimed = (text: string): string => text.replace(/^(ran `.*`) in [\d.]+s/gm, "$1")

/** Every file below a folder. */
export const files = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))

/** The processes that were started with this home directory or below it, on systems that tell. */
export const processesOf = (home: string): ReadonlyArray<string> =>
  process.platform !== "linux" ? [] : readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(home)
    } catch {
      // Another user's, or gone meanwhile.
      return false
    }
  })

/** The processes of the home that are still there after a while: what codex has started ends a moment after it. */
export const leftovers = (home: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.sync(() => processesOf(home)).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (left) => left.length === 0, times: 500 })
  )

export const parseLine = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ method: Schema.String, params: Schema.JsonObject }))
)

export const live = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(NodeServices.layer))
