/** Maps approvals between the protocol, in its old and new forms, and the handlers of `Approvals`. */
import * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import type {
  ApprovalRequest,
  CommandDecision,
  CommandRequest,
  FileChangeDecision,
  FileChangeRequest,
  Handlers,
  McpToolDecision,
  McpToolRequest,
  PermissionsDecision,
  PermissionsRequest
} from "../../Approvals.ts"
import type { Answer } from "../../Elicitation.ts"
import type * as Received from "../../Received.ts"
import type * as ServerRequests from "../../ServerRequests.ts"
import { guardOf } from "../protocol/guard.ts"
import { unfitAnswer } from "../text/unfitAnswer.ts"
import * as Elicitations from "./elicitations.ts"

type Decide<Request, Decision, R> = (request: Request) => Effect.Effect<Decision, unknown, R>

export function overridesOf<R>(
  { command, fileChange, mcpTool, permissions }: Handlers<R>
): ServerRequests.Overrides<R> {
  return {
    ...command === undefined ? {} : commandHandlers(command),
    ...fileChange === undefined ? {} : fileChangeHandlers(fileChange),
    ...permissions === undefined ? {} : permissionsHandlers(permissions),
    ...mcpTool === undefined ? {} : mcpToolHandlers(mcpTool)
  }
}

/**
 * Fails on a value that is not a decision of the kind the request expects: a boolean is not a word, nor the reverse.
 */
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

/** Accepts the requests that the predicate accepts, and declines all others. */
export const accepting = <E, R>(predicate: (request: ApprovalRequest) => Effect.Effect<boolean, E, R>) => {
  const decide = (request: ApprovalRequest) =>
    Effect.map(
      decided(predicate(request), Predicate.isBoolean, "true or false"),
      (accepted) => accepted ? "accept" as const : "decline" as const
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
    "item/commandExecution/requestApproval": ({ params, undecodable }) =>
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
          // A policy that checks every action must not mistake an undecodable list for an empty one.
          actions: undecodable !== undefined && "commandActions" in undecodable
            ? [{ type: "unknown", command: params.command ?? "" }]
            : params.commandActions ?? [],
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

// Grants only the permissions that this version knows.
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

const mcpToolAnswers: { readonly [D in McpToolDecision]: Answer } = {
  accept: { action: "accept", content: undefined, persist: undefined },
  acceptForSession: { action: "accept", content: undefined, persist: "session" },
  acceptAlways: { action: "accept", content: undefined, persist: "always" },
  decline: { action: "decline", content: undefined, persist: undefined },
  cancel: { action: "cancel", content: undefined, persist: undefined }
}

const mcpToolWords = Object.keys(mcpToolAnswers)

function mcpToolHandlers<R>(decide: Decide<McpToolRequest, McpToolDecision, R>): ServerRequests.Overrides<R> {
  return {
    mcpToolApproval: ({ params }) => {
      const asked = Elicitations.requestOf(params)
      if (asked._tag !== "ToolApproval") {
        return Effect.succeed(Elicitations.responseOf(asked, mcpToolAnswers.decline))
      }
      const { meta: _, persist, ...request } = asked
      const availableDecisions = ["accept", ...persist.map((one) => persistent[one]), "decline", "cancel"] as const
      return Effect.map(
        decided(
          decide({ ...request, _tag: "McpTool", availableDecisions }),
          isAnyOf(mcpToolWords),
          wordsOf(mcpToolWords)
        ),
        (decision) => Elicitations.responseOf(asked, mcpToolAnswers[decision])
      )
    }
  }
}

export function decideAll(decision: "accept" | "decline"): ServerRequests.Overrides {
  const decide = () => Effect.succeed(decision)
  return overridesOf({ command: decide, fileChange: decide, permissions: decide, mcpTool: decide })
}
