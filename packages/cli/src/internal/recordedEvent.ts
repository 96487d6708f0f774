/** What a cassette holds, as the client would have told it. */
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import { serverNotifications } from "@effect-codex/protocol/Methods"
import * as Schema from "effect/Schema"

export const recordedEvent = (method: string, params: unknown): ServerNotification => {
  if (!isKnown(method)) return { _tag: "Unknown", method, params }
  try {
    const schema: Schema.Codec<unknown> = serverNotifications[method].params()
    Schema.decodeUnknownSync(schema)(params)
    // The schema of the method says that they are its params.
    return { _tag: method, params } as ServerNotification
  } catch (error) {
    return { _tag: "Undecodable", method, params, issue: String(error) }
  }
}

const isKnown = (method: string): method is keyof ServerNotifications => Object.hasOwn(serverNotifications, method)
