/**
 * What extends the agent: skills, MCP servers, apps, plugins and hooks of the app-server.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Extensions"
import type { CallOptions, Time } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"

/**
 * A call of a tool of an MCP server.
 *
 * @see {@link Extensions}
 * @category options
 * @since 0.1.0
 */
export interface McpToolCall extends Omit<Client.ToolCall, "timeout">, CallOptions {
  /** How long to wait for the answer (`AppServerTimeout`). Default: no limit. */
  readonly timeout?: Time | undefined
}

/**
 * The read of a resource of an MCP server.
 *
 * @see {@link Extensions}
 * @category options
 * @since 0.1.0
 */
export interface McpResourceRead extends Omit<Client.ResourceRead, "timeout">, CallOptions {
  /** How long to wait for the answer (`AppServerTimeout`). Default: a minute. */
  readonly timeout?: Time | undefined
}

/**
 * Options of `loginMcpServer`. Aborting the signal closes the login.
 *
 * @see {@link McpLogin}
 * @category options
 * @since 0.1.0
 */
export interface McpLoginOptions extends Omit<Client.McpLoginOptions, "timeout">, CallOptions {
  /** How long the person may take, at least a second. Default: the server's limit, 5 minutes. */
  readonly timeout?: Time | undefined
}

/**
 * An OAuth login that waits for a person, in a browser on the app-server's machine. Closing it ends the waiting: `wait`
 * rejects with `McpLoginFailed` (`closed`). The server itself waits on until the timeout.
 *
 * @category models
 * @since 0.1.0
 */
export interface McpLogin extends AsyncDisposable {
  /** The server's id of the attempt. Null if an older server gave none. */
  readonly id: string | null
  /** The address to open in the browser. */
  readonly url: string
  /** Resolves when the login succeeds, and rejects with `McpLoginFailed`. The signal ends the waiting only. */
  readonly wait: (options?: CallOptions) => Promise<void>
  /** Ends the waiting. */
  readonly close: () => Promise<void>
}

/**
 * Folders of skills that are there until they are closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface SkillRoots extends AsyncDisposable {
  /** Removes the folders. */
  readonly close: () => Promise<void>
}

type MaybeUndecodable<A> = ReadonlyArray<A | Received.Undecodable<A>>

/**
 * Skills, MCP servers, apps, plugins and hooks of the app-server. Names, descriptions and errors come from files and
 * from other servers: treat them as text of strangers.
 *
 * **Example** (Why a tool is missing)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const problems = async (codex: Codex, threadId: string) => {
 *   const servers = await codex.extensions.mcpServers({ threadId })
 *   return servers.flatMap(({ name, toolsError }) => toolsError == null ? [] : [`${name}: ${toolsError}`])
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Extensions {
  /** Lists the skills of each folder, switched off ones included, and the errors of those that cannot be read. */
  readonly skills: (options?: Client.SkillsOptions & CallOptions) => Promise<MaybeUndecodable<Received.SkillsListEntry>>
  /** Switches skills on or off in the user's configuration. The server does not check that there is such a skill. */
  readonly setSkillEnabled: (skill: Client.SkillSelector, enabled: boolean, options?: CallOptions) => Promise<boolean>
  /** Adds folders that contain folders of skills, until they are closed; also by the signal. */
  readonly addSkillRoots: (roots: ReadonlyArray<string>, options?: CallOptions) => Promise<SkillRoots>
  /** Yields when files of skills have changed, extra roots were set, or a lost connection was restored. */
  readonly skillChanges: Readable<"changed">
  /** Lists the MCP servers with their tools, resources, and what went wrong. */
  readonly mcpServers: (
    options?: Client.McpServersOptions & CallOptions
  ) => Promise<MaybeUndecodable<Received.McpServerStatus>>
  /** Reads the MCP servers of the configuration again. Loaded threads restart theirs for their next turn. */
  readonly reloadMcpServers: (options?: CallOptions) => Promise<void>
  /** Calls a tool of an MCP server of a thread, without approval. A tool that fails resolves with `isError`. */
  readonly callTool: (call: McpToolCall) => Promise<Received.McpServerToolCallResponse>
  /** Reads a resource of an MCP server. Binary contents are base64. */
  readonly readResource: (resource: McpResourceRead) => Promise<ReadonlyArray<Received.ResourceContent>>
  /** Starts an OAuth login to an MCP server on HTTP. */
  readonly loginMcpServer: (login: McpLoginOptions) => Promise<McpLogin>
  /** Lists the apps (connectors) of ChatGPT. Without a ChatGPT login there are none. */
  readonly apps: (options?: Client.AppsOptions & CallOptions) => Promise<MaybeUndecodable<Received.AppInfo>>
  /** Lists the installed apps, and whether the agent can call them. */
  readonly installedApps: (options?: Client.AppsOptions & CallOptions) => Promise<ReadonlyArray<Received.InstalledApp>>
  /** Reads up to 100 apps by their ids, and says which are unknown. */
  readonly readApps: (
    ids: ReadonlyArray<string>,
    options?:
      & { readonly threadId?: string | undefined; readonly includeTools?: boolean | undefined }
      & CallOptions
  ) => Promise<Received.AppsReadResponse>
  /** Lists the plugins of all marketplaces, and the marketplaces that cannot be read. */
  readonly plugins: (options?: Client.PluginsOptions & CallOptions) => Promise<Received.PluginListResponse>
  /** Reads what a plugin brings: skills, hooks, apps, MCP servers. */
  readonly readPlugin: (plugin: Client.PluginSelector, options?: CallOptions) => Promise<Received.PluginDetail>
  /** Installs a plugin for the user: it may bring commands that codex runs. */
  readonly installPlugin: (
    plugin: Client.PluginSelector,
    options?: CallOptions
  ) => Promise<Received.PluginInstallResponse>
  /** Removes a plugin by its id, such as `name@marketplace`. A plugin that is not installed is no error. */
  readonly uninstallPlugin: (id: string, options?: CallOptions) => Promise<void>
  /** Lists the hooks of each folder, or of a thread, with their trust. */
  readonly hooks: (options?: Client.HooksOptions & CallOptions) => Promise<MaybeUndecodable<Received.HooksListEntry>>
}
