/** Decodes notifications of the server. The guard of a method is created when the method first comes. */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import { serverNotifications } from "@effect-codex/protocol/Methods"
import type { Raw, ServerNotification } from "../../ServerNotification.ts"
import type { Guard } from "./guard.ts"
import { fitted, guardOf, issueOf } from "./guard.ts"

const methods = new Map<string, Guard<unknown>>()

const guardOfMethod = (method: string): Guard<unknown> | undefined => {
  const known = methods.get(method)
  if (known !== undefined) return known
  if (!Object.hasOwn(serverNotifications, method)) return undefined
  const guard = guardOf(serverNotifications[method as keyof ServerNotifications].params)
  methods.set(method, guard)
  return guard
}

/**
 * @param onUndecodable called with the issue when a part of the params does not fit but the rest does. Default:
 * nothing.
 */
export const decode = (raw: Raw, onUndecodable?: (method: string, issue: string) => void): ServerNotification => {
  const guard = guardOfMethod(raw._tag)
  if (guard === undefined) return { _tag: "Unknown", method: raw._tag, params: raw.params }
  if (guard(raw.params)) return raw as ServerNotification
  const { params } = serverNotifications[raw._tag as keyof ServerNotifications]
  const part = fitted(params as Lazy<unknown>, raw.params)
  if (part !== undefined) {
    onUndecodable?.(raw._tag, part.issue)
    return { _tag: raw._tag, params: part.value } as ServerNotification
  }
  return { _tag: "Undecodable", method: raw._tag, params: raw.params, issue: issueOf(params, raw.params) }
}
