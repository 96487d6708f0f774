/**
 * What the server sends, as types: items, threads, models, errors and the rest of the protocol.
 *
 * They are here, too, so that a program which depends on this package alone can name them, and so can the compiler when it
 * writes the declarations of functions whose types are inferred. The schemas are in `@effect-codex/protocol`.
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
