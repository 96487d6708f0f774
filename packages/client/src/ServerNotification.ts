/**
 * Notifications of the server, tagged by the protocol's method names.
 *
 * @since 0.1.0
 */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import { implementation } from "./internal/load.ts"

/**
 * A notification whose method this version of the library does not know, sent by a newer server.
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
 * A notification of a known method whose params do not fit the protocol. `issue` says what is wrong.
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
 * A notification of one known method.
 *
 * @see {@link ServerNotification}
 * @category models
 * @since 0.1.0
 */
export interface Known<M extends keyof ServerNotifications> {
  readonly _tag: M
  readonly params: ServerNotifications[M]
}

/**
 * Any notification. Its tag is the protocol's method name, so that `Match.tag`, `switch` and the protocol's
 * documentation use the same names.
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
 * @see {@link TurnEvent} for the notifications of a turn
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
 * A notification that belongs to a turn, from `turn/started` to `turn/completed`.
 *
 * @see {@link ServerNotification}
 * @category models
 * @since 0.1.0
 */
export type TurnEvent = { readonly [M in TurnMethod]: Known<M> }[TurnMethod] | Unknown | Undecodable

/**
 * A notification whose params are not decoded yet. Its tag is the wire's method name, known or not.
 *
 * @see {@link decode}
 * @category models
 * @since 0.1.0
 */
export interface Raw {
  readonly _tag: string
  readonly params: unknown
}

/**
 * The client's decoder of notifications.
 *
 * **When to use**
 *
 * For notifications that were recorded, or that another process received.
 *
 * **Details**
 *
 * The decoder never throws: params that do not fit the protocol become an {@link Undecodable}, and a method that this
 * version does not know becomes an {@link Unknown}.
 *
 * **Example** (A notification from a log)
 *
 * ```ts
 * import { ServerNotification } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const read = Effect.fn("read")(function*(method: string, params: unknown) {
 *   const decode = yield* ServerNotification.decode
 *   return decode({ _tag: method, params })
 * })
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: Effect.Effect<(raw: Raw) => ServerNotification> = Effect.map(
  implementation,
  ({ decode }) => (raw) => decode(raw)
)
