/** Runs the tools that the model calls: codex's own, and those of the client. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { FunctionCall } from "../../ScriptedModel.ts"
import * as Agents from "./agents.ts"
import * as Command from "./command.ts"
import type { Connection, LoadedThread } from "./connection.ts"
import * as Input from "./input.ts"
import * as OwnTools from "./ownTools.ts"
import { isPlanning } from "./planMode.ts"
import * as Requests from "./requests.ts"
import { completed, type Engine, idsOf, started, tellDiff, type Told, Unsupported } from "./running.ts"

/** The end of a tool call that the client has cancelled. It ends the turn. */
export const cancelled = Symbol("cancelled")
type ToolEnd = string | typeof cancelled

const flags = (waiting: boolean): Received.ThreadStatus => ({
  type: "active",
  activeFlags: waiting ? ["waitingOnApproval"] : []
})

const waitingOnUserInput: Received.ThreadStatus = { type: "active", activeFlags: ["waitingOnUserInput"] }

const decodeArguments = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Json))

export const stringOf = (args: unknown, key: string): string | undefined =>
  Predicate.hasProperty(args, key) && typeof args[key] === "string" ? args[key] : undefined

const decisionOf = (answer: unknown): unknown => Predicate.hasProperty(answer, "decision") ? answer.decision : undefined

/** The client's answer; undefined if it is an error. */
const answerTo = Effect.fnUntraced(function*(
  told: Told,
  asked: ReturnType<Connection["ask"]>
) {
  told.turn.waitingFor = asked.id
  const answer = yield* asked.answer
  told.turn.waitingFor = undefined
  told.connection.tell(told.thread, "serverRequest/resolved", { requestId: asked.id })
  return "result" in answer ? answer.result : undefined
})

const waitFor = (told: Told, asked: ReturnType<Connection["ask"]>) => Effect.map(answerTo(told, asked), decisionOf)

const amendmentOf = (decision: unknown): ReadonlyArray<string> | undefined => {
  if (!Predicate.hasProperty(decision, "acceptWithExecpolicyAmendment")) return undefined
  const amendment = decision.acceptWithExecpolicyAmendment
  if (!Predicate.hasProperty(amendment, "execpolicy_amendment")) return undefined
  const prefix = amendment.execpolicy_amendment
  return Array.isArray(prefix) && prefix.every((word): word is string => typeof word === "string") ? prefix : undefined
}

const isGranular = Schema.is(Schema.Struct({
  granular: Schema.Struct({
    sandbox_approval: Schema.Boolean,
    rules: Schema.Boolean,
    skill_approval: Schema.Boolean,
    request_permissions: Schema.Boolean,
    mcp_elicitations: Schema.Boolean
  })
}))

/** What a granular policy asks about. */
const granularOf = (policy: Received.AskForApproval): Command.Granular | undefined =>
  isGranular(policy) ? policy.granular : undefined

const runCommand = Effect.fnUntraced(function*(
  engine: Engine,
  told: Told,
  callId: string,
  args: unknown
): Effect.fn.Return<ToolEnd, Unsupported> {
  const { connection, thread, turn } = told
  const cmd = stringOf(args, "cmd")
  if (cmd === undefined) return "failed to parse function arguments: missing field `cmd`"
  const { approvalPolicy, approvalsReviewer, cwd, sandbox } = turn.settings
  const isEscalated = stringOf(args, "sandbox_permissions") === "require_escalated"
  const kinds = granularOf(approvalPolicy)
  if (isEscalated && approvalPolicy === "never") return Command.neverText
  if (isEscalated && kinds?.sandbox_approval === false) return Command.granularText(kinds)

  const patch = Command.patchOf(cmd, cwd)
  const isAllowed = patch === undefined &&
    (thread.stored.approvedCommands.has(cmd) ||
      connection.home.allowedPrefixes.some((prefix) => Command.hasPrefix(cmd, prefix)))
  const isAsked = !isAllowed &&
    (approvalPolicy === "untrusted" ||
      ((approvalPolicy === "on-request" || kinds?.sandbox_approval === true) &&
        (patch === undefined ? isEscalated : sandbox.type === "readOnly")))
  if (isAsked && approvalsReviewer !== "user") return yield* noReview
  if (patch !== undefined) return yield* applyPatch(told, callId, patch, isAsked)

  const startedAs = (source: "agent" | "unifiedExecStartup", processId: string | null) =>
    ({
      type: "commandExecution",
      id: callId,
      pluginId: null,
      scriptPath: null,
      command: Command.shellWords(cmd),
      cwd,
      processId,
      source,
      status: "inProgress",
      commandActions: [{ type: "unknown", command: cmd }],
      aggregatedOutput: null,
      exitCode: null,
      durationMs: null
    }) satisfies Received.ThreadItem
  const processId = "4242"
  let item = startedAs("unifiedExecStartup", processId)
  let startedAtMs: number
  if (isAsked) {
    const asked = startedAs("agent", null)
    connection.setStatus(thread, flags(true))
    startedAtMs = started(told, asked)
    const prefix = Command.proposedPrefix(cmd)
    const justification = stringOf(args, "justification")
    const decision = yield* waitFor(
      told,
      connection.ask(thread, "item/commandExecution/requestApproval", {
        kind: "command",
        ...idsOf(told),
        itemId: callId,
        startedAtMs,
        environmentId: "local",
        ...(justification === undefined ? {} : { reason: justification }),
        command: asked.command,
        cwd,
        commandActions: asked.commandActions,
        ...(prefix === undefined ? {} : { proposedExecpolicyAmendment: prefix }),
        availableDecisions: [
          "accept",
          ...(prefix === undefined ? [] : [{ acceptWithExecpolicyAmendment: { execpolicy_amendment: prefix } }]),
          "cancel"
        ]
      })
    )
    const amendment = amendmentOf(decision)
    if (decision === "acceptForSession") thread.stored.approvedCommands.add(cmd)
    if (amendment !== undefined) connection.home.allowedPrefixes.push(amendment)
    if (decision !== "accept" && decision !== "acceptForSession" && amendment === undefined) {
      const isDeclined = decision === "decline" || decision === "cancel"
      completed(told, { ...asked, status: isDeclined ? "declined" : "failed" }, startedAtMs)
      connection.setStatus(thread, flags(false))
      if (decision === "cancel") return cancelled
      return Command.rejectedText(isDeclined ? "rejected by user" : "approval request failed")
    }
    connection.setStatus(thread, flags(false))
  } else {
    startedAtMs = started(told, item)
  }
  const { exitCode = 0, output = "" } = yield* engine.exec({ command: cmd, cwd, threadId: thread.stored.id })
  completed(told, {
    ...item,
    status: exitCode === 0 ? "completed" : "failed",
    aggregatedOutput: output === "" ? null : output,
    exitCode,
    durationMs: connection.now() - startedAtMs
  }, startedAtMs)
  return Command.outputText(output, exitCode, connection.home.nextChunk())
})

const applyPatch = Effect.fnUntraced(function*(
  told: Told,
  callId: string,
  patch: Command.Patch,
  isAsked: boolean
): Effect.fn.Return<ToolEnd> {
  const { connection, thread, turn } = told
  const item = {
    type: "fileChange",
    id: callId,
    changes: patch.changes,
    status: "inProgress"
  } satisfies Received.ThreadItem
  const startedAtMs = started(told, item)
  if (isAsked) {
    connection.setStatus(thread, flags(true))
    const decision = yield* waitFor(
      told,
      connection.ask(thread, "item/fileChange/requestApproval", {
        ...idsOf(told),
        itemId: callId,
        startedAtMs,
        reason: null,
        grantRoot: null
      })
    )
    connection.setStatus(thread, flags(false))
    if (decision === "cancel") return cancelled
    if (decision !== "accept" && decision !== "acceptForSession") {
      completed(told, { ...item, status: "declined" }, startedAtMs)
      return decision === "decline" ? "patch rejected by user" : "approval request failed"
    }
  }
  completed(told, { ...item, status: "completed" }, startedAtMs)
  turn.diff += patch.diff
  tellDiff(told)
  return patch.text
})

const noReview = new Unsupported({
  what: "a review of an approval by a model (ApprovalMode.ask and untrusted ask the client)"
})

const requestUserInput = Effect.fnUntraced(function*(
  told: Told,
  callId: string,
  args: Schema.Json
): Effect.fn.Return<ToolEnd> {
  const { connection, thread, turn } = told
  const isBlocking = isPlanning(turn.settings)
  if (!isBlocking && !thread.stored.features.requestUserInput) {
    return "request_user_input is unavailable in Default mode"
  }
  const questions = Requests.questionsOf(args)
  if (typeof questions === "string") return questions
  connection.setStatus(thread, waitingOnUserInput)
  const answer = yield* answerTo(
    told,
    connection.ask(thread, "item/tool/requestUserInput", {
      ...idsOf(told),
      itemId: callId,
      questions,
      isBlocking,
      autoResolutionMs: null
    })
  )
  connection.setStatus(thread, flags(false))
  return Requests.answersText(answer)
})

const requestPermissions = Effect.fnUntraced(function*(
  told: Told,
  callId: string,
  args: Schema.Json
): Effect.fn.Return<ToolEnd, Unsupported> {
  const { connection, thread, turn } = told
  const permissions = Requests.permissionsOf(args)
  if (typeof permissions === "string") return permissions
  const { approvalPolicy, approvalsReviewer, cwd } = turn.settings
  const mayAsk = granularOf(approvalPolicy)?.request_permissions ?? approvalPolicy !== "never"
  if (!mayAsk) return Requests.grantedText(permissions, undefined)
  if (approvalsReviewer !== "user") return yield* noReview
  connection.setStatus(thread, flags(true))
  const answer = yield* answerTo(
    told,
    connection.ask(thread, "item/permissions/requestApproval", {
      ...idsOf(told),
      itemId: callId,
      environmentId: "local",
      startedAtMs: connection.now(),
      cwd,
      reason: stringOf(args, "reason") ?? null,
      permissions
    })
  )
  connection.setStatus(thread, flags(false))
  return Requests.grantedText(permissions, answer)
})

const hasTool = (thread: LoadedThread, call: FunctionCall): boolean =>
  thread.stored.dynamicTools.some((spec) =>
    spec.type === "namespace"
      ? spec.name === call.namespace && spec.tools.some((tool) => tool.name === call.name)
      : call.namespace === undefined && spec.name === call.name
  )

const isAnswer = Schema.is(Schema.Struct({
  success: Schema.Boolean,
  contentItems: Schema.Array(Schema.Union([
    Schema.Struct({ type: Schema.Literal("inputText"), text: Schema.String }),
    Schema.Struct({ type: Schema.Literal("inputImage"), imageUrl: Schema.String }),
    Schema.Struct({ type: Schema.Literal("inputAudio"), audioUrl: Schema.String })
  ]))
}))

const toolResult = (answer: { readonly result: unknown } | { readonly error: unknown }) => {
  const refused = (text: string) => ({ success: false, contentItems: [{ type: "inputText" as const, text }] })
  if ("error" in answer) return refused("dynamic tool request failed")
  const { result } = answer
  if (!isAnswer(result)) return refused("dynamic tool response was invalid")
  const isRemote = result.contentItems.some((item) => item.type === "inputImage" && !/^data:/i.test(item.imageUrl))
  return isRemote ? refused("remote image URLs are not supported; use an inline data URL instead") : result
}

const toModel = (contentItems: ReadonlyArray<Received.DynamicToolCallOutputContentItem>): Schema.Json => {
  const [only] = contentItems
  if (contentItems.length === 1 && only?.type === "inputText") return only.text
  if (contentItems.some((item) => item.type === "inputImage" && /^https?:/i.test(item.imageUrl))) {
    return Input.remoteImage
  }
  return contentItems.map((item): Schema.JsonObject =>
    item.type === "inputText"
      ? Input.inputText(item.text)
      : item.type === "inputImage"
      ? Input.image({ image_url: item.imageUrl }, null)
      : item.type === "inputAudio"
      ? Input.audio(item.audioUrl)
      : { type: item.type }
  )
}

const callTool = Effect.fnUntraced(function*(told: Told, callId: string, call: FunctionCall, args: Schema.Json) {
  const { connection, thread, turn } = told
  const item = {
    type: "dynamicToolCall",
    id: callId,
    namespace: call.namespace ?? null,
    tool: call.name,
    arguments: args,
    status: "inProgress",
    contentItems: null,
    success: null,
    durationMs: null
  } satisfies Received.ThreadItem
  const startedAtMs = started(told, item)
  const finish = (success: boolean, contentItems: ReadonlyArray<Received.DynamicToolCallOutputContentItem>) =>
    completed(told, {
      ...item,
      status: success ? "completed" : "failed",
      contentItems,
      success,
      durationMs: connection.now() - startedAtMs
    }, startedAtMs)
  const asked = connection.ask(thread, "item/tool/call", {
    threadId: thread.stored.id,
    turnId: turn.stored.id,
    callId,
    namespace: call.namespace ?? null,
    tool: call.name,
    arguments: args
  })
  const answer = yield* Effect.onInterrupt(asked.answer, () =>
    Effect.sync(() => {
      connection.openRequests.delete(asked.id)
      finish(false, [])
    }))
  const { contentItems, success } = toolResult(answer)
  finish(success, contentItems)
  return toModel(contentItems)
})

export const runTool = (
  engine: Engine,
  told: Told,
  callId: string,
  call: FunctionCall
): Effect.Effect<Schema.Json | typeof cancelled, Unsupported> => {
  const { features } = told.thread.stored
  const isOfAgents = call.namespace === Agents.namespace
  if (isOfAgents && !Agents.areOffered(told.thread.stored)) return Effect.succeed(OwnTools.unsupportedCall(call))
  const ofAgents = isOfAgents ? Agents.toolOf(call.name) : undefined
  const ownTools: { readonly [name: string]: typeof requestPermissions } = {
    exec_command: (told, callId, args) => runCommand(engine, told, callId, args),
    request_user_input: requestUserInput,
    ...(features.requestPermissions ? { request_permissions: requestPermissions } : {})
  }
  const own = call.namespace === undefined && Object.hasOwn(ownTools, call.name) ? ownTools[call.name] : undefined
  if (own === undefined && ofAgents === undefined && !hasTool(told.thread, call)) {
    const what = OwnTools.unsupported(call, features, told.turn.settings.model)
    return what === undefined
      ? Effect.succeed(OwnTools.unsupportedCall(call))
      : Effect.fail(new Unsupported({ what }))
  }
  const args = decodeArguments(call.arguments)
  if (args._tag === "Failure") return Effect.succeed(`failed to parse function arguments: ${args.failure.message}`)
  if (ofAgents !== undefined) return ofAgents(engine, told, callId, args.success)
  return own === undefined ? callTool(told, callId, call, args.success) : own(told, callId, args.success)
}
