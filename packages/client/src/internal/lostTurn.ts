/** The turn whose start was not answered, as the server has stored it. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AppServerRpc } from "../AppServerRpc.ts"

// A thread runs one turn at a time: the one that was just started is among the last.
const recent = 5

/** Finds it by the id that this client gave the message. Undefined when the server does not have it, or does not say. */
export const find = (
  rpc: AppServerRpc["Service"],
  threadId: string,
  clientId: string
): Effect.Effect<Received.Turn | undefined> =>
  rpc.request("thread/turns/list", { threadId, limit: recent, sortDirection: "desc", itemsView: "full" }, {
    timeout: Duration.seconds(10)
  }).pipe(
    Effect.map(({ data }) =>
      data.find((turn) => turn.items.some((item) => item.type === "userMessage" && item.clientId === clientId))
    ),
    Effect.orElseSucceed(() => undefined)
  )
