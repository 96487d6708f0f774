/**
 * Sandboxes: what the agent's commands may read, write and reach.
 *
 * @since 0.1.0
 */
import { SandboxTypeId as TypeId } from "./internal/settings/presets.ts"
import type * as Sent from "./Sent.ts"

/**
 * A sandbox for the agent's commands. Create it with {@link readOnly}, {@link workspaceWrite},
 * {@link workspaceWriteWith} or {@link fullAccess}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sandbox {
  readonly [TypeId]: typeof TypeId
  /** The mode to start a thread with. */
  readonly mode: Sent.SandboxMode
  /** The complete policy to start a turn with. */
  readonly policy: Sent.SandboxPolicy
  /** Whether the policy says more than the mode. */
  readonly isCustom: boolean
}

const make = (mode: Sent.SandboxMode, policy: Sent.SandboxPolicy, isCustom = false): Sandbox =>
  Object.freeze({ [TypeId]: TypeId, mode, policy, isCustom })

/**
 * Commands may read everywhere and write nowhere, and have no network.
 *
 * @see {@link workspaceWrite}
 * @category constructors
 * @since 0.1.0
 */
export const readOnly: Sandbox = make("read-only", { type: "readOnly", networkAccess: false })

/**
 * Commands may read everywhere and write in the workspace and in temporary folders, and have no network. A thread
 * that is started with it also gets the additions of `[sandbox_workspace_write]` in the configuration;
 * `workspaceWriteWith({})` grants exactly what is listed here.
 *
 * @see {@link workspaceWriteWith}
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
 * {@link workspaceWrite} with more writable folders, or with the network.
 *
 * **Details**
 *
 * The protocol starts a thread with a mode only, so the details of a policy reach the server with each turn, and
 * before a review or a goal. When a loaded thread is resumed with it, the whole policy applies at once.
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
   * More writable folders, as absolute paths. codex ignores a folder that does not exist. When the client starts the
   * server, as `CodexNode.layer` does, the call that is given the sandbox fails with `InvalidArgument` instead.
   * Default: none.
   */
  readonly writableRoots?: ReadonlyArray<string> | undefined
  /** Default: false. */
  readonly networkAccess?: boolean | undefined
  /** Excludes the folder of TMPDIR. Default: false. */
  readonly excludeTmpdirEnvVar?: boolean | undefined
  /** Excludes /tmp. Default: false. */
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
 * No sandbox: commands may read and write everywhere and use the network.
 *
 * @see {@link readOnly}
 * @category constructors
 * @since 0.1.0
 */
export const fullAccess: Sandbox = make("danger-full-access", { type: "dangerFullAccess" })
