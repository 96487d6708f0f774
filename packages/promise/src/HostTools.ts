/**
 * Tools of this program that subagents can call too, and that can change while a thread lives.
 *
 * @since 0.1.0
 */
import type * as NodeHostTools from "@effect-codex/node/HostTools"
import type { McpHttpServer } from "./McpServer.ts"
import type { CallOptions } from "./Options.ts"
import type { Tool, ToolNamespace } from "./Tools.ts"

/**
 * Options of {@link Codex.hostTools}.
 *
 * @category options
 * @since 0.1.0
 */
export interface HostToolsOptions extends NodeHostTools.Options, CallOptions {}

/**
 * Options of {@link HostTools}' `mcpServer`: those of every MCP server. Here `required` and `parallelToolCalls` are
 * true by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface HostToolsServerOptions extends Omit<McpHttpServer, "url" | "command" | HttpOnly> {}

type HttpOnly =
  | "bearerToken"
  | "bearerTokenEnvVar"
  | "headers"
  | "headersFromEnv"
  | "oauthClientId"
  | "oauthResource"
  | "scopes"

/**
 * Tools that are served to codex on loopback until it is closed, by `close`, by `await using`, or with the `Codex`.
 * Then nothing listens, and the signals of calls that are running abort.
 *
 * **Example** (A tool for the agent and its subagents, and another one later)
 *
 * ```ts
 * import { type Codex, type Tool } from "@effect-codex/promise"
 *
 * export const work = async (codex: Codex, find: Tool, close: Tool) => {
 *   await using host = await codex.hostTools([find])
 *   const thread = await codex.startThread({
 *     mcpServers: { tickets: host.mcpServer({ toolApprovals: { find: "approve" }, followToolChanges: true }) }
 *   })
 *   await thread.run("Let two subagents look at T-17 and T-18.")
 *   await host.set([find, close])
 *   await thread.run("Close T-17.")
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface HostTools extends AsyncDisposable {
  /**
   * The server, for `mcpServers`. The approval mode decides on the calls of its tools, unless `approval` or
   * `toolApprovals` say otherwise. Only who has it can call the tools; printing it does not show its token.
   */
  readonly mcpServer: (options?: HostToolsServerOptions) => McpHttpServer
  /**
   * Replaces the tools. Threads that were started with `followToolChanges: true`, and their subagents, have the new
   * ones from the model's next request on; others keep the tools that they have seen. Rejects with `InvalidArgument`.
   */
  readonly set: (tools: ReadonlyArray<Tool | ToolNamespace>, options?: CallOptions) => Promise<void>
  readonly close: () => Promise<void>
}
