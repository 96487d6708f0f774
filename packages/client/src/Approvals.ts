/**
 * Who may do what: the server's kinds of approval, as handlers with types of their own.
 *
 * With `ApprovalMode.ask` and `.untrusted` the server asks its client before it runs a command beyond the sandbox, changes
 * files, widens permissions or calls a tool of an MCP server. These handlers decide: for a client ({@link layer} and its
 * relatives), or for a thread or a turn ({@link make} and its relatives, given as `handlers`). Without any, everything is
 * declined. `ApprovalQueue` leaves the decision to somebody who is shown what waits. The approvals of older servers
 * (`execCommandApproval`, `applyPatchApproval`) come to the same handlers.
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
  readonly threadId: string
  /** The turn that waits. Older servers do not name it. */
  readonly turnId: string | undefined
}

interface AskedOfItem extends Asked {
  /** The item that waits. */
  readonly itemId: string
  /** Why the agent wants it, in its own words. */
  readonly reason: string | undefined
}

/**
 * The agent wants to run a command, to write to one that runs (`kind` is `writeStdin`), or to reach a host (`network`).
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandRequest extends AskedOfItem {
  readonly _tag: "Command"
  readonly kind: Received.CommandExecutionApprovalKind
  /** The command line as it will be run, with the shell in front: `/bin/bash -lc 'git push'`. */
  readonly command: string | undefined
  readonly cwd: string | undefined
  /**
   * What the command does as far as the server understands it, for display. Empty when it does not tell. One `unknown` action
   * when a newer server tells in a form that this version does not read.
   */
  readonly actions: ReadonlyArray<Received.CommandAction>
  /** The host that the command wants to reach, when it is about that. */
  readonly network: Received.NetworkApprovalContext | undefined
  /** What the command may touch beyond the sandbox, when it asks for that. */
  readonly additionalPermissions: Received.AdditionalPermissionProfile | undefined
  /** The prefix of commands that `acceptWithExecPolicyAmendment` may allow for good. */
  readonly proposedExecPolicyAmendment: ReadonlyArray<string> | undefined
  /** The rules for hosts that `applyNetworkPolicyAmendment` may add for good. */
  readonly proposedNetworkPolicyAmendments: ReadonlyArray<Received.NetworkPolicyAmendment>
  /**
   * What the server suggests to offer, in its order; for older servers what all of them take. `decline` and
   * `acceptForSession` are taken even when they are not named (measured on codex 0.169); an amendment is not.
   */
  readonly availableDecisions: ReadonlyArray<CommandDecision>
}

/**
 * The agent wants to change files.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileChangeRequest extends AskedOfItem {
  readonly _tag: "FileChange"
  /** The changes with their diffs. Undefined when this connection did not hear of them, as after a reconnect. */
  readonly changes: ReadonlyArray<Received.FileUpdateChange> | undefined
  /** A folder that the agent wants to write to from now on. The protocol calls it unstable. */
  readonly grantRoot: string | undefined
  readonly availableDecisions: ReadonlyArray<FileChangeDecision>
}

/**
 * The agent wants the network, or to read or write beyond the sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface PermissionsRequest extends AskedOfItem {
  readonly _tag: "Permissions"
  readonly cwd: string
  readonly permissions: Received.RequestPermissionProfile
}

/**
 * The agent wants to call a tool of an MCP server. Codex asks for tools that do not declare themselves `readOnlyHint`, unless
 * the configuration of the server says otherwise (`default_tools_approval_mode`, `tools.<tool>.approval_mode`).
 *
 * **Gotchas**
 *
 * An MCP server can ask like this as well, about nobody but itself. It then learns the answer, and nothing else happens.
 *
 * @category models
 * @since 0.1.0
 */
export interface McpToolRequest extends Asked {
  readonly _tag: "McpTool"
  /** The name of the MCP server in the configuration. */
  readonly serverName: string
  /** The environment whose configuration has the server; undefined for one of the whole thread, and before codex 0.171. */
  readonly environmentId: string | undefined
  /** Empty on codex before 0.167, which names it in `message` alone. */
  readonly tool: string
  readonly title: string | undefined
  readonly description: string | undefined
  /** What the tool would be called with. */
  readonly arguments: Received.JsonValue
  /** What the MCP server says of its tool, such as `destructiveHint`. Not to be relied on. */
  readonly annotations: Received.JsonValue
  /** Codex's question, for display. */
  readonly message: string
  readonly availableDecisions: ReadonlyArray<McpToolDecision>
}

/**
 * Whatever the agent may ask approval for. Tell them apart by `_tag`.
 *
 * @category models
 * @since 0.1.0
 */
export type ApprovalRequest = CommandRequest | FileChangeRequest | PermissionsRequest | McpToolRequest

/**
 * What a request asks for, as one line that completes "May I …?": `run "git push" in /repository`.
 *
 * **When to use**
 *
 * For a prompt, a log or a chat message. Read the fields of the request for anything longer, such as the diffs of a
 * {@link FileChangeRequest}.
 *
 * **Details**
 *
 * The shell that codex puts in front of a command is left out when the rest is exactly what it runs. What comes from the
 * agent is hostile: control and invisible characters are shown as `\u{…}`, and long texts are cut and say so.
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
 * @category combinators
 * @since 0.1.0
 */
export const describe = (request: ApprovalRequest): string => ApprovalText.describe(request)

/**
 * The command of a {@link CommandRequest} without the shell that codex puts in front: `git push` for
 * `/bin/bash -lc 'git push'`. A command line that is anything else than a shell with one quoted script stays as it is.
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
 * @category combinators
 * @since 0.1.0
 */
export const withoutShell = (command: string): string => ApprovalText.withoutShell(command)

// =============================================================================
// Decisions
// =============================================================================

/**
 * What may be decided of a command. `accept` runs it. `acceptForSession` also does not ask again for the same command
 * while the thread is loaded. `decline` does not run it: the model is told that the user rejected it and the turn goes on.
 * `cancel` does not run it and interrupts the turn. {@link acceptWithExecPolicyAmendment} and
 * {@link applyNetworkPolicyAmendment} make the others.
 *
 * @category models
 * @since 0.1.0
 */
export type CommandDecision = Sent.CommandExecutionApprovalDecision

/**
 * What may be decided of a change of files: `accept`, `acceptForSession` (the same files are not asked for again),
 * `decline` and `cancel`, which interrupts the turn.
 *
 * @category models
 * @since 0.1.0
 */
export type FileChangeDecision = Sent.FileChangeApprovalDecision

/**
 * What may be decided of permissions: `accept` grants what was asked for, for this turn, `acceptForSession` for as long as
 * the thread is loaded, `decline` nothing. A response of the protocol grants a part of it.
 *
 * @category models
 * @since 0.1.0
 */
export type PermissionsDecision = "accept" | "acceptForSession" | "decline" | Sent.PermissionsRequestApprovalResponse

/**
 * What may be decided of a call of an MCP server's tool. `acceptForSession` does not ask again for this tool while the thread
 * is loaded, whatever its arguments are; `acceptAlways` never again: codex writes it to its `config.toml`. Either is the same
 * as `accept` when it is not offered. `decline` and `cancel` do not call the tool and differ in what the model is told; the
 * turn goes on (measured on codex 0.169).
 *
 * @category models
 * @since 0.1.0
 */
export type McpToolDecision = "accept" | "acceptForSession" | "acceptAlways" | "decline" | "cancel"

/**
 * Accepts the command, and from now on every command that begins with this prefix, which codex writes to its rules. It has
 * to be what the request proposes; anything else is narrowed to `accept` and reported.
 *
 * @category decisions
 * @since 0.1.0
 */
export const acceptWithExecPolicyAmendment = (prefix: ReadonlyArray<string>): CommandDecision => ({
  acceptWithExecpolicyAmendment: { execpolicy_amendment: prefix }
})

/**
 * Accepts or denies the host now and from now on. It has to be one that the request proposes; one that allows and was not
 * proposed is narrowed to `accept`, one that denies to `decline`, and it is reported.
 *
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
 * Handlers of approvals. What is left out stays as it is: with the client's handler, or declined. A handler may take up to
 * `ServerRequests.HandlerTimeout`; one that fails is reported and declines.
 *
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
 * Handlers for a thread or a turn, with the services that they require taken from where this runs.
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
 * @category handlers
 * @since 0.1.0
 */
export const make = <const H extends Handlers<unknown>>(
  handlers: H
): Effect.Effect<ServerRequests.Overrides, never, ServerRequests.Services<H>> =>
  capture(overridesOf(required(handlers)))

// What each handler requires is a part of what all require.
const required = <H extends Handlers<unknown>>(handlers: H) => handlers as Handlers<ServerRequests.Services<H>>

/**
 * Accepts everything, for a thread or a turn.
 *
 * @category handlers
 * @since 0.1.0
 */
export const acceptAll: ServerRequests.Overrides = decideAll("accept")

/**
 * Declines everything, for a thread or a turn whose client does otherwise.
 *
 * @category handlers
 * @since 0.1.0
 */
export const declineAll: ServerRequests.Overrides = decideAll("decline")

/**
 * Accepts what the predicate accepts and declines the rest, for a thread or a turn.
 *
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
 * @category layers
 * @since 0.1.0
 */
export const layer = <const H extends Handlers<unknown>>(
  handlers: H
): Layer.Layer<never, never, ServerRequests.Services<H>> => layerOf(overridesOf(required(handlers)))

/**
 * Accepts everything that a client is asked for. For a machine that is itself a sandbox; `ApprovalMode.dangerouslyBypass`
 * does not even ask.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAcceptAll: Layer.Layer<never> = layerOf(acceptAll)

/**
 * Declines everything that a client is asked for, which is also what happens without any handler.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDeclineAll: Layer.Layer<never> = layerOf(declineAll)

/**
 * Accepts what the predicate accepts and declines the rest. A predicate that fails declines, and is reported.
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
 * @category layers
 * @since 0.1.0
 */
export const layerAcceptWhen = <E, R>(
  predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>
): Layer.Layer<never, never, R> => layerOf(accepting(predicate))
