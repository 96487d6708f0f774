/** Reads items as they come, each by itself. An item that does not fit the protocol becomes an `Undecodable`. */
import * as Received from "@effect-codex/protocol/Received"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { TurnEvent } from "../../ServerNotification.ts"
import { fitted, guardOf } from "./guard.ts"
import { type Members, membersOf, rawOf } from "./peek.ts"

/** Never fails: an item that does not fit becomes an `Undecodable`. */
export const read = (item: unknown): Received.ThreadItem => {
  if (guardOf(Received.ThreadItem)(item)) return item
  return fitted(Received.ThreadItem, item)?.value ??
    { type: "undecodable", id: "", raw: item, issue: "It is nested too deeply." }
}

/** The item of an event, as it came. The rest of the event need not fit. */
export const itemOf = (event: TurnEvent): { readonly raw: Members; readonly isCompleted: boolean } | undefined => {
  const method = event._tag === "Undecodable" ? event.method : event._tag
  if (method !== "item/started" && method !== "item/completed") return undefined
  const item = membersOf("params" in event ? event.params : undefined)["item"]
  if (!Predicate.isReadonlyObject(item)) return undefined
  return { raw: membersOf(rawOf(item)), isCompleted: method === "item/completed" }
}

/** The final answer among a turn's items. */
export const finalResponse = (items: ReadonlyArray<Received.ThreadItem>): Option.Option<string> => {
  let withoutPhase: string | undefined
  for (let i = items.length - 1; i >= 0; i--) {
    const { phase, text, type } = membersOf(rawOf(items[i]))
    if (type !== "agentMessage" || typeof text !== "string") continue
    if (phase === "final_answer") return Option.some(text)
    // A server that does not know phases leaves the key out.
    if (typeof phase !== "string") withoutPhase ??= text
  }
  return Option.fromUndefinedOr(withoutPhase)
}

/** The last plan proposed among a turn's items. */
export const plan = (items: ReadonlyArray<Received.ThreadItem>): Option.Option<string> => {
  for (let i = items.length - 1; i >= 0; i--) {
    const { text, type } = membersOf(rawOf(items[i]))
    if (type === "plan" && typeof text === "string") return Option.some(text)
  }
  return Option.none()
}
