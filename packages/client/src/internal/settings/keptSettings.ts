/**
 * The settings that a handle last asked for. The server owns the thread, and other clients may change it. So
 * each turn sends the settings that decide what the agent may do, and never runs looser than its own handle
 * asked for. docs/codex-behaviour.md, "Settings that hold already change nothing when they are sent again".
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
  /** Nobody asked for the approval mode: it is the default of a started thread. */
  readonly isDefaultMode?: true | undefined
}

/** A sandbox and a profile exclude each other. A bypass means no sandbox until one is set. */
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

/**
 * Rejects a mode that asks or denies while the thread has no sandbox and the call sets none: the mode would
 * decide nothing.
 */
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

/**
 * A new folder moves the workspace with it and selects its own environments, and environments have roots of their
 * own.
 */
export const keep = (kept: Kept, given: Kept): Kept => {
  const moved = given.cwd !== undefined
  const rooted = moved || given.environments !== undefined
  return defined({
    ...sandboxOf(kept, given),
    isDefaultMode: given.approvalMode === undefined ? kept.isDefaultMode : given.isDefaultMode,
    cwd: given.cwd ?? kept.cwd,
    runtimeWorkspaceRoots: given.runtimeWorkspaceRoots ?? (rooted ? undefined : kept.runtimeWorkspaceRoots),
    environments: given.environments ?? (moved ? undefined : kept.environments)
  })
}

/** Replaces settings by the server's version of them: the details of a sandbox, and absolute folders. */
export const confirmed = (kept: Kept, told: Told): Kept =>
  defined({
    ...kept,
    cwd: kept.cwd === undefined ? undefined : told.cwd ?? kept.cwd,
    runtimeWorkspaceRoots: kept.runtimeWorkspaceRoots && (told.runtimeWorkspaceRoots ?? kept.runtimeWorkspaceRoots),
    sandbox: kept.sandbox && heldSandbox(kept.sandbox, told)
  })

/** The params common to `thread/settings/update` and `turn/start`. The former takes no workspace roots. */
export const params = ({ approvalMode, cwd, environments, permissions, sandbox }: Kept) =>
  defined({
    approvalPolicy: approvalMode?.policy,
    approvalsReviewer: approvalMode?.reviewer,
    sandboxPolicy: approvalMode?.bypassesSandbox === true ? fullAccess.policy : sandbox?.policy,
    permissions,
    // A folder would select its default environments.
    cwd: environments === undefined ? cwd : undefined
  })

export const turnParams = (kept: Kept) =>
  defined({ ...params(kept), runtimeWorkspaceRoots: kept.runtimeWorkspaceRoots })

/** The kept settings as options of a thread. */
export const settings = (kept: Kept) => {
  const { environments: _, isDefaultMode: __, ...settings } = kept
  return settings
}

/** The settings that somebody explicitly asked for. */
export const explicit = (kept: Kept): Kept => kept.isDefaultMode === true ? { ...kept, approvalMode: undefined } : kept

/** The kept settings in the form that is compared with the server's. */
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
 * The params of `thread/settings/update`, which takes workspace roots only as part of the commands'
 * environment. With several environments each has its own roots, which this client cannot know.
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

/** How much the commands may touch. Undefined for a profile, or if the thread decides. */
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

/** Whether the first certainly allows no more than the second. */
export const isNoLooser = (kept: Kept, before: Kept): boolean => {
  const [now, then] = [reach(kept), reach(before)]
  return now === 0 || then === 2 || (now !== undefined && now === then)
}
