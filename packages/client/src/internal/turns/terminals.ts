/** The terminals of a thread are the commands that codex runs for it. Each names the item that began it. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import type { CallError, ThreadNotFound } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"
import type { TurnState } from "./turnState.ts"

/** Ends those of some items, and gives the ones that were ended. */
export const end = Effect.fnUntraced(function*(
  rpc: Rpc,
  threadId: string,
  itemIds: ReadonlySet<string>
): Effect.fn.Return<ReadonlyArray<Received.ThreadBackgroundTerminal>, CallError | ThreadNotFound> {
  const { data } = yield* rpc.request("thread/backgroundTerminals/list", { threadId })
  const known = data.flatMap((terminal) => "raw" in terminal || !itemIds.has(terminal.itemId) ? [] : [terminal])
  return yield* Effect.filter(known, ({ processId }) =>
    Effect.map(
      rpc.request("thread/backgroundTerminals/terminate", { threadId, processId }),
      ({ terminated }) => terminated
    ))
})

/**
 * Ends what an interrupted turn has left running. codex ends the command that the turn waits for by itself, but only if it
 * gets to it within 100 ms, and never one that the turn has put into the background (measured on 0.169).
 */
export const endLeft = (rpc: Rpc, turn: TurnState): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = turn.runningItems.flatMap(({ id, type }) => type === "commandExecution" ? [id] : [])
    return left.length === 0 ? Effect.void : Effect.ignore(end(rpc, turn.threadId, new Set(left)))
  })
