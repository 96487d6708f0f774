/**
 * Finds the codex executable.
 *
 * @since 0.1.0
 */
export * as CodexExecutable from "./CodexExecutable.ts"

/**
 * Layers that provide the whole client on Node.js.
 *
 * @since 0.1.0
 */
export * as CodexNode from "./CodexNode.ts"
