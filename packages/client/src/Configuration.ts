/**
 * The configuration of the app-server: what holds and where it comes from, changes of the user's `config.toml`, what an
 * administrator requires, experimental features, model providers and permission profiles.
 *
 * To configure one process or one thread, use `configOverrides` of the layer or `config` of a thread instead: these
 * write nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { CallError, ConfigurationCallError } from "./CodexError.ts"
import { configuration } from "./internal/load.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"

// =============================================================================
// Reading
// =============================================================================

/**
 * Options of `read`.
 *
 * @see {@link Snapshot}
 * @category options
 * @since 0.1.0
 */
export interface ReadOptions {
  /**
   * An absolute path of a folder of the server's machine. The configuration is then that of a thread in this folder:
   * with the layers of its project, if the user trusts it. Default: no project.
   */
  readonly cwd?: string | undefined
}

/**
 * The configuration at one time.
 *
 * @see {@link ReadOptions}
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** What holds, with the names of `config.toml`. A key that nobody set is null or has codex's default. */
  readonly config: Received.Config
  /**
   * Which layer each key comes from, by its dotted path, such as `analytics.enabled`. A key with codex's default has no
   * origin.
   */
  readonly origins: { readonly [key in string]?: Received.ConfigLayerMetadata }
  /** All layers, the strongest first. One with a `disabledReason` does not count. */
  readonly layers: ReadonlyArray<Received.ConfigLayer>
  /** The version of the file that `write` changes: its `expectedVersion`. None if the server reports no such layer. */
  readonly version: Option.Option<string>
}

// =============================================================================
// Writing
// =============================================================================

/**
 * The name of a key: a dotted path, such as `"features.goals"`, or its parts. Give parts for a name that contains dots
 * or other special characters, such as `["projects", "/home/me/app", "trust_level"]`.
 *
 * @see {@link Edit}
 * @category models
 * @since 0.1.0
 */
export type Key = string | readonly [string, ...ReadonlyArray<string>]

/**
 * A change of one key.
 *
 * @see {@link WriteOptions}
 * @category models
 * @since 0.1.0
 */
export interface Edit {
  readonly key: Key
  /** The new value. Null removes the key; a null inside of a value is refused, because TOML has none. */
  readonly value: Sent.JsonValue
  /** `upsert` merges an object into the existing table, `replace` takes its place. Default: `replace`. */
  readonly merge?: "replace" | "upsert" | undefined
}

/**
 * Options of a write.
 *
 * @see {@link Written}
 * @category options
 * @since 0.1.0
 */
export interface WriteOptions {
  /**
   * Refuses the write (`ConfigurationError`, `conflict`) if the file is not as it was in this version, which `read` and
   * each write return. Default: writes in any case.
   */
  readonly expectedVersion?: string | undefined
  /**
   * Whether threads that are loaded take over the new values. Their model, effort and service tier stay. Default:
   * false, only threads that are started or resumed later.
   */
  readonly reload?: boolean | undefined
}

/**
 * What a write did.
 *
 * @see {@link WriteOptions}
 * @category models
 * @since 0.1.0
 */
export interface Written {
  /** The version of the file now. */
  readonly version: string
  /** The path of the file on the server's machine. */
  readonly file: string
  /**
   * Why the new value does not hold although it is written: the layer that is stronger, such as the `configOverrides`
   * of the process, and the value that holds. Names the first such key of a batch.
   */
  readonly overridden: Option.Option<Received.OverriddenMetadata>
}

// =============================================================================
// Features and providers
// =============================================================================

/**
 * Options of `features`.
 *
 * @category options
 * @since 0.1.0
 */
export interface FeaturesOptions {
  /** The id of a loaded thread, whose configuration then counts, with that of its project. Default: no project. */
  readonly threadId?: string | undefined
}

/**
 * What became of `setFeatures`.
 *
 * @see {@link FeaturesOptions}
 * @category models
 * @since 0.1.0
 */
export interface SetFeatures {
  /**
   * What the process has taken over. A feature that a layer of the configuration sets keeps that value all the same:
   * look at `features`.
   */
  readonly accepted: { readonly [feature: string]: boolean }
  /**
   * The features that codex does not change at run time, and unknown ones. Use `write` or `configOverrides` for them.
   */
  readonly ignored: ReadonlyArray<string>
}

/**
 * The model providers that the server knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Providers {
  readonly providers: ReadonlyArray<
    Received.ModelProviderSummary | Received.Undecodable<Received.ModelProviderSummary>
  >
  /** The provider of threads that name none. */
  readonly defaultId: string
  /** Whether `setDefaultProvider` is allowed. A stronger layer or an administrator may forbid it. */
  readonly canChangeDefault: boolean
}

// =============================================================================
// Service
// =============================================================================

/**
 * The configuration of the app-server.
 *
 * **Details**
 *
 * `write`, `writeAll`, `writeProvider` and `setDefaultProvider` change the `config.toml` in the `CODEX_HOME` of the
 * server, for every program that uses it. Comments and order of the file stay. codex checks the whole file before it
 * writes, and writes all edits of a batch or none. It accepts keys that it does not know, and then ignores them: it
 * warns of them when the next thread starts.
 *
 * A test may replace the service: `CodexTest.mockConfiguration({ requirements: Effect.succeedNone })`.
 *
 * **Example** (A change that undoes nobody else's)
 *
 * ```ts
 * import { Configuration } from "@effect-codex/client"
 * import { Effect, Option } from "effect"
 *
 * export const beBrief = Effect.gen(function*() {
 *   const configuration = yield* Configuration.Configuration
 *   const { version } = yield* configuration.read()
 *   return yield* configuration.write("model_verbosity", "low", { expectedVersion: Option.getOrUndefined(version) })
 * }).pipe(
 *   Effect.retry({ times: 3, while: (error) => error._tag === "ConfigurationError" && error.reason === "conflict" })
 * )
 * ```
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Configuration extends Context.Service<Configuration, {
  /** Reads what holds, and where each value comes from. Fails with `RpcError` if a file is not TOML. */
  readonly read: (options?: ReadOptions) => Effect.Effect<Snapshot, CallError>
  /** Changes one key of the user's `config.toml`. Null removes it. Fails with `ConfigurationError`. */
  readonly write: (
    key: Key,
    value: Sent.JsonValue,
    options?: WriteOptions & Pick<Edit, "merge">
  ) => Effect.Effect<Written, ConfigurationCallError>
  /** Changes several keys of the user's `config.toml`, all or none. Fails with `ConfigurationError`. */
  readonly writeAll: (
    edits: ReadonlyArray<Edit>,
    options?: WriteOptions
  ) => Effect.Effect<Written, ConfigurationCallError>
  /** What an administrator requires and allows. None if nothing is required. */
  readonly requirements: Effect.Effect<Option.Option<Received.ConfigRequirements>, CallError>
  /** All features of codex that can be switched, with their stage and whether they are on. */
  readonly features: (
    options?: FeaturesOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.ExperimentalFeature | Received.Undecodable<Received.ExperimentalFeature>>,
    CallError
  >
  /** Switches features of the server's process until it ends. Writes no file. */
  readonly setFeatures: (features: { readonly [feature: string]: boolean }) => Effect.Effect<SetFeatures, CallError>
  /** The model providers. */
  readonly providers: Effect.Effect<Providers, CallError>
  /** What the default provider can do. */
  readonly providerCapabilities: Effect.Effect<Received.ModelProviderCapabilitiesReadResponse, CallError>
  /**
   * Makes a provider the default one, in the user's `config.toml`. Fails with `ConfigurationError` (`invalid`) for an
   * unknown one. Needs codex 0.171.
   */
  readonly setDefaultProvider: (providerId: string) => Effect.Effect<Written, ConfigurationCallError>
  /**
   * Changes the settings of a provider in the user's `config.toml`. A `customGateway` without a `providerId` is a new
   * one. A setting that is left out stays, null removes it. Fails with `ConfigurationError` (`notFound`) for an unknown
   * id.
   */
  readonly writeProvider: (
    settings: Sent.ProviderSettingsPatch
  ) => Effect.Effect<Received.ModelProviderSummary, ConfigurationCallError>
  /** The permission profiles, built-in ones and those of the configuration: names for `permissions` of a thread. */
  readonly permissionProfiles: (
    options?: ReadOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.PermissionProfileSummary | Received.Undecodable<Received.PermissionProfileSummary>>,
    CallError
  >
}>()("@effect-codex/client/Configuration") {}

/**
 * Creates the service on a connection.
 *
 * @see {@link layer}
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Configuration["Service"], never, AppServerRpc> = Effect.flatMap(
  configuration,
  ({ make }) => make
)

/**
 * {@link make} as a layer.
 *
 * **Example** (Beside the client, on the same connection)
 *
 * ```ts
 * import { Configuration } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Layer } from "effect"
 *
 * export const ConfigurationLive = Configuration.layer.pipe(Layer.provideMerge(CodexNode.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Configuration, never, AppServerRpc> = Layer.effect(Configuration, make)
