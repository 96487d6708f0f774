/** The state of a connection, and how callers wait until it is open. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ConnectionError } from "../../CodexError.ts"
import { TransportError } from "../../CodexError.ts"
import type { Transport } from "../../Transport.ts"
import type { McpStartup } from "./mcpStartup.ts"

/** A transport, and the state that lives only as long as the server behind it. */
export interface Link {
  readonly transport: Transport["Service"]
  readonly mcpStartup: McpStartup
}

/** Set during the handshake: requests that see it skip the wait for a connection. */
export const Handshake = Context.Reference<Link | undefined>("@effect-codex/client/AppServerRpc/Handshake", {
  defaultValue: () => undefined
})

type State =
  | {
    readonly _tag: "connecting"
    /** Completes when the connection is open or has ended. */
    readonly opened: Deferred.Deferred<void, ConnectionError>
    /** Why the last connection was lost. Empty for the first connection. */
    readonly loss: string
  }
  | { readonly _tag: "open" }
  | { readonly _tag: "ended"; readonly cause: ConnectionError }

export class ConnectionState {
  private state: State = { _tag: "connecting", opened: Deferred.makeUnsafe(), loss: "" }
  /** The latest link. Set before anybody can use the connection. */
  link!: Link

  get isOpen(): boolean {
    return this.state._tag === "open"
  }

  get hasEnded(): boolean {
    return this.state._tag === "ended"
  }

  /** Called when the handshake is done. */
  open(): void {
    const { state } = this
    if (state._tag !== "connecting") return
    this.state = { _tag: "open" }
    Deferred.doneUnsafe(state.opened, Exit.void)
  }

  /** Called when the connection is lost and will be restored. Returns whether it was open. */
  lose(loss: string): boolean {
    const { state } = this
    if (state._tag === "ended") return false
    const opened = state._tag === "open" ? Deferred.makeUnsafe<void, ConnectionError>() : state.opened
    this.state = { _tag: "connecting", opened, loss }
    return state._tag === "open"
  }

  /**
   * Ends the connection for good. Returns a function that wakes the waiting callers; undefined if it had already
   * ended.
   */
  end(cause: ConnectionError): (() => void) | undefined {
    const { state } = this
    if (state._tag === "ended") return undefined
    this.state = { _tag: "ended", cause }
    return () => {
      if (state._tag === "connecting") Deferred.doneUnsafe(state.opened, Exit.fail(cause))
    }
  }

  /** Whether the current fiber belongs to the handshake of the latest link. */
  readonly isOwn: Effect.Effect<boolean> = Effect.map(Handshake, (own) => own !== undefined && own === this.link)

  /** Waits until the connection is open. */
  awaitOpen(limit: Duration.Input): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => this.isOpen ? Effect.void : this.wait(limit))
  }

  private readonly opened: Effect.Effect<void, ConnectionError> = Effect.flatMap(this.isOwn, (isOwn) => {
    const { state } = this
    if (state._tag === "ended") return Effect.fail(state.cause)
    if (state._tag === "open" || isOwn) return Effect.void
    // The connection may be lost again before this fiber resumes.
    return Effect.andThen(Deferred.await(state.opened), this.opened)
  })

  private wait(limit: Duration.Input): Effect.Effect<void, ConnectionError> {
    return Effect.timeoutOrElse(this.opened, {
      duration: limit,
      orElse: () => {
        const waited = Duration.format(Duration.fromInputUnsafe(limit))
        const loss = this.state._tag === "connecting" ? this.state.loss : ""
        const detail = `it was not restored within ${waited}. It was lost: ${loss}`
        return new TransportError({ reason: "unavailable", detail })
      }
    })
  }
}
