/** Decodes what the server tells without being asked, each method by a guard that is made when it first comes. */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import { serverNotifications } from "@effect-codex/protocol/Methods"
import type { Raw, ServerNotification } from "../ServerNotification.ts"
import type { Guard } from "./guard.ts"
import { guardOf, issueOf } from "./guard.ts"

const methods = new Map<string, Guard<unknown>>()

const guardOfMethod = (method: string): Guard<unknown> | undefined => {
  const known = methods.get(method)
  if (known !== undefined) return known
  if (!Object.hasOwn(serverNotifications, method)) return undefined
  const guard = guardOf(serverNotifications[method as keyof ServerNotifications].params)
  methods.set(method, guard)
  return guard
}

export const decode = (raw: Raw): ServerNotification => {
  const guard = guardOfMethod(raw._tag)
  if (guard === undefined) return { _tag: "Unknown", method: raw._tag, params: raw.params }
  if (guard(raw.params)) return raw as ServerNotification
  const { params } = serverNotifications[raw._tag as keyof ServerNotifications]
  return { _tag: "Undecodable", method: raw._tag, params: raw.params, issue: issueOf(params, raw.params) }
}
