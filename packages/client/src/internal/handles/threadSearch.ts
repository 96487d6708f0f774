/** Searches the stored threads. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { SearchThreadsOptions, ThreadSearchEvent } from "../../Codex.ts"
import type { CallError } from "../../CodexError.ts"
import type * as Sent from "../../Sent.ts"
import * as OptionKinds from "../options.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { allSent, defined } from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"

const paramsOf = (searchTerm: string, options: SearchThreadsOptions): Sent.ThreadSearchParams => {
  const {
    archived,
    currentAccountOnly,
    cursor,
    includeAttachedThreads,
    pageSize: limit,
    sortDirection,
    sortKey,
    sourceKinds,
    ...rest
  } = options
  allSent(rest)
  const given = { archived, currentAccountOnly, cursor, includeAttachedThreads, limit }
  return { searchTerm, ...defined({ ...given, sortDirection, sortKey, sourceKinds }) }
}

/** Leaving the stream interrupts the request, which cancels the search on the server. */
export const search = (
  rpc: Rpc,
  searchTerm: string,
  options: SearchThreadsOptions | undefined
): Stream.Stream<ThreadSearchEvent, CallError> =>
  // docs/codex-behaviour.md, "A search tells few hits before its end, or none". So the queue needs no bound.
  Stream.callback<ThreadSearchEvent, CallError>(Effect.fnUntraced(function*(queue) {
    yield* OptionKinds.check(options, OptionKinds.none)
    const params = paramsOf(searchTerm, options ?? {})
    let id: number | undefined
    const { decode, observe } = internalsOf(rpc)
    yield* observe(undefined, {
      onNotification: (notification) => {
        if (notification._tag !== "thread/search/partial") return
        const partial = decode(notification)
        if (partial._tag === "thread/search/partial" && partial.params.requestId === id) {
          Queue.offerUnsafe(queue, { _tag: "Found", hits: partial.params.data })
        }
      },
      onReadEnd: () => {},
      onEnd: () => {}
    })
    const { data, nextCursor } = yield* rpc.request("thread/search/stream", params, { onSent: (sent) => (id = sent) })
      .pipe(
        Effect.catchTag("RpcError", (error) =>
          ServerTexts.isUnknownMethod(error.detail, "thread/search/stream")
            ? rpc.request("thread/search", params)
            : Effect.fail(error))
      )
    Queue.offerUnsafe(queue, { _tag: "Completed", hits: data, nextCursor: Option.fromNullishOr(nextCursor) })
    yield* Queue.end(queue)
  }))
