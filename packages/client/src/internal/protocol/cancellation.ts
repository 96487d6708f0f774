/**
 * How to end the work of a request that nobody waits for any more. The single list of what the protocol offers
 * for that.
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Predicate from "effect/Predicate"

type Method = keyof ClientRequests
type Params<M extends Method> = ClientRequests[M]["params"]

export interface Cancel {
  readonly method: string
  readonly params?: unknown
}

interface Way<M extends Method> {
  /** Adds a name for the work to the params, unless the caller set one. */
  readonly named?: (params: Params<M>, name: string) => Params<M>
  /** Only the reply names the work, so cancelling must wait for the reply. */
  readonly afterReply?: true
  readonly cancel: (params: Params<M>, id: number, result: unknown) => Cancel | undefined
}

const by = <M extends Method>(method: M, params: Params<M>): Cancel => ({ method, params })

// docs/codex-behaviour.md, "Each request of a kind of work has another that ends it".
const ways: { readonly [M in Method]?: Way<M> } = {
  "account/gatewayOAuth/login": { cancel: () => by("account/gatewayOAuth/cancel", undefined) },
  "account/login/start": {
    afterReply: true,
    cancel: (_params, _id, result) =>
      Predicate.hasProperty(result, "loginId") && Predicate.isString(result.loginId)
        ? by("account/login/cancel", { loginId: result.loginId })
        : undefined
  },
  "command/exec": {
    named: (params, name) => ({ ...params, processId: params.processId ?? name }),
    cancel: ({ processId }) => by("command/exec/terminate", { processId: processId ?? "" })
  },
  "fs/watch": { cancel: ({ watchId }) => by("fs/unwatch", { watchId }) },
  // A search ends when another one with its token begins. The other one searches no folder.
  "fuzzyFileSearch": {
    named: (params, name) => ({ ...params, cancellationToken: params.cancellationToken ?? name }),
    cancel: ({ cancellationToken }) => by("fuzzyFileSearch", { query: "", roots: [], cancellationToken })
  },
  "fuzzyFileSearch/sessionStart": { cancel: ({ sessionId }) => by("fuzzyFileSearch/sessionStop", { sessionId }) },
  "mcpServer/event/stream/start": {
    cancel: ({ subscriptionId }) => by("mcpServer/event/stream/stop", { subscriptionId })
  },
  "process/spawn": { cancel: ({ processHandle }) => by("process/kill", { processHandle }) },
  "thread/realtime/start": { cancel: ({ threadId }) => by("thread/realtime/stop", { threadId }) },
  "thread/sample": { cancel: (_params, id) => by("thread/sample/cancel", { requestId: id }) },
  "thread/search": { cancel: (_params, id) => by("thread/search/cancel", { requestId: id }) },
  "thread/search/stream": { cancel: (_params, id) => by("thread/search/stream/cancel", { requestId: id }) },
  "userVerification/enroll": { cancel: (_params, id) => by("userVerification/cancel", { requestId: id }) },
  "userVerification/verify": { cancel: (_params, id) => by("userVerification/cancel", { requestId: id }) }
}

export interface Cancellable {
  /** The params to send. */
  readonly params: unknown
  readonly afterReply: boolean
  readonly cancel: (result: unknown) => Cancel | undefined
}

const cancellable = <M extends Method>(way: Way<M>, given: Params<M>, id: number): Cancellable => {
  const params = way.named === undefined ? given : way.named(given, `effect-codex-${id}`)
  return { params, afterReply: way.afterReply ?? false, cancel: (result) => way.cancel(params, id, result) }
}

/**
 * How to cancel a request. Undefined if its work cannot be ended. The params must already fit the method's
 * schema.
 */
export const of = (method: string, params: unknown, id: number): Cancellable | undefined =>
  Object.hasOwn(ways, method)
    ? cancellable(ways[method as Method] as Way<Method>, params as Params<Method>, id)
    : undefined
