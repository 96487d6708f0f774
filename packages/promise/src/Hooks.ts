/**
 * Hooks of codex that run in this program: async functions that see and veto what the agent is about to do.
 *
 * @since 0.1.0
 */
import type * as NodeHooks from "@effect-codex/node/Hooks"
import type { Handler } from "./Handlers.ts"
import type { Time } from "./Options.ts"

export { addContext, allow, deny, goOn, modify, replaceResult } from "@effect-codex/node/Hooks"
export type {
  AddContext,
  Allow,
  Deny,
  GoOn,
  Modify,
  Occasion,
  PostToolUse,
  PreToolUse,
  ReplaceResult,
  SessionStart,
  Stop,
  UserPromptSubmit
} from "@effect-codex/node/Hooks"

/**
 * What decides at each event, and what happens without a decision.
 *
 * **Details**
 *
 * codex waits for the promise. The signal aborts at the deadline, and when the turn was interrupted. A function that
 * throws, rejects or returns something that does not fit its event is reported in the log.
 *
 * A hook is no sandbox: it judges the text of a command, not what the command does, and what the agent types into a
 * terminal that a command holds open comes to no hook. It needs a unix, and a codex that `Codex.start` starts on this
 * machine.
 *
 * **Example** (Nothing is pushed)
 *
 * ```ts
 * import { Codex, Hooks } from "@effect-codex/promise"
 *
 * await using codex = await Codex.start({
 *   hooks: {
 *     preToolUse: async ({ input }) =>
 *       JSON.stringify(input).includes("git push") ? Hooks.deny("Do not push.") : Hooks.allow
 *   }
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Hooks {
  /** Before a tool: a command, a tool of an MCP server or of the program, a subagent. */
  readonly preToolUse?:
    | Handler<
      NodeHooks.PreToolUse,
      NodeHooks.Allow | NodeHooks.Deny | NodeHooks.AddContext | NodeHooks.Modify
    >
    | undefined
  /** After a tool that ran. */
  readonly postToolUse?:
    | Handler<NodeHooks.PostToolUse, NodeHooks.Allow | NodeHooks.AddContext | NodeHooks.ReplaceResult>
    | undefined
  /** Before a prompt goes to the model: the input of a turn, a steering, and what a subagent is given. */
  readonly userPromptSubmit?:
    | Handler<NodeHooks.UserPromptSubmit, NodeHooks.Allow | NodeHooks.Deny | NodeHooks.AddContext>
    | undefined
  /** When the agent of a thread is done. Subagents do not come here. */
  readonly stop?: Handler<NodeHooks.Stop, NodeHooks.Allow | NodeHooks.GoOn> | undefined
  /** Before the first turn of a thread that was started or resumed. */
  readonly sessionStart?: Handler<NodeHooks.SessionStart, NodeHooks.Allow | NodeHooks.AddContext> | undefined
  /** How long a function may take. Default: 30 seconds. */
  readonly timeout?: Time | undefined
  /** What becomes of a tool call or a prompt without a decision. Default: `deny`. */
  readonly onFailure?: "deny" | "allow" | undefined
}
