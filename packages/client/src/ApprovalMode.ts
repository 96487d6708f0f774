/**
 * Approval modes: who decides when the agent wants to go beyond the sandbox.
 *
 * @since 0.1.0
 */
import { ApprovalModeTypeId as TypeId } from "./internal/settings/presets.ts"
import type * as Sent from "./Sent.ts"

/**
 * An approval mode. Use one of the constants of this module, or {@link granular}.
 *
 * @see {@link denyAll}
 * @see {@link autoReview}
 * @see {@link ask}
 * @see {@link untrusted}
 * @see {@link granular}
 * @see {@link dangerouslyBypass}
 * @category models
 * @since 0.1.0
 */
export interface ApprovalMode {
  readonly [TypeId]: typeof TypeId
  /** The name of the constant or function. */
  readonly name: string
  /** When the agent asks, in the protocol's terms. */
  readonly policy: Sent.AskForApproval
  /** Who decides, in the protocol's terms. Undefined for a mode that never asks. */
  readonly reviewer: Sent.ApprovalsReviewer | undefined
  /** Whether the mode also turns off the sandbox. */
  readonly bypassesSandbox: boolean
}

const make = (
  name: string,
  policy: Sent.AskForApproval,
  reviewer?: Sent.ApprovalsReviewer,
  bypassesSandbox = false
): ApprovalMode => Object.freeze({ [TypeId]: TypeId, name, policy, reviewer, bypassesSandbox })

/**
 * Never asks. The agent cannot go beyond the sandbox.
 *
 * **When to use**
 *
 * For a program without supervision.
 *
 * @see {@link autoReview}
 * @category constructors
 * @since 0.1.0
 */
export const denyAll: ApprovalMode = make("denyAll", "never")

/**
 * The agent asks when it wants more than the sandbox allows, and the server's own reviewer decides, which is a call
 * of the model.
 *
 * **Details**
 *
 * The default of `Codex.startThread`, as in the Python SDK.
 *
 * @see {@link ask} to decide in the program
 * @category constructors
 * @since 0.1.0
 */
export const autoReview: ApprovalMode = make("autoReview", "on-request", "auto_review")

/**
 * The agent asks when it wants more than the sandbox allows, and the client's handlers decide.
 *
 * **Details**
 *
 * Without handlers everything is declined. `Approvals` and `ApprovalQueue` provide them.
 *
 * @see {@link untrusted} to be asked for more
 * @category constructors
 * @since 0.1.0
 */
export const ask: ApprovalMode = make("ask", "on-request", "user")

/**
 * The client's handlers decide about every command that is not known to be harmless.
 *
 * @see {@link ask} to be asked only for what the sandbox does not allow
 * @category constructors
 * @since 0.1.0
 */
export const untrusted: ApprovalMode = make("untrusted", "untrusted", "user")

/**
 * Which kinds of action the agent may ask about. What is false or left out is refused without asking, and the model is
 * told.
 *
 * @see {@link granular}
 * @category options
 * @since 0.1.0
 */
export interface GranularOptions {
  /** Commands and patches that go beyond the sandbox. Default: false. */
  readonly sandbox?: boolean | undefined
  /** Commands that a rule of the execution policy asks about. Default: false. */
  readonly rules?: boolean | undefined
  /** Scripts of skills. Default: false. */
  readonly skills?: boolean | undefined
  /** What the agent requests with the tool `request_permissions`. Default: false. */
  readonly requestPermissions?: boolean | undefined
  /** Elicitations of MCP servers, and with them the approvals of their tools. Default: false. */
  readonly mcpElicitations?: boolean | undefined
  /** Who decides: the client's handlers (`user`) or the server's reviewer (`auto_review`). Default: `user`. */
  readonly reviewer?: Sent.ApprovalsReviewer | undefined
}

/**
 * The agent asks about some kinds of action only. Everything else that needs an approval is refused at once.
 *
 * **When to use**
 *
 * When a human is there for some decisions, and the rest should not wait for them. Experimental.
 *
 * **Example** (Only what wants out of the sandbox)
 *
 * ```ts
 * import { ApprovalMode, Codex } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const thread = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   return yield* codex.startThread({ approvalMode: ApprovalMode.granular({ sandbox: true }) })
 * })
 * ```
 *
 * @see {@link ask} to be asked for all kinds
 * @category constructors
 * @since 0.1.0
 */
export const granular = (options?: GranularOptions): ApprovalMode =>
  make("granular", {
    granular: {
      sandbox_approval: options?.sandbox ?? false,
      rules: options?.rules ?? false,
      skill_approval: options?.skills ?? false,
      request_permissions: options?.requestPermissions ?? false,
      mcp_elicitations: options?.mcpElicitations ?? false
    }
  }, options?.reviewer ?? "user")

/**
 * Never asks and runs without a sandbox.
 *
 * **When to use**
 *
 * Only on a machine that is itself a sandbox, such as a container.
 *
 * **Gotchas**
 *
 * The mode cannot be combined with a sandbox. Once a thread's handle uses it, the handle accepts another mode only
 * together with a sandbox.
 *
 * @see {@link denyAll}
 * @category constructors
 * @since 0.1.0
 */
export const dangerouslyBypass: ApprovalMode = make("dangerouslyBypass", "never", undefined, true)
