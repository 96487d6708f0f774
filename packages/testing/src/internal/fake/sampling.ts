/** Plays the model's answer to one request, part by part. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { FunctionCall, HttpFailure, Outcome, Part, Pause, Reply } from "../../ScriptedModel.ts"
import * as Sse from "../sse.ts"
import * as Failure from "./failure.ts"
import { FakeRequest } from "./modelRequest.ts"
import { isPlanning, PlannedMessage } from "./planMode.ts"
import { agentMessage, completed, type Engine, started, tellDiff, type Told, Unsupported } from "./running.ts"
import { cancelled, runTool, stringOf } from "./tools.ts"
import { fillContext, tellRateLimits, updateUsage } from "./usage.ts"

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

/** Adds an answer of the model to the history. */
const remember = ({ thread }: Told, text: string, phase: Received.MessagePhase | null): void => {
  thread.stored.history.push({
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text }],
    ...(phase === null ? {} : { phase })
  })
}

/** Completes a message of the agent. */
const say = (
  told: Told,
  id: string,
  text: string,
  phase: Received.MessagePhase | null,
  startedAtMs: number
): Received.ThreadItem => {
  const item = completed(told, agentMessage(id, text, phase), startedAtMs)
  remember(told, text, phase)
  return item
}

/** Returns the message and its text, or undefined if the turn is steered meanwhile. */
const playText = Effect.fnUntraced(function*(told: Told, id: string, part: Extract<Part, { readonly _tag: "Text" }>) {
  const { connection, thread, turn } = told
  const phase = part.phase ?? null
  if (isPlanning(turn.settings)) {
    const message = new PlannedMessage(told, id, phase)
    const text = yield* playDeltas(told, part.deltas, (delta) => message.write(delta))
    if (text === undefined) return undefined
    const item = message.end()
    remember(told, text, phase)
    return { text: item === undefined ? "" : text, item }
  }
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

/** How a request to the model ended. */
type Sampled =
  | { readonly _tag: "Steered" }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "Failed"; readonly error: Received.TurnError }
  | { readonly _tag: "Answered"; readonly calledTools: boolean; readonly answer: Received.ThreadItem | undefined }

const steered: Sampled = { _tag: "Steered" }

export const sample = Effect.fnUntraced(function*(
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
      turnId: turn.stored.id,
      metadata: turn.metadata,
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

const messageItem = (item: Schema.JsonObject): { readonly id: string; readonly text: string } | undefined => {
  const { content, id, type } = item
  if (type !== "message" || typeof id !== "string" || !Array.isArray(content)) return undefined
  const texts = content.map((part) => stringOf(part, "text") ?? "")
  return { id, text: texts.join("") }
}
