/** What the tap writes down, and what it is told to do. Imports nothing, because the tap must start fast. */

/** An entry of the tap's file. A frame is the line as it went over the pipe. */
export type Entry =
  | { readonly kind: "started"; readonly args: ReadonlyArray<string> }
  | { readonly kind: "sent" | "received"; readonly frame: string }
  | { readonly kind: "closed" }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "ended"; readonly code: number | null; readonly signal: string | null }

/** What codex does not do on demand. */
export interface Faults {
  /** Answer the first requests of a method with an error, in place of codex. */
  readonly refuse?: ReadonlyArray<{
    readonly method: string
    readonly times: number
    readonly error: { readonly code: number; readonly message: string; readonly data?: unknown }
  }>
  /** End codex in place of delivering the first request of this method. */
  readonly dieAt?: string
  /** Do not deliver requests of this method, so that nobody answers them. */
  readonly swallow?: string
  /** Say a line after the reply to a method. `THREAD` and `TURN` in it become the ids of the request and the reply. */
  readonly add?: ReadonlyArray<{ readonly afterReplyTo: string; readonly line: string }>
}

export interface TapSettings {
  readonly executable: string
  readonly log: string
  readonly faults: Faults
}
