/**
 * An MCP server on loopback, by streamable HTTP. It gives ids of sessions, because codex listens for changes only in a
 * session, and the ids of calls are of a session; but it keeps no sessions.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { ServeError } from "effect/http/HttpServerError"
import type * as Scope from "effect/Scope"
import { randomBytes, randomUUID } from "node:crypto"
import * as Http from "node:http"
import type { HostedTools } from "./hostedTools.ts"
import { bodyOf, closed, listen, refuse, sameToken, withoutErrors } from "./loopback.ts"
import * as McpMessages from "./mcpMessages.ts"

// Every user of this machine can connect, so all that is kept has a limit. A thread of codex keeps one connection for
// the changes, and one for each call that is running.
const maxConnections = 4096
const maxBodyBytes = 16 * 1024 * 1024

const path = "/mcp"
const methods = ["POST", "GET", "DELETE"]

/** How long a change waits for codex. It answers within milliseconds, unless it hangs. */
const heardWithin = "2 seconds"

export interface HostToolsServer {
  readonly url: string
  readonly token: string
  /** Replaces the tools, and returns when those who listen for changes have heard of it. */
  readonly set: (tools: HostedTools) => Effect.Effect<void>
}

/**
 * The status to refuse a request with, or undefined. A page in a browser can send requests to loopback: its own name as
 * `Host`, after it made that name resolve to loopback, or an `Origin`. codex sends no `Origin`.
 */
const refusalOf = (request: Http.IncomingMessage, host: string, token: string): number | undefined => {
  const { headers, method, url } = request
  if (headers.host !== host || headers.origin !== undefined) return 403
  if (!sameToken(`Bearer ${token}`, headers.authorization ?? "")) return 401
  if (url !== path) return 404
  if (method === undefined || !methods.includes(method)) return 405
  if (method === "POST" && !/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "")) return 415
  const version = headers["mcp-protocol-version"]
  return version === undefined || McpMessages.isVersion(version) ? undefined : 400
}

const write = (response: Http.ServerResponse) => (reply: McpMessages.Reply): Effect.Effect<void> =>
  Effect.sync(() => {
    const { body, isOfInitialize, status } = reply
    if (response.destroyed) return
    if (isOfInitialize) response.setHeader("mcp-session-id", randomUUID())
    if (body === undefined) response.writeHead(status).end()
    else response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })

const event = (message: object) => `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`

const changed = event({ method: "notifications/tools/list_changed" })

/** Listens until the scope closes, which interrupts the calls that are running. */
export const make = (
  first: HostedTools,
  instructions: string | undefined
): Effect.Effect<HostToolsServer, ServeError, Scope.Scope> =>
  Effect.gen(function*() {
    const token = randomBytes(32).toString("hex")
    let tools = first
    let isChanged = false
    const listeners = new Set<Http.ServerResponse>()
    const heard = new Map<unknown, () => void>()
    const calls = new Map<string, Http.ServerResponse>()
    const served: McpMessages.Server = { tools: () => tools, instructions }

    const exchangeOf = (request: Http.IncomingMessage, response: Http.ServerResponse): McpMessages.Exchange => {
      const keyOf = (id: unknown) => JSON.stringify([request.headers["mcp-session-id"], id])
      return {
        send: write(response),
        onCall: (id) => {
          const key = keyOf(id)
          calls.set(key, response)
          response.once("close", () => calls.get(key) === response && calls.delete(key))
        },
        // Nobody waits for the response, and its end ends the handler.
        onCancelled: (id) => void calls.get(keyOf(id))?.destroy(),
        onResponse: (id) => heard.get(id)?.()
      }
    }

    const answered = (request: Http.IncomingMessage, response: Http.ServerResponse) =>
      bodyOf(request, maxBodyBytes).pipe(
        Effect.flatMap((body) => McpMessages.answer(served, body, exchangeOf(request, response))),
        Effect.catch(() => Effect.sync(() => refuse(response, 413))),
        Effect.raceFirst(closed(response))
      )

    const tell = (response: Http.ServerResponse): void => {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
      response.flushHeaders()
      listeners.add(response)
      response.once("close", () => listeners.delete(response))
      // Whoever has listed the tools and begins to listen now may have missed a change between the two.
      if (isChanged) response.write(changed)
    }

    /**
     * The answer to a ping shows that codex has read the change before it. Else the next turn could begin before that,
     * because its request takes another way.
     */
    const isHeard = (response: Http.ServerResponse) => {
      const id = randomUUID()
      return Effect.callback<void>((resume) => {
        const done = (): void => resume(Effect.void)
        heard.set(id, done)
        response.once("close", done)
        response.write(changed + event({ id, method: "ping" }))
        return Effect.sync(() => void response.off("close", done))
      }).pipe(Effect.ensuring(Effect.sync(() => void heard.delete(id))))
    }

    // The server closes first, so that no fiber begins when they are interrupted.
    const fork = yield* FiberSet.makeRuntime<never>()
    let host = ""
    const server = Http.createServer((request, response) => {
      withoutErrors(request, response)
      const refusal = refusalOf(request, host, token)
      if (refusal !== undefined) refuse(response, refusal, refusal === 405 ? { allow: methods.join(", ") } : undefined)
      else if (request.method === "GET") tell(response)
      else if (request.method === "DELETE") response.writeHead(204).end()
      else fork(answered(request, response))
    })
    server.maxConnections = maxConnections
    // A connection that codex takes for its next call must not end at the same moment.
    server.keepAliveTimeout = 0
    const port = yield* listen(server)
    host = `127.0.0.1:${port}`
    return {
      url: `http://${host}${path}`,
      token,
      set: (next) =>
        Effect.suspend(() => {
          tools = next
          isChanged = true
          return Effect.forEach(listeners, isHeard, { concurrency: "unbounded", discard: true })
        }).pipe(Effect.timeoutOption(heardWithin), Effect.asVoid)
    }
  })
