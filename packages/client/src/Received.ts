/**
 * Types of what the server sends: items, threads, models, errors and the rest of the protocol.
 *
 * They are re-exported so that a program that depends only on this package can name them, and so that the compiler
 * can write declarations of functions with inferred types. The schemas are in `@effect-codex/protocol`.
 *
 * **Example** (The commands of a turn)
 *
 * ```ts
 * import type { Received, TurnResult } from "@effect-codex/client"
 *
 * type Command = Extract<Received.ThreadItem, { readonly type: "commandExecution" }>
 *
 * export const commandsOf = ({ items }: TurnResult.TurnResult): ReadonlyArray<Command> =>
 *   items.filter((item) => item.type === "commandExecution")
 * ```
 *
 * @since 0.1.0
 */
export type { Undecodable } from "@effect-codex/protocol/Open"
export type * from "@effect-codex/protocol/Received"
