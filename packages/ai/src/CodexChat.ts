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
 * The {@link Marker} of the last codex answer in a Chat; none before the first answer.
 *
 * @see {@link threadId} for the thread alone
 * @category accessors
 * @since 0.1.0
 */
export const marker = (chat: Chat.Chat): Effect.Effect<Option.Option<Marker>> =>
  Effect.map(
    Ref.get(chat.history),
    ({ content }) => Option.fromUndefinedOr(content.map(markerOf).findLast((marker) => marker !== undefined))
  )

/**
 * The id of the thread that a Chat continues; none before the first codex answer.
 *
 * **When to use**
 *
 * Pass it to `codex.resumeThread` for what a Chat cannot do: review, compact the history, or read the commands that
 * ran.
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
 * @see {@link marker} for the turn as well
 * @category accessors
 * @since 0.1.0
 */
export const threadId = (chat: Chat.Chat): Effect.Effect<Option.Option<string>> =>
  Effect.map(marker(chat), Option.map(({ threadId }) => threadId))
