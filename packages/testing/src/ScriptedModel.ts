/**
 * A stand-in for OpenAI's Responses API on loopback, which lets the real codex binary run offline. codex sends its
 * requests to `url` as it would to OpenAI, and gets the scripted answers of the test, streamed as server-sent events.
 * The model records the requests, can hold an answer at any point, can fail in every way the real API fails, and
 * reports whether codex hung up before an answer was complete.
 *
 * It does not validate requests: it accepts an unknown model, tool or parameter.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import * as RequestBody from "./internal/requestBody.ts"
import * as Script from "./internal/script.ts"
import * as Sse from "./internal/sse.ts"

// =============================================================================
// Answers
// =============================================================================

/**
 * A JSON object, as codex and the Responses API exchange them.
 *
 * @category models
 * @since 0.1.0
 */
export type JsonObject = Schema.JsonObject

/**
 * A pause of a fixed length before the next part of an answer. It uses the clock of the layer's runtime, so a
 * `TestClock` moves it.
 *
 * @see {@link delay}
 * @category models
 * @since 0.1.0
 */
export interface Delay {
  readonly _tag: "Delay"
  readonly duration: Duration.Duration
}

/**
 * A pause that holds an answer until `release` runs.
 *
 * @see {@link gate}
 * @category models
 * @since 0.1.0
 */
export interface Gate {
  readonly _tag: "Gate"
  /** Completes as soon as an answer waits at the gate. */
  readonly reached: Effect.Effect<void>
  /** Opens the gate for this answer and all later ones. */
  readonly release: Effect.Effect<void>
  /** Run by the model at the gate: completes `reached`, then waits for `release`. */
  readonly pass: Effect.Effect<void>
}

/**
 * A point in an answer at which the model sends nothing for a while.
 *
 * @category models
 * @since 0.1.0
 */
export type Pause = Delay | Gate

/**
 * A message of the assistant, sent delta by delta.
 *
 * @see {@link text}
 * @category models
 * @since 0.1.0
 */
export interface Text {
  readonly _tag: "Text"
  readonly deltas: ReadonlyArray<string | Pause>
  /** The item's id. Undefined: a unique one. */
  readonly id: string | undefined
  /** Whether the message is a comment on the work or the final answer. Undefined: the message does not say. */
  readonly phase: "commentary" | "final_answer" | undefined
}

/**
 * A reasoning item with one summary part, sent delta by delta, and optionally the raw reasoning text.
 *
 * @see {@link reasoning}
 * @category models
 * @since 0.1.0
 */
export interface Reasoning {
  readonly _tag: "Reasoning"
  /** The deltas of the summary, which codex shows. */
  readonly summary: ReadonlyArray<string | Pause>
  /** The deltas of the raw reasoning text; empty for none. */
  readonly content: ReadonlyArray<string | Pause>
  /** The item's id. Undefined: a unique one. */
  readonly id: string | undefined
}

/**
 * A call of one of the function tools that codex offers.
 *
 * @see {@link functionCall}
 * @category models
 * @since 0.1.0
 */
export interface FunctionCall {
  readonly _tag: "FunctionCall"
  /** The tool's name, without its namespace. */
  readonly name: string
  /** The tool's namespace. Undefined: it has none. */
  readonly namespace: string | undefined
  /** The arguments as they go over the wire: JSON text, valid or not. */
  readonly arguments: string
  /** The id that the tool's output refers to. Undefined: a unique one. */
  readonly callId: string | undefined
  /** The item's id. Undefined: a unique one. */
  readonly id: string | undefined
}

/**
 * An output item, sent unchanged, for everything that has no constructor in this module.
 *
 * @see {@link item}
 * @category models
 * @since 0.1.0
 */
export interface Item {
  readonly _tag: "Item"
  readonly item: JsonObject
}

/**
 * A server-sent event, sent unchanged. `data` need not be JSON.
 *
 * @see {@link event}
 * @category models
 * @since 0.1.0
 */
export interface Event {
  readonly _tag: "Event"
  readonly event: string
  readonly data: string
}

/**
 * One part of an answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Part = Text | Reasoning | FunctionCall | Item | Event | Pause

/**
 * The token counts that a response reports when it completes. Each defaults to 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  /** Input tokens, cached ones included. */
  readonly input?: number | undefined
  /** Tokens of `input` that came from the prompt cache. */
  readonly cached?: number | undefined
  /** Output tokens, reasoning included. */
  readonly output?: number | undefined
  /** Tokens of `output` that were reasoning. */
  readonly reasoning?: number | undefined
}

/**
 * How a streamed response ends. `Truncated` stops before `response.completed`: `"end"` ends the HTTP body properly,
 * `"cut"` closes the connection in the middle of it.
 *
 * @category models
 * @since 0.1.0
 */
export type End =
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Failed"; readonly code: string; readonly message: string }
  | { readonly _tag: "Incomplete"; readonly reason: string }
  | { readonly _tag: "Truncated"; readonly how: "end" | "cut" }

/**
 * A streamed response. Pauses at its beginning also hold back the HTTP response head.
 *
 * @see {@link reply}
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly _tag: "Reply"
  readonly parts: ReadonlyArray<string | Part>
  /** The response's id. Undefined: a unique one. */
  readonly id: string | undefined
  readonly usage: Usage
  /** The model that the provider says has answered. Undefined: it does not say. */
  readonly model: string | undefined
  /** Additional headers of the HTTP response. */
  readonly headers: Readonly<Record<string, string>>
  readonly end: End
}

/**
 * An HTTP response other than a stream, for a request that the API refuses.
 *
 * @see {@link httpFailure}
 * @category models
 * @since 0.1.0
 */
export interface HttpFailure {
  readonly _tag: "HttpFailure"
  /** The HTTP status, such as 429. */
  readonly status: number
  /** The body, sent as JSON; `null` sends an empty body. */
  readonly body: Schema.Json
  readonly headers: Readonly<Record<string, string>>
  /** Pauses that hold back the response. */
  readonly pauses: ReadonlyArray<Pause>
}

/**
 * The model's answer to one request. A string is a text, an array is a `reply` of its parts.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = string | Part | ReadonlyArray<string | Part> | Reply | HttpFailure

/**
 * An answer of a script: the answer itself, or a function that makes it from the request. Use a function for what the
 * script cannot know beforehand, such as what a command printed or the id of a subagent.
 *
 * @category models
 * @since 0.1.0
 */
export type ScriptedAnswer = Answer | ((request: ModelRequest) => Answer | Effect.Effect<Answer>)

const deltas = (text: string | ReadonlyArray<string | Pause>): ReadonlyArray<string | Pause> =>
  typeof text === "string" ? [text] : text

/**
 * Makes a message of the assistant. An array lists the deltas, with pauses between them if needed; a string is one
 * delta. The id defaults to one that is unique in this model.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.text(["Hel", "lo"], { phase: "final_answer" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (
  text: string | ReadonlyArray<string | Pause>,
  options: { readonly id?: string | undefined; readonly phase?: "commentary" | "final_answer" | undefined } = {}
): Text => ({ _tag: "Text", deltas: deltas(text), id: options.id, phase: options.phase })

/**
 * Makes a reasoning item: the summary, which codex shows, and optionally the raw reasoning (`content`).
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.reasoning(["I look at ", "the files."])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const reasoning = (
  summary: string | ReadonlyArray<string | Pause>,
  options: {
    readonly id?: string | undefined
    readonly content?: string | ReadonlyArray<string | Pause> | undefined
  } = {}
): Reasoning => ({
  _tag: "Reasoning",
  summary: deltas(summary),
  content: deltas(options.content ?? []),
  id: options.id
})

/**
 * Makes a call of a function tool. `args` is sent as JSON; a string is sent unchanged. `callId` defaults to one that is
 * unique in this model.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.functionCall("view_image", { path: "/tmp/a.png" }, { callId: "call-1" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const functionCall = (
  name: string,
  args: JsonObject | string,
  options: {
    readonly callId?: string | undefined
    readonly id?: string | undefined
    readonly namespace?: string | undefined
  } = {}
): FunctionCall => ({
  _tag: "FunctionCall",
  name,
  namespace: options.namespace,
  arguments: typeof args === "string" ? args : JSON.stringify(args),
  callId: options.callId,
  id: options.id
})

/**
 * Makes a call of codex's `exec_command` tool, which runs a command. `args` adds to or replaces the tool's arguments.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.exec("touch a.txt", {
 *   args: { sandbox_permissions: "require_escalated", justification: "please" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const exec = (
  cmd: string,
  options: { readonly callId?: string | undefined; readonly args?: JsonObject | undefined } = {}
): FunctionCall => functionCall("exec_command", { cmd, ...options.args }, { callId: options.callId })

/**
 * Makes a call of codex's `spawn_agent`, which starts a subagent. codex returns the subagent's id at once, and the
 * subagent sends its requests to this model too: `message` is the `prompt` of its first request. `args` adds to the
 * tool's arguments, such as `agent_type`.
 *
 * **When to use**
 *
 * In a test of a program that shows or counts what subagents do, on the real codex. {@link waitAgents} waits for them.
 *
 * **Gotchas**
 *
 * The agent and its subagent send requests at the same time, in any order. Tell them apart by `request.prompt` in the
 * option `answer` of {@link layer}. Queued answers would go to whichever request comes first.
 *
 * **Example** (A subagent that counts)
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const ModelLive = ScriptedModel.layer({
 *   answer: (request) => {
 *     if (request.prompt === "Count the files.") return "There are three."
 *     switch (request.toolOutputs.length) {
 *       case 0:
 *         return ScriptedModel.spawnAgent("Count the files.")
 *       case 1:
 *         return ScriptedModel.waitAgents(request)
 *       default:
 *         return "My subagent counted three files."
 *     }
 *   }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const spawnAgent = (
  message: string,
  options: { readonly callId?: string | undefined; readonly args?: JsonObject | undefined } = {}
): FunctionCall =>
  functionCall("spawn_agent", { message, ...options.args }, { callId: options.callId, namespace: agentTools })

/**
 * Makes a call of codex's `wait_agent`, which waits for the subagents spawned since the prompt of the request.
 * `timeout` is how long the tool waits. Default: 30 seconds.
 *
 * @see {@link spawnAgent}
 * @category constructors
 * @since 0.1.0
 */
export const waitAgents = (
  request: ModelRequest,
  options: { readonly callId?: string | undefined; readonly timeout?: Duration.Input | undefined } = {}
): FunctionCall =>
  functionCall("wait_agent", {
    targets: agentIds(request),
    timeout_ms: Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? "30 seconds"))
  }, { callId: options.callId, namespace: agentTools })

/**
 * Returns the ids of the subagents spawned since the prompt of the request, for calls of `send_input` and
 * `close_agent`.
 *
 * **Example** (Sending a subagent more input)
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = (request: ScriptedModel.ModelRequest) =>
 *   ScriptedModel.functionCall(
 *     "send_input",
 *     { target: ScriptedModel.agentIds(request)[0] ?? "", message: "And the folders." },
 *     { namespace: "multi_agent_v1" }
 *   )
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const agentIds = (request: ModelRequest): ReadonlyArray<string> =>
  request.toolOutputs.flatMap(({ output }) =>
    Option.toArray(Option.map(decodeSpawned(output), ({ agent_id }) => agent_id))
  )

const agentTools = "multi_agent_v1"

const decodeSpawned = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ agent_id: Schema.String })))

/**
 * Makes an output item from raw JSON (`{ type, id, … }`). The model sends it as added and as done.
 *
 * **Example** (A web search)
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.item({ type: "web_search_call", id: "ws-1", status: "completed" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const item = (item: JsonObject): Item => ({ _tag: "Item", item })

/**
 * Makes a raw server-sent event. `data` need not be JSON.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.event("response.output_text.delta", "this is not JSON")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const event = (event: string, data: string): Event => ({ _tag: "Event", event, data })

/**
 * Makes a pause of a fixed length.
 *
 * **Example** (A model that thinks before it answers)
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = [ScriptedModel.delay("10 seconds"), "Hello!"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const delay = (duration: Duration.Input): Delay => ({
  _tag: "Delay",
  duration: Duration.fromInputUnsafe(duration)
})

/**
 * Makes a gate: a part of an answer that holds it until the test releases it.
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { ScriptedModel } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const interrupted = Effect.gen(function*() {
 *   const model = yield* ScriptedModel.ScriptedModel
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   const gate = yield* ScriptedModel.gate
 *   yield* model.enqueue(ScriptedModel.text(["Hel", gate, "lo"]))
 *   const turn = yield* thread.turn("Say hello.")
 *   yield* gate.reached
 *   yield* turn.interrupt
 *   return yield* turn.result
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const gate: Effect.Effect<Gate> = Effect.sync(() => {
  const reached = Deferred.makeUnsafe<void>()
  const released = Deferred.makeUnsafe<void>()
  return {
    _tag: "Gate",
    reached: Deferred.await(reached),
    release: Effect.asVoid(Deferred.succeed(released, undefined)),
    pass: Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(released))
  }
})

/**
 * Makes a streamed response of several parts. `end` defaults to a completed response, `usage` to zeros, `id` to a
 * unique one.
 *
 * **Details**
 *
 * `model` says which model has answered; codex reports one other than the requested model with `model/rerouted`.
 * `headers` are headers of the HTTP response; codex reads rate limits from them.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.reply([ScriptedModel.reasoning("Let me look."), ScriptedModel.exec("ls")], {
 *   usage: { input: 100, cached: 40, output: 20, reasoning: 5 },
 *   headers: { "x-codex-primary-used-percent": "80", "x-codex-primary-window-minutes": "300" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const reply = (
  parts: ReadonlyArray<string | Part>,
  options: {
    readonly id?: string | undefined
    readonly usage?: Usage | undefined
    readonly model?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly end?: End | undefined
  } = {}
): Reply => ({
  _tag: "Reply",
  parts,
  id: options.id,
  usage: options.usage ?? {},
  model: options.model,
  headers: options.headers ?? {},
  end: options.end ?? { _tag: "Completed" }
})

/**
 * Makes a stream that ends with `response.failed`, after the given parts.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.failed("context_length_exceeded", "too long")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = (code: string, message: string, parts: ReadonlyArray<string | Part> = []): Reply =>
  reply(parts, { end: { _tag: "Failed", code, message } })

/**
 * Makes a stream that ends with `response.incomplete`, after the given parts.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.incomplete("max_output_tokens", ["half an ans"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const incomplete = (reason: string, parts: ReadonlyArray<string | Part> = []): Reply =>
  reply(parts, { end: { _tag: "Incomplete", reason } })

/**
 * Makes a stream that stops without a last event: `"end"` ends the HTTP body properly, `"cut"` closes the connection.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.truncated("cut", ["half an ans"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const truncated = (how: "end" | "cut", parts: ReadonlyArray<string | Part> = []): Reply =>
  reply(parts, { end: { _tag: "Truncated", how } })

/**
 * Makes an HTTP failure. A string body becomes OpenAI's error object with that message, and `null` an empty body; any
 * other body is sent as JSON, unchanged. `pauses` hold the response back.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const answer = ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const httpFailure = (
  status: number,
  body: Schema.Json = null,
  options: {
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly pauses?: ReadonlyArray<Pause> | undefined
  } = {}
): HttpFailure => ({
  _tag: "HttpFailure",
  status,
  body: typeof body === "string" ? { error: { message: body, type: "scripted_model", code: null } } : body,
  headers: options.headers ?? {},
  pauses: options.pauses ?? []
})

// =============================================================================
// Requests
// =============================================================================

/**
 * How the exchange of a request ended: the whole answer was sent (`answered`), the client hung up before that
 * (`abandoned`), or the model's scope closed first (`closed`).
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "answered" | "abandoned" | "closed"

/**
 * A request from codex, decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelRequest {
  /** 0 for the first request this model received. */
  readonly index: number
  readonly model: string
  /** The `instructions` field; `""` if the request has none. */
  readonly instructions: string
  /**
   * The user's last prompt: the first text of the last user message that codex did not write itself; `""` if there is
   * none. A text that begins like one of codex's own (`<environment_context>`, `<skill>`, `<image name=`) counts as
   * codex's.
   */
  readonly prompt: string
  /**
   * The texts of all user messages, in order, including the context that codex adds, such as `<environment_context>`.
   */
  readonly userTexts: ReadonlyArray<string>
  /** The outputs of tools since `prompt`, in order. An output that is not a string becomes JSON text. */
  readonly toolOutputs: ReadonlyArray<{ readonly callId: string; readonly output: string }>
  /** All input items, as codex sent them. */
  readonly input: ReadonlyArray<JsonObject>
  /** The `tools` field, as codex sent it; empty if the request has none. */
  readonly tools: ReadonlyArray<JsonObject>
  /** The JSON Schema that the answer must match (`text.format.schema`). */
  readonly outputSchema: Option.Option<Schema.Json>
  /** The HTTP headers, with names in lower case and without `authorization`. */
  readonly headers: Readonly<Record<string, string>>
  /** The `authorization` header. */
  readonly authorization: Option.Option<Redacted.Redacted>
  /** The whole body. */
  readonly body: JsonObject
  /** Waits for the exchange to end. Never fails, and completes at the latest when the model's scope closes. */
  readonly outcome: Effect.Effect<Outcome>
}

// =============================================================================
// Service
// =============================================================================

/**
 * A running scripted model.
 *
 * **Example** (The prompts that codex sent)
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const prompts = Effect.gen(function*() {
 *   const model = yield* ScriptedModel.ScriptedModel
 *   yield* model.enqueue("Hello!", "Goodbye!")
 *   return (yield* model.received(2)).map(({ prompt }) => prompt)
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedModel extends Context.Service<ScriptedModel, {
  /** The base URL for codex's `model_providers.<id>.base_url`, such as `http://127.0.0.1:41234/v1`. */
  readonly url: string
  /** Appends answers. Each request takes the next one. */
  readonly enqueue: (...answers: ReadonlyArray<ScriptedAnswer>) => Effect.Effect<void>
  /** The answers that no request has used yet. `Expect.noAnswersLeft` fails if there are any. */
  readonly remaining: Effect.Effect<ReadonlyArray<ScriptedAnswer>>
  /** All requests so far, oldest first. They are kept until the model's scope closes. */
  readonly requests: Effect.Effect<ReadonlyArray<ModelRequest>>
  /** Waits until at least `count` requests have arrived, and returns all requests so far. */
  readonly received: (count: number) => Effect.Effect<ReadonlyArray<ModelRequest>>
  /** Waits for a request that matches the predicate. Requests that came before count, too. */
  readonly receivedWhere: (predicate: (request: ModelRequest) => boolean) => Effect.Effect<ModelRequest>
}>()("@effect-codex/testing/ScriptedModel") {}

// =============================================================================
// Options
// =============================================================================

/**
 * The script of a model: its queued answers, and a fallback.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The first answers of the queue. */
  readonly answers?: ReadonlyArray<ScriptedAnswer> | undefined
  /**
   * Answers requests that find the queue empty. Default: such a request is refused with status 400, and the turn fails
   * with a message that says which request it was and what to add.
   */
  readonly answer?: ((request: ModelRequest, index: number) => Answer | Effect.Effect<Answer>) | undefined
}

// =============================================================================
// Constructor
// =============================================================================

/**
 * Starts a model on a free port of 127.0.0.1. When the scope closes, every connection ends at once, including those
 * held at a gate. Fails with `ServeError` if it cannot listen.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const model = ScriptedModel.make({ answers: ["Hello."] })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<ScriptedModel["Service"], HttpServerError.ServeError, Scope.Scope> {
  const script = yield* Script.make(options)
  let closing = false

  const responses = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const response = NodeHttpServerRequest.toServerResponse(request)
    const decoded = RequestBody.decode(yield* request.text)
    if (decoded._tag === "Failure") return HttpServerResponse.jsonUnsafe({ error: decoded.failure }, { status: 400 })

    const outcome = Deferred.makeUnsafe<Outcome>()
    let sent = false
    response.once("close", () => {
      Deferred.doneUnsafe(outcome, Effect.succeed(sent ? "answered" : closing ? "closed" : "abandoned"))
    })
    const { authorization, ...headers } = request.headers
    const received = yield* script.record((index) => ({
      ...decoded.success,
      index,
      headers,
      authorization: Option.map(Option.fromUndefinedOr(authorization), (value) => Redacted.make(value)),
      outcome: Deferred.await(outcome)
    }))

    const answer = yield* script.answer(received)
    const [pauses, parts] = splitPauses(answer)
    yield* Effect.forEach(pauses, Sse.pause, { discard: true })
    if (answer._tag === "HttpFailure") {
      sent = true
      return answer.body === null
        ? HttpServerResponse.empty({ status: answer.status, headers: answer.headers })
        : HttpServerResponse.jsonUnsafe(answer.body, { status: answer.status, headers: answer.headers })
    }
    return HttpServerResponse.stream(
      Stream.onEnd(
        Sse.stream({ ...answer, parts }, received.index),
        Effect.sync(() => {
          sent = true
          if (answer.end._tag === "Truncated" && answer.end.how === "cut") {
            // `destroy` could lose what was written in the same tick; `destroySoon` sends it first.
            NodeHttpServerRequest.toIncomingMessage(request).socket.destroySoon()
          }
        })
      ),
      {
        contentType: "text/event-stream",
        headers: { ...answer.headers, ...answer.model === undefined ? {} : { "openai-model": answer.model } }
      }
    )
  })

  const app = yield* HttpRouter.toHttpEffect(HttpRouter.addAll([
    HttpRouter.route("POST", "/v1/responses", responses),
    HttpRouter.route("GET", "/v1/models", HttpServerResponse.jsonUnsafe({ object: "list", data: [], models: [] }))
  ]))

  const node = Http.createServer()
  const server = yield* NodeHttpServer.make(() => node, { port: 0, host: "127.0.0.1" })
  // The model stands in for a remote program, so its spans do not belong among those of the program under test.
  yield* server.serve(app).pipe(Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true))
  // Runs before the server's own finalizer, which would wait for held answers.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closing = true
      node.close()
      node.closeAllConnections()
    })
  )

  return ScriptedModel.of({
    url: `${NetAddress.formatUrlUnsafe(server.address)}/v1`,
    enqueue: script.enqueue,
    remaining: script.remaining,
    requests: script.requests,
    received: script.received,
    receivedWhere: script.receivedWhere
  })
})

/**
 * Provides a scripted model, see {@link make}.
 *
 * ```ts
 * import { ScriptedModel } from "@effect-codex/testing"
 *
 * export const ModelLive = ScriptedModel.layer({ answer: (request) => `You said: ${request.prompt}` })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<ScriptedModel, HttpServerError.ServeError> =>
  Layer.effect(ScriptedModel, make(options))

// =============================================================================
// Internal
// =============================================================================

const splitPauses = (answer: Reply | HttpFailure): [ReadonlyArray<Pause>, ReadonlyArray<string | Part>] =>
  answer._tag === "HttpFailure" ? [answer.pauses, []] : Arr.span(answer.parts, Sse.isPause)
