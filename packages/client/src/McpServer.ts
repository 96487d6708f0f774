/**
 * MCP servers of a thread, for the option `mcpServers` of `Codex.startThread`, `resumeThread` and `forkThread`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { isNames } from "./internal/names.ts"

// =============================================================================
// Options
// =============================================================================

/**
 * When the agent's calls of a tool need approval.
 *
 * - `auto`: as the tool's annotations and the thread's approval mode say
 * - `prompt`: always
 * - `writes`: unless the tool says that it only reads
 * - `approve`: never
 *
 * @see {@link Options}
 * @category options
 * @since 0.1.0
 */
export type ToolApproval = "auto" | "prompt" | "writes" | "approve"

/**
 * Options of every MCP server.
 *
 * @see {@link StdioOptions}
 * @see {@link HttpOptions}
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Whether the thread needs the server. If it does, and the server does not start, `startThread` fails with `RpcError`
   * and names it; otherwise the thread continues without its tools, and the client logs a warning. Default: false.
   */
  readonly required?: boolean | undefined
  /** False keeps a server of the configuration from this thread. Default: true. */
  readonly enabled?: boolean | undefined
  /** How long the server may take to start. Default: codex's, 30 seconds. */
  readonly startupTimeout?: Duration.Input | undefined
  /** How long a call of a tool may take. Default: codex's. */
  readonly toolTimeout?: Duration.Input | undefined
  /** The tools that the agent gets. Default: all. */
  readonly enabledTools?: ReadonlyArray<string> | undefined
  /** The tools that the agent does not get. Default: none. */
  readonly disabledTools?: ReadonlyArray<string> | undefined
  /** When calls need approval. Default: `auto`. */
  readonly approval?: ToolApproval | undefined
  /** When calls of single tools need approval, by their names. Default: `approval`. */
  readonly toolApprovals?: { readonly [tool: string]: ToolApproval | undefined } | undefined
  /** Whether several tools may run at once. Default: false. */
  readonly parallelToolCalls?: boolean | undefined
  /**
   * Whether the thread follows when servers announce that their tools have changed
   * (`notifications/tools/list_changed`). If one server of the thread has this option, the thread follows all of them:
   * codex has one feature for it, `mcp_tool_list_changed`, which is under development, and of which it warns (0.171).
   * An entry in the thread's `config` takes precedence. Default: false, and the tools stay as they were when the server
   * started.
   */
  readonly followToolChanges?: boolean | undefined
}

/**
 * Options of {@link stdio}.
 *
 * @see {@link HttpOptions}
 * @category options
 * @since 0.1.0
 */
export interface StdioOptions extends Options {
  /** The program. It runs on the app-server's machine. */
  readonly command: string
  /** Its arguments. Every user of that machine can see them: pass secrets in `env`. Default: none. */
  readonly args?: ReadonlyArray<string> | undefined
  /** The folder that it runs in. Default: the thread's. */
  readonly cwd?: string | undefined
  /** Variables to set, beside the few that codex passes on, such as `PATH` and `HOME`. Default: none. */
  readonly env?: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
  /** Further variables to pass on from the app-server's environment, by their names. Default: none. */
  readonly envVars?: ReadonlyArray<string> | undefined
}

/**
 * Options of {@link http}.
 *
 * @see {@link StdioOptions}
 * @category options
 * @since 0.1.0
 */
export interface HttpOptions extends Options {
  /** The address, with `http:` or `https:`. It appears in errors and logs: put no secret into it. */
  readonly url: string
  /**
   * Sent as `Authorization: Bearer`. Cannot be combined with `bearerTokenEnvVar` or a header `Authorization`
   * (`InvalidArgument`).
   */
  readonly bearerToken?: Redacted.Redacted<string> | undefined
  /** The variable of the app-server's environment that has the bearer token. */
  readonly bearerTokenEnvVar?: string | undefined
  /** Headers to send. Default: none. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
  /** Headers to send, each with the variable of the app-server's environment that has its value. Default: none. */
  readonly headersFromEnv?: { readonly [name: string]: string | undefined } | undefined
  /** The scopes that an OAuth login asks for. Default: what the server offers. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** The id of a client that the authorization server knows. Default: codex registers itself. */
  readonly oauthClientId?: string | undefined
  /** The resource that an OAuth login is for. Default: the URL. */
  readonly oauthResource?: string | undefined
}

// =============================================================================
// Models
// =============================================================================

type Secrets = { readonly [name: string]: Redacted.Redacted<string> }

/**
 * An MCP server that codex starts. The values of `env` do not show when it is printed.
 *
 * @see {@link stdio}
 * @category models
 * @since 0.1.0
 */
export interface Stdio extends Omit<StdioOptions, "env"> {
  readonly _tag: "Stdio"
  readonly env: Secrets
}

/**
 * An MCP server that is reached by HTTP. The token and the values of `headers` do not show when it is printed.
 *
 * @see {@link http}
 * @category models
 * @since 0.1.0
 */
export interface Http extends Omit<HttpOptions, "headers"> {
  readonly _tag: "Http"
  readonly headers: Secrets
}

/**
 * An MCP server of a thread.
 *
 * @see {@link McpServers}
 * @category models
 * @since 0.1.0
 */
export type McpServer = Stdio | Http

/**
 * MCP servers by their names, of letters, digits and `_:@/.-` (`InvalidArgument`). A server that the configuration has
 * by the same name, and of the same kind, keeps the settings that are not given here.
 *
 * @see {@link McpServer}
 * @category models
 * @since 0.1.0
 */
export interface McpServers {
  readonly [name: string]: McpServer | undefined
}

// =============================================================================
// Constructors
// =============================================================================

const secrets = (
  values: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
): Secrets => {
  if (values === undefined) return {}
  // Whatever a program without types gives is refused with the thread's options.
  if (!isNames(values)) return values
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Redacted.isRedacted(value) ? value : Redacted.make(value)]]
    )
  )
}

/**
 * An MCP server that codex starts as a process of the thread, and talks with on stdin and stdout.
 *
 * **Details**
 *
 * The process ends when the thread is unloaded. Its options go to codex through the connection, never through a command
 * line. codex stores them nowhere: pass them again to resume the thread in another process.
 *
 * **Example** (A server with a secret)
 *
 * ```ts
 * import { Codex, McpServer } from "@effect-codex/client"
 * import { Config, Effect } from "effect"
 *
 * export const thread = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const token = yield* Config.Redacted("GITHUB_TOKEN")
 *   return yield* codex.startThread({
 *     mcpServers: {
 *       github: McpServer.stdio({ command: "github-mcp-server", args: ["stdio"], env: { GITHUB_TOKEN: token } })
 *     }
 *   })
 * })
 * ```
 *
 * @see {@link http}
 * @category constructors
 * @since 0.1.0
 */
export const stdio = (options: StdioOptions): Stdio => ({ ...options, _tag: "Stdio", env: secrets(options?.env) })

/**
 * An MCP server that codex reaches by streamable HTTP.
 *
 * **Example** (A server with a bearer token)
 *
 * ```ts
 * import { Codex, McpServer } from "@effect-codex/client"
 * import { Config, Effect } from "effect"
 *
 * export const thread = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const bearerToken = yield* Config.Redacted("DOCS_TOKEN")
 *   return yield* codex.startThread({
 *     mcpServers: { docs: McpServer.http({ url: "https://docs.example.com/mcp", bearerToken, required: true }) }
 *   })
 * })
 * ```
 *
 * @see {@link stdio}
 * @see `Extensions.loginMcpServer` for OAuth
 * @category constructors
 * @since 0.1.0
 */
export const http = (options: HttpOptions): Http => ({ ...options, _tag: "Http", headers: secrets(options?.headers) })
