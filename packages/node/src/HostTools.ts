/**
 * Tools of this program that subagents can call too, and that can change while a thread lives.
 *
 * {@link make} serves `DynamicTools` as an MCP server on loopback until its scope closes. Give its `mcpServer` to
 * `startThread`, `resumeThread` or `forkThread`, of as many threads and clients as you like.
 *
 * **HostTools or the option `tools`?**
 *
 * The same tools can be given to a thread as `tools`. That needs no port, asks for no approval, costs less per call,
 * and codex keeps them with the thread, but subagents do not get them and they never change.
 *
 * @since 0.1.0
 */
import type { InvalidArgument } from "@effect-codex/client/CodexError"
import type * as DynamicTools from "@effect-codex/client/DynamicTools"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as McpServer from "@effect-codex/client/McpServer"
import * as Effect from "effect/Effect"
import type { ServeError } from "effect/http/HttpServerError"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as HostedTools from "./internal/hostedTools.ts"
import { proxyOfLoopback } from "./internal/proxyVariables.ts"

/**
 * Options of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** What the tools have in common, for the model. Default: nothing. */
  readonly description?: string | undefined
}

/**
 * Options of {@link HostTools}' `mcpServer`: those of every MCP server, with other defaults.
 *
 * @category options
 * @since 0.1.0
 */
export interface McpServerOptions extends McpServer.Options {
  /** Default: true. The first turn has the tools, or `startThread` fails. */
  readonly required?: boolean | undefined
  /** Default: true, as for the option `tools`. */
  readonly parallelToolCalls?: boolean | undefined
}

/**
 * Tools that are served. Create it with {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostTools {
  /**
   * The server, for `mcpServers`. Only who has it can call the tools.
   *
   * **Details**
   *
   * As for every MCP server, the thread's approval mode decides on the calls, unless `approval` or `toolApprovals` say
   * otherwise: `approval: "approve"` trusts all tools of the server, also those that {@link HostTools.set} brings
   * later. A thread sees such later tools with `followToolChanges: true`.
   */
  readonly mcpServer: (options?: McpServerOptions) => McpServer.Http
  /**
   * Replaces the tools. Calls that are running go on.
   *
   * **Details**
   *
   * Threads that were started with `followToolChanges: true`, and their subagents, have the new tools from the model's
   * next request on: this returns when codex has heard of the change, for which it waits up to 2 seconds. Others keep
   * the tools that they have seen; a call of one that is gone tells the model so. Threads that start later, and forks,
   * have the new tools.
   *
   * Fails with `InvalidArgument` if a namespace makes two tools have the same name.
   */
  readonly set: (tools: DynamicTools.DynamicTools) => Effect.Effect<void, InvalidArgument>
}

/**
 * Serves tools until the scope closes. Then nothing listens, and calls that are running are interrupted.
 *
 * **Details**
 *
 * The server listens on a free port of 127.0.0.1. It answers only requests with its token, which is random, and none
 * that a page in a browser could send. codex gets the token through its connection: it is in no argument of a process,
 * and in no log, span, error or file.
 *
 * A handler runs as for the option `tools`, and what it gives, fails or dies with reaches the model in the same words.
 * Its `call.threadId` is the subagent's thread if a subagent calls. It is interrupted when codex gives the call up:
 * when the turn is interrupted, and after `toolTimeout`. Images must be data URLs or bytes.
 *
 * The tools of a namespace are named `NAMESPACE_TOOL`, and `deferLoading` means nothing: MCP has neither. codex shows
 * the model all of them under `mcp__NAME`, after the name in `mcpServers`.
 *
 * Fails with `InvalidArgument` for a wrong option and if two tools have the same name then, and with `ServeError` if it
 * cannot listen.
 *
 * **Gotchas**
 *
 * - codex must run on this machine, and in the same network namespace: not in a container of its own.
 * - If the environment of codex names a proxy for http (`HTTP_PROXY`, `ALL_PROXY`), it must have `NO_PROXY=127.0.0.1`
 *   too. Otherwise codex sends the token to the proxy, and `startThread` fails. The log warns of it.
 * - codex stores no MCP servers: pass `mcpServer` again when you resume a thread. The next process of your program has
 *   another port and another token, and a new server.
 *
 * **Example** (A tool for the agent and its subagents, and another one later)
 *
 * ```ts
 * import { Codex, DynamicTools } from "@effect-codex/client"
 * import { HostTools } from "@effect-codex/node"
 * import { Effect, Schema } from "effect"
 *
 * const find = DynamicTools.tool("find", {
 *   description: "Finds a ticket.",
 *   input: Schema.Struct({ id: Schema.String }),
 *   handler: ({ id }) => Effect.succeed(`${id}: The door squeaks.`)
 * })
 * const close = DynamicTools.tool("close", {
 *   description: "Closes a ticket.",
 *   input: Schema.Struct({ id: Schema.String }),
 *   handler: ({ id }) => Effect.succeed(`${id} is closed.`)
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const host = yield* HostTools.make(yield* DynamicTools.make(find))
 *   const thread = yield* codex.startThread({
 *     mcpServers: { tickets: host.mcpServer({ toolApprovals: { find: "approve" }, followToolChanges: true }) }
 *   })
 *   yield* thread.run("Let two subagents look at T-17 and T-18.")
 *   yield* host.set(yield* DynamicTools.make(find, close))
 *   yield* thread.run("Close T-17.")
 * }).pipe(Effect.scoped)
 * ```
 *
 * @see `DynamicTools.tool` to define tools
 * @see `McpServer` for the options of the server
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  tools: DynamicTools.DynamicTools,
  options?: Options
) => Effect.Effect<HostTools, InvalidArgument | ServeError, Scope.Scope> = Effect.fnUntraced(
  function*(tools, options) {
    yield* OptionKinds.check(options, { description: OptionKinds.text })
    const hosted = yield* HostedTools.make(tools)
    // codex has the environment of this program, unless its layer says otherwise.
    const proxy = proxyOfLoopback(process.env)
    if (proxy !== undefined) {
      yield* Effect.logWarning(
        `${proxy} makes codex send the calls of HostTools, and their token, to the proxy. ` +
          "Set NO_PROXY=127.0.0.1 in the environment of codex."
      )
    }
    // Loaded here, so that programs without such tools need no HTTP server.
    const { make } = yield* Effect.promise(() => import("./internal/hostToolsServer.ts"))
    const { set, token, url } = yield* make(hosted, options?.description)
    const bearerToken = Redacted.make(token, { label: "token of HostTools" })
    return {
      mcpServer: (options) => McpServer.http({ required: true, parallelToolCalls: true, ...options, url, bearerToken }),
      set: (tools) => Effect.flatMap(HostedTools.make(tools), set)
    }
  }
)
