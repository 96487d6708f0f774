/** How the work of a request is ended for which nobody waits any more: the one list of what the protocol has for that. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Predicate from "effect/Predicate"

type Method = keyof ClientRequests
type Params<M extends Method> = ClientRequests[M]["params"]

export interface Cancel {
  readonly method: string
  readonly params?: unknown
}

interface Way<M extends Method> {
  /** The params with a name by which the work is known again, where the caller has given none. */
  readonly named?: (params: Params<M>, name: string) => Params<M>
  /** The reply alone names the work, so it has to be waited for. */
  readonly afterReply?: true
  readonly cancel: (params: Params<M>, id: number, result: unknown) => Cancel | undefined
}

const by = <M extends Method>(method: M, params: Params<M>): Cancel => ({ method, params })

// Measured on 0.169, where it can be had without an account: each is understood also right behind its request.
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
  // A search ends when another one with its token begins, and this one looks nowhere.
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

/** A request whose work can be ended; undefined for the others. The params were checked with the schema of the method. */
export const of = (method: string, params: unknown, id: number): Cancellable | undefined =>
  Object.hasOwn(ways, method)
    ? cancellable(ways[method as Method] as Way<Method>, params as Params<Method>, id)
    : undefined
