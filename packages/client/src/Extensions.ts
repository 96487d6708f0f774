/**
 * What extends the agent: skills, MCP servers, apps, plugins and hooks of the app-server.
 *
 * These are calls of the program, not of the agent: nobody is asked for approval, also where a tool of an MCP server is
 * called.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { CallError, ConnectionError, DecodeError, McpLoginFailed, ThreadNotFound } from "./CodexError.ts"
import { extensions } from "./internal/load.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"

// =============================================================================
// Skills
// =============================================================================

/**
 * Options of `skills`.
 *
 * @see {@link SkillSelector}
 * @category options
 * @since 0.1.0
 */
export interface SkillsOptions {
  /**
   * The folders to list skills for, as absolute paths (`InvalidArgument`). A folder that does not exist has the skills
   * that every folder has. Default: the app-server's working directory.
   */
  readonly folders?: ReadonlyArray<string> | undefined
  /** Reads the skills from disk again instead of the server's cache. Default: false. */
  readonly reload?: boolean | undefined
}

/**
 * Skills by their name, or one skill by the path of its `SKILL.md`.
 *
 * @see {@link SkillsOptions}
 * @category options
 * @since 0.1.0
 */
export type SkillSelector =
  | { readonly name: string; readonly path?: undefined }
  | { readonly path: string; readonly name?: undefined }

// =============================================================================
// MCP servers
// =============================================================================

/**
 * Options of `mcpServers`.
 *
 * @see {@link ToolCall}
 * @category options
 * @since 0.1.0
 */
export interface McpServersOptions {
  /**
   * Lists the servers of this thread, which must be loaded, with their connections. Default: the servers of the
   * configuration, which codex starts for the call.
   */
  readonly threadId?: string | undefined
  /** Lists this server only. An unknown name lists nothing. Default: all servers. */
  readonly server?: string | undefined
  /** The server of this environment. Needs `server` and `threadId`. */
  readonly environmentId?: string | undefined
  /** `toolsAndAuthOnly` leaves resources out, which is faster. Default: `full`. */
  readonly detail?: Sent.McpServerStatusDetail | undefined
}

/**
 * A call of a tool of an MCP server.
 *
 * @see {@link ResourceRead}
 * @category options
 * @since 0.1.0
 */
export interface ToolCall {
  /** The thread whose MCP server is called. It must be loaded. */
  readonly threadId: string
  /** The name of the server. */
  readonly server: string
  /** The server's own name of the tool. */
  readonly tool: string
  /** The arguments. Default: none. */
  readonly input?: { readonly [name: string]: Schema.Json } | undefined
  /** The environment whose server is meant, if several have one of this name. */
  readonly environmentId?: string | undefined
  /**
   * How long to wait for the answer (`AppServerTimeout`). The tool itself has the time that the server's configuration
   * gives it. Default: no limit.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * The read of a resource of an MCP server.
 *
 * @see {@link ToolCall}
 * @category options
 * @since 0.1.0
 */
export interface ResourceRead {
  /** The thread whose MCP server is asked. It must be loaded. Default: codex starts the server for the call. */
  readonly threadId?: string | undefined
  /** The name of the server. */
  readonly server: string
  /** The URI of the resource. */
  readonly uri: string
  /** The environment whose server is meant, if several have one of this name. */
  readonly environmentId?: string | undefined
  /** How long to wait for the answer (`AppServerTimeout`). Default: `AppServerRpc.DefaultRequestTimeout`. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Options of `loginMcpServer`.
 *
 * @see {@link McpLogin}
 * @category options
 * @since 0.1.0
 */
export interface McpLoginOptions {
  /** The name of the server, which must be on HTTP. */
  readonly server: string
  /** The thread whose server is meant. Default: the server of the configuration. */
  readonly threadId?: string | undefined
  /** The environment whose server is meant, if several have one of this name. */
  readonly environmentId?: string | undefined
  /** The scopes to ask for. Default: those of the configuration, else what the server offers. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** How codex registers itself with the authorization server. Default: `auto`. */
  readonly clientRegistration?: Sent.McpServerOauthClientRegistration | undefined
  /** How long the person may take, in whole seconds, at least one. Default: the server's limit, 5 minutes. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * An OAuth login that waits for a person.
 *
 * **Gotchas**
 *
 * The browser must run on the app-server's machine, where codex waits for it on a port of loopback. The protocol cannot
 * cancel the login: after the scope has closed, codex waits on until the timeout.
 *
 * @see {@link McpLoginOptions}
 * @category models
 * @since 0.1.0
 */
export interface McpLogin {
  /** The server's id of the attempt. Null if an older server gave none. */
  readonly id: string | null
  /** The address to open in the browser. */
  readonly url: string
  /**
   * Waits for the end of this attempt. Any number of fibers may run it, any number of times, and it always ends in the
   * same way: with `McpLoginFailed`, or with the connection's cause when the connection is lost.
   */
  readonly wait: Effect.Effect<void, McpLoginFailed | ConnectionError>
}

// =============================================================================
// Apps, plugins and hooks
// =============================================================================

/**
 * Options of `apps` and `installedApps`.
 *
 * @see {@link PluginsOptions}
 * @category options
 * @since 0.1.0
 */
export interface AppsOptions {
  /** The loaded thread whose configuration decides what is enabled. Default: the server's configuration. */
  readonly threadId?: string | undefined
  /** Fetches them again instead of using the server's caches. Default: false. */
  readonly refetch?: boolean | undefined
}

/**
 * Options of `plugins`.
 *
 * @see {@link PluginSelector}
 * @category options
 * @since 0.1.0
 */
export interface PluginsOptions {
  /** Folders whose marketplaces count too, as absolute paths. Default: only the marketplaces of the home. */
  readonly folders?: ReadonlyArray<string> | undefined
  /** The kinds of marketplaces. Default: local ones, and the remote catalog where its feature is on. */
  readonly kinds?: ReadonlyArray<Sent.PluginListMarketplaceKind> | undefined
  /** Fetches the remote catalog again. Default: false. */
  readonly refetch?: boolean | undefined
}

/**
 * A plugin of a marketplace.
 *
 * @see {@link PluginsOptions}
 * @category options
 * @since 0.1.0
 */
export type PluginSelector =
  & {
    /** The name of the plugin in its marketplace. */
    readonly name: string
  }
  & (
    | {
      /** The path of the file of a local marketplace. */
      readonly marketplacePath: string
      readonly marketplace?: undefined
    }
    | {
      /** The name of a remote marketplace. */
      readonly marketplace: string
      readonly marketplacePath?: undefined
    }
  )

/**
 * Options of `hooks`.
 *
 * @category options
 * @since 0.1.0
 */
export type HooksOptions =
  | {
    /** The folders to list hooks for, as absolute paths. Default: the app-server's working directory. */
    readonly folders?: ReadonlyArray<string> | undefined
    readonly threadId?: undefined
  }
  | {
    /** The loaded thread whose hooks are listed. codex 0.165 ignores it, and lists those of its working directory. */
    readonly threadId: string
    readonly folders?: undefined
  }

// =============================================================================
// Service
// =============================================================================

/**
 * Skills, MCP servers, apps, plugins and hooks of the app-server.
 *
 * **Details**
 *
 * Lists have what the server says, in the types of `Received`. An entry that does not fit the protocol is
 * `Undecodable`, and hides nothing beside it. Names, descriptions, schemas and errors come from files and from other
 * servers: treat them as text of strangers.
 *
 * A test may replace the service: `Layer.mock(Extensions.Extensions)({ skills: () => Effect.succeed([]) })`.
 *
 * **Example** (Why a tool is missing)
 *
 * ```ts
 * import { Extensions } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const problems = Effect.fn("problems")(function*(threadId: string) {
 *   const extensions = yield* Extensions.Extensions
 *   const servers = yield* extensions.mcpServers({ threadId, detail: "toolsAndAuthOnly" })
 *   return servers.flatMap((server) =>
 *     "raw" in server || server.toolsError === null ? [] : [`${server.name}: ${server.toolsError}`]
 *   )
 * })
 * ```
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Extensions extends Context.Service<Extensions, {
  /**
   * Lists the skills of each folder, switched off ones included, and the errors of the skills that cannot be read. To
   * use a skill in a turn, pass `Input.skill(name, path)`.
   */
  readonly skills: (
    options?: SkillsOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.SkillsListEntry | Received.Undecodable<Received.SkillsListEntry>>,
    CallError
  >
  /**
   * Switches skills on or off in the user's configuration, for all clients of the home. Returns whether they are on
   * now. The server does not check that there is such a skill, and does not tell it by {@link skillChanges}.
   */
  readonly setSkillEnabled: (skill: SkillSelector, enabled: boolean) => Effect.Effect<boolean, CallError>
  /**
   * Adds folders that contain folders of skills, until the scope closes. Several callers on a connection add to each
   * other, and a restored connection has them again. A folder need not exist.
   *
   * **Example** (Skills of the program)
   *
   * ```ts
   * import { Codex, Extensions } from "@effect-codex/client"
   * import { Effect } from "effect"
   *
   * export const review = Effect.fn("review")(function*(folder: string) {
   *   const extensions = yield* Extensions.Extensions
   *   const codex = yield* Codex.Codex
   *   yield* extensions.addSkillRoots([`${folder}/skills`])
   *   const thread = yield* codex.startThread({ cwd: folder })
   *   return yield* thread.run("Review the last commit with the skill $review.")
   * }, Effect.scoped)
   * ```
   */
  readonly addSkillRoots: (
    roots: ReadonlyArray<string>
  ) => Effect.Effect<void, Exclude<CallError, DecodeError>, Scope.Scope>
  /**
   * Emits when files of skills have changed, when extra roots were set, and when a lost connection was restored: list
   * the skills again. The server watches files once a thread has been started; it tells of a change at once, and of
   * later ones every 10 seconds. Changes that nobody read in time are one. Fails with the connection's cause when the
   * connection ends.
   */
  readonly skillChanges: Stream.Stream<void, ConnectionError>
  /**
   * Lists the MCP servers with their tools, resources, and what went wrong. It waits for servers that are starting.
   * Fails with `ThreadNotFound` if the thread is not loaded.
   */
  readonly mcpServers: (
    options?: McpServersOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.McpServerStatus | Received.Undecodable<Received.McpServerStatus>>,
    CallError | ThreadNotFound
  >
  /** Reads the MCP servers of the configuration again. Loaded threads restart theirs for their next turn. */
  readonly reloadMcpServers: Effect.Effect<void, Exclude<CallError, DecodeError>>
  /**
   * Calls a tool of an MCP server of a thread, **without approval**, and outside of any turn: the agent does not see
   * it. A tool that fails answers with `isError`, and succeeds here. What the server asks meanwhile (an elicitation)
   * goes to the client's handlers.
   *
   * Fails with `RpcError` if there is no such server, if it did not start, or if it refuses the call. An interruption
   * ends the waiting; the tool runs on.
   */
  readonly callTool: (
    call: ToolCall
  ) => Effect.Effect<Received.McpServerToolCallResponse, CallError | ThreadNotFound>
  /** Reads a resource of an MCP server. Fails with `RpcError` as {@link callTool}. Binary contents are base64. */
  readonly readResource: (
    resource: ResourceRead
  ) => Effect.Effect<ReadonlyArray<Received.ResourceContent>, CallError | ThreadNotFound>
  /**
   * Starts an OAuth login to an MCP server on HTTP. codex stores the tokens where `mcp_oauth_credentials_store` of its
   * configuration says, and connects the servers of loaded threads again.
   *
   * Fails with `RpcError` if there is no such server, if it is on stdio, or if its authorization server cannot be
   * reached.
   *
   * **Example** (Logging in where it is needed)
   *
   * ```ts
   * import { Extensions } from "@effect-codex/client"
   * import { Console, Effect } from "effect"
   *
   * export const login = Effect.fn("login")(function*(server: string) {
   *   const extensions = yield* Extensions.Extensions
   *   const [status] = yield* extensions.mcpServers({ server })
   *   if (status?.authStatus !== "notLoggedIn") return
   *   const { url, wait } = yield* extensions.loginMcpServer({ server })
   *   yield* Console.log(`Open ${url}`)
   *   yield* wait
   * }, Effect.scoped)
   * ```
   */
  readonly loginMcpServer: (
    login: McpLoginOptions
  ) => Effect.Effect<McpLogin, CallError | ThreadNotFound, Scope.Scope>
  /** Lists the apps (connectors) of ChatGPT. Without a ChatGPT login there are none. */
  readonly apps: (
    options?: AppsOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.AppInfo | Received.Undecodable<Received.AppInfo>>,
    CallError | ThreadNotFound
  >
  /** Lists the installed apps, and whether the agent can call them. */
  readonly installedApps: (
    options?: AppsOptions
  ) => Effect.Effect<ReadonlyArray<Received.InstalledApp>, CallError | ThreadNotFound>
  /** Reads up to 100 apps by their ids, and says which are unknown. */
  readonly readApps: (
    ids: ReadonlyArray<string>,
    options?: { readonly threadId?: string | undefined; readonly includeTools?: boolean | undefined }
  ) => Effect.Effect<Received.AppsReadResponse, CallError | ThreadNotFound>
  /**
   * Lists the plugins of all marketplaces, and the marketplaces that cannot be read. Without the feature `plugins` of
   * codex there are none.
   */
  readonly plugins: (options?: PluginsOptions) => Effect.Effect<Received.PluginListResponse, CallError>
  /** Reads what a plugin brings: skills, hooks, apps, MCP servers. Fails with `RpcError` if there is none. */
  readonly readPlugin: (plugin: PluginSelector) => Effect.Effect<Received.PluginDetail, CallError>
  /**
   * Installs a plugin for the user: it may bring commands that codex runs. Returns the apps that need a login. Fails
   * with `RpcError` if there is none, or it cannot be installed.
   */
  readonly installPlugin: (plugin: PluginSelector) => Effect.Effect<Received.PluginInstallResponse, CallError>
  /** Removes a plugin by its id, such as `name@marketplace`. A plugin that is not installed is no error. */
  readonly uninstallPlugin: (id: string) => Effect.Effect<void, Exclude<CallError, DecodeError>>
  /**
   * Lists the hooks of each folder, or of a thread, with their trust, and what is wrong with the rest. What they do
   * during a turn comes as `hook/started` and `hook/completed` in the turn's events. For hooks in this program see
   * `Hooks` of `@effect-codex/node`.
   */
  readonly hooks: (
    options?: HooksOptions
  ) => Effect.Effect<
    ReadonlyArray<Received.HooksListEntry | Received.Undecodable<Received.HooksListEntry>>,
    CallError | ThreadNotFound
  >
}>()("@effect-codex/client/Extensions") {}

/**
 * Creates the service on a connection.
 *
 * @see {@link layer}
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Extensions["Service"], never, AppServerRpc> = Effect.flatMap(
  extensions,
  ({ make }) => make
)

/**
 * {@link make} as a layer.
 *
 * **Example** (Beside the client, on the same connection)
 *
 * ```ts
 * import { Extensions } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Layer } from "effect"
 *
 * export const ExtensionsLive = Extensions.layer.pipe(Layer.provideMerge(CodexNode.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Extensions, never, AppServerRpc> = Layer.effect(Extensions, make)
