/**
 * The thread behind an `effect/ai` Chat.
 *
 * @since 0.1.0
 */
import type * as Chat from "effect/ai/Chat"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { type Marker, markerOf } from "./internal/marker.ts"

export type {
  /**
   * @category models
   * @since 0.1.0
   */
  Marker
}

/**
 * Where the last answer of codex in a Chat comes from, none if it has none.
 *
 * @category accessors
 * @since 0.1.0
 */
export const marker = (chat: Chat.Chat): Effect.Effect<Option.Option<Marker>> =>
  Effect.map(
    Ref.get(chat.history),
    ({ content }) => Option.fromUndefinedOr(content.map(markerOf).findLast((marker) => marker !== undefined))
  )

/**
 * The thread that a Chat goes on with, none before the first answer of codex. Give it to `codex.resumeThread` for all that
 * a Chat cannot do: to review, to compact, to read the commands that ran.
 *
 * **Example** (What a conversation did)
 *
 * ```ts
 * import { CodexChat } from "@effect-codex/ai"
 * import { Codex } from "@effect-codex/client"
 * import { Effect, Option, Stream } from "effect"
 * import type { Chat } from "effect/ai"
 *
 * export const items = Effect.fn("items")(function*(chat: Chat.Chat) {
 *   const codex = yield* Codex.Codex
 *   const id = yield* CodexChat.threadId(chat)
 *   if (Option.isNone(id)) return []
 *   const thread = yield* codex.resumeThread(id.value)
 *   return yield* Stream.runCollect(thread.items())
 * })
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const threadId = (chat: Chat.Chat): Effect.Effect<Option.Option<string>> =>
  Effect.map(marker(chat), Option.map(({ threadId }) => threadId))
