/**
 * codex as the language model of programs written with `effect/ai`.
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
 * codex's own actions as provider-executed tools.
 *
 * @since 0.1.0
 */
export * as CodexTool from "./CodexTool.ts"
