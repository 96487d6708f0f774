/** What the WebSockets of the platforms offer beyond the standard, and how they report errors. */
import * as Predicate from "effect/Predicate"
import type * as Socket from "effect/socket/Socket"

const MiB = 1024 * 1024

/**
 * The longest single WebSocket frame that codex accepts (docs/codex-behaviour.md, "A WebSocket takes 16 MiB in one
 * frame and 64 MiB in one message").
 */
export const serverFrameLimit = 16 * MiB

/** How many bytes still wait to be sent; 0 where the platform does not tell. */
export const buffered = (ws: Socket.WebSocketLike): number =>
  Predicate.hasProperty(ws, "bufferedAmount") && Predicate.isNumber(ws.bufferedAmount) ? ws.bufferedAmount : 0

/**
 * A WebSocket that splits a long message into several frames declares in `maxMessageBytes` how much codex accepts
 * that way.
 */
export const maxSendBytes = (ws: Socket.WebSocketLike): number =>
  Predicate.hasProperty(ws, "maxMessageBytes") && Predicate.isNumber(ws.maxMessageBytes)
    ? ws.maxMessageBytes
    : serverFrameLimit

/**
 * Drops the connection at once if the platform can; otherwise the platform finishes the closing handshake by itself.
 */
export const drop = (ws: Socket.WebSocketLike): void => {
  try {
    if (Predicate.hasProperty(ws, "terminate") && Predicate.isFunction(ws.terminate)) ws.terminate()
    else ws.close(1000)
  } catch {
    // It is already closed.
  }
}

const property = (value: unknown, name: string): string | undefined =>
  Predicate.hasProperty(value, name) && Predicate.isString(value[name]) && value[name] !== "" ? value[name] : undefined

/** The text of an error event. Never use the event itself: in Node it leads to the request with its headers. */
export const textOf = (event: unknown): string => {
  const error = Predicate.hasProperty(event, "error") ? event.error : undefined
  return property(event, "message") ?? property(error, "message") ?? property(error, "code") ?? "no cause was reported"
}

/** Whether an error event reports a frame that exceeds the WebSocket's own limit. */
export const isTooLarge = (event: unknown): boolean =>
  Predicate.hasProperty(event, "error") && property(event.error, "code") === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"

/** The length of a binary frame, for a text. */
export const byteLength = (data: unknown): string =>
  Predicate.hasProperty(data, "byteLength") && Predicate.isNumber(data.byteLength)
    ? `${data.byteLength}`
    : Predicate.hasProperty(data, "size") && Predicate.isNumber(data.size)
    ? `${data.size}`
    : "an unknown number of"
