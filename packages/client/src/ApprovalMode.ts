/**
 * Who decides when the agent wants to do what the sandbox does not allow.
 *
 * @since 0.1.0
 */
import { ApprovalModeTypeId as TypeId } from "./internal/settings/presets.ts"
import type * as Sent from "./Sent.ts"

/**
 * An approval mode. Made by the constants of this module.
 *
 * @category models
 * @since 0.1.0
 */
export interface ApprovalMode {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly policy: Sent.AskForApproval
  readonly reviewer: Sent.ApprovalsReviewer | undefined
  /** Whether the mode stands for no sandbox as well. */
  readonly bypassesSandbox: boolean
}

const make = (
  name: string,
  policy: Sent.AskForApproval,
  reviewer?: Sent.ApprovalsReviewer,
  bypassesSandbox = false
): ApprovalMode => Object.freeze({ [TypeId]: TypeId, name, policy, reviewer, bypassesSandbox })

/**
 * Nothing is asked and nothing beyond the sandbox is done.
 *
 * @category constructors
 * @since 0.1.0
 */
export const denyAll: ApprovalMode = make("denyAll", "never")

/**
 * The agent asks when it wants more than the sandbox allows, and the server's own reviewer, a call of the model, decides.
 * The default of `startThread`, as in the Python SDK.
 *
 * @category constructors
 * @since 0.1.0
 */
export const autoReview: ApprovalMode = make("autoReview", "on-request", "auto_review")

/**
 * The agent asks when it wants more than the sandbox allows, and the client's handlers decide; see `ServerRequests`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ask: ApprovalMode = make("ask", "on-request", "user")

/**
 * The client's handlers are asked for every command that is not known to be harmless.
 *
 * @category constructors
 * @since 0.1.0
 */
export const untrusted: ApprovalMode = make("untrusted", "untrusted", "user")

/**
 * Nothing is asked and there is no sandbox. For a machine that is itself a sandbox. It cannot be combined with a sandbox,
 * and a thread's handle takes another mode after it only together with a sandbox.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dangerouslyBypass: ApprovalMode = make("dangerouslyBypass", "never", undefined, true)
