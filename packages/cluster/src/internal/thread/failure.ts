/** Why a turn of an entity has no answer, before it becomes an error of the public module. */
import type * as CodexError from "@effect-codex/client/CodexError"
import type { BegunTurn } from "../../SessionStore.ts"

export interface Failed {
  readonly _tag: "Failed"
  readonly tag: string
  readonly message: string
  readonly isRetryable: boolean
}

/** How a turn ended that was begun before is not known. */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly begun: BegunTurn
  readonly detail: string
}

/** Another machine has the thread: nothing may be answered here. */
export interface Fenced {
  readonly _tag: "Fenced"
}

/** codex is gone, and with it all that ran on it. */
export interface Disconnected {
  readonly _tag: "Disconnected"
  readonly message: string
}

export type Failure = Failed | Unknown | Fenced | Disconnected

export const failed = (tag: string, message: string, isRetryable = false): Failed => ({
  _tag: "Failed",
  tag,
  message,
  isRetryable
})

export const fenced: Fenced = { _tag: "Fenced" }

const disconnects: ReadonlySet<string> = new Set(["AppServerExited", "TransportError", "TurnOutcomeUnknown"])

export const ofCodex = (error: CodexError.CodexError): Failed | Disconnected =>
  disconnects.has(error._tag)
    ? { _tag: "Disconnected", message: error.message }
    : failed(error._tag, error.message, error.isRetryable)

export const ofSession = (error: { readonly _tag: string; readonly message: string }): Failed | Fenced =>
  error._tag === "SessionFenced" ? fenced : failed(error._tag, error.message, true)
