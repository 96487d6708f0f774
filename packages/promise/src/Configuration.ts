/**
 * The configuration of the app-server: what holds and where it comes from, and changes of the user's `config.toml`.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Configuration"
import type * as Sent from "@effect-codex/client/Sent"
import type { CallOptions } from "./Options.ts"
import type * as Received from "./Received.ts"

/**
 * The configuration at one time.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigurationSnapshot extends Omit<Client.Snapshot, "version"> {
  /** The version of the file that `write` changes: its `expectedVersion`. */
  readonly version: string | undefined
}

/**
 * What a write did.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigurationWritten extends Omit<Client.Written, "overridden"> {
  /** Why the new value does not hold although it is written: the layer that is stronger, and the value that holds. */
  readonly overridden: Received.OverriddenMetadata | undefined
}

/**
 * The configuration of the app-server. Each call that writes changes the `config.toml` in the `CODEX_HOME` of the
 * server, and rejects with `ConfigurationError` if the server refuses it.
 *
 * **Example** (A change that undoes nobody else's)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const beBrief = async ({ configuration }: Codex) => {
 *   const { version } = await configuration.read()
 *   return await configuration.write("model_verbosity", "low", { expectedVersion: version })
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Configuration {
  /** Reads what holds, and where each value comes from; with `cwd` as for a thread in this folder. */
  readonly read: (options?: CallOptions & Client.ReadOptions) => Promise<ConfigurationSnapshot>
  /** Changes one key. Null removes it. Give the parts of a key whose names contain dots. */
  readonly write: (
    key: Client.Key,
    value: Sent.JsonValue,
    options?: CallOptions & Client.WriteOptions & Pick<Client.Edit, "merge">
  ) => Promise<ConfigurationWritten>
  /** Changes several keys, all or none. */
  readonly writeAll: (
    edits: ReadonlyArray<Client.Edit>,
    options?: CallOptions & Client.WriteOptions
  ) => Promise<ConfigurationWritten>
  /** What an administrator requires and allows. Undefined if nothing is required. */
  readonly requirements: (options?: CallOptions) => Promise<Received.ConfigRequirements | undefined>
  /** All features of codex that can be switched, with their stage and whether they are on. */
  readonly features: (
    options?: CallOptions & Client.FeaturesOptions
  ) => Promise<ReadonlyArray<Received.ExperimentalFeature | Received.Undecodable<Received.ExperimentalFeature>>>
  /** Switches features of the server's process until it ends. Writes no file. */
  readonly setFeatures: (
    features: { readonly [feature: string]: boolean },
    options?: CallOptions
  ) => Promise<Client.SetFeatures>
  /** The model providers. */
  readonly providers: (options?: CallOptions) => Promise<Client.Providers>
  /** What the default provider can do. */
  readonly providerCapabilities: (options?: CallOptions) => Promise<Received.ModelProviderCapabilitiesReadResponse>
  /** Makes a provider the default one, in the user's `config.toml`. Needs codex 0.171. */
  readonly setDefaultProvider: (providerId: string, options?: CallOptions) => Promise<ConfigurationWritten>
  /** Changes the settings of a provider in the user's `config.toml`; without a `providerId`, adds a gateway. */
  readonly writeProvider: (
    settings: Sent.ProviderSettingsPatch,
    options?: CallOptions
  ) => Promise<Received.ModelProviderSummary>
  /** The permission profiles: names for `permissions` of a thread. */
  readonly permissionProfiles: (
    options?: CallOptions & Client.ReadOptions
  ) => Promise<
    ReadonlyArray<Received.PermissionProfileSummary | Received.Undecodable<Received.PermissionProfileSummary>>
  >
}
