/**
 * What the commands of the agent may touch.
 *
 * @since 0.1.0
 */
import { SandboxTypeId as TypeId } from "./internal/settings/presets.ts"
import type * as Sent from "./Sent.ts"

/**
 * A sandbox. Made by {@link readOnly}, {@link workspaceWrite}, {@link workspaceWriteWith} and {@link fullAccess}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sandbox {
  readonly [TypeId]: typeof TypeId
  /** The mode that a thread is started with. */
  readonly mode: Sent.SandboxMode
  /** The whole policy, which a turn is started with. */
  readonly policy: Sent.SandboxPolicy
  /** Whether the policy says more than the mode. */
  readonly isCustom: boolean
}

const make = (mode: Sent.SandboxMode, policy: Sent.SandboxPolicy, isCustom = false): Sandbox =>
  Object.freeze({ [TypeId]: TypeId, mode, policy, isCustom })

/**
 * Reading anywhere, writing nowhere, no network.
 *
 * @category constructors
 * @since 0.1.0
 */
export const readOnly: Sandbox = make("read-only", { type: "readOnly", networkAccess: false })

/**
 * Reading anywhere, writing in the workspace and in temporary folders, no network. A thread that is started with it also
 * has what `[sandbox_workspace_write]` of the configuration adds; `workspaceWriteWith({})` has exactly this.
 *
 * @category constructors
 * @since 0.1.0
 */
export const workspaceWrite: Sandbox = make("workspace-write", {
  type: "workspaceWrite",
  writableRoots: [],
  networkAccess: false,
  excludeTmpdirEnvVar: false,
  excludeSlashTmp: false
})

/**
 * {@link workspaceWrite} with other folders to write in, or with the network.
 *
 * **Details**
 *
 * The protocol starts a thread with a mode alone, so the details of a policy reach the server with each turn, and before
 * a review or a goal. A loaded thread that is resumed with it holds it at once.
 *
 * **Example** (A cache to write in, and the network)
 *
 * ```ts
 * import { Sandbox } from "@effect-codex/client"
 *
 * export const sandbox = Sandbox.workspaceWriteWith({ writableRoots: ["/var/cache/build"], networkAccess: true })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const workspaceWriteWith = (options: {
  /**
   * More folders to write in, as absolute paths. codex leaves out one that does not exist; where the server is ours, as with
   * `CodexNode.layer`, the call that is given the sandbox fails with `InvalidArgument` instead. Default: none.
   */
  readonly writableRoots?: ReadonlyArray<string> | undefined
  /** Default: false. */
  readonly networkAccess?: boolean | undefined
  /** Leaves the folder of TMPDIR out. Default: false. */
  readonly excludeTmpdirEnvVar?: boolean | undefined
  /** Leaves /tmp out. Default: false. */
  readonly excludeSlashTmp?: boolean | undefined
}): Sandbox =>
  make("workspace-write", {
    type: "workspaceWrite",
    writableRoots: [...options.writableRoots ?? []],
    networkAccess: options.networkAccess ?? false,
    excludeTmpdirEnvVar: options.excludeTmpdirEnvVar ?? false,
    excludeSlashTmp: options.excludeSlashTmp ?? false
  }, true)

/**
 * No sandbox at all.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fullAccess: Sandbox = make("danger-full-access", { type: "dangerFullAccess" })
