/**
 * Waiting for what a test expects, and reading it. What does not come within a time, 10 seconds of the real clock unless
 * given, fails with a picture of what came instead.
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
 * What was expected did not come. The message says what came.
 *
 * **Example** (Its message)
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
    /** What was waited for. */
    expected: Schema.String,
    /** What came instead, line by line. */
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
 * How long something is waited for, which fails with {@link ExpectationFailed} then.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long to wait, by the real clock also where a `TestClock` is in force. Default: 10 seconds. */
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
// What the model was asked
// =============================================================================

/**
 * Waits for the n-th request to the {@link ScriptedModel}, from 1.
 *
 * **Example** (What the model was told in the second place)
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
 * Waits for a request to the {@link ScriptedModel} that the predicate holds for, those that came before included. `what` says
 * in the failure what it is.
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
        // One that has ended already is the first.
        Effect.raceFirst(request.outcome, Effect.succeed("under way")),
        (outcome) => `${request.index + 1}. ${pictureOfRequest(request)} → ${outcome}`
      )
    )),
    Effect.map((picture) => new ExpectationFailed({ expected, picture }))
  )

/**
 * Fails if the script has answers that no request asked for: a turn was shorter than the test believes, or never ran. Use it
 * at the end of a test; nothing checks it by itself, because some scripts hold an answer ready that may not be wanted.
 *
 * **Example** (All of the script is played)
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
 * What the model was told, without the protocol around it.
 *
 * @category model
 * @since 0.1.0
 */
export interface Told {
  readonly model: string
  /** The last thing that the user said. */
  readonly prompt: string
  /** Everything that was said in the user's name, what codex adds included. */
  readonly userTexts: ReadonlyArray<string>
  /** What was said in the developer's name. */
  readonly developerTexts: ReadonlyArray<string>
  readonly instructions: string
  /** The names of the tools that it may call; those of a namespace as `namespace.name`. */
  readonly tools: ReadonlyArray<string>
  /** What tools gave since the prompt. */
  readonly toolOutputs: ReadonlyArray<string>
  /** The URLs of the images of the user and of tools, mostly data URLs. */
  readonly images: ReadonlyArray<string>
  /** By names in lower case, without `authorization`. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Reads a request.
 *
 * **Example** (The tools and the images)
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

// Models that codex knows are told of their tools by an item.
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
// What the client was told
// =============================================================================

/**
 * Collects the events of a turn to its end.
 *
 * **Example** (What happened in a turn)
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
 * Waits for the first event of a turn with this tag that the predicate holds for, those that came before included. Fails at
 * once when the turn ends without it.
 *
 * **Example** (A command was run)
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

// What takes space and tells nothing.
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
