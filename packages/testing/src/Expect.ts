/**
 * Waits for what a test expects, and reads it. A wait fails after 10 seconds of real time by default, and shows what
 * came instead.
 *
 * @since 0.1.0
 */
import type { ConnectionError, EventsOverflow } from "@effect-codex/client/CodexError"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { Turn } from "@effect-codex/client/Turn"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { field, isArray, isObject } from "./internal/json.ts"
import { pictureOfAnswer, pictureOfRequest, shortened } from "./internal/pictures.ts"
import { type ModelRequest, ScriptedModel } from "./ScriptedModel.ts"

// =============================================================================
// Errors
// =============================================================================

/**
 * Something that a test expects did not come. The message shows what came instead.
 *
 * **Example** (The message)
 *
 * ```ts
 * import { Expect } from "@effect-codex/testing"
 *
 * export const { message } = new Expect.ExpectationFailed({ expected: "Request 1 did not come.", picture: [] })
 * // "Request 1 did not come. Instead there was nothing."
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ExpectationFailed
  extends TaggedError<ExpectationFailed>("@effect-codex/testing/Expect/ExpectationFailed")("ExpectationFailed", {
    /** What was expected, as a sentence. */
    expected: Schema.String,
    /** What came instead, one line for each. */
    picture: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    return `${this.expected} Instead there was${
      this.picture.length === 0 ? " nothing." : `:\n${this.picture.map((line) => `  ${line}`).join("\n")}`
    }`
  }
}

/**
 * How long to wait before failing with {@link ExpectationFailed}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long to wait. It is real time, even under a `TestClock`. Default: 10 seconds. */
  readonly within?: Duration.Input | undefined
}

const waiting = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: Options | undefined,
  failure: (within: string) => Effect.Effect<ExpectationFailed>
): Effect.Effect<A, E | ExpectationFailed, R> => {
  const within = Duration.fromInputUnsafe(options?.within ?? Duration.seconds(10))
  return Effect.clockWith((clock) =>
    Effect.raceFirst(
      Effect.provideService(effect, Clock.Clock, clock),
      Effect.andThen(Effect.sleep(within), Effect.flatMap(failure(Duration.format(within)), Effect.fail))
    )
  ).pipe(Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()))
}

// =============================================================================
// Requests to the model
// =============================================================================

/**
 * Waits for the n-th request to the {@link ScriptedModel}, counted from 1.
 *
 * **Example** (The tool outputs of the second request)
 *
 * ```ts
 * import { Expect } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const second = yield* Expect.modelRequest(2)
 *   return Expect.told(second).toolOutputs
 * })
 * ```
 *
 * @category model
 * @since 0.1.0
 */
export const modelRequest = (
  n: number,
  options?: Options
): Effect.Effect<ModelRequest, ExpectationFailed, ScriptedModel> =>
  Effect.flatMap(
    ScriptedModel,
    ({ receivedWhere, requests }) =>
      waiting(receivedWhere(({ index }) => index === n - 1), options, (within) =>
        pictureOf(requests, `Request ${n} to the model did not come within ${within}.`))
  )

/**
 * Waits for a request to the {@link ScriptedModel} that matches the predicate. Requests that came before count, too.
 * `what` describes the request in the failure message.
 *
 * **Example** (The request of one of many threads)
 *
 * ```ts
 * import { Expect } from "@effect-codex/testing"
 *
 * export const second = Expect.modelRequestWhere("about b.ts", ({ prompt }) => prompt.includes("b.ts"), {
 *   within: "1 second"
 * })
 * ```
 *
 * @category model
 * @since 0.1.0
 */
export const modelRequestWhere = (
  what: string,
  predicate: (request: ModelRequest) => boolean,
  options?: Options
): Effect.Effect<ModelRequest, ExpectationFailed, ScriptedModel> =>
  Effect.flatMap(
    ScriptedModel,
    ({ receivedWhere, requests }) =>
      waiting(receivedWhere(predicate), options, (within) =>
        pictureOf(requests, `A request to the model ${what} did not come within ${within}.`))
  )

const pictureOf = (requests: ScriptedModel["Service"]["requests"], expected: string) =>
  requests.pipe(
    Effect.flatMap(Effect.forEach((request) =>
      Effect.map(
        // The race returns the outcome of an exchange that has already ended.
        Effect.raceFirst(request.outcome, Effect.succeed("under way")),
        (outcome) => `${request.index + 1}. ${pictureOfRequest(request)} → ${outcome}`
      )
    )),
    Effect.map((picture) => new ExpectationFailed({ expected, picture }))
  )

/**
 * Fails if the script has answers that no request used: a turn was shorter than the test assumes, or never ran.
 *
 * **When to use**
 *
 * At the end of a test. It is not checked automatically, because a script may hold an answer that is not always needed.
 *
 * **Example** (Checking that the whole script was played)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Expect, ScriptedCodex } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   yield* thread.run("Say hello.")
 *   yield* Expect.noAnswersLeft // 1 answer of the script was not asked for: "Goodbye!".
 * }).pipe(Effect.provide(ScriptedCodex.layer({ model: { answers: ["Hello!", "Goodbye!"] } })))
 * ```
 *
 * @category model
 * @since 0.1.0
 */
export const noAnswersLeft: Effect.Effect<void, ExpectationFailed, ScriptedModel> = Effect.gen(function*() {
  const { remaining, requests } = yield* ScriptedModel
  const left = yield* remaining
  if (left.length === 0) return
  const what = left.length === 1 ? "1 answer of the script was" : `${left.length} answers of the script were`
  return yield* yield* pictureOf(requests, `${what} not asked for: ${left.map(pictureOfAnswer).join("; ")}.`)
})

/**
 * The content of a request to the model, without the structure of the Responses API.
 *
 * @see {@link told}
 * @category model
 * @since 0.1.0
 */
export interface Told {
  readonly model: string
  /** The user's last prompt. */
  readonly prompt: string
  /** The texts of all user messages, including the context that codex adds. */
  readonly userTexts: ReadonlyArray<string>
  /** The texts of all developer messages. */
  readonly developerTexts: ReadonlyArray<string>
  readonly instructions: string
  /** The names of the offered tools. A tool in a namespace is `namespace.name`. */
  readonly tools: ReadonlyArray<string>
  /** The outputs of tools since the prompt. */
  readonly toolOutputs: ReadonlyArray<string>
  /** The URLs of all images of the user and of tools. Most are data URLs. */
  readonly images: ReadonlyArray<string>
  /** The HTTP headers, with names in lower case and without `authorization`. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Reads the content of a request to the model.
 *
 * **Example** (The tools and the images of a request)
 *
 * ```ts
 * import { Expect } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const { images, tools } = Expect.told(yield* Expect.modelRequest(1))
 *   return [tools.includes("tickets.close"), images.length]
 * })
 * ```
 *
 * @category model
 * @since 0.1.0
 */
export const told = (request: ModelRequest): Told => ({
  model: request.model,
  prompt: request.prompt,
  userTexts: request.userTexts,
  developerTexts: request.input.flatMap((item) => item["role"] === "developer" ? textsOf(item["content"] ?? null) : []),
  instructions: request.instructions,
  tools: [...request.tools, ...request.input.flatMap(additionalTools)].flatMap((tool) => {
    const name = nameOf(tool)
    const inner = field(tool, "tools")
    return isArray(inner) ? inner.map((tool) => `${name}.${nameOf(tool)}`) : [name]
  }),
  toolOutputs: request.toolOutputs.map(({ output }) => output),
  images: imagesOf(request.input),
  headers: request.headers
})

// For models that it knows, codex lists the tools in an input item.
const additionalTools = (item: Schema.JsonObject): ReadonlyArray<Schema.Json> =>
  item["type"] === "additional_tools" && isArray(item["tools"]) ? item["tools"] : []

const nameOf = (tool: Schema.Json): string => {
  const name = isObject(tool) ? tool["name"] ?? tool["type"] : undefined
  return typeof name === "string" ? name : "?"
}

const textsOf = (content: Schema.Json): ReadonlyArray<string> =>
  isArray(content)
    ? content.flatMap((part) => isObject(part) && typeof part["text"] === "string" ? [part["text"]] : [])
    : []

const imagesOf = (value: Schema.Json): ReadonlyArray<string> => {
  if (isArray(value)) return value.flatMap(imagesOf)
  if (!isObject(value)) return []
  return value["type"] === "input_image" && typeof value["image_url"] === "string"
    ? [value["image_url"]]
    : Object.values(value).flatMap(imagesOf)
}

// =============================================================================
// Events of a turn
// =============================================================================

/**
 * Collects the events of a turn until it ends. Fails with {@link ExpectationFailed} if it does not end in time, and
 * with the errors of `Turn.events`.
 *
 * **Example** (The tags of a turn's events)
 *
 * ```ts
 * import type { Turn } from "@effect-codex/client"
 * import { Expect } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const tags = (turn: Turn.Turn) => Effect.map(Expect.events(turn), (events) => events.map(({ _tag }) => _tag))
 * ```
 *
 * @category turns
 * @since 0.1.0
 */
export const events = (
  turn: Turn,
  options?: Options
): Effect.Effect<ReadonlyArray<TurnEvent>, ExpectationFailed | ConnectionError | EventsOverflow> =>
  Effect.suspend(() => {
    const seen: Array<TurnEvent> = []
    return waiting(
      Effect.as(Stream.runForEach(turn.events, (event) => Effect.sync(() => seen.push(event))), seen),
      options,
      (within) => pictureOfEvents(`Turn ${turn.id} did not end within ${within}.`, seen)
    )
  })

type EventOf<Tag extends TurnEvent["_tag"]> = Extract<TurnEvent, { readonly _tag: Tag }>

const hasTag = <Tag extends TurnEvent["_tag"]>(tag: Tag) => (event: TurnEvent): event is EventOf<Tag> =>
  event._tag === tag

/**
 * Waits for the first event of a turn that has this tag and matches the predicate `where`. Events that came before
 * count, too. Fails at once if the turn ends without such an event.
 *
 * **Example** (Waiting for a command to complete)
 *
 * ```ts
 * import type { Turn } from "@effect-codex/client"
 * import { Expect } from "@effect-codex/testing"
 *
 * export const command = (turn: Turn.Turn) =>
 *   Expect.event(turn, "item/completed", { where: ({ params }) => params.item.type === "commandExecution" })
 * ```
 *
 * @category turns
 * @since 0.1.0
 */
export const event = <Tag extends TurnEvent["_tag"]>(
  turn: Turn,
  tag: Tag,
  options?: Options & { readonly where?: ((event: EventOf<Tag>) => boolean) | undefined }
): Effect.Effect<EventOf<Tag>, ExpectationFailed | ConnectionError | EventsOverflow> =>
  Effect.suspend(() => {
    const seen: Array<TurnEvent> = []
    const failure = (when: string) => pictureOfEvents(`${tag} of turn ${turn.id} did not come ${when}.`, seen)
    return waiting(
      turn.events.pipe(
        Stream.tap((event) => Effect.sync(() => seen.push(event))),
        Stream.filter(hasTag(tag)),
        Stream.filter(options?.where ?? (() => true)),
        Stream.runHead,
        Effect.flatMap(Option.match({
          onNone: () => Effect.flatMap(failure("before its end"), Effect.fail),
          onSome: Effect.succeed
        }))
      ),
      options,
      (within) => failure(`within ${within}`)
    )
  })

const pictureOfEvents = (expected: string, events: ReadonlyArray<TurnEvent>) =>
  Effect.sync(() => new ExpectationFailed({ expected, picture: events.map(pictureOfEvent) }))

// Keys that take space and tell nothing.
const dropped: ReadonlySet<string> = new Set([
  "id",
  "clientId",
  "threadId",
  "turnId",
  "startedAtMs",
  "completedAtMs",
  "durationMs",
  "contentTokenCount"
])

const json = (value: object): string =>
  JSON.stringify(value, (key, member: unknown) => member === null || dropped.has(key) ? undefined : member)

const pictureOfEvent = (event: TurnEvent): string => {
  switch (event._tag) {
    case "item/started":
    case "item/completed":
      return `${event._tag} ${shortened(json(event.params.item))}`
    case "turn/completed":
      return `${event._tag} ${event.params.turn.status}${
        event.params.turn.error === null ? "" : ` ${JSON.stringify(event.params.turn.error.message)}`
      }`
    case "item/agentMessage/delta":
      return `${event._tag} ${JSON.stringify(shortened(event.params.delta))}`
    case "turn/started":
      return event._tag
    case "Unknown":
    case "Undecodable":
      return `${event._tag} ${event.method}`
    default:
      return `${event._tag} ${shortened(json(event.params))}`
  }
}
