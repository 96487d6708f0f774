/** The JSON-RPC messages of MCP that a server of tools answers. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { failed, type HostedTools } from "./hostedTools.ts"

/** Of streamable HTTP, and without batches. The newest comes first. */
const versions = ["2025-11-25", "2025-06-18"]

export const isVersion = (u: unknown): boolean => Predicate.isString(u) && versions.includes(u)

/** The response to a message, or undefined if it wants none. `status` is that of HTTP. */
export interface Reply {
  readonly status: number
  readonly body: object | undefined
  readonly isOfInitialize?: boolean
}

export interface Server {
  readonly tools: () => HostedTools
  readonly instructions: string | undefined
}

/** The request of HTTP that a message came with. */
export interface Exchange {
  readonly send: (reply: Reply) => Effect.Effect<void>
  /** The call of a tool begins, under this id. */
  readonly onCall: (id: unknown) => void
  /** The call with this id is not wanted any more. */
  readonly onCancelled: (id: unknown) => void
  /** A request of this server with this id was answered. */
  readonly onResponse: (id: unknown) => void
}

type Id = string | number | null

const ok = (id: Id, result: object): Reply => ({ status: 200, body: { jsonrpc: "2.0", id, result } })

const refused = (id: Id, code: number, message: string, status = 200): Reply => ({
  status,
  body: { jsonrpc: "2.0", id, error: { code, message } }
})

const accepted: Reply = { status: 202, body: undefined }

const textAt = (u: unknown, key: string): string | undefined => {
  const value = Predicate.hasProperty(u, key) ? u[key] : undefined
  return Predicate.isString(value) ? value : undefined
}

const at = (u: unknown, key: string): unknown => Predicate.hasProperty(u, key) ? u[key] : undefined

/** The span that codex calls the tool in. It is part of the trace of the turn. */
const parentOf = (meta: unknown): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(
    textAt(meta, "traceparent") ?? ""
  ) ?? []
  return traceId === undefined || spanId === undefined
    ? undefined
    : Tracer.externalSpan({ traceId, spanId, sampled: flags === "01" })
}

// Another client than codex does not say where its calls come from.
const callOf = (meta: unknown) => ({
  threadId: textAt(meta, "threadId") ?? "",
  turnId: textAt(at(meta, "x-codex-turn-metadata"), "turn_id") ?? "",
  callId: textAt(meta, "callId") ?? ""
})

// An error of JSON-RPC would reach the model with a stack trace of codex.
const called = (server: Server, params: unknown): Effect.Effect<object> => {
  const name = textAt(params, "name") ?? ""
  const answer = server.tools().call(name, at(params, "arguments") ?? {}, callOf(at(params, "_meta")))
  return answer ?? Effect.succeed(failed(`There is no tool of this name, or not any more. Nothing was done.`))
}

/** Answers a message, and hands the reply to `send` within the span, which would keep it if it were the result. */
const respond = (
  server: Server,
  id: Id,
  method: string,
  params: unknown,
  { onCall, send }: Exchange
): Effect.Effect<void> => {
  switch (method) {
    case "initialize": {
      const asked = textAt(params, "protocolVersion")
      const result = {
        protocolVersion: isVersion(asked) ? asked : versions[0],
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "effect-codex", version: "1" },
        ...(server.instructions !== undefined && { instructions: server.instructions })
      }
      return send({ ...ok(id, result), isOfInitialize: true })
    }
    case "ping":
      return send(ok(id, {}))
    case "tools/list":
      return send(ok(id, { tools: server.tools().listing }))
    case "tools/call": {
      if (textAt(params, "name") === undefined) return send(refused(id, -32602, "expected the name of a tool"))
      const meta = at(params, "_meta")
      const { threadId, turnId } = callOf(meta)
      onCall(id)
      return Effect.suspend(() => called(server, params)).pipe(
        Effect.flatMap((result) => send(ok(id, result))),
        Effect.withSpan("HostTools.call", {
          parent: parentOf(meta),
          attributes: { "codex.thread.id": threadId, "codex.turn.id": turnId }
        })
      )
    }
    default:
      return send(refused(id, -32601, "there is no such method"))
  }
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

export const answer = (server: Server, body: string, exchange: Exchange): Effect.Effect<void> => {
  const { send } = exchange
  const message = Option.getOrUndefined(parse(body))
  if (message === undefined) return send(refused(null, -32700, "expected JSON", 400))
  if (!Predicate.isObject(message) || message["jsonrpc"] !== "2.0") {
    return send(refused(null, -32600, "expected one message of JSON-RPC 2.0", 400))
  }
  const { id, method, params } = message
  if (method === undefined) exchange.onResponse(id)
  // docs/codex-behaviour.md, "A call that codex gives up is cancelled".
  if (method === "notifications/cancelled") exchange.onCancelled(at(params, "requestId"))
  if (id === undefined || method === undefined) return send(accepted)
  if (!Predicate.isString(method) || !(Predicate.isString(id) || Predicate.isNumber(id))) {
    return send(refused(null, -32600, "expected a request", 400))
  }
  return respond(server, id, method, params, exchange)
}
