/**
 * What is known of MCP servers that are starting (measured on codex 0.162 and 0.169). Two environments of a thread may have
 * a server of the same name. The first turn of a thread waits a second
 * for them. A thread is not there before those that are `required` have started, and until then the server tells nothing.
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { AppServerRpc } from "../../AppServerRpc.ts"
import { AppServerTimeout } from "../../CodexError.ts"
import { defined } from "../settings/settings.ts"

export interface McpStartup {
  /** Called by the reader. */
  readonly updated: (threadId: string, params: unknown) => void
  readonly closed: (threadId: string) => void
  /** Those that the server has said to be starting, and nothing else since then. */
  readonly starting: (threadId: string) => ReadonlyArray<string>
}

// Far beyond what starts at once. A server that never says how a start ended must not fill the memory.
const maxStarting = 4096

export const make = (): McpStartup => {
  const servers = new Map<string, { readonly threadId: string; readonly name: string }>()
  return {
    updated(threadId, params) {
      const { environmentId, name, status } = params as { readonly [key: string]: unknown }
      if (!Predicate.isString(name)) return
      const label = Predicate.isString(environmentId) ? `${name} (environment ${environmentId})` : name
      const key = JSON.stringify([threadId, environmentId ?? null, name])
      servers.delete(key)
      if (status !== "starting") return
      servers.set(key, { threadId, name: label })
      if (servers.size <= maxStarting) return
      const [oldest] = servers.keys()
      servers.delete(oldest!)
    },
    closed(threadId) {
      for (const [key, server] of servers) if (server.threadId === threadId) servers.delete(key)
    },
    starting: (threadId) => [...servers.values()].flatMap((server) => server.threadId === threadId ? [server.name] : [])
  }
}

// codex takes `{ "mcp_servers.docs.required": true }` for `{ mcp_servers: { docs: { required: true } } }`.
const nested = ([key, value]: readonly [string, unknown]): unknown =>
  key.split(".").reduceRight((inner: unknown, part) => ({ [part]: inner }), value)

/** The MCP servers that are required by a configuration and what a call lays over it. */
const requiredBy = (config: unknown, overrides: Sent.ThreadStartParams["config"]): ReadonlyArray<string> => {
  const required = new Map<string, { readonly required?: unknown; readonly enabled?: unknown }>()
  for (const layer of [config, ...Object.entries(overrides ?? {}).map(nested)]) {
    const servers = Predicate.hasProperty(layer, "mcp_servers") ? layer.mcp_servers : undefined
    if (!Predicate.isObject(servers)) continue
    for (const [name, server] of Object.entries(servers)) {
      if (Predicate.isObject(server)) required.set(name, { ...required.get(name), ...server })
    }
  }
  return [...required].flatMap(([name, server]) => server.required === true && server.enabled !== false ? [name] : [])
}

/** Makes a request for a thread name the MCP servers that it waits for if it times out. */
export const nameRequired =
  (rpc: AppServerRpc["Service"], params: Pick<Sent.ThreadStartParams, "config" | "cwd">) =>
  <A, E>(request: Effect.Effect<A, E | AppServerTimeout>): Effect.Effect<A, E | AppServerTimeout> =>
    Effect.catchIf(
      request,
      (error): error is AppServerTimeout => Predicate.isTagged(error, "AppServerTimeout"),
      ({ method, timeout }) =>
        rpc.request("config/read", defined({ cwd: params.cwd }), { timeout: "2 seconds" }).pipe(
          Effect.map(({ config }) => requiredBy(config, params.config)),
          Effect.orElseSucceed(() => requiredBy(undefined, params.config)),
          Effect.flatMap((requiredMcpServers) => new AppServerTimeout({ method, timeout, requiredMcpServers }))
        )
    )
