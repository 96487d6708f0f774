/** Reads the turns of a stored thread page by page. Unlike those of a handle they need no resumed thread. */
import type { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

const pageSize = 10

/** The turns of a thread, the oldest first. */
export const turnsOf = (rpc: AppServerRpc["Service"], threadId: string) => {
  const seen = new Set<string>()
  const page = (cursor: string | null) =>
    Effect.map(
      rpc.request("thread/turns/list", {
        threadId,
        cursor,
        limit: pageSize,
        itemsView: "full",
        sortDirection: "asc"
      }),
      ({ data, nextCursor }) => {
        // A server that repeats itself must not keep this program busy for ever.
        const isNew = nextCursor !== null && !seen.has(nextCursor)
        if (isNew) seen.add(nextCursor)
        return [data, isNew ? Option.some<string | null>(nextCursor) : Option.none()] as const
      }
    )
  return Stream.paginate(null, page)
}
