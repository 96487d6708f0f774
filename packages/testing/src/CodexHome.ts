/**
 * A private home for codex: a `CODEX_HOME` whose configuration points codex at a model on loopback and at nothing else,
 * and an empty workspace. Both live in one folder below the user's home directory, because codex does not install its
 * helper programs below the system's temporary directory. They are removed when the scope closes.
 *
 * With the environment of this module, codex reads none of the user's own configuration, skills, shell profile or
 * credentials, and connects to the model only. Configuration that a system administrator put under `/etc/codex` still
 * applies.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Os from "node:os"
import * as Toml from "./internal/toml.ts"
import { ScriptedModel } from "./ScriptedModel.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * A private home: its folders, and the environment that makes codex use them.
 *
 * **Example** (Writing a file into the workspace)
 *
 * ```ts
 * import { CodexHome } from "@effect-codex/testing"
 * import { Effect, FileSystem } from "effect"
 *
 * export const written = Effect.gen(function*() {
 *   const { workspace } = yield* CodexHome.CodexHome
 *   const fs = yield* FileSystem.FileSystem
 *   yield* fs.writeFileString(`${workspace}/notes.txt`, "buy milk")
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class CodexHome extends Context.Service<CodexHome, {
  /** The `CODEX_HOME`, with its `config.toml`. An absolute path. */
  readonly path: string
  /** An empty folder to work in. An absolute path. */
  readonly workspace: string
  /**
   * Variables to merge over the parent's environment; `undefined` removes a variable. Sets `CODEX_HOME` and the user's
   * home directory, and removes every `CODEX_*`, `OPENAI_*` and `*_PROXY` variable.
   */
  readonly env: Readonly<Record<string, string | undefined>>
}>()("@effect-codex/testing/CodexHome") {}

// =============================================================================
// Options
// =============================================================================

/**
 * A value of a TOML document. Numbers without a fraction become integers.
 *
 * @category models
 * @since 0.1.0
 */
export type TomlValue = string | number | boolean | ReadonlyArray<TomlValue> | TomlTable

/**
 * A table of a TOML document.
 *
 * @category models
 * @since 0.1.0
 */
export interface TomlTable {
  readonly [key: string]: TomlValue
}

/**
 * Options of {@link make} and the layers.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's name. Default: `"scripted-model"`, for which codex has no metadata. */
  readonly model?: string | undefined
  /** How often codex retries a refused request. Default: 0. */
  readonly requestMaxRetries?: number | undefined
  /** How often codex retries a request whose stream broke. Default: 0. */
  readonly streamMaxRetries?: number | undefined
  /** An API key to log codex in with; codex sends it to the model as a bearer token. Default: not logged in. */
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * A folder to keep the home in, which stays: for programs that go on where they were. It is made if it is missing,
   * and its `config.toml` is written anew. Default: a folder of its own, which is removed with the scope.
   */
  readonly folder?: string | undefined
  /** Further entries of `config.toml`, merged table by table over those that this module writes. */
  readonly config?: TomlTable | undefined
}

// =============================================================================
// Constructor
// =============================================================================

/**
 * Creates a private home for a model at `modelUrl`, the base URL up to and including `/v1`. Fails with `PlatformError`
 * if the folders cannot be written.
 *
 * **Gotchas**
 *
 * Without `folder`, the home and everything in it are removed when the scope closes. Close what uses the home before
 * that.
 *
 * ```ts
 * import { CodexHome } from "@effect-codex/testing"
 *
 * export const home = CodexHome.make({
 *   modelUrl: "http://127.0.0.1:8080/v1",
 *   config: { approval_policy: "untrusted" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options & { readonly modelUrl: string }
): Effect.fn.Return<
  CodexHome["Service"],
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path

  const { folder } = options
  const made = folder === undefined
    ? Effect.acquireRelease(fs.makeTempDirectory({ directory: Os.homedir(), prefix: ".effect-codex-" }), remove)
    : Effect.as(fs.makeDirectory(folder, { recursive: true }), folder)
  // Some home directories on macOS are behind symbolic links, and codex reports resolved paths.
  const root = yield* Effect.flatMap(made, fs.realPath)
  const path = join(root, "codex")
  const workspace = join(root, "workspace")
  yield* fs.makeDirectory(path, { recursive: true })
  yield* fs.makeDirectory(workspace, { recursive: true })
  yield* fs.writeFileString(join(path, "config.toml"), Toml.encode(Toml.merge(config(options), options.config ?? {})))
  if (options.apiKey !== undefined) {
    yield* fs.writeFileString(
      join(path, "auth.json"),
      JSON.stringify({ auth_mode: "apikey", OPENAI_API_KEY: Redacted.value(options.apiKey) }),
      { mode: 0o600 }
    )
  }

  const env: Record<string, string | undefined> = {}
  for (const name of Object.keys(process.env)) {
    if (/^(?:CODEX|OPENAI)_|_PROXY$/i.test(name)) env[name] = undefined
  }
  return CodexHome.of({
    path,
    workspace,
    env: {
      ...env,
      CODEX_HOME: path,
      HOME: root,
      USERPROFILE: root,
      // Send logins to the model's port, too, and not to the real issuer.
      CODEX_APP_SERVER_LOGIN_ISSUER: new URL(options.modelUrl).origin
    }
  })
})

// =============================================================================
// Layers
// =============================================================================

/**
 * Provides a private home for a model at `modelUrl`, see {@link make}.
 *
 * **Example** (A model that runs elsewhere)
 *
 * ```ts
 * import { CodexHome } from "@effect-codex/testing"
 *
 * export const HomeLive = CodexHome.layerUrl("http://127.0.0.1:8080/v1", { model: "local-model" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUrl = (
  modelUrl: string,
  options?: Options
): Layer.Layer<CodexHome, PlatformError.PlatformError> =>
  Layer.effect(CodexHome, make({ ...options, modelUrl })).pipe(
    Layer.provide([NodeFileSystem.layer, NodePath.layer])
  )

/**
 * Provides a private home for the scripted model in the context, see {@link make}.
 *
 * ```ts
 * import { CodexHome, ScriptedModel } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const TestLive = CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answers: ["Hello."] })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<CodexHome, PlatformError.PlatformError, ScriptedModel> =>
  Layer.unwrap(Effect.map(ScriptedModel, (model) => layerUrl(model.url, options)))

// =============================================================================
// Internal
// =============================================================================

const config = (options: Options & { readonly modelUrl: string }): TomlTable => ({
  model: options.model ?? "scripted-model",
  model_provider: "scripted",
  model_providers: {
    scripted: {
      name: "Scripted model",
      base_url: options.modelUrl,
      wire_api: "responses",
      requires_openai_auth: options.apiKey !== undefined,
      request_max_retries: options.requestMaxRetries ?? 0,
      stream_max_retries: options.streamMaxRetries ?? 0
    }
  },
  // The home is below the user's own folders. Without this, codex would read their AGENTS.md and .codex.
  project_root_markers: [],
  cli_auth_credentials_store: "file",
  mcp_oauth_credentials_store: "file",
  check_for_update_on_startup: false,
  analytics: { enabled: false },
  feedback: { enabled: false },
  // Requests to ChatGPT's backend end at the model's port, with 404.
  chatgpt_base_url: new URL("/backend-api/", options.modelUrl).href,
  features: {
    // `plugins` fetches a marketplace from GitHub at every start, with git and over HTTPS.
    plugins: false,
    apps: false,
    api_key_model_discovery: false
  }
})

const remove = Effect.fnUntraced(function*(root: string) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const unlock = (directory: string): Effect.Effect<void, PlatformError.PlatformError> =>
    fs.chmod(directory, 0o700).pipe(
      Effect.andThen(fs.readDirectoryEntries(directory)),
      Effect.flatMap(
        Effect.forEach(
          (entry) => entry.type === "Directory" ? Effect.ignore(unlock(join(directory, entry.name))) : Effect.void,
          {
            discard: true
          }
        )
      )
    )
  // A read-only folder cannot be emptied, and a process that is still ending can add files.
  yield* fs.remove(root, { recursive: true, force: true }).pipe(
    Effect.tapError(() => Effect.ignore(unlock(root))),
    Effect.retry({ times: 10 }),
    Effect.orDie
  )
})
