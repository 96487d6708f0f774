/**
 * @since 0.1.0
 */
export * as BrowserLogin from "./BrowserLogin.ts"

/**
 * @since 0.1.0
 */
export * as CodexHome from "./CodexHome.ts"

/**
 * @since 0.1.0
 */
export * as ScriptedModel from "./ScriptedModel.ts"

/**
 * @since 0.1.0
 */
export * as ScriptedCodex from "./ScriptedCodex.ts"
