/** The approvals that may be decided from a page, each under an id that only its pages know. */
import type { OpenApproval } from "@effect-codex/client/ApprovalQueue"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"

/** What every kind of approval takes. */
export const decisions = ["accept", "acceptForSession", "decline"] as const
export type Decision = typeof decisions[number]

export interface Offer {
  readonly id: string
  readonly open: OpenApproval
}

const methods = {
  Command: "item/commandExecution/requestApproval",
  FileChange: "item/fileChange/requestApproval",
  Permissions: "item/permissions/requestApproval",
  McpTool: "mcpServer/elicitation/request"
} as const

/** An approval as an event of a view. The queue has it without the request of the server, so it has the page's id. */
export const asked = ({ id, open: { request } }: Offer): ThreadView.ServerRequest => {
  const { _tag, ...params } = request
  return {
    _tag: "ServerRequest",
    id,
    method: methods[_tag],
    params: _tag === "McpTool"
      ? {
        ...params,
        mode: "form",
        requestedSchema: { properties: {} },
        _meta: { codex_approval_kind: "mcp_tool_call" }
      }
      : params
  }
}

/** Whether a kind of approval takes a decision. A tool takes only what codex offers. */
export const fits = ({ open: { request } }: Offer, decision: Decision): boolean =>
  request._tag !== "McpTool" || request.availableDecisions.includes(decision)

export class Offers {
  private readonly ids = new WeakMap<OpenApproval, string>()
  private readonly offered = new Map<string, Offer>()

  /** Takes the list of what is open, and says what came and went. */
  set(open: ReadonlyArray<OpenApproval>): { readonly came: ReadonlyArray<Offer>; readonly went: ReadonlyArray<Offer> } {
    const still = new Set(open)
    const went = [...this.offered.values()].filter((offer) => !still.has(offer.open))
    for (const { id } of went) this.offered.delete(id)
    const came = open.flatMap((open): ReadonlyArray<Offer> => {
      // Also those that were decided and are about to leave the queue.
      if (this.ids.has(open)) return []
      const id = randomUUID()
      this.ids.set(open, id)
      const offer = { id, open }
      this.offered.set(id, offer)
      return [offer]
    })
    return { came, went }
  }

  /** The oldest first. */
  list(): ReadonlyArray<Offer> {
    return [...this.offered.values()]
  }

  /** Decides, once. Gives the offer, or undefined if it is not open, or no longer. */
  decide(id: string, decision: Decision): Effect.Effect<Offer | undefined> {
    return Effect.suspend(() => {
      const offer = this.offered.get(id)
      if (offer === undefined || !fits(offer, decision)) return Effect.succeed(undefined)
      this.offered.delete(id)
      return Effect.map(offer.open.respond(decision), (isFirst) => isFirst ? offer : undefined)
    })
  }
}
