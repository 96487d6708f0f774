/**
 * A stand-in for OpenAI's Responses API on loopback. It lets the real codex binary run offline: codex is pointed at `url`,
 * asks it for a response as it would ask OpenAI, and gets the answers a test has written down, streamed as server-sent
 * events. It records what codex asked, can hold an answer at any point, fail in every way the real API fails, and tells
 * whether codex hung up before an answer was complete.
 *
 * It does not judge requests: an unknown model, tool or parameter is accepted.
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
 * Lets time pass before the next part of an answer. The clock is the one of the layer's runtime, so a `TestClock` moves it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delay {
  readonly _tag: "Delay"
  readonly duration: Duration.Duration
}

/**
 * Holds an answer until `release` is run. `reached` completes when an answer has come to the gate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gate {
  readonly _tag: "Gate"
  /** Completes as soon as an answer waits at the gate. */
  readonly reached: Effect.Effect<void>
  /** Lets every answer pass, now and later. */
  readonly release: Effect.Effect<void>
  /** What the model runs at the gate: tells `reached`, then waits for `release`. */
  readonly pass: Effect.Effect<void>
}

/**
 * A point of an answer where nothing is sent for a while.
 *
 * @category models
 * @since 0.1.0
 */
export type Pause = Delay | Gate

/**
 * A message of the assistant, sent delta by delta.
 *
 * @category models
 * @since 0.1.0
 */
export interface Text {
  readonly _tag: "Text"
  readonly deltas: ReadonlyArray<string | Pause>
  readonly id: string | undefined
  readonly phase: "commentary" | "final_answer" | undefined
}

/**
 * A reasoning item with one summary part, sent delta by delta, and optionally the raw reasoning text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reasoning {
  readonly _tag: "Reasoning"
  readonly summary: ReadonlyArray<string | Pause>
  readonly content: ReadonlyArray<string | Pause>
  readonly id: string | undefined
}

/**
 * A call of one of the function tools codex offered.
 *
 * @category models
 * @since 0.1.0
 */
export interface FunctionCall {
  readonly _tag: "FunctionCall"
  readonly name: string
  readonly namespace: string | undefined
  /** The arguments as they go over the wire: JSON text, valid or not. */
  readonly arguments: string
  readonly callId: string | undefined
  readonly id: string | undefined
}

/**
 * An output item sent as it is, for everything this module has no word for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item {
  readonly _tag: "Item"
  readonly item: JsonObject
}

/**
 * A server-sent event sent as it is; `data` is not checked to be JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  readonly _tag: "Event"
  readonly event: string
  readonly data: string
}

/**
 * One element of an answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Part = Text | Reasoning | FunctionCall | Item | Event | Pause

/**
 * Token counts reported when a response completes. Each is 0 when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  readonly input?: number | undefined
  /** The part of `input` that came from the prompt cache. */
  readonly cached?: number | undefined
  readonly output?: number | undefined
  /** The part of `output` that was reasoning. */
  readonly reasoning?: number | undefined
}

/**
 * How a streamed response ends: `Truncated` stops before `response.completed`, either with a proper end of the HTTP body
 * (`"end"`) or by closing the connection in its middle (`"cut"`).
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
 * A streamed response. Pauses that come before every other part hold back the HTTP response head as well.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly _tag: "Reply"
  readonly parts: ReadonlyArray<string | Part>
  readonly id: string | undefined
  readonly usage: Usage
  /** The model that the provider names as the one that answers. Undefined: it names none. */
  readonly model: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly end: End
}

/**
 * An HTTP response other than a stream, for a request the API refuses.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpFailure {
  readonly _tag: "HttpFailure"
  readonly status: number
  readonly body: Schema.Json
  readonly headers: Readonly<Record<string, string>>
  readonly pauses: ReadonlyArray<Pause>
}

/**
 * What the model answers to one request. A string is a text, an array is a `reply` of its parts.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = string | Part | ReadonlyArray<string | Part> | Reply | HttpFailure

/**
 * An answer of a script: the answer itself, or a function that makes it of the request that it answers. A function is for
 * what the script cannot know before, such as what a command printed or the id of a subagent.
 *
 * @category models
 * @since 0.1.0
 */
export type ScriptedAnswer = Answer | ((request: ModelRequest) => Answer | Effect.Effect<Answer>)

const deltas = (text: string | ReadonlyArray<string | Pause>): ReadonlyArray<string | Pause> =>
  typeof text === "string" ? [text] : text

/**
 * A message of the assistant. An array gives the deltas one by one, with pauses between them where wanted; a string is one
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
 * A reasoning item: the summary codex shows, and optionally the raw reasoning (`content`).
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
 * A call of a function tool. `args` is sent as JSON; a string is sent as it is. `callId` defaults to one that is unique in
 * this model.
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
 * A call of codex's `exec_command` tool. `args` adds to or replaces the tool's arguments.
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
 * Starts a subagent, by a call of codex's `spawn_agent`. codex answers at once with the subagent's id, and the subagent asks
 * this model too: `message` is the `prompt` of its first request. `args` adds to the tool's arguments, such as `agent_type`.
 *
 * **When to use**
 *
 * In a test of a program that shows or counts what subagents do, on the real codex. {@link waitAgents} waits for them.
 *
 * **Gotchas**
 *
 * The agent and its subagent ask at the same time, in any order. Answer them by `request.prompt` with the option `answer`
 * of {@link layer}: answers in a row would go to whoever asks first.
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
 * Waits for subagents, by a call of codex's `wait_agent`: for those that were spawned since the prompt of the request. `timeout`
 * is how long the tool waits, 30 seconds unless given. `spawnAgent` has an example.
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
 * The ids of the subagents that were spawned since the prompt of the request, as `spawn_agent` gave them: for calls of
 * `send_input` and `close_agent`.
 *
 * **Example** (Saying more to a subagent)
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
 * An output item given as raw JSON (`{ type, id, … }`), sent as added and done.
 *
 * **Example** (A search of the web)
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
 * A raw server-sent event.
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
 * A pause of a fixed length.
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
 * Makes a gate, which is itself the part to put into an answer.
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
 * A streamed response of several parts. `end` defaults to a completed response, `usage` to zeros, `id` to a unique one.
 * `model` names another model than the one that was asked, which codex tells as `model/rerouted`. `headers` are those of the
 * HTTP response: codex reads rate limits from them.
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
 * A stream that ends with `response.failed`, after `parts` if given.
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
 * A stream that ends with `response.incomplete`, after `parts` if given.
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
 * A stream that stops without a last event: `"end"` ends the HTTP body properly, `"cut"` closes the connection.
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
 * An HTTP failure. A string body becomes OpenAI's error object with that message, `null` an empty body; anything else is
 * sent as JSON as it is. `pauses` hold it back.
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
 * How the exchange of a request ended: the whole answer was sent, the client hung up before that, or the model's scope was
 * closed first.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "answered" | "abandoned" | "closed"

/**
 * A request codex made, decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelRequest {
  /** 0 for the first request this model received. */
  readonly index: number
  readonly model: string
  /** The `instructions` field, `""` if the request has none. */
  readonly instructions: string
  /**
   * What the user asked last: the first text of the last user message that codex did not write itself, `""` if there is
   * none. A text that begins like one of codex's own (`<environment_context>`, `<skill>`, `<image name=`) is taken for one.
   */
  readonly prompt: string
  /** The texts of all user messages, in order, including the context codex adds (`<environment_context>` and the like). */
  readonly userTexts: ReadonlyArray<string>
  /** What tools returned since `prompt`, in order; output that is not a string is given as JSON text. */
  readonly toolOutputs: ReadonlyArray<{ readonly callId: string; readonly output: string }>
  readonly input: ReadonlyArray<JsonObject>
  readonly tools: ReadonlyArray<JsonObject>
  /** The JSON Schema the answer has to follow (`text.format.schema`). */
  readonly outputSchema: Option.Option<Schema.Json>
  /** Header names are in lower case; `authorization` is only in the field of that name. */
  readonly headers: Readonly<Record<string, string>>
  readonly authorization: Option.Option<Redacted.Redacted>
  /** The whole body. */
  readonly body: JsonObject
  /** Waits for the end of the exchange. Never fails and never hangs beyond the model's scope. */
  readonly outcome: Effect.Effect<Outcome>
}

// =============================================================================
// Service
// =============================================================================

/**
 * The running model.
 *
 * **Example** (What codex asked)
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
  /** Adds answers; each is given once, in order, to the requests as they arrive. */
  readonly enqueue: (...answers: ReadonlyArray<ScriptedAnswer>) => Effect.Effect<void>
  /** The answers that no request has asked for yet. `Expect.noAnswersLeft` fails a test over them. */
  readonly remaining: Effect.Effect<ReadonlyArray<ScriptedAnswer>>
  /** All requests so far, oldest first. They are kept until the model's scope closes. */
  readonly requests: Effect.Effect<ReadonlyArray<ModelRequest>>
  /** Waits until at least `count` requests have arrived, and gives all requests. */
  readonly received: (count: number) => Effect.Effect<ReadonlyArray<ModelRequest>>
  /** Waits for a request the predicate holds for, those that came before included. */
  readonly receivedWhere: (predicate: (request: ModelRequest) => boolean) => Effect.Effect<ModelRequest>
}>()("@effect-codex/testing/ScriptedModel") {}

// =============================================================================
// Options
// =============================================================================

/**
 * Options of the scripted model.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Answers to begin with, as if enqueued. */
  readonly answers?: ReadonlyArray<ScriptedAnswer> | undefined
  /**
   * Answers the requests for which nothing is queued. Without it they are refused with status 400, and the turn fails with a
   * message that says which request that was and what to add.
   */
  readonly answer?: ((request: ModelRequest, index: number) => Answer | Effect.Effect<Answer>) | undefined
}

// =============================================================================
// Constructor
// =============================================================================

/**
 * Starts a model on a free port of 127.0.0.1. When the scope closes, every connection ends at once, also those held at a
 * gate. Fails with `ServeError` if it cannot listen.
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
            // `destroy` could lose what was written in the same tick; this sends it and then closes.
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
  // The model stands for a program elsewhere, so its spans have no place among those of the program under test.
  yield* server.serve(app).pipe(Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true))
  // Runs before the server's own finalizer, which would wait for answers that are held.
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
 * Provides a scripted model, see `make`.
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
