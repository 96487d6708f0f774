/**
 * codex as the language model of programs that are written with `effect/ai`.
 *
 * @since 0.1.0
 */

/**
 * The thread behind a Chat.
 *
 * @since 0.1.0
 */
export * as CodexChat from "./CodexChat.ts"

/**
 * codex as a `LanguageModel`.
 *
 * @since 0.1.0
 */
export * as CodexLanguageModel from "./CodexLanguageModel.ts"

/**
 * What codex itself does in a turn, as tools.
 *
 * @since 0.1.0
 */
export * as CodexTool from "./CodexTool.ts"
