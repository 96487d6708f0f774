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

/**
 * Many codex processes behind one client.
 *
 * @since 0.1.0
 */
export * as CodexPool from "./CodexPool.ts"

/**
 * Hooks of codex that run in this program: see and veto what the agent is about to do.
 *
 * @since 0.1.0
 */
export * as Hooks from "./Hooks.ts"

/**
 * Tools of this program that subagents can call too, and that can change while a thread lives.
 *
 * @since 0.1.0
 */
export * as HostTools from "./HostTools.ts"
