/** Ends a turn, and notifies the client in the order of codex 0.171.0. */
import type * as Received from "@effect-codex/protocol/Received"
import { turnOf } from "./home.ts"
import type { Told } from "./running.ts"

const markUnread = ({ connection, thread, turn }: Told): void => {
  thread.stored.firstUnread ??= turn.stored.id
  thread.stored.revision = connection.home.nextId()
  connection.tell(thread, "thread/readState/changed", {
    readState: {
      firstUnread: { type: "turn", turnId: thread.stored.firstUnread },
      revision: thread.stored.revision
    }
  })
}

export const end = (
  told: Told,
  status: "completed" | "interrupted" | "failed",
  error: Received.TurnError | null,
  answer: Received.ThreadItem | undefined
): void => {
  const { connection, thread, turn } = told
  turn.stored.status = status
  turn.stored.error = error
  turn.stored.completedAtMs = connection.now()
  thread.stored.updatedAtMs = connection.now()
  thread.stored.usedAs = connection.home.nextUse()
  thread.running = undefined
  if (error !== null) {
    connection.setStatus(thread, { type: "systemError" })
    connection.tell(thread, "error", { error, willRetry: false, turnId: turn.stored.id })
  }
  if ((error !== null || answer !== undefined) && !thread.stored.ephemeral) markUnread(told)
  if (error === null) connection.setStatus(thread, { type: "idle" })
  connection.tell(thread, "turn/completed", {
    turn: {
      ...turnOf(turn.stored, "notLoaded"),
      ...(answer === undefined ? {} : { items: [answer], itemsView: "summary" })
    }
  })
  if (turn.waitingFor !== undefined && connection.openRequests.delete(turn.waitingFor)) {
    connection.tell(thread, "serverRequest/resolved", { requestId: turn.waitingFor })
  }
}
