/**
 * Typed handlers for approvals: they decide what the agent may do.
 *
 * With `ApprovalMode.ask` and `ApprovalMode.untrusted` the server asks its client before it runs a command beyond the
 * sandbox, changes files, widens permissions or calls a tool of an MCP server. These handlers decide. {@link layer}
 * and its relatives set them for a client; {@link make} and its relatives set them for a thread or a turn, as its
 * `handlers`. Without a handler, everything is declined. `ApprovalQueue` leaves the decision to a person. The
 * approvals of older servers (`execCommandApproval`, `applyPatchApproval`) reach the same handlers.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { accepting, decideAll, overridesOf } from "./internal/serverRequests/approvals.ts"
import { capture, layerOf } from "./internal/serverRequests/overrides.ts"
import * as ApprovalText from "./internal/text/approvalText.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"
import type * as ServerRequests from "./ServerRequests.ts"

// =============================================================================
// Requests
// =============================================================================

interface Asked {
  /** The thread that waits. */
  readonly threadId: string
  /** The turn that waits. Undefined on older servers. */
  readonly turnId: string | undefined
}

interface AskedOfItem extends Asked {
  /** The item that waits. */
  readonly itemId: string
  /** The agent's reason, in its own words. */
  readonly reason: string | undefined
}

/**
 * The agent wants to run a command, to write to a running one (`kind` is `writeStdin`), or to reach a host
 * (`network`).
 *
 * @see {@link CommandDecision}
 * @see {@link withoutShell} for the command without its shell
 * @category models
 * @since 0.1.0
 */
export interface CommandRequest extends AskedOfItem {
  readonly _tag: "Command"
  /** Whether it is about a command or about input for a running one. */
  readonly kind: Received.CommandExecutionApprovalKind
  /** The full command line, including the shell: `/bin/bash -lc 'git push'`. */
  readonly command: string | undefined
  /** The folder in which the command runs. */
  readonly cwd: string | undefined
  /**
   * What the command does, as far as the server understands it, for display. Empty when the server does not say. A
   * single `unknown` action when a newer server describes the actions in a form that this version cannot read.
   */
  readonly actions: ReadonlyArray<Received.CommandAction>
  /** The host that the command wants to reach, if the request is about a host. */
  readonly network: Received.NetworkApprovalContext | undefined
  /** What the command wants to access beyond the sandbox, if it asks for that. */
  readonly additionalPermissions: Received.AdditionalPermissionProfile | undefined
  /** The command prefix that {@link acceptWithExecPolicyAmendment} may allow permanently. */
  readonly proposedExecPolicyAmendment: ReadonlyArray<string> | undefined
  /** The rules for hosts that {@link applyNetworkPolicyAmendment} may add permanently. */
  readonly proposedNetworkPolicyAmendments: ReadonlyArray<Received.NetworkPolicyAmendment>
  /**
   * The decisions that the server suggests, in its order; for older servers, the decisions that every server accepts.
   * The server also accepts `decline` and `acceptForSession` when they are not listed, but not an amendment.
   */
  readonly availableDecisions: ReadonlyArray<CommandDecision>
}

/**
 * The agent wants to change files.
 *
 * @see {@link FileChangeDecision}
 * @category models
 * @since 0.1.0
 */
export interface FileChangeRequest extends AskedOfItem {
  readonly _tag: "FileChange"
  /**
   * The changes with their diffs. Undefined when this connection did not receive them, for instance after a
   * reconnect.
   */
  readonly changes: ReadonlyArray<Received.FileUpdateChange> | undefined
  /** A folder that the agent wants to write to from now on. The protocol marks this as unstable. */
  readonly grantRoot: string | undefined
  /** The decisions for a change of files. */
  readonly availableDecisions: ReadonlyArray<FileChangeDecision>
}

/**
 * The agent wants access to the network, or to read or write beyond the sandbox.
 *
 * @see {@link PermissionsDecision}
 * @category models
 * @since 0.1.0
 */
export interface PermissionsRequest extends AskedOfItem {
  readonly _tag: "Permissions"
  /** The working directory of the agent. */
  readonly cwd: string
  /** The permissions that the agent wants. */
  readonly permissions: Received.RequestPermissionProfile
}

/**
 * The agent wants to call a tool of an MCP server.
 *
 * **Details**
 *
 * codex asks about tools that do not declare `readOnlyHint`, unless the server's configuration says otherwise
 * (`default_tools_approval_mode`, `tools.<tool>.approval_mode`).
 *
 * **Gotchas**
 *
 * An MCP server can send the same request itself. It then only learns the answer; no tool is called.
 *
 * @see {@link McpToolDecision}
 * @category models
 * @since 0.1.0
 */
export interface McpToolRequest extends Asked {
  readonly _tag: "McpTool"
  /** The name of the MCP server in the configuration. */
  readonly serverName: string
  /**
   * The environment whose configuration has the server. Undefined for a server of the whole thread, and before codex
   * 0.171.
   */
  readonly environmentId: string | undefined
  /** The name of the tool. Empty before codex 0.167, which names the tool only in `message`. */
  readonly tool: string
  /** The tool's title, for display. */
  readonly title: string | undefined
  /** The tool's description, as its server gives it. */
  readonly description: string | undefined
  /** The arguments of the call. */
  readonly arguments: Received.JsonValue
  /** The MCP server's claims about the tool, such as `destructiveHint`. Do not rely on them. */
  readonly annotations: Received.JsonValue
  /** codex's question, for display. */
  readonly message: string
  /** The decisions that codex offers. */
  readonly availableDecisions: ReadonlyArray<McpToolDecision>
}

/**
 * Any approval that the agent may ask for. Narrow it by `_tag`.
 *
 * @see {@link describe} for one line about it
 * @category models
 * @since 0.1.0
 */
export type ApprovalRequest = CommandRequest | FileChangeRequest | PermissionsRequest | McpToolRequest

/**
 * Describes a request in one line that completes "May I …?", such as `run "git push" in /repository`.
 *
 * **When to use**
 *
 * In a prompt, a log or a chat message. Read the fields of the request for anything longer, such as the diffs of a
 * {@link FileChangeRequest}.
 *
 * **Details**
 *
 * The line omits codex's shell when the rest is exactly what the shell runs. It treats the agent's text as hostile:
 * it shows control characters and invisible characters as `\u{…}`, and marks long texts as cut.
 *
 * **Example** (A line for a log)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const noisy = Approvals.layerAcceptWhen((request) =>
 *   Effect.as(Effect.logInfo(`The agent asks: may I ${Approvals.describe(request)}?`), false)
 * )
 * ```
 *
 * @see {@link withoutShell}
 * @category combinators
 * @since 0.1.0
 */
export const describe = (request: ApprovalRequest): string => ApprovalText.describe(request)

/**
 * Returns a command of a {@link CommandRequest} without codex's shell: `git push` for `/bin/bash -lc 'git push'`.
 * Leaves any command line unchanged that is not a shell with one quoted script.
 *
 * **Example** (Allowing one command)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const diffOnly = Approvals.layer({
 *   command: ({ command = "" }) =>
 *     Effect.succeed(Approvals.withoutShell(command) === "git diff" ? "accept" : "decline")
 * })
 * ```
 *
 * @see {@link describe}
 * @category combinators
 * @since 0.1.0
 */
export const withoutShell = (command: string): string => ApprovalText.withoutShell(command)

// =============================================================================
// Decisions
// =============================================================================

/**
 * A decision about a command.
 *
 * **Details**
 *
 * - `accept` runs it.
 * - `acceptForSession` runs it, and the server does not ask again about the same command while the thread is loaded.
 * - `decline` does not run it. The model learns that the user rejected it, and the turn goes on.
 * - `cancel` does not run it and interrupts the turn.
 * - {@link acceptWithExecPolicyAmendment} and {@link applyNetworkPolicyAmendment} create the other decisions.
 *
 * @category models
 * @since 0.1.0
 */
export type CommandDecision = Sent.CommandExecutionApprovalDecision

/**
 * A decision about a change of files: `accept`, `acceptForSession`, which also covers later changes of the same
 * files, `decline`, or `cancel`, which interrupts the turn.
 *
 * @category models
 * @since 0.1.0
 */
export type FileChangeDecision = Sent.FileChangeApprovalDecision

/**
 * A decision about permissions.
 *
 * **Details**
 *
 * - `accept` grants them for this turn.
 * - `acceptForSession` grants them while the thread is loaded.
 * - `decline` grants nothing.
 * - A `PermissionsRequestApprovalResponse` of the protocol grants a part of them.
 *
 * @category models
 * @since 0.1.0
 */
export type PermissionsDecision = "accept" | "acceptForSession" | "decline" | Sent.PermissionsRequestApprovalResponse

/**
 * A decision about a call of an MCP server's tool.
 *
 * **Details**
 *
 * - `accept` calls the tool.
 * - `acceptForSession` calls it, and the server does not ask again about this tool while the thread is loaded,
 *   whatever the arguments. Equals `accept` when it is not offered.
 * - `acceptAlways` calls it and never asks again about this tool: codex writes the decision to its `config.toml`.
 *   Equals `accept` when it is not offered.
 * - `decline` and `cancel` do not call it, and tell the model different things. The turn goes on after either.
 *
 * @category models
 * @since 0.1.0
 */
export type McpToolDecision = "accept" | "acceptForSession" | "acceptAlways" | "decline" | "cancel"

/**
 * Accepts the command, and every later command that begins with this prefix. codex writes the prefix to its rules.
 *
 * **Gotchas**
 *
 * The prefix must be `proposedExecPolicyAmendment` of the request. Any other prefix counts as `accept`, and the log
 * has a warning.
 *
 * @see {@link applyNetworkPolicyAmendment}
 * @category decisions
 * @since 0.1.0
 */
export const acceptWithExecPolicyAmendment = (prefix: ReadonlyArray<string>): CommandDecision => ({
  acceptWithExecpolicyAmendment: { execpolicy_amendment: prefix }
})

/**
 * Allows or denies a host, now and for later commands.
 *
 * **Gotchas**
 *
 * The rule must be one of `proposedNetworkPolicyAmendments` of the request. Otherwise a rule that allows counts as
 * `accept`, a rule that denies counts as `decline`, and the log has a warning.
 *
 * @see {@link acceptWithExecPolicyAmendment}
 * @category decisions
 * @since 0.1.0
 */
export const applyNetworkPolicyAmendment = (amendment: Sent.NetworkPolicyAmendment): CommandDecision => ({
  applyNetworkPolicyAmendment: { network_policy_amendment: amendment }
})

// =============================================================================
// Handlers
// =============================================================================

/**
 * Handlers of approvals, by kind.
 *
 * **Details**
 *
 * A kind without a handler falls back to the client's handler, or is declined. A handler may take up to
 * `ServerRequests.HandlerTimeout`. A handler that fails declines, and the failure is logged.
 *
 * @see {@link make}
 * @see {@link layer}
 * @category models
 * @since 0.1.0
 */
export interface Handlers<R = never> {
  readonly command?: ((request: CommandRequest) => Effect.Effect<CommandDecision, unknown, R>) | undefined
  readonly fileChange?: ((request: FileChangeRequest) => Effect.Effect<FileChangeDecision, unknown, R>) | undefined
  readonly permissions?: ((request: PermissionsRequest) => Effect.Effect<PermissionsDecision, unknown, R>) | undefined
  readonly mcpTool?: ((request: McpToolRequest) => Effect.Effect<McpToolDecision, unknown, R>) | undefined
}

/**
 * Creates handlers for a thread or a turn. It captures the services that they require from its own context.
 *
 * **Example** (One turn may change files, and nothing else)
 *
 * ```ts
 * import { ApprovalMode, Approvals, type Thread } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const edit = Effect.fn("edit")(function*(thread: Thread.Thread) {
 *   const handlers = yield* Approvals.make({ fileChange: () => Effect.succeed("accept") })
 *   return yield* thread.run("Fix the typo.", { approvalMode: ApprovalMode.untrusted, handlers })
 * })
 * ```
 *
 * @see {@link layer} for the handlers of a client
 * @category handlers
 * @since 0.1.0
 */
export const make = <const H extends Handlers<unknown>>(
  handlers: H
): Effect.Effect<ServerRequests.Overrides, never, ServerRequests.Services<H>> =>
  capture(overridesOf(required(handlers)))

// Whatever a single handler requires is part of what they all require.
const required = <H extends Handlers<unknown>>(handlers: H) => handlers as Handlers<ServerRequests.Services<H>>

/**
 * Handlers that accept everything, for a thread or a turn.
 *
 * @see {@link layerAcceptAll}
 * @see {@link declineAll}
 * @category handlers
 * @since 0.1.0
 */
export const acceptAll: ServerRequests.Overrides = decideAll("accept")

/**
 * Handlers that decline everything, for a thread or a turn of a client that would decide otherwise.
 *
 * @see {@link layerDeclineAll}
 * @see {@link acceptAll}
 * @category handlers
 * @since 0.1.0
 */
export const declineAll: ServerRequests.Overrides = decideAll("decline")

/**
 * Handlers that accept what the predicate accepts and decline the rest, for a thread or a turn. A predicate that
 * fails declines, and the failure is logged.
 *
 * @see {@link layerAcceptWhen}
 * @category handlers
 * @since 0.1.0
 */
export const acceptWhen = <E, R>(
  predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>
): Effect.Effect<ServerRequests.Overrides, never, R> => capture(accepting(predicate))

// =============================================================================
// Layers
// =============================================================================

/**
 * Replaces a client's approval handlers. Provide it to the client's layer.
 *
 * **Example** (Asking a service of the application)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Policy extends Context.Service<Policy, {
 *   readonly allows: (command: string) => Effect.Effect<boolean>
 * }>()("Policy") {}
 *
 * export const CodexLive = CodexNode.layer().pipe(
 *   Layer.provide(Approvals.layer({
 *     command: Effect.fnUntraced(function*(request) {
 *       const policy = yield* Policy
 *       return (yield* policy.allows(request.command ?? "")) ? "accept" : "decline"
 *     })
 *   }))
 * )
 * ```
 *
 * @see {@link make} for the handlers of a thread or a turn
 * @category layers
 * @since 0.1.0
 */
export const layer = <const H extends Handlers<unknown>>(
  handlers: H
): Layer.Layer<never, never, ServerRequests.Services<H>> => layerOf(overridesOf(required(handlers)))

/**
 * Accepts every approval of a client.
 *
 * **When to use**
 *
 * On a machine that is itself a sandbox. `ApprovalMode.dangerouslyBypass` turns off the questions as well.
 *
 * @see {@link acceptAll}
 * @category layers
 * @since 0.1.0
 */
export const layerAcceptAll: Layer.Layer<never> = layerOf(acceptAll)

/**
 * Declines every approval of a client, as a client without handlers does.
 *
 * @see {@link declineAll}
 * @category layers
 * @since 0.1.0
 */
export const layerDeclineAll: Layer.Layer<never> = layerOf(declineAll)

/**
 * Accepts the approvals of a client that the predicate accepts, and declines the rest. A predicate that fails
 * declines, and the failure is logged.
 *
 * **Example** (Files of one folder, and no commands)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const docsOnly = Approvals.layerAcceptWhen((request) =>
 *   Effect.succeed(
 *     request._tag === "FileChange" && request.changes !== undefined &&
 *       request.changes.every(({ path }) => path.startsWith("/repository/docs/"))
 *   )
 * )
 * ```
 *
 * @see {@link acceptWhen}
 * @category layers
 * @since 0.1.0
 */
export const layerAcceptWhen = <E, R>(
  predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>
): Layer.Layer<never, never, R> => layerOf(accepting(predicate))
