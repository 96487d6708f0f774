/**
 * What a handle was last asked to hold. The thread is the server's, and whoever else uses it may change it: what decides
 * what the agent may do goes with each turn, so that a turn never runs looser than its own handle was asked to. Sending
 * what holds already changes nothing, tells nobody and reaches no model (measured on 0.169).
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import { denyAll } from "../../ApprovalMode.ts"
import type { ThreadSettings } from "../../Codex.ts"
import { InvalidArgument } from "../../CodexError.ts"
import { fullAccess } from "../../Sandbox.ts"
import { type Asked, heldSandbox, type Told } from "./heldSettings.ts"
import { isRelative } from "./paths.ts"
import { defined } from "./settings.ts"

export interface Kept
  extends Pick<ThreadSettings, "approvalMode" | "sandbox" | "permissions" | "cwd" | "runtimeWorkspaceRoots">
{
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  /** Nobody asked for the approval mode: a thread is started with it when none is given. */
  readonly isDefaultMode?: true | undefined
}

/** A sandbox and a profile exclude each other, and a bypass stands for no sandbox until one is given. */
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
  return { approvalMode, sandbox: kept.sandbox, permissions: kept.permissions }
}

/** A mode that asks or denies would decide nothing as long as the thread has no sandbox, and no sandbox was given. */
export const checkBypass = (kept: Kept, given: Kept): Effect.Effect<void, InvalidArgument> =>
  kept.approvalMode?.bypassesSandbox === true && given.approvalMode?.bypassesSandbox === false &&
    given.sandbox === undefined && given.permissions === undefined
    ? new InvalidArgument({
      argument: "sandbox",
      detail:
        "the thread has ApprovalMode.dangerouslyBypass, which stands for no sandbox. Say with the new mode which " +
        "sandbox holds from now on, such as Sandbox.workspaceWrite, or Sandbox.fullAccess to go on without one."
    })
    : Effect.void

/** A new folder moves the workspace along and selects its own environments. */
export const keep = (kept: Kept, given: Kept): Kept => {
  const moved = given.cwd !== undefined
  return defined({
    ...sandboxOf(kept, given),
    isDefaultMode: given.approvalMode === undefined ? kept.isDefaultMode : given.isDefaultMode,
    cwd: given.cwd ?? kept.cwd,
    runtimeWorkspaceRoots: given.runtimeWorkspaceRoots ?? (moved ? undefined : kept.runtimeWorkspaceRoots),
    environments: given.environments ?? (moved ? undefined : kept.environments)
  })
}

/** With what the server made of it: the details of a sandbox, and absolute folders. */
export const confirmed = (kept: Kept, told: Told): Kept =>
  defined({
    ...kept,
    cwd: kept.cwd === undefined ? undefined : told.cwd ?? kept.cwd,
    runtimeWorkspaceRoots: kept.runtimeWorkspaceRoots && (told.runtimeWorkspaceRoots ?? kept.runtimeWorkspaceRoots),
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

/** For a thread's options. */
export const settings = (kept: Kept) => {
  const { environments: _, isDefaultMode: __, ...settings } = kept
  return settings
}

/** What somebody asked for in so many words. */
export const explicit = (kept: Kept): Kept => kept.isDefaultMode === true ? { ...kept, approvalMode: undefined } : kept

/** To be compared with what the server tells. */
export const asked = (kept: Kept): Asked => {
  const { approvalMode, cwd, environments, permissions, runtimeWorkspaceRoots, sandbox } = kept
  return defined({
    approvalPolicy: approvalMode?.policy,
    approvalsReviewer: approvalMode?.reviewer,
    sandbox: approvalMode?.bypassesSandbox === true ? fullAccess : sandbox,
    permissions,
    cwd: environments === undefined ? cwd : undefined,
    runtimeWorkspaceRoots
  })
}

/**
 * For `thread/settings/update`, which takes the workspace roots as a part of the environment that the commands run in.
 * Of several environments each has its own, which nobody can know from here.
 */
export const updateParams = (kept: Kept, told: Told | undefined) => {
  const { cwd: _, ...rest } = params(kept)
  const [environment, ...others] = told?.environments ?? []
  const roots = kept.runtimeWorkspaceRoots
  if (roots === undefined || environment === undefined || others.length > 0) return params(kept)
  const isOwn = kept.environments === undefined && kept.cwd !== undefined && !isRelative(kept.cwd)
  return {
    ...rest,
    environments: [{
      environmentId: environment.environmentId,
      cwd: isOwn ? kept.cwd : environment.cwd,
      runtimeWorkspaceRoots: roots
    }]
  }
}

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
