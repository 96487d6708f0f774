/** Items as they come: each by itself, and what does not fit the protocol as `Undecodable`. */
import * as Received from "@effect-codex/protocol/Received"
import * as Predicate from "effect/Predicate"
import type { TurnEvent } from "../../ServerNotification.ts"
import { fitted, guardOf } from "./guard.ts"
import { type Members, membersOf, rawOf } from "./members.ts"

/** Always fits: what does not is put into an `Undecodable`. */
export const read = (item: unknown): Received.ThreadItem => {
  if (guardOf(Received.ThreadItem)(item)) return item
  return fitted(Received.ThreadItem, item)?.value ??
    { type: "undecodable", id: "", raw: item, issue: "It is nested too deeply." }
}

/** The item that an event is about, as it came. The rest of the event need not fit. */
export const itemOf = (event: TurnEvent): { readonly raw: Members; readonly isCompleted: boolean } | undefined => {
  const method = event._tag === "Undecodable" ? event.method : event._tag
  if (method !== "item/started" && method !== "item/completed") return undefined
  const item = membersOf("params" in event ? event.params : undefined)["item"]
  if (!Predicate.isReadonlyObject(item)) return undefined
  return { raw: membersOf(rawOf(item)), isCompleted: method === "item/completed" }
}
