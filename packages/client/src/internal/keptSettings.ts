/**
 * What a handle was last asked to hold. The thread is the server's, and whoever else uses it may change it: what decides
 * what the agent may do goes with each turn, so that a turn never runs looser than its own handle was asked to. Sending
 * what holds already changes nothing, tells nobody and reaches no model (measured on 0.169).
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import { denyAll } from "../ApprovalMode.ts"
import type { ThreadSettings } from "../Codex.ts"
import { fullAccess } from "../Sandbox.ts"
import { heldSandbox, type Told } from "./heldSettings.ts"
import { defined } from "./settings.ts"

export interface Kept
  extends Pick<ThreadSettings, "approvalMode" | "sandbox" | "permissions" | "cwd" | "runtimeWorkspaceRoots">
{
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
}

/** A sandbox and a profile exclude each other, and a bypass stands for a sandbox until another one is given. */
const sandboxOf = (kept: Kept, given: Kept): Pick<Kept, "approvalMode" | "sandbox" | "permissions"> => {
  const approvalMode = given.approvalMode ?? kept.approvalMode
  if (given.approvalMode?.bypassesSandbox === true) return { approvalMode }
  if (given.sandbox !== undefined || given.permissions !== undefined) {
    return {
      approvalMode: approvalMode?.bypassesSandbox === true ? denyAll : approvalMode,
      sandbox: given.sandbox,
      permissions: given.permissions
    }
  }
  return kept.approvalMode?.bypassesSandbox === true && given.approvalMode !== undefined
    ? { approvalMode, sandbox: fullAccess }
    : { approvalMode, sandbox: kept.sandbox, permissions: kept.permissions }
}

/** A new folder moves the workspace along and selects its own environments. */
export const keep = (kept: Kept, given: Kept): Kept => {
  const moved = given.cwd !== undefined
  return defined({
    ...sandboxOf(kept, given),
    cwd: given.cwd ?? kept.cwd,
    runtimeWorkspaceRoots: given.runtimeWorkspaceRoots ?? (moved ? undefined : kept.runtimeWorkspaceRoots),
    environments: given.environments ?? (moved ? undefined : kept.environments)
  })
}

/** With what the server made of it: the details of a sandbox, and an absolute folder. */
export const confirmed = (kept: Kept, told: Told): Kept =>
  defined({
    ...kept,
    cwd: kept.cwd === undefined ? undefined : told.cwd ?? kept.cwd,
    sandbox: kept.sandbox && heldSandbox(kept.sandbox, told)
  })

/** For `thread/settings/update` and `turn/start`, which know no roots and roots. */
export const params = ({ approvalMode, cwd, environments, permissions, sandbox }: Kept) =>
  defined({
    approvalPolicy: approvalMode?.policy,
    approvalsReviewer: approvalMode?.reviewer,
    sandboxPolicy: approvalMode?.bypassesSandbox === true ? fullAccess.policy : sandbox?.policy,
    permissions,
    // It would select the default environments of the folder.
    cwd: environments === undefined ? cwd : undefined
  })

export const turnParams = (kept: Kept) =>
  defined({ ...params(kept), runtimeWorkspaceRoots: kept.runtimeWorkspaceRoots })

/** How much the commands may touch; unknown for a profile, or where the thread decides. */
const reach = ({ approvalMode, sandbox }: Kept): number | undefined => {
  const policy = approvalMode?.bypassesSandbox === true ? fullAccess.policy : sandbox?.policy
  switch (policy?.type) {
    case "readOnly":
      return policy.networkAccess === true ? undefined : 0
    case "dangerFullAccess":
      return 2
    default:
      return undefined
  }
}

/** Whether one allows no more than the other for certain. */
export const isNoLooser = (kept: Kept, before: Kept): boolean => {
  const [now, then] = [reach(kept), reach(before)]
  return now === 0 || then === 2 || (now !== undefined && now === then)
}
