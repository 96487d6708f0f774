/** Runs a turn: plays the model's answers, and notifies the client in the order of codex 0.171.0. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { ExecRequest, ExecResult } from "../../FakeAppServer.ts"
import type { FunctionCall, HttpFailure, Outcome, Part, Pause, Reply, Usage } from "../../ScriptedModel.ts"
import * as RequestBody from "../requestBody.ts"
import type { Script } from "../script.ts"
import * as Sse from "../sse.ts"
import * as Command from "./command.ts"
import type { Connection, LoadedThread } from "./connection.ts"
import * as Failure from "./failure.ts"
import type { Settings, StoredTurn } from "./home.ts"
import { noTokens, turnOf } from "./home.ts"
import * as Input from "./input.ts"
import { FakeRequest } from "./modelRequest.ts"
import * as OwnTools from "./ownTools.ts"
import * as Requests from "./requests.ts"

export interface Engine {
  readonly connection: Connection
  readonly script: Script
  readonly exec: (request: ExecRequest) => Effect.Effect<ExecResult>
  readonly url: string
  /** How often a request whose stream broke is retried. */
  readonly streamMaxRetries: number
}

interface Message {
  readonly input: ReadonlyArray<Received.UserInput>
  readonly clientId: string | null
}

export interface RunningTurn {
  readonly stored: StoredTurn
  readonly settings: Settings
  readonly outputSchema: Schema.Json | undefined
  /** The user's messages that the model has not seen yet. */
  readonly pending: Array<Message>
  /** Completes when a message becomes pending. */
  steered: Deferred.Deferred<void>
  /** The id of the server request that the turn waits for. */
  waitingFor: number | undefined
  /** Whether a tool runs after its response has ended. */
  inTool: boolean
  /** Whether the client was notified that another model answers. That happens once in a turn. */
  isRerouted: boolean
  diff: string
  fiber: Fiber.Fiber<void> | undefined
}

/** The script needs a feature that the fake does not support. */
class Unsupported extends Data.TaggedError("Unsupported")<{ readonly what: string }> {}

// =============================================================================
// Input
// =============================================================================

export const messageOf = (input: ReadonlyArray<Sent.UserInput>, clientId: string | null | undefined): Message => ({
  input: input.map(Input.contentOf),
  clientId: clientId ?? null
})

// =============================================================================
// Items
// =============================================================================

interface Told {
  readonly connection: Connection
  readonly thread: LoadedThread
  readonly turn: RunningTurn
}

const idsOf = ({ thread, turn }: Told) => ({ threadId: thread.stored.id, turnId: turn.stored.id })

const started = (told: Told, item: Received.ThreadItem): number => {
  const startedAtMs = told.connection.now()
  told.connection.tell(told.thread, "item/started", {
    item: { ...item, startedAtMs, completedAtMs: null },
    turnId: told.turn.stored.id,
    startedAtMs
  })
  return startedAtMs
}

const completed = (told: Told, item: Received.ThreadItem, startedAtMs: number): Received.ThreadItem => {
  const completedAtMs = told.connection.now()
  const stored = { ...item, startedAtMs, completedAtMs }
  told.turn.stored.items.push(stored)
  told.connection.tell(told.thread, "item/completed", {
    item: stored,
    turnId: told.turn.stored.id,
    contentTokenCount: null,
    completedAtMs
  })
  return stored
}

const agentMessage = (
  id: string,
  text: string,
  phase: Received.MessagePhase | null
): Received.ThreadItem => ({
  type: "agentMessage",
  moderation: null,
  id,
  text,
  phase,
  memoryCitation: null,
  delivery: null,
  questions: null
})

const sayPending = (told: Told): void => {
  const { connection, thread, turn } = told
  const { developerInstructions, history } = thread.stored
  if (history.length === 0 && developerInstructions !== null) {
    history.push(RequestBody.developerMessage(developerInstructions))
  }
  for (const { clientId, input } of turn.pending.splice(0)) {
    if (input.length === 0) continue
    const item: Received.ThreadItem = { type: "userMessage", id: connection.home.nextId(), clientId, content: input }
    completed(told, item, started(told, item))
    history.push({ type: "message", role: "user", content: Input.modelContent(input) })
    if (thread.stored.preview === "") {
      thread.stored.preview = input.find((part) => part.type === "text")?.text ?? ""
    }
  }
  turn.steered = Deferred.makeUnsafe()
}

// =============================================================================
// The end
// =============================================================================

const updateUsage = (told: Told, usage: Usage, isWhole = true): void => {
  const { thread } = told
  const input = usage.input ?? 0
  const output = usage.output ?? 0
  const last: Received.TokenUsageBreakdown = {
    totalTokens: input + output,
    inputTokens: input,
    cachedInputTokens: usage.cached ?? 0,
    cacheWriteInputTokens: 0,
    outputTokens: output,
    reasoningOutputTokens: usage.reasoning ?? 0
  }
  const { usage: total } = thread.stored
  // A response that was cut short counts towards the thread's total, but is not reported as the last one.
  if (isWhole) thread.stored.lastUsage = last
  thread.stored.usage = {
    totalTokens: total.totalTokens + last.totalTokens,
    inputTokens: total.inputTokens + last.inputTokens,
    cachedInputTokens: total.cachedInputTokens + last.cachedInputTokens,
    cacheWriteInputTokens: 0,
    outputTokens: total.outputTokens + last.outputTokens,
    reasoningOutputTokens: total.reasoningOutputTokens + last.reasoningOutputTokens
  }
  tellUsage(told.connection, thread, told.turn.stored.id)
}

const contextWindow = 258_400

export const tellUsage = (connection: Connection, thread: LoadedThread, turnId: string): void => {
  const { lastUsage: last, usage: total } = thread.stored
  connection.tell(thread, "thread/tokenUsage/updated", {
    turnId,
    tokenUsage: { total, last, modelContextWindow: contextWindow }
  })
}

const windowOf = (headers: Readonly<Record<string, string>>, name: string): Received.RateLimitWindow | null => {
  const numberOf = (member: string): number | null => {
    const value = headers[`x-codex-${name}-${member}`]
    return value === undefined ? null : Number(value)
  }
  const usedPercent = numberOf("used-percent")
  return usedPercent === null
    ? null
    : {
      usedPercent: Math.round(usedPercent),
      windowDurationMins: numberOf("window-minutes"),
      resetsAt: numberOf("reset-at")
    }
}

const tellRateLimits = (connection: Connection, headers: Readonly<Record<string, string>> = {}): void =>
  connection.notify("account/rateLimits/updated", {
    rateLimits: {
      limitId: "codex",
      limitName: null,
      normalModelSlug: null,
      primary: windowOf(headers, "primary"),
      secondary: windowOf(headers, "secondary"),
      credits: null,
      individualLimit: null,
      spendControlReached: null,
      planType: null,
      rateLimitReachedType: null
    }
  })

const tellDiff = (told: Told): void => {
  const { diff, stored } = told.turn
  if (diff !== "") told.connection.tell(told.thread, "turn/diff/updated", { turnId: stored.id, diff })
}

const markUnread = ({ connection, thread, turn }: Told): void => {
  thread.stored.firstUnread ??= turn.stored.id
  thread.stored.revision = connection.home.nextId()
  connection.tell(thread, "thread/readState/changed", {
    readState: {
      firstUnread: { type: "turn", turnId: thread.stored.firstUnread },
      revision: thread.stored.revision
    }
  })
}

const end = (
  told: Told,
  status: "completed" | "interrupted" | "failed",
  error: Received.TurnError | null,
  answer: Received.ThreadItem | undefined
): void => {
  const { connection, thread, turn } = told
  turn.stored.status = status
  turn.stored.error = error
  turn.stored.completedAtMs = connection.now()
  thread.stored.updatedAtMs = connection.now()
  thread.stored.usedAs = connection.home.nextUse()
  thread.running = undefined
  if (error !== null) {
    connection.setStatus(thread, { type: "systemError" })
    connection.tell(thread, "error", { error, willRetry: false, turnId: turn.stored.id })
  }
  if ((error !== null || answer !== undefined) && !thread.stored.ephemeral) markUnread(told)
  if (error === null) connection.setStatus(thread, { type: "idle" })
  connection.tell(thread, "turn/completed", {
    turn: {
      ...turnOf(turn.stored, "notLoaded"),
      ...(answer === undefined ? {} : { items: [answer], itemsView: "summary" })
    }
  })
  if (turn.waitingFor !== undefined && connection.openRequests.delete(turn.waitingFor)) {
    connection.tell(thread, "serverRequest/resolved", { requestId: turn.waitingFor })
  }
}

// =============================================================================
// Tools
// =============================================================================

/** The end of a tool call that the client has cancelled. It ends the turn. */
const cancelled = Symbol("cancelled")
type ToolEnd = string | typeof cancelled

const flags = (waiting: boolean): Received.ThreadStatus => ({
  type: "active",
  activeFlags: waiting ? ["waitingOnApproval"] : []
})

const waitingOnUserInput: Received.ThreadStatus = { type: "active", activeFlags: ["waitingOnUserInput"] }

const decodeArguments = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Json))

const stringOf = (args: unknown, key: string): string | undefined =>
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
  if (isEscalated && approvalPolicy === "never") return Command.neverText

  const patch = Command.patchOf(cmd, cwd)
  const isAllowed = patch === undefined &&
    (thread.stored.approvedCommands.has(cmd) ||
      connection.home.allowedPrefixes.some((prefix) => Command.hasPrefix(cmd, prefix)))
  const isAsked = !isAllowed &&
    (approvalPolicy === "untrusted" ||
      (approvalPolicy === "on-request" &&
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
  const { connection, thread } = told
  if (!thread.stored.features.requestUserInput) return "request_user_input is unavailable in Default mode"
  const questions = Requests.questionsOf(args)
  if (typeof questions === "string") return questions
  connection.setStatus(thread, waitingOnUserInput)
  const answer = yield* answerTo(
    told,
    connection.ask(thread, "item/tool/requestUserInput", {
      ...idsOf(told),
      itemId: callId,
      questions,
      isBlocking: false,
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
  if (approvalPolicy === "never") return Requests.grantedText(permissions, undefined)
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

// =============================================================================
// Parts of a response
// =============================================================================

/** Waits for a pause. Returns false if the turn is steered meanwhile, because codex then hangs up on the model. */
const passes = ({ turn }: Told, pause: Pause): Effect.Effect<boolean> =>
  Effect.raceFirst(Effect.as(Sse.pause(pause), true), Effect.as(Deferred.await(turn.steered), false))

/** Reports each delta. Returns the whole text, or undefined if the turn is steered meanwhile. */
const playDeltas = Effect.fnUntraced(function*(
  told: Told,
  deltas: ReadonlyArray<string | Pause>,
  tell: (delta: string) => void
): Effect.fn.Return<string | undefined> {
  let text = ""
  for (const delta of deltas) {
    if (typeof delta !== "string") {
      if (!(yield* passes(told, delta))) return undefined
    } else {
      text += delta
      tell(delta)
    }
  }
  return text
})

/** Completes a message of the agent. */
const say = (
  told: Told,
  id: string,
  text: string,
  phase: Received.MessagePhase | null,
  startedAtMs: number
): Received.ThreadItem => {
  const item = completed(told, agentMessage(id, text, phase), startedAtMs)
  told.thread.stored.history.push({
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text }],
    ...(phase === null ? {} : { phase })
  })
  return item
}

/** Returns the message and its text, or undefined if the turn is steered meanwhile. */
const playText = Effect.fnUntraced(function*(told: Told, id: string, part: Extract<Part, { readonly _tag: "Text" }>) {
  const { connection, thread, turn } = told
  const phase = part.phase ?? null
  const startedAtMs = started(told, agentMessage(id, "", phase))
  const text = yield* playDeltas(told, part.deltas, (delta) => {
    if (delta === "") return
    connection.tell(thread, "item/agentMessage/delta", { turnId: turn.stored.id, itemId: id, delta })
  })
  return text === undefined ? undefined : { text, item: say(told, id, text, phase, startedAtMs) }
})

/** Returns false if the turn is steered meanwhile. */
const playReasoning = Effect.fnUntraced(function*(
  told: Told,
  id: string,
  part: Extract<Part, { readonly _tag: "Reasoning" }>
): Effect.fn.Return<boolean> {
  const { connection, thread, turn } = told
  const item = { type: "reasoning", id, summary: [], content: [] } satisfies Received.ThreadItem
  const startedAtMs = started(told, item)
  const at = { turnId: turn.stored.id, itemId: id }
  connection.tell(thread, "item/reasoning/summaryPartAdded", { ...at, summaryIndex: 0 })
  const summary = yield* playDeltas(
    told,
    part.summary,
    (delta) => connection.tell(thread, "item/reasoning/summaryTextDelta", { ...at, delta, summaryIndex: 0 })
  )
  if (summary === undefined) return false
  const content = yield* playDeltas(
    told,
    part.content,
    (delta) => connection.tell(thread, "item/reasoning/textDelta", { ...at, delta, contentIndex: 0 })
  )
  if (content === undefined) return false
  completed(
    told,
    { ...item, summary: [summary], content: part.content.length === 0 ? [] : [content] },
    startedAtMs
  )
  thread.stored.history.push({ type: "reasoning", summary: [{ type: "summary_text", text: summary }] })
  return true
})

/** Runs a tool, and adds the call and its output to the history. Returns false if the client has cancelled it. */
const playCall = Effect.fnUntraced(function*(
  engine: Engine,
  told: Told,
  callId: string,
  call: FunctionCall
): Effect.fn.Return<boolean, Unsupported> {
  const { thread: { stored: { history } }, turn } = told
  history.push({
    type: "function_call",
    call_id: callId,
    name: call.name,
    arguments: call.arguments,
    ...(call.namespace === undefined ? {} : { namespace: call.namespace })
  })
  turn.inTool = true
  const output = yield* runTool(engine, told, callId, call)
  turn.inTool = false
  if (output === cancelled) return false
  history.push({ type: "function_call_output", call_id: callId, output })
  return true
})

// =============================================================================
// Responses of the model
// =============================================================================

/** How a request to the model ended. */
type Sampled =
  | { readonly _tag: "Steered" }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "Failed"; readonly error: Received.TurnError }
  | { readonly _tag: "Answered"; readonly calledTools: boolean; readonly answer: Received.ThreadItem | undefined }

const steered: Sampled = { _tag: "Steered" }

const sample = Effect.fnUntraced(function*(
  engine: Engine,
  told: Told
): Effect.fn.Return<Sampled, Unsupported> {
  const { connection, thread, turn } = told
  const outcome = Deferred.makeUnsafe<Outcome>()
  const request = yield* engine.script.record((index) =>
    new FakeRequest(connection, thread.stored, {
      index,
      model: turn.settings.model,
      outputSchema: turn.outputSchema,
      outcome: Deferred.await(outcome)
    })
  )

  let streaming: Reply | undefined
  // Rate limits are reported when a response ends, in whatever way.
  const tellEnd = (): void => {
    if (streaming !== undefined) tellRateLimits(connection, streaming.headers)
    streaming = undefined
  }

  const play = Effect.fnUntraced(function*(reply: Reply): Effect.fn.Return<Sampled, Unsupported> {
    let calledTools = false
    let answer: Received.ThreadItem | undefined
    // The server waits for the head of a response before it handles steering.
    const head = reply.parts.findIndex((part) => !Sse.isPause(part))
    for (const [index, given] of reply.parts.entries()) {
      if (index === head) {
        streaming = reply
        tellReroute(told, reply)
        if (turn.pending.length > 0) return steered
      }
      const part: Part = typeof given === "string"
        ? { _tag: "Text", deltas: [given], id: undefined, phase: undefined }
        : given
      switch (part._tag) {
        case "Delay":
        case "Gate":
          if (index < head || head === -1) yield* Sse.pause(part)
          else if (!(yield* passes(told, part))) return steered
          break
        case "Event":
          // codex ignores unknown events.
          break
        case "Text": {
          const said = yield* playText(told, part.id ?? `msg-${request.index}-${index}`, part)
          if (said === undefined) return steered
          if (said.text !== "") answer = said.item
          break
        }
        case "Reasoning":
          if (!(yield* playReasoning(told, part.id ?? `rs-${request.index}-${index}`, part))) return steered
          break
        case "FunctionCall":
          calledTools = true
          if (!(yield* playCall(engine, told, part.callId ?? `call-${request.index}-${index}`, part))) {
            updateUsage(told, reply.usage)
            return { _tag: "Cancelled" }
          }
          break
        case "Item": {
          const message = messageItem(part.item)
          if (message === undefined) {
            return yield* new Unsupported({ what: `an output item of type ${String(part.item["type"])}` })
          }
          const { id, text } = message
          const item = say(told, id, text, null, started(told, agentMessage(id, text, null)))
          if (text !== "") answer = item
          break
        }
      }
    }
    streaming = reply
    const error = Failure.ofEnd(reply.end)
    if (reply.end._tag === "Failed" && reply.end.code === "context_length_exceeded") {
      tellEnd()
      fillContext(told)
      tellRateLimits(connection, reply.headers)
    } else if (error === undefined || (reply.end._tag === "Incomplete" && reply.end.reason === "max_output_tokens")) {
      updateUsage(told, reply.usage, error === undefined)
      tellEnd()
      if (!calledTools) tellDiff(told)
    }
    return error === undefined ? { _tag: "Answered", calledTools, answer } : { _tag: "Failed", error }
  })

  const answering = Effect.gen(function*() {
    const answer = yield* engine.script.answer(request)
    return answer._tag === "HttpFailure" ? yield* refuse(answer) : yield* play(answer)
  })
  const refuse = Effect.fnUntraced(function*(answer: HttpFailure): Effect.fn.Return<Sampled> {
    for (const held of answer.pauses) yield* Sse.pause(held)
    const error = Failure.ofHttp(answer, engine.url)
    if (error.codexErrorInfo === "usageLimitExceeded") tellRateLimits(connection, answer.headers)
    return { _tag: "Failed", error }
  })
  return yield* Effect.onExit(answering, (exit) => {
    if (turn.inTool) updateUsage(told, {})
    tellEnd()
    return Deferred.succeed(outcome, Exit.isSuccess(exit) && exit.value._tag !== "Steered" ? "answered" : "abandoned")
  })
})

/** Reports that another model than the requested one answers. codex always gives the same reason and warning. */
const tellReroute = ({ connection, thread, turn }: Told, { model }: Reply): void => {
  if (model === undefined || model === turn.settings.model || turn.isRerouted) return
  turn.isRerouted = true
  connection.tell(thread, "model/rerouted", {
    turnId: turn.stored.id,
    fromModel: turn.settings.model,
    toModel: model,
    reason: "highRiskCyberActivity"
  })
  connection.tell(thread, "warning", {
    message:
      "Your account was flagged for potentially high-risk cyber activity and this request was routed to gpt-5.2 as " +
      "a fallback. To regain access to gpt-5.3-codex, apply for trusted access: https://chatgpt.com/cyber or learn more: " +
      "https://developers.openai.com/codex/concepts/cyber-safety"
  })
}

const fillContext = ({ connection, thread, turn }: Told): void => {
  const full = { ...noTokens, totalTokens: contextWindow }
  thread.stored.usage = full
  thread.stored.lastUsage = full
  tellUsage(connection, thread, turn.stored.id)
}

const messageItem = (item: Schema.JsonObject): { readonly id: string; readonly text: string } | undefined => {
  const { content, id, type } = item
  if (type !== "message" || typeof id !== "string" || !Array.isArray(content)) return undefined
  const texts = content.map((part) => stringOf(part, "text") ?? "")
  return { id, text: texts.join("") }
}

const runTool = (
  engine: Engine,
  told: Told,
  callId: string,
  call: FunctionCall
): Effect.Effect<Schema.Json | typeof cancelled, Unsupported> => {
  const { features } = told.thread.stored
  const ownTools: { readonly [name: string]: typeof requestPermissions } = {
    exec_command: (told, callId, args) => runCommand(engine, told, callId, args),
    request_user_input: requestUserInput,
    ...(features.requestPermissions ? { request_permissions: requestPermissions } : {})
  }
  const own = call.namespace === undefined && Object.hasOwn(ownTools, call.name) ? ownTools[call.name] : undefined
  if (own === undefined && !hasTool(told.thread, call)) {
    const what = OwnTools.unsupported(call, features, told.turn.settings.model)
    return what === undefined
      ? Effect.succeed(OwnTools.unsupportedCall(call))
      : Effect.fail(new Unsupported({ what }))
  }
  const args = decodeArguments(call.arguments)
  if (args._tag === "Failure") return Effect.succeed(`failed to parse function arguments: ${args.failure.message}`)
  return own === undefined ? callTool(told, callId, call, args.success) : own(told, callId, args.success)
}

/** Runs a turn to its end. Interrupt the fiber and then call {@link interrupted} to interrupt the turn. */
export const run = (engine: Engine, thread: LoadedThread, turn: RunningTurn): Effect.Effect<void> => {
  const told: Told = { connection: engine.connection, thread, turn }
  return Effect.gen(function*() {
    let attempt = 0
    for (;;) {
      sayPending(told)
      const sampled = yield* sample(engine, told)
      const retry = sampled._tag === "Failed"
        ? Failure.retryOf(sampled.error, ++attempt, engine.streamMaxRetries)
        : undefined
      if (retry !== undefined) {
        engine.connection.tell(thread, "error", { error: retry, willRetry: true, turnId: turn.stored.id })
        yield* Effect.sleep(200 * 2 ** (attempt - 1))
        continue
      }
      if (sampled._tag !== "Failed") attempt = 0
      if (sampled._tag === "Failed") return end(told, "failed", sampled.error, undefined)
      if (sampled._tag === "Cancelled") return end(told, "interrupted", null, undefined)
      if (sampled._tag === "Answered" && !sampled.calledTools && turn.pending.length === 0) {
        return end(told, "completed", null, sampled.answer)
      }
    }
  }).pipe(
    Effect.catch((unsupported) =>
      Effect.sync(() =>
        end(told, "failed", {
          message: `FakeAppServer does not do ${unsupported.what}. Test it on the real codex, with ScriptedCodex.`,
          codexErrorInfo: "other",
          additionalDetails: null,
          misalignment: null
        }, undefined)
      )
    )
  )
}

/** Ends a turn whose fiber was interrupted. `reply` answers the request to interrupt first. */
export const interrupted = (engine: Engine, thread: LoadedThread, turn: RunningTurn, reply: () => void): void => {
  const told: Told = { connection: engine.connection, thread, turn }
  reply()
  end(told, "interrupted", null, undefined)
}
