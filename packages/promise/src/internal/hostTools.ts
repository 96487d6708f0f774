import * as Node from "@effect-codex/node/HostTools"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { HostTools, HostToolsOptions } from "../HostTools.ts"
import type { McpHttpServer } from "../McpServer.ts"
import type { Tool, ToolNamespace } from "../Tools.ts"
import type { Host } from "./host.ts"
import { tools } from "./tools.ts"
import { acquire } from "./turn.ts"

export const hostTools = (
  host: Host,
  given: ReadonlyArray<Tool | ToolNamespace>,
  options: HostToolsOptions | undefined
): Promise<HostTools> =>
  acquire(
    host,
    Effect.flatMap(tools(given), (tools) => Node.make(tools, options)),
    ({ mcpServer, set }, close): HostTools => ({
      mcpServer: (options) => {
        const { bearerToken, parallelToolCalls, required, url } = mcpServer()
        const shown: McpHttpServer = { parallelToolCalls, required, ...options, url }
        // Not enumerable, so that it is neither printed nor part of JSON.
        return Object.defineProperty(shown, "bearerToken", {
          value: bearerToken === undefined ? undefined : Redacted.value(bearerToken)
        })
      },
      set: (given, options) => host.run(Effect.flatMap(tools(given), set), options?.signal),
      close,
      [Symbol.asyncDispose]: close
    }),
    options?.signal
  )
