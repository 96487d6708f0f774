/**
 * @since 0.1.0
 */
export * as CodexExecutable from "./CodexExecutable.ts"

/**
 * @since 0.1.0
 */
export * as CodexNode from "./CodexNode.ts"
