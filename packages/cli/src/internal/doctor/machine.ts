/** The checks of this machine and its environment, which need no running codex. */
import * as ServerInfo from "@effect-codex/client/ServerInfo"
import * as CodexExecutable from "@effect-codex/node/CodexExecutable"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Os from "node:os"
import { type Check, check } from "./report.ts"

// =============================================================================
// The executable
// =============================================================================

export const executable = CodexExecutable.find().pipe(
  Effect.match({
    onFailure: ({ message }) => ({
      found: Option.none<CodexExecutable.CodexExecutable>(),
      check: check("codex", "fail", message, "Install it, npm install @openai/codex, or set CODEX_BIN to its path.")
    }),
    onSuccess: (found) => ({
      found: Option.some(found),
      check: check("codex", "ok", `${found.executable} (${sources[found.source]})`)
    })
  })
)

const sources = {
  option: "given",
  CODEX_BIN: "from CODEX_BIN",
  package: "from the package @openai/codex",
  PATH: "from PATH"
} as const

/** The version that the executable tells itself, also when its app-server does not start. */
export const version = Effect.fnUntraced(
  function*(program: string) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const command = ChildProcess.make(program, ["--version"], { stdin: "ignore", stderr: "ignore" })
    const text = yield* spawner.string(command).pipe(
      Effect.mapError(({ message }) => `it does not run: ${message}`)
    )
    const told = /\d+\.\d+\.\d+\S*/.exec(text)?.[0]
    if (told === undefined) {
      return check(
        "version",
        "fail",
        "it tells no version",
        `Run ${program} --version to see what it is.`
      )
    }
    const { newest, oldest } = ServerInfo.testedRange
    const age = ServerInfo.compareToTested({
      version: told,
      userAgent: "",
      codexHome: "",
      platformFamily: "",
      platformOs: ""
    })
    return age === "tested"
      ? check("version", "ok", told)
      : check(
        "version",
        "warn",
        `${told}; this program is tested with ${oldest} to ${newest}`,
        age === "older" ? "Update codex, npm install -g @openai/codex." : "Look for a newer effect-codex."
      )
  },
  (effect, program) =>
    Effect.catch(
      effect,
      (problem) => Effect.succeed(check("version", "fail", `${problem}`, `Run ${program} --version by hand.`))
    )
)

// =============================================================================
// CODEX_HOME
// =============================================================================

const ordinaryHome = Effect.map(Path.Path, ({ join }) => join(Os.homedir(), ".codex"))

export const homeFolder = Effect.gen(function*() {
  const given = yield* Effect.orElseSucceed(Config.String("CODEX_HOME"), () => "")
  return given === "" ? yield* ordinaryHome : given
})

/** The newest of the times at which codex has written its files, in milliseconds. */
const lastWritten = Effect.fnUntraced(function*(home: string) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const names = yield* Effect.orElseSucceed(fs.readDirectory(home), () => [])
  const infos = yield* Effect.forEach(
    // Bounds the work for a home that somebody uses for other things.
    names.slice(0, 500),
    (name) => Effect.option(fs.stat(join(home, name))),
    { concurrency: 8 }
  )
  const times = infos.flatMap((info) =>
    Option.toArray(Option.flatMap(info, ({ mtime }) => mtime)).map((time) => time.getTime())
  )
  return times.length === 0 ? undefined : Math.max(...times)
})

export const home = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* homeFolder
  const info = yield* Effect.option(fs.stat(folder))
  if (Option.isNone(info)) {
    return folder === (yield* ordinaryHome)
      ? check("CODEX_HOME", "ok", `${folder} does not exist yet: codex creates it`)
      : check(
        "CODEX_HOME",
        "warn",
        `${folder} does not exist`,
        "codex does not create the folder that CODEX_HOME names. Create it, or remove the variable."
      )
  }
  if (info.value.type !== "Directory") {
    return check(
      "CODEX_HOME",
      "fail",
      `${folder} is not a folder`,
      "Set CODEX_HOME to a folder, or remove the variable."
    )
  }
  const writing = yield* Effect.exit(Effect.scoped(fs.makeTempFileScoped({ directory: folder, prefix: ".doctor-" })))
  return writing._tag === "Success"
    ? check("CODEX_HOME", "ok", folder)
    : check("CODEX_HOME", "fail", `${folder} cannot be written`, `Change its owner or its mode, or set CODEX_HOME.`)
})

// =============================================================================
// The environment
// =============================================================================

const proxyNames = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]

/** Only the names: an address may contain a password. */
export const proxies = (env: Readonly<Record<string, string | undefined>>): Check => {
  const set = proxyNames.flatMap((name) => [name, name.toLowerCase()]).filter((name) => (env[name] ?? "") !== "")
  if (set.length === 0) return check("proxies", "ok", "none is set")
  const wrong = set.filter((name) => !/^no_/i.test(name) && !isAddress(env[name]!))
  return wrong.length > 0
    ? check("proxies", "warn", `${wrong.join(", ")} is no address`, "Write it as http://host:port.")
    : check("proxies", "ok", `${set.join(", ")} (the values are not shown)`)
}

const isAddress = (text: string): boolean => /^(?:[a-z][a-z\d+.-]*:\/\/)?[^\s/]+(?::\d+)?\/?$/i.test(text)

// The year of the oldest codex that is tested.
const oldest = Date.UTC(2025, 5)

/** Without a network, only a clock that is behind what is on the disk is known to be wrong. */
export const clock = Effect.gen(function*() {
  // oxlint-disable-next-line no-restricted-properties -- it is the wall clock that is checked
  const now = yield* Clock.currentTimeMillis
  const written = yield* lastWritten(yield* homeFolder)
  const advice = "Set the clock: a login is refused when it is wrong."
  const today = new Date(now).toISOString().slice(0, 16).replace("T", " ")
  if (now < oldest) return check("clock", "warn", `it is ${today} UTC, before this program was written`, advice)
  if (written !== undefined && written > now + 5 * 60_000) {
    return check("clock", "warn", `it is ${today} UTC, and codex has files from later`, advice)
  }
  return check("clock", "ok", `${today} UTC`)
})

// =============================================================================
// Descriptors
// =============================================================================

/** docs/scaling.md: a loaded thread uses two to three. */
const enough = 1024

/** The limit that programs started from here get. */
export const descriptors = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const limits = yield* Effect.orElseSucceed(fs.readFileString("/proc/self/limits"), () => "")
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? []
  if (soft === undefined) return check("descriptors", "skip", "this system does not tell the limit of open files")
  return soft === "unlimited" || Number(soft) >= enough
    ? check("descriptors", "ok", `${soft} open files`)
    : check(
      "descriptors",
      "warn",
      `only ${soft} open files, which is enough for some ${Math.floor(Number(soft) / 6)} threads at once`,
      `Raise it with ulimit -n ${hard === "unlimited" || Number(hard) >= 65_536 ? 65_536 : hard}.`
    )
})
