/** Events for the fold of a view, decoded as the client decodes them. */
import { ThreadView } from "@effect-codex/client"
import { decode } from "../../src/internal/protocol/decodeNotification.ts"
import * as Fake from "./fakeServer.ts"

/** The notification of a frame. */
export const event = (frame: string): ThreadView.Event => {
  const { method, params } = JSON.parse(frame) as { readonly method: string; readonly params: unknown }
  return decode({ _tag: method, params })
}

export const notification = (method: string, params: unknown): ThreadView.Event => decode({ _tag: method, params })

export const fold = (
  events: Iterable<ThreadView.Event | string>,
  view: ThreadView.ThreadView = ThreadView.empty
): ThreadView.ThreadView => {
  let now = view
  for (const one of events) now = ThreadView.apply(now, typeof one === "string" ? event(one) : one)
  return now
}

/** A stored thread with turns, as `thread/read` gives it. */
export const storedThread = (turns: ReadonlyArray<unknown>, id = Fake.threadId): ThreadView.Event => {
  const started = decode({ _tag: "thread/started", params: { thread: { ...Fake.threadStarted(id).thread, turns } } })
  if (started._tag !== "thread/started") throw new Error("The stored thread does not fit the protocol.")
  return { _tag: "StoredThread", thread: started.params.thread }
}

/** All items in order. */
export const itemsOf = (view: ThreadView.AgentView): ReadonlyArray<ThreadView.ItemView> =>
  [...view.turns].flatMap(({ items }) => [...items])

/** The view as a page would get it. */
export const json = (view: unknown): unknown => JSON.parse(JSON.stringify(view))
