/**
 * What the server tells without being asked, tagged by the protocol's method names.
 *
 * @since 0.1.0
 */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import { implementation } from "./internal/load.ts"

/**
 * A notification of a method that this version of the library does not know; a newer server sent it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly method: string
  readonly params: unknown
}

/**
 * A notification of a known method whose params do not fit the protocol. `issue` says what does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Undecodable {
  readonly _tag: "Undecodable"
  readonly method: string
  readonly params: unknown
  readonly issue: string
}

/**
 * The notification of one method.
 *
 * @category models
 * @since 0.1.0
 */
export interface Known<M extends keyof ServerNotifications> {
  readonly _tag: M
  readonly params: ServerNotifications[M]
}

/**
 * Any notification. Its tag is the method name of the protocol, so that `Match.tag`, `switch` and the protocol's own
 * documentation speak of the same thing.
 *
 * **Example** (Warnings of all threads)
 *
 * ```ts
 * import { AppServerRpc } from "@effect-codex/client"
 * import { Effect, Match, Stream } from "effect"
 *
 * export const warnings = Effect.gen(function*() {
 *   const rpc = yield* AppServerRpc.AppServerRpc
 *   yield* Stream.runForEach(rpc.notifications, (notification) =>
 *     Match.value(notification).pipe(
 *       Match.tag("warning", ({ params }) => Effect.logWarning(params.message)),
 *       Match.tag("Unknown", ({ method }) => Effect.logDebug(`a newer codex sent ${method}`)),
 *       Match.orElse(() => Effect.void)
 *     ))
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type ServerNotification =
  | { readonly [M in keyof ServerNotifications]: Known<M> }[keyof ServerNotifications]
  | Unknown
  | Undecodable

type TurnMethod = {
  readonly [M in keyof ServerNotifications]: ServerNotifications[M] extends
    { readonly turnId: string | null } | { readonly turn: { readonly id: string } } ? M : never
}[keyof ServerNotifications]

/**
 * The notifications that belong to a turn, from `turn/started` to `turn/completed`.
 *
 * @category models
 * @since 0.1.0
 */
export type TurnEvent = { readonly [M in TurnMethod]: Known<M> }[TurnMethod] | Unknown | Undecodable

/**
 * A notification whose params were not looked at yet. Its tag is the wire's method name, whatever that is.
 *
 * @internal
 */
export interface Raw {
  readonly _tag: string
  readonly params: unknown
}

/**
 * How the client decodes what the server tells, for what was told before.
 *
 * @internal
 */
export const decode: Effect.Effect<(raw: Raw) => ServerNotification> = Effect.map(
  implementation,
  ({ decode }) => (raw) => decode(raw)
)
