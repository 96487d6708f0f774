/**
 * A private home for codex: a `CODEX_HOME` with a configuration that points codex at a model on loopback and at nothing
 * else, and an empty workspace. Both live in one folder below the user's home directory (codex does not install its helper
 * programs below the system's temporary directory) and are removed when the scope closes.
 *
 * With the environment of this module codex reads nothing of the user's own configuration, skills, shell profile or
 * credentials, and makes no connection but to the model. What a system administrator put under `/etc/codex` still counts.
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
 * A private home.
 *
 * **Example** (A file for codex to find)
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
  /** The `CODEX_HOME`, with its `config.toml`. */
  readonly path: string
  /** An empty folder to work in. */
  readonly workspace: string
  /**
   * What to merge over the parent's environment; `undefined` removes a variable. It sets `CODEX_HOME` and the user's home
   * directory, and removes every `CODEX_*` and `OPENAI_*` variable and the proxies.
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
 * Options of a private home.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's name, default `"scripted-model"`, of which codex has no metadata. */
  readonly model?: string | undefined
  /** How often codex repeats a request that was refused, default 0. */
  readonly requestMaxRetries?: number | undefined
  /** How often codex repeats a request whose stream broke, default 0. */
  readonly streamMaxRetries?: number | undefined
  /** Stored as codex's login, and then sent to the model as bearer token. Default: nobody is logged in. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** More of `config.toml`, merged table by table over what this module writes. */
  readonly config?: TomlTable | undefined
}

// =============================================================================
// Constructor
// =============================================================================

/**
 * Creates a private home for a model at `modelUrl` (the base URL up to and including `/v1`). It is removed, with everything
 * in it, when the scope closes; close what uses it before. Fails if the folders cannot be written.
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

  const root = yield* Effect.acquireRelease(
    // macOS reaches some home directories through links, and codex reports resolved paths.
    Effect.flatMap(fs.makeTempDirectory({ directory: Os.homedir(), prefix: ".effect-codex-" }), fs.realPath),
    remove
  )
  const path = join(root, "codex")
  const workspace = join(root, "workspace")
  yield* fs.makeDirectory(path)
  yield* fs.makeDirectory(workspace)
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
      // Logins end at the model's port, too.
      CODEX_APP_SERVER_LOGIN_ISSUER: new URL(options.modelUrl).origin
    }
  })
})

// =============================================================================
// Layers
// =============================================================================

/**
 * Provides a private home for a model at `modelUrl`.
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
 * Provides a private home for the scripted model in the context.
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
  // The home stands below the user's own folders, whose AGENTS.md and .codex are none of our business.
  project_root_markers: [],
  cli_auth_credentials_store: "file",
  mcp_oauth_credentials_store: "file",
  check_for_update_on_startup: false,
  analytics: { enabled: false },
  feedback: { enabled: false },
  // Whatever is still meant for ChatGPT's backend ends at the model's port, with 404.
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
  // Folders that were made read-only cannot be emptied, and a program that is just ending can add files meanwhile.
  yield* fs.remove(root, { recursive: true, force: true }).pipe(
    Effect.tapError(() => Effect.ignore(unlock(root))),
    Effect.retry({ times: 10 }),
    Effect.orDie
  )
})
