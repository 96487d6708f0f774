/**
 * Tracks the MCP servers that are starting, so that an error can name the servers that a turn or a thread waits for.
 *
 * docs/codex-behaviour.md, "The first turn of a thread waits a second for its MCP servers", "A thread is there when its
 * required MCP servers have started" and "Two environments of a thread may have an MCP server of the same name".
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
  /** The servers of a thread whose last reported status is "starting". */
  readonly starting: (threadId: string) => ReadonlyArray<string>
}

// Far beyond what starts at once. Bounds memory against a server that never reports the end of a start.
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

// codex reads `{ "mcp_servers.docs.required": true }` as `{ mcp_servers: { docs: { required: true } } }`.
const nested = ([key, value]: readonly [string, unknown]): unknown =>
  key.split(".").reduceRight((inner: unknown, part) => ({ [part]: inner }), value)

/** The names of the MCP servers that are required by a configuration together with a call's overrides. */
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

/** Adds to the timeout of a thread's request the MCP servers that the thread requires. */
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
