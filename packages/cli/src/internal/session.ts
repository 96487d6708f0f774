/**
 * Opens the codex for a run: with the user's login, an API key from the environment, or the offline model.
 */
import { AppServer } from "@effect-codex/client/AppServer"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import { Auth } from "@effect-codex/client/Auth"
import { Codex } from "@effect-codex/client/Codex"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Os from "node:os"
import { overridesOf } from "./runOptions.ts"
import { Screen } from "./screen.ts"
import * as TurnWarnings from "./turnWarnings.ts"
import { version } from "./version.ts"

export interface Session {
  readonly codex: Codex["Service"]
  readonly rpc: AppServerRpc["Service"]
  readonly isOffline: boolean
  /** A message to the user about the model that answers. */
  readonly notice: string | undefined
}

/** The cassette to record connections to, if any. */
export const RecordTo: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "@effect-codex/cli/RecordTo",
  { defaultValue: () => undefined }
)

/**
 * Opens a session until the scope closes.
 *
 * `CODEX_API_KEY` comes before a stored login, as in `codex exec`. `OPENAI_API_KEY` comes after it, because many users
 * set it for other programs.
 */
export const open = Effect.fnUntraced(function*(
  options: { readonly offline: boolean; readonly config?: ReadonlyArray<string> | undefined }
) {
  // Checked first, so that a wrong one starts nothing.
  const settings = { configOverrides: yield* overridesOf(options.config ?? []) }
  if (options.offline) return yield* offline("Using", settings)
  const codexKey = yield* apiKey("CODEX_API_KEY")
  if (Option.isSome(codexKey)) return yield* loggedIn("CODEX_API_KEY", codexKey.value, settings)
  const stored = yield* configured(settings)
  if (Option.isSome(stored)) return stored.value
  const openaiKey = yield* apiKey("OPENAI_API_KEY")
  if (Option.isSome(openaiKey)) return yield* loggedIn("OPENAI_API_KEY", openaiKey.value, settings)
  return yield* offline(
    "No Codex login (`effect-codex login`), CODEX_API_KEY or OPENAI_API_KEY was found: using",
    settings
  )
})

type Settings = Pick<CodexNode.Options, "configOverrides">

// An empty variable counts as unset, as it does for codex.
const apiKey = (name: string) =>
  Config.option(Config.Redacted(name)).pipe(Effect.map(Option.filter((key) => Redacted.value(key).trim() !== "")))

/** Has a name, because its inferred type would name modules that are not public. */
export interface Connected {
  readonly auth: Auth["Service"]
  readonly codex: Codex["Service"]
  readonly rpc: AppServerRpc["Service"]
  readonly pid: number
}

/** Starts codex until the scope closes. */
export const connect = Effect.fnUntraced(function*(options: CodexNode.Options, isOffline = false) {
  const { warn } = yield* Screen
  const clientInfo = { name: "effect_codex_cli", title: "effect-codex", version }
  const recordTo = yield* RecordTo
  const services: Context.Context<AppServer | AppServerRpc | Auth | Codex> = recordTo === undefined
    ? yield* Layer.build(CodexNode.layer({ ...options, clientInfo }))
    : yield* recording(recordTo, { ...options, clientInfo })
  const rpc = Context.get(services, AppServerRpc)
  // Immediately: docs/codex-behaviour.md, "Warnings about the configuration come right after the handshake".
  const context = yield* Effect.context<never>()
  yield* warnings(rpc, isOffline).pipe(
    Stream.filter((warning) => TurnWarnings.isWanted(context, warning)),
    Stream.runForEach(warn),
    Effect.forkScoped({ startImmediately: true })
  )
  const connected: Connected = {
    auth: Context.get(services, Auth),
    codex: Context.get(services, Codex),
    rpc,
    pid: Context.get(services, AppServer).pid
  }
  return connected
})

const recording = Effect.fnUntraced(function*(path: string, options: CodexNode.Options) {
  const Cassette = yield* Effect.promise(() => import("@effect-codex/testing/Cassette"))
  const server = CodexNode.layerTransport(options)
  return yield* Layer.build(
    Layer.merge(Cassette.layer(path, { clientInfo: options.clientInfo, mode: "record", server }), server)
  )
})

// Warnings of the connection or the thread, which are not among the events of a turn.
const warnings = (rpc: AppServerRpc["Service"], isOffline: boolean) =>
  rpc.notifications.pipe(
    Stream.flatMap((event) => {
      switch (event._tag) {
        case "warning":
          // The offline model needs no metadata: docs/codex-behaviour.md, "Codex warns of a model that it has no
          // metadata of".
          return isOffline && event.params.message.startsWith("Model metadata for")
            ? Stream.empty
            : Stream.succeed(event.params.message)
        case "guardianWarning":
          return Stream.succeed(event.params.message)
        case "configWarning":
        case "deprecationNotice":
          return Stream.succeed([event.params.summary, event.params.details ?? ""].join(" ").trim())
        default:
          return Stream.empty
      }
    }),
    // A lost connection also ends the turn, which reports it.
    Stream.ignore
  )

// =============================================================================
// The user's own configuration
// =============================================================================

// Checked before codex starts, because codex would create a home for a user without one.
const isConfigured = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const given = yield* Config.String("CODEX_HOME").pipe(Config.withDefault(""))
  const home = given === "" ? join(Os.homedir(), ".codex") : given
  const places = [join(home, "auth.json"), join(home, "config.toml"), "/etc/codex/config.toml"]
  const found = yield* Effect.forEach(places, (place) => Effect.orElseSucceed(fs.exists(place), () => false))
  return found.includes(true)
})

/**
 * The user's own codex, if it has a login or its provider needs none. Asks codex itself, because the login may be in a
 * keyring.
 */
export const configured = Effect.fnUntraced(function*(settings: Settings = {}) {
  if (!(yield* isConfigured)) return Option.none()
  const scope = yield* Scope.fork(yield* Effect.scope)
  const connection = yield* connect(settings).pipe(Scope.provide(scope))
  const account = yield* Effect.option(connection.auth.account())
  if (Option.exists(account, ({ account, requiresOpenaiAuth }) => account === null && requiresOpenaiAuth)) {
    yield* Scope.close(scope, Exit.void)
    return Option.none()
  }
  // If codex cannot report its account, let the turn fail with codex's own message.
  return Option.some<Session>({ codex: connection.codex, rpc: connection.rpc, isOffline: false, notice: undefined })
})

// =============================================================================
// An API key
// =============================================================================

// Logs in explicitly: docs/codex-behaviour.md, "The app-server reads no key from its environment". The login stays in
// memory, so that it does not overwrite the stored one.
const loggedIn = Effect.fnUntraced(function*(name: string, key: Redacted.Redacted, settings: Settings) {
  const { auth, codex, rpc } = yield* connect({ ...settings, credentialsStore: "ephemeral" })
  yield* auth.loginApiKey(key)
  const session: Session = { codex, rpc, isOffline: false, notice: `Using the API key of ${name} for this run.` }
  return session
})

// =============================================================================
// No model
// =============================================================================

const offline = Effect.fnUntraced(function*(why: string, settings: Settings) {
  const home = yield* Effect.flatMap(Effect.promise(() => import("./offlineModel.ts")), (model) => model.home())
  const { codex, pid, rpc } = yield* connect({ ...settings, cwd: home.workspace, env: home.env }, true)
  home.codex.pid = pid
  const notice = `${why} the offline model, a script that drives the real codex but cannot answer prompts.`
  const session: Session = { codex, rpc, isOffline: true, notice }
  return session
})
