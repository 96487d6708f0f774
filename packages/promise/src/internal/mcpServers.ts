import * as Client from "@effect-codex/client/McpServer"
import * as Redacted from "effect/Redacted"
import type { McpHttpServer, McpServers, McpStdioServer } from "../McpServer.ts"

const isObject = (u: unknown): boolean => typeof u === "object" && u !== null && !Array.isArray(u)

const serverOf = (server: McpStdioServer | McpHttpServer): Client.McpServer => {
  if (server.url === undefined) return Client.stdio(server)
  const { bearerToken, ...options } = server
  return Client.http({
    ...options,
    bearerToken: bearerToken === undefined ? undefined : Redacted.make(bearerToken)
  })
}

/** The client's MCP servers. What is none stays as it is, and the client refuses it. */
export const mcpServers = (given: McpServers): Client.McpServers =>
  isObject(given)
    ? Object.fromEntries(
      Object.entries(given).map(([name, server]) => [
        name,
        isObject(server) && server !== undefined ? serverOf(server) : server
      ])
    ) as Client.McpServers
    : given as unknown as Client.McpServers
