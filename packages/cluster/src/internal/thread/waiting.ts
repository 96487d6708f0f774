/** The approvals of an entity that wait for a client of the cluster. */
import * as ApprovalQueue from "@effect-codex/client/ApprovalQueue"
import * as Approvals from "@effect-codex/client/Approvals"
import type * as ServerRequests from "@effect-codex/client/ServerRequests"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Decision, WaitingApproval } from "../../CodexThread.ts"
import type { Hub } from "./hub.ts"

export interface Waiting {
  readonly handlers: ServerRequests.Overrides
  readonly list: Effect.Effect<ReadonlyArray<WaitingApproval>>
  /** False when nothing waits under the id. */
  readonly decide: (approvalId: string, decision: Decision) => Effect.Effect<boolean>
}

const shown = (approvalId: string, { request }: ApprovalQueue.OpenApproval): WaitingApproval => ({
  approvalId,
  kind: request._tag,
  turnId: request.turnId ?? null,
  description: Approvals.describe(request),
  reason: "reason" in request ? request.reason ?? null : null
})

export const make = Effect.fnUntraced(
  function*(epoch: string, hub: Hub): Effect.fn.Return<Waiting, never, Scope.Scope> {
    const queue = yield* ApprovalQueue.make
    const waiting = new Map<string, ApprovalQueue.OpenApproval>()
    let asked = 0
    const open = Effect.fnUntraced(function*(approval: ApprovalQueue.OpenApproval) {
      const approvalId = `${epoch}/${++asked}`
      waiting.set(approvalId, approval)
      yield* hub.publish({ _tag: "ApprovalOpened", params: shown(approvalId, approval) })
      yield* Effect.forkScoped(Effect.andThen(
        approval.closed,
        Effect.suspend(() => {
          waiting.delete(approvalId)
          return hub.publish({ _tag: "ApprovalClosed", params: { approvalId } })
        })
      ))
    })
    yield* Effect.forkScoped(Stream.runForEach(queue.requests, open), { startImmediately: true })
    return {
      handlers: queue.handlers,
      list: Effect.sync(() => Array.from(waiting, ([id, approval]) => shown(id, approval))),
      decide: (approvalId, decision) =>
        Effect.suspend(() => waiting.get(approvalId)?.respond(decision) ?? Effect.succeed(false))
    }
  }
)
