/**
 * Who may do what: the server's kinds of approval, as handlers with types of their own.
 *
 * With `ApprovalMode.ask` and `.untrusted` the server asks its client before it runs a command beyond the sandbox, changes
 * files, widens permissions or calls a tool of an MCP server. These handlers decide: for a client ({@link layer} and its relatives), or for a thread or a
 * turn ({@link make} and its relatives, given as `handlers`). Without any, everything is declined. The approvals of older
 * servers (`execCommandApproval`, `applyPatchApproval`) come to the same handlers.
 *
 * @since 0.1.0
 */
import * as Sent from "@effect-codex/protocol/Sent"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Elicitation from "./Elicitation.ts"
import { guardOf } from "./internal/protocol/guard.ts"
import * as ApprovalText from "./internal/text/approvalText.ts"
import { unfitAnswer } from "./internal/text/unfitAnswer.ts"
import type * as Received from "./Received.ts"
import * as ServerRequests from "./ServerRequests.ts"

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
  /** What the command does as far as the server understands it, for display. Empty when it does not tell. */
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
 * export const noisy = Approvals.layerAllow((request) =>
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
  ServerRequests.capture(overridesOf(required(handlers)))

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
export const deny: ServerRequests.Overrides = decideAll("decline")

/**
 * Accepts what the predicate allows and declines the rest, for a thread or a turn.
 *
 * @category handlers
 * @since 0.1.0
 */
export const allow = <E, R>(
  predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>
): Effect.Effect<ServerRequests.Overrides, never, R> => ServerRequests.capture(allowing(predicate))

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
): Layer.Layer<never, never, ServerRequests.Services<H>> => ServerRequests.layerOf(overridesOf(required(handlers)))

/**
 * Accepts everything that a client is asked for. For a machine that is itself a sandbox; `ApprovalMode.dangerouslyBypass`
 * does not even ask.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAcceptAll: Layer.Layer<never> = ServerRequests.layer(acceptAll)

/**
 * Declines everything that a client is asked for, which is also what happens without any handler.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDeny: Layer.Layer<never> = ServerRequests.layer(deny)

/**
 * Accepts what the predicate allows and declines the rest. A predicate that fails declines, and is reported.
 *
 * **Example** (Files of one folder, and no commands)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const docsOnly = Approvals.layerAllow((request) =>
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
export const layerAllow = <E, R>(
  predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>
): Layer.Layer<never, never, R> => ServerRequests.layerOf(allowing(predicate))

// =============================================================================
// Queue
// =============================================================================

interface Open<Request extends ApprovalRequest, Decision> {
  readonly _tag: Request["_tag"]
  readonly request: Request
  /** Decides. False when it was decided before, or is not open any more; nothing is sent then. */
  readonly respond: (decision: Decision) => Effect.Effect<boolean>
  /** {@link respond} with `accept`. */
  readonly accept: Effect.Effect<boolean>
  /** {@link respond} with `decline`. */
  readonly decline: Effect.Effect<boolean>
  /**
   * Waits until it is not open any more: it was decided, here or by another client, its turn or the connection ended, or
   * it took longer than `ServerRequests.HandlerTimeout`, which declines it.
   */
  readonly closed: Effect.Effect<void>
}

/**
 * A request that waits for a decision. Whatever its `_tag`, it takes `accept`, `acceptForSession` and `decline`. For the
 * decisions of one kind, narrow it by `_tag` first.
 *
 * @category models
 * @since 0.1.0
 */
export type OpenApproval =
  | Open<CommandRequest, CommandDecision>
  | Open<FileChangeRequest, FileChangeDecision>
  | Open<PermissionsRequest, PermissionsDecision>
  | Open<McpToolRequest, McpToolDecision>

/**
 * The approvals that wait, for a user interface.
 *
 * **Example** (Asking on a terminal)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer, Stream } from "effect"
 * import { Prompt } from "effect/cli"
 *
 * export const ask = Effect.gen(function*() {
 *   const queue = yield* Approvals.Queue
 *   yield* Stream.runForEach(queue.requests, ({ accept, decline, request }) =>
 *     Effect.gen(function*() {
 *       const allowed = yield* Prompt.run(Prompt.Confirm({ message: `May I ${Approvals.describe(request)}?` }))
 *       yield* allowed ? accept : decline
 *     }))
 * })
 *
 * export const CodexLive = CodexNode.layer().pipe(Layer.provideMerge(Approvals.layerQueue))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Queue extends Context.Service<Queue, {
  /** What waits, the oldest first: at the moment, and again whenever it changes. For a list on a screen. */
  readonly changes: Stream.Stream<ReadonlyArray<OpenApproval>>
  /**
   * Each request once: what waits when the stream is run, then what comes. Any number of readers may run it; the first to
   * respond decides.
   */
  readonly requests: Stream.Stream<OpenApproval>
  /** Put the approvals of a thread or a turn into this queue. {@link layerQueue} does so for a client. */
  readonly handlers: ServerRequests.Overrides
}>()("@effect-codex/client/Approvals/Queue") {}

/**
 * @category constructors
 * @since 0.1.0
 */
export const makeQueue: Effect.Effect<Queue["Service"]> = Effect.gen(function*() {
  // Its subscribers have mailboxes without a bound. What is in them are lists of what waits, of which there are few.
  const open = yield* SubscriptionRef.make<ReadonlyArray<OpenApproval>>([])
  const changes = SubscriptionRef.changes(open)

  const wait = <Request extends ApprovalRequest, Decision>(
    toOpen: (open: Open<Request, Decision>) => OpenApproval
  ) =>
  (request: Request): Effect.Effect<Decision | "accept" | "decline"> =>
    Effect.suspend(() => {
      const decision = Deferred.makeUnsafe<Decision | "accept" | "decline">()
      const closed = Deferred.makeUnsafe<void>()
      const respond = (decided: Decision | "accept" | "decline"): Effect.Effect<boolean> =>
        Effect.flatMap(Deferred.isDone(closed), (isClosed) =>
          isClosed ? Effect.succeed(false) : Deferred.succeed(decision, decided))
      const entry = toOpen({
        _tag: request._tag,
        request,
        respond,
        accept: respond("accept"),
        decline: respond("decline"),
        closed: Deferred.await(closed)
      })
      return Effect.acquireUseRelease(
        SubscriptionRef.update(open, (entries) => [...entries, entry]),
        () =>
          Deferred.await(decision),
        () =>
          Effect.andThen(
            Deferred.succeed(closed, undefined),
            SubscriptionRef.update(open, (entries) => entries.filter((other) => other !== entry))
          )
      )
    })

  return {
    changes,
    requests: Stream.suspend(() => {
      let seen: ReadonlyArray<OpenApproval> = []
      return Stream.flatMap(changes, (entries) => {
        const news = entries.filter((entry) => !seen.includes(entry))
        seen = entries
        return Stream.fromIterable(news)
      })
    }),
    handlers: overridesOf({
      command: wait<CommandRequest, CommandDecision>((entry) => entry),
      fileChange: wait<FileChangeRequest, FileChangeDecision>((entry) => entry),
      permissions: wait<PermissionsRequest, PermissionsDecision>((entry) => entry),
      mcpTool: wait<McpToolRequest, McpToolDecision>((entry) => entry)
    })
  }
})

/**
 * A {@link Queue} that gets every approval of the client that it is provided to. Provide it with `Layer.provideMerge`, so
 * that the program sees the queue too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueue: Layer.Layer<Queue> = Layer.effectContext(Effect.gen(function*() {
  const queue = yield* makeQueue
  return Context.add(yield* Layer.build(ServerRequests.layer(queue.handlers)), Queue, queue)
}))

// =============================================================================
// Between the protocol and the requests
// =============================================================================

type Decide<Request, Decision, R> = (request: Request) => Effect.Effect<Decision, unknown, R>

function overridesOf<R>({ command, fileChange, mcpTool, permissions }: Handlers<R>): ServerRequests.Overrides<R> {
  return {
    ...command === undefined ? {} : commandHandlers(command),
    ...fileChange === undefined ? {} : fileChangeHandlers(fileChange),
    ...permissions === undefined ? {} : permissionsHandlers(permissions),
    ...mcpTool === undefined ? {} : mcpToolHandlers(mcpTool)
  }
}

/** What is no decision is none: not `true` where a word is asked for, and not a word where `true` is. */
const decided = <Decision, E, R>(
  decision: Effect.Effect<Decision, E, R>,
  isDecision: (u: unknown) => boolean,
  expected: string
): Effect.Effect<Decision, E | TypeError, R> =>
  Effect.flatMap(
    decision,
    (decision) => isDecision(decision) ? Effect.succeed(decision) : Effect.fail(unfitAnswer(decision, expected))
  )

const isAnyOf = (words: ReadonlyArray<string>) => (u: unknown): boolean => words.some((word) => word === u)

const wordsOf = (words: ReadonlyArray<string>): string => `one of ${words.join(", ")}`

const allowing = <E, R>(predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>) => {
  const decide = (request: ApprovalRequest) =>
    Effect.map(
      decided(predicate(request), Predicate.isBoolean, "true or false"),
      (allowed) => allowed ? "accept" as const : "decline" as const
    )
  return overridesOf({ command: decide, fileChange: decide, permissions: decide, mcpTool: decide })
}

const simpleDecisions = ["accept", "acceptForSession", "decline", "cancel"] as const

const simple = wordsOf(simpleDecisions)

// A newer server may offer what this version has no type for.
const isKnownDecision = (decision: Received.CommandExecutionApprovalDecision): decision is CommandDecision =>
  typeof decision === "string"
    ? simpleDecisions.some((known) => known === decision)
    : "acceptWithExecpolicyAmendment" in decision || "applyNetworkPolicyAmendment" in decision

const rejection = "rejected by user"

const narrow = (request: CommandRequest, decision: CommandDecision): Effect.Effect<CommandDecision> => {
  if (typeof decision === "string") return Effect.succeed(decision)
  const proposed: ReadonlyArray<unknown> = "acceptWithExecpolicyAmendment" in decision
    ? [request.proposedExecPolicyAmendment]
    : request.proposedNetworkPolicyAmendments
  const amendment = "acceptWithExecpolicyAmendment" in decision
    ? decision.acceptWithExecpolicyAmendment.execpolicy_amendment
    : decision.applyNetworkPolicyAmendment.network_policy_amendment
  if (proposed.some((other) => Equal.equals(other, amendment))) return Effect.succeed(decision)
  const narrowed = "applyNetworkPolicyAmendment" in decision &&
      decision.applyNetworkPolicyAmendment.network_policy_amendment.action === "deny"
    ? "decline"
    : "accept"
  return Effect.as(
    Effect.logWarning(
      `the amendment ${
        JSON.stringify(amendment)
      } was not proposed for item ${request.itemId}: it is narrowed to ${narrowed}.`
    ),
    narrowed
  )
}

const legacyDecision = (decision: CommandDecision): Sent.ReviewDecision => {
  switch (decision) {
    case "accept":
      return "approved"
    case "acceptForSession":
      return "approved_for_session"
    case "decline":
      return { denied: { rejection } }
    case "cancel":
      return "abort"
  }
  return "acceptWithExecpolicyAmendment" in decision
    ? {
      approved_execpolicy_amendment: {
        proposed_execpolicy_amendment: decision.acceptWithExecpolicyAmendment.execpolicy_amendment
      }
    }
    : { network_policy_amendment: decision.applyNetworkPolicyAmendment }
}

const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`

function commandHandlers<R>(decide: Decide<CommandRequest, CommandDecision, R>): ServerRequests.Overrides<R> {
  const decideCommand = (request: CommandRequest) =>
    Effect.flatMap(
      decided(decide(request), guardOf(Sent.CommandExecutionApprovalDecision), `${simple} or an amendment`),
      (decision) => narrow(request, decision)
    )
  return {
    "item/commandExecution/requestApproval": ({ params }) =>
      Effect.map(
        decideCommand({
          _tag: "Command",
          threadId: params.threadId,
          turnId: params.turnId,
          itemId: params.itemId,
          kind: params.kind,
          reason: params.reason ?? undefined,
          command: params.command ?? undefined,
          cwd: params.cwd ?? undefined,
          actions: params.commandActions ?? [],
          network: params.networkApprovalContext ?? undefined,
          additionalPermissions: params.additionalPermissions ?? undefined,
          proposedExecPolicyAmendment: params.proposedExecpolicyAmendment ?? undefined,
          proposedNetworkPolicyAmendments: params.proposedNetworkPolicyAmendments ?? [],
          availableDecisions: params.availableDecisions?.filter(isKnownDecision) ?? simpleDecisions
        }),
        (decision) => ({ decision })
      ),
    execCommandApproval: ({ params }) =>
      Effect.map(
        decideCommand({
          _tag: "Command",
          threadId: params.conversationId,
          turnId: undefined,
          itemId: params.callId,
          kind: "command",
          reason: params.reason ?? undefined,
          command: params.command.map(quoted).join(" "),
          cwd: params.cwd,
          actions: [],
          network: undefined,
          additionalPermissions: undefined,
          proposedExecPolicyAmendment: undefined,
          proposedNetworkPolicyAmendments: [],
          availableDecisions: simpleDecisions
        }),
        (decision) => ({ decision: legacyDecision(decision) })
      )
  }
}

const legacyChange = ([path, change]: [string, Received.FileChange | undefined]): Received.FileUpdateChange => {
  if (change === undefined) return { path, kind: { type: "update", move_path: null }, diff: "" }
  switch (change.type) {
    case "add":
    case "delete":
      return { path, kind: { type: change.type }, diff: change.content }
    case "update":
      return { path, kind: { type: change.type, move_path: change.move_path }, diff: change.unified_diff }
  }
  return { path, kind: { type: change.type }, diff: "" }
}

function fileChangeHandlers<R>(decide: Decide<FileChangeRequest, FileChangeDecision, R>): ServerRequests.Overrides<R> {
  const decideFileChange = (request: FileChangeRequest) =>
    decided(decide(request), guardOf(Sent.FileChangeApprovalDecision), simple)
  return {
    "item/fileChange/requestApproval": ({ item, params }) =>
      Effect.map(
        decideFileChange({
          _tag: "FileChange",
          threadId: params.threadId,
          turnId: params.turnId,
          itemId: params.itemId,
          reason: params.reason ?? undefined,
          changes: item?.type === "fileChange" ? item.changes : undefined,
          grantRoot: params.grantRoot ?? undefined,
          availableDecisions: simpleDecisions
        }),
        (decision) => ({ decision })
      ),
    applyPatchApproval: ({ params }) =>
      Effect.map(
        decideFileChange({
          _tag: "FileChange",
          threadId: params.conversationId,
          turnId: undefined,
          itemId: params.callId,
          reason: params.reason ?? undefined,
          changes: Object.entries(params.fileChanges).map(legacyChange),
          grantRoot: params.grantRoot ?? undefined,
          availableDecisions: simpleDecisions
        }),
        (decision) => ({ decision: legacyDecision(decision) })
      )
  }
}

// What this version does not know is not granted.
const granted = ({ fileSystem, network }: Received.RequestPermissionProfile): Sent.GrantedPermissionProfile => ({
  ...network === null || network === undefined ? {} : { network: { enabled: network.enabled } },
  ...fileSystem === null || fileSystem === undefined ? {} : {
    fileSystem: {
      read: fileSystem.read,
      write: fileSystem.write,
      ...typeof fileSystem.globScanMaxDepth === "number" ? { globScanMaxDepth: fileSystem.globScanMaxDepth } : {},
      ...Array.isArray(fileSystem.entries)
        ? { entries: fileSystem.entries.filter(guardOf(Sent.FileSystemSandboxEntry)) }
        : {}
    }
  }
})

const permissionsWords = ["accept", "acceptForSession", "decline"]

const isPermissionsDecision = (u: unknown): boolean =>
  isAnyOf(permissionsWords)(u) || guardOf<unknown>(Sent.PermissionsRequestApprovalResponse)(u)

function permissionsHandlers<R>(
  decide: Decide<PermissionsRequest, PermissionsDecision, R>
): ServerRequests.Overrides<R> {
  return {
    "item/permissions/requestApproval": ({ params }) =>
      Effect.map(
        decided(
          decide({
            _tag: "Permissions",
            threadId: params.threadId,
            turnId: params.turnId,
            itemId: params.itemId,
            cwd: params.cwd,
            reason: params.reason ?? undefined,
            permissions: params.permissions
          }),
          isPermissionsDecision,
          `${wordsOf(permissionsWords)} or a response of the protocol`
        ),
        (decision) => {
          if (typeof decision === "object") return decision
          return decision === "decline"
            ? { permissions: {}, scope: "turn" as const }
            : {
              permissions: granted(params.permissions),
              scope: decision === "accept" ? "turn" as const : "session" as const
            }
        }
      )
  }
}

const persistent = { session: "acceptForSession", always: "acceptAlways" } as const

function mcpToolHandlers<R>(decide: Decide<McpToolRequest, McpToolDecision, R>): ServerRequests.Overrides<R> {
  const answers = {
    accept: Elicitation.accept(),
    acceptForSession: Elicitation.acceptForSession,
    acceptAlways: Elicitation.acceptAlways,
    decline: Elicitation.decline,
    cancel: Elicitation.cancel
  }
  const { "mcpServer/elicitation/request": mcpToolApproval } = Elicitation.handlers((asked) => {
    if (asked._tag !== "ToolApproval") return Effect.succeed(Elicitation.decline)
    const { meta: _, persist, ...request } = asked
    const availableDecisions = ["accept", ...persist.map((one) => persistent[one]), "decline", "cancel"] as const
    return Effect.map(
      decided(
        decide({ ...request, _tag: "McpTool", availableDecisions }),
        isAnyOf(Object.keys(answers)),
        wordsOf(Object.keys(answers))
      ),
      (decision) => answers[decision]
    )
  })
  return { mcpToolApproval }
}

function decideAll(decision: "accept" | "decline"): ServerRequests.Overrides {
  const decide = () => Effect.succeed(decision)
  return overridesOf({ command: decide, fileChange: decide, permissions: decide, mcpTool: decide })
}
