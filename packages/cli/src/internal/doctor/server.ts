/** The checks that ask a running app-server. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import type { CodexError } from "@effect-codex/client/CodexError"
import * as Configuration from "@effect-codex/client/Configuration"
import * as Extensions from "@effect-codex/client/Extensions"
import * as Sandbox from "@effect-codex/client/Sandbox"
import * as Workspace from "@effect-codex/client/Workspace"
import * as CodexNode from "@effect-codex/node/CodexNode"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { who } from "../account.ts"
import { seconds } from "../itemLines.ts"
import { isDecoded } from "../threadIds.ts"
import { version } from "../version.ts"
import { type Check, check } from "./report.ts"

/** One attempt, unlike `CodexNode.layer`, which waits for a database that is locked. */
export const layer = (executable: string, initializeTimeout: Duration.Duration) =>
  Layer.mergeAll(Auth.layer, Configuration.layer, Extensions.layer, Workspace.layer).pipe(
    Layer.provideMerge(
      AppServerRpc.layer({
        clientInfo: { name: "effect_codex_doctor", title: "effect-codex doctor", version },
        initializeTimeout
      })
    ),
    Layer.provide(CodexNode.layerTransport({ executable }))
  )

/** Why the app-server did not start. */
export const startProblem = (error: CodexError): Check => {
  const isLocked = error._tag === "AppServerStartError" && error.isStateDatabaseLocked
  return check(
    "app-server",
    "fail",
    error.message,
    isLocked
      ? "End the program that uses this CODEX_HOME (another codex, an editor), or give each a CODEX_HOME of its own."
      : "Run `codex app-server` by hand to see what it says."
  )
}

/** Bounds the time of a check. */
export type Limit = <E, R>(
  name: string,
  effect: Effect.Effect<ReadonlyArray<Check>, E, R>
) => Effect.Effect<ReadonlyArray<Check>, E, R>

/** codex starts within a second. */
const slow = 8000

/** @param time how long the start took, in milliseconds. */
export const serverChecks = (limit: Limit, time: number) =>
  Effect.gen(function*() {
    const rpc = yield* AppServerRpc.AppServerRpc
    // At once: codex warns right after the handshake.
    const warnings: Array<string> = []
    yield* rpc.diagnosticEvents.pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          // Few: codex sends each once.
          if (event._tag === "ServerWarning" && warnings.length < 100) {
            warnings.push([event.summary, event.details ?? ""].join(" ").trim())
          }
        })
      ),
      Effect.forkScoped({ startImmediately: true })
    )
    const one = <R>(
      name: string,
      effect: Effect.Effect<ReadonlyArray<Check>, { readonly message: string; readonly detail?: string }, R>,
      advice?: string
    ): Effect.Effect<ReadonlyArray<Check>, never, R> =>
      limit(
        name,
        // What codex says, without the client's advice, which is for programs.
        Effect.catch(effect, (error) => Effect.succeed([check(name, "fail", error.detail ?? error.message, advice)]))
      )
    const { platformOs } = rpc.serverInfo
    const server = [
      time < slow
        ? check("app-server", "ok", `it runs, on ${platformOs}`)
        : check(
          "app-server",
          "warn",
          `it runs, on ${platformOs}, but took ${seconds(time)} to start`,
          "A busy machine, a slow disk, or another program that keeps a database of this CODEX_HOME locked."
        )
    ]
    const config = yield* one("config.toml", configuration, "Correct the file at this place.")
    const account = yield* one("login", login)
    const sandboxed = yield* one("sandbox", sandbox)
    const servers = yield* one("MCP servers", mcpServers)
    return [
      ...server,
      ...merged(config, warnings),
      ...account,
      ...sandboxed.map((row) => withWarning(row, warnings)),
      ...servers
    ]
  })

// =============================================================================
// The configuration
// =============================================================================

const isAboutSandbox = (warning: string): boolean => /sandbox|bubblewrap|namespace|landlock/i.test(warning)

const configuration = Effect.gen(function*() {
  const { layers } = yield* (yield* Configuration.Configuration).read({ cwd: process.cwd() })
  const files = layers.flatMap(({ config, name }) =>
    "file" in name && typeof name.file === "string" && !isEmpty(config) ? [name.file] : []
  )
  return [
    check("config.toml", "ok", files.length === 0 ? "there is none, everything is as codex has it" : files.join(", "))
  ]
})

const isEmpty = (config: unknown): boolean =>
  typeof config === "object" && config !== null && Object.keys(config).length === 0

// codex goes on with its defaults, and says why in a warning.
const merged = (rows: ReadonlyArray<Check>, warnings: ReadonlyArray<string>): ReadonlyArray<Check> => {
  const others = warnings.filter((warning) => !isAboutSandbox(warning))
  return others.length === 0 || rows.some(({ status }) => status !== "ok")
    ? rows
    : others.map((warning) => check("config.toml", "warn", warning, "Correct the setting, or remove it."))
}

// =============================================================================
// The login
// =============================================================================

const login = Effect.gen(function*() {
  const account = yield* (yield* Auth.Auth).account()
  const key = ["CODEX_API_KEY", "OPENAI_API_KEY"].find((name) => (process.env[name] ?? "").trim() !== "")
  if (account.account !== null) return [check("login", "ok", who(account))]
  if (!account.requiresOpenaiAuth) return [check("login", "ok", "the model provider of your configuration needs none")]
  return key === undefined
    ? [check("login", "fail", "nobody is logged in", "Run `effect-codex login`, or set CODEX_API_KEY.")]
    : [check("login", "ok", `nobody is logged in; \`effect-codex run\` uses ${key}`)]
})

// =============================================================================
// The sandbox
// =============================================================================

/** Runs the smallest command, as the agent's are run. */
const sandbox = Effect.gen(function*() {
  const workspace = yield* Workspace.Workspace
  const command = process.platform === "win32" ? ["cmd", "/c", "exit 0"] : ["true"]
  const { exitCode, stderr } = yield* workspace.run(command, {
    cwd: process.cwd(),
    sandbox: Sandbox.readOnly,
    timeout: "20 seconds"
  })
  return [
    exitCode === 0
      ? check("sandbox", "ok", "a command ran in it")
      : check(
        "sandbox",
        "fail",
        `a command that does nothing ended with ${exitCode} in it: ${stderr.trim().split("\n").at(-1) ?? ""}`,
        "In a container, allow user namespaces (or run it with --security-opt seccomp=unconfined), or use `--sandbox full-access` " +
          "where the container itself is the sandbox."
      )
  ]
})

const withWarning = (row: Check, warnings: ReadonlyArray<string>): Check => {
  const warning = warnings.find(isAboutSandbox)
  if (warning === undefined || row.status !== "ok") return row
  // The sandbox is the same: docs/codex-behaviour.md, "Codex warns that it takes the bubblewrap it has brought".
  return warning.includes("will use the bundled bubblewrap")
    ? check(row.name, "ok", `${row.detail}, with the bubblewrap that codex has brought`)
    : check(row.name, "warn", warning)
}

// =============================================================================
// MCP servers
// =============================================================================

// Without a thread codex starts them for this question.
const mcpServers = Effect.gen(function*() {
  const servers = (yield* (yield* Extensions.Extensions).mcpServers({ detail: "toolsAndAuthOnly" })).filter(isDecoded)
  if (servers.length === 0) return [check("MCP servers", "ok", "none is configured")]
  return servers.map((server) => {
    const name = `MCP server ${server.name}`
    const tools = Object.keys(server.tools).length
    if (server.authStatus === "notLoggedIn") {
      return check(name, "warn", "it wants a login", `Run \`codex mcp login ${server.name}\`.`)
    }
    if (server.toolsError !== null) {
      return check(
        name,
        "fail",
        server.toolsError,
        "Run its command by hand, or open its URL. A slow one needs a longer startup_timeout_sec; `enabled = false` switches it off."
      )
    }
    if (server.serverInfo === null && tools === 0) return check(name, "skip", "it is switched off, or has no tools")
    return check(name, "ok", `it has ${tools} tool${tools === 1 ? "" : "s"}`)
  })
})

/** What is told in place of the checks that need an app-server. */
export const unasked = (why: string): ReadonlyArray<Check> =>
  ["config.toml", "login", "sandbox", "MCP servers"].map((name) => check(name, "skip", why))
