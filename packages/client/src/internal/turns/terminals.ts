/** The terminals of a thread are the commands that codex runs for it. Each names the item that started it. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import type { CallError, ThreadNotFound } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"
import type { TurnState } from "./turnState.ts"

/** Ends the terminals of the given items, and returns those that ended. */
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
 * Ends what an interrupted turn has left running. docs/codex-behaviour.md, "An interrupt ends the command that
 * the turn waits for, if codex gets to it within 100 ms".
 */
export const endLeft = (rpc: Rpc, turn: TurnState): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = turn.runningItems.flatMap(({ id, type }) => type === "commandExecution" ? [id] : [])
    return left.length === 0 ? Effect.void : Effect.ignore(end(rpc, turn.threadId, new Set(left)))
  })
