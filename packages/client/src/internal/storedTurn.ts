/** What the server has stored of a turn whose frames or replies did not come. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AppServerRpc } from "../AppServerRpc.ts"

// A thread runs one turn at a time: the one that was just started or running is among the last.
const recent = 5

const find = (
  rpc: AppServerRpc["Service"],
  threadId: string,
  isIt: (turn: Received.Turn) => boolean
): Effect.Effect<Received.Turn | undefined> =>
  rpc.request("thread/turns/list", { threadId, limit: recent, sortDirection: "desc", itemsView: "full" }, {
    timeout: Duration.seconds(10)
  }).pipe(
    Effect.map(({ data }) => data.find(isIt)),
    Effect.orElseSucceed(() => undefined)
  )

/** Finds it by the id that this client gave the message. Undefined when the server does not have it, or does not say. */
export const findByClientId = (rpc: AppServerRpc["Service"], threadId: string, clientId: string) =>
  find(
    rpc,
    threadId,
    (turn) => turn.items.some((item) => item.type === "userMessage" && item.clientId === clientId)
  )

/** Finds it by its id. Undefined when the server does not have it, or does not say. */
export const findById = (rpc: AppServerRpc["Service"], threadId: string, turnId: string) =>
  find(rpc, threadId, ({ id }) => id === turnId)
