/**
 * MCP servers of a thread, for the option `mcpServers` of `startThread`, `resumeThread` and `forkThread`.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/McpServer"
import type { Time } from "./Options.ts"

type Timed<A extends Client.Options> = Omit<A, "startupTimeout" | "toolTimeout"> & {
  /** How long the server may take to start. Default: codex's, 30 seconds. */
  readonly startupTimeout?: Time | undefined
  /** How long a call of a tool may take. Default: codex's. */
  readonly toolTimeout?: Time | undefined
}

/**
 * An MCP server that codex starts as a process of the thread, and talks with on stdin and stdout.
 *
 * @see {@link McpHttpServer}
 * @category options
 * @since 0.1.0
 */
export interface McpStdioServer extends Timed<Omit<Client.StdioOptions, "env">> {
  /** Variables to set, beside the few that codex passes on. They may be secret: they appear in no log and no error. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  readonly url?: undefined
}

/**
 * An MCP server that codex reaches by streamable HTTP. Its token and headers appear in no log and no error.
 *
 * @see {@link McpStdioServer}
 * @category options
 * @since 0.1.0
 */
export interface McpHttpServer extends Timed<Omit<Client.HttpOptions, "bearerToken" | "headers">> {
  /**
   * Sent as `Authorization: Bearer`. Cannot be combined with `bearerTokenEnvVar` or a header `Authorization`
   * (`InvalidArgument`).
   */
  readonly bearerToken?: string | undefined
  /** Headers to send. Default: none. */
  readonly headers?: { readonly [name: string]: string | undefined } | undefined
  readonly command?: undefined
}

/**
 * MCP servers by their names, of letters, digits and `_:@/.-` (`InvalidArgument`). A server that the configuration has
 * by the same name, and of the same kind, keeps the settings that are not given here.
 *
 * **Example** (A server of a program, and one of the network)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const start = (codex: Codex, token: string) =>
 *   codex.startThread({
 *     mcpServers: {
 *       files: { command: "files-mcp-server", args: ["--read-only"], required: true },
 *       docs: { url: "https://docs.example.com/mcp", bearerToken: token }
 *     }
 *   })
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface McpServers {
  readonly [name: string]: McpStdioServer | McpHttpServer | undefined
}
