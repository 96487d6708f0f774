/**
 * Tools of this client that the agent can call.
 *
 * A {@link tool} has a name, a description for the model, a Schema for its input and a handler. {@link make} takes some of
 * them together with the services that their handlers need, and `startThread({ tools })` offers them to the agent:
 *
 * - the server keeps the tools of a thread with the thread: they are offered again after `resumeThread`, also in another
 *   process, and to forks, but not to subagents. They cannot be changed later. The calls come to whoever resumed or forked
 *   the thread, so give `tools` there too (all measured on codex 0.169);
 * - a handler runs in a fiber of its own, beside the others and the reader, and may use the client. It is interrupted when
 *   the turn of its call ends; after `ServerRequests.HandlerTimeout` the call is answered without it;
 * - a call always has a result that the model can read: what does not fit in its arguments, the message of a failure, for
 *   a defect that the tool failed unexpectedly, and for a result that does not fit that the tool has run. The turn goes on.
 *
 * Dynamic tools are an experimental part of the protocol.
 *
 * @since 0.1.0
 */
import * as Sent from "@effect-codex/protocol/Sent"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import { InvalidArgument } from "./CodexError.ts"
import * as CapturedServices from "./internal/capturedServices.ts"
import { guardOf } from "./internal/protocol/guard.ts"
import * as ForeignSchema from "./internal/schemas/foreignSchema.ts"
import { toolInput } from "./internal/schemas/toolInput.ts"
import { issueText } from "./internal/text/issueText.ts"
import type * as Output from "./Output.ts"
import type * as Received from "./Received.ts"
import type { Handler } from "./ServerRequests.ts"
import * as ServerRequests from "./ServerRequests.ts"

const TypeId = "~@effect-codex/client/DynamicTools" as const

// =============================================================================
// Content
// =============================================================================

/**
 * One piece of a result, as the protocol has it; see {@link text}, {@link image} and {@link audio}.
 *
 * @category models
 * @since 0.1.0
 */
export type Content = Sent.DynamicToolCallOutputContentItem

/**
 * What the handler of a tool without `output` gives. A string stands for one piece of text.
 *
 * @category models
 * @since 0.1.0
 */
export type Result = string | Content | ReadonlyArray<string | Content>

/**
 * Bytes with their media type, such as `image/png`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Media {
  readonly bytes: Uint8Array
  readonly mediaType: string
}

const dataUrl = (media: string | Media): string =>
  typeof media === "string" ? media : `data:${media.mediaType};base64,${Base64.encode(media.bytes)}`

/**
 * A text, as a part of what a tool tells the model.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): Content => ({ type: "inputText", text })

/**
 * An image, as a data URL or as bytes of a PNG, JPEG, GIF or WebP. In place of any other, which would spoil the thread, the
 * model is told what was wrong with it, and the log has a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const image = (image: string | Media): Content => ({ type: "inputImage", imageUrl: dataUrl(image) })

/**
 * Sound, as a data URL or as bytes. A model that does not hear is told that something was left out (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const audio = (audio: string | Media): Content => ({ type: "inputAudio", audioUrl: dataUrl(audio) })

// =============================================================================
// Tools
// =============================================================================

/**
 * Where a call comes from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly threadId: string
  readonly turnId: string
  /** The id of the call, which is also that of its `dynamicToolCall` item. */
  readonly callId: string
}

/**
 * What the arguments of a tool are decoded with: an Effect Schema, which may need services, or one of another library, as
 * an answer can have too; see `Output`.
 *
 * @category models
 * @since 0.1.0
 */
export type Input =
  | Schema.ConstraintDecoder<unknown, unknown>
  | Output.StandardOutput<unknown>
  | Output.JsonSchemaOutput<unknown>

/** What an {@link Input} decodes the arguments to. */
type InputType<In> = In extends Schema.Constraint ? In["Type"]
  : In extends Output.StandardOutput<infer A> ? A
  : In extends Output.JsonSchemaOutput<infer A> ? A
  : never

/** What an {@link Input} needs to decode them. */
type InputServices<In> = In extends Schema.Constraint ? In["DecodingServices"] : never

/**
 * A tool whose handler needs `R`. Made by {@link tool}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tool<out R = never> {
  readonly [TypeId]: "Tool"
  readonly name: string
  readonly description: string
  readonly input: Input
  readonly deferLoading: boolean
  /** What a call with these arguments is answered with. It never fails: that is in the answer. */
  readonly answer: (args: unknown, call: Call) => Effect.Effect<Sent.DynamicToolCallResponse, never, R>
}

/**
 * Tools under a common name. Made by {@link namespace}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Namespace<out R = never> {
  readonly [TypeId]: "Namespace"
  readonly name: string
  readonly description: string
  readonly tools: ReadonlyArray<Tool<R>>
}

/**
 * How a tool is made.
 *
 * @category options
 * @since 0.1.0
 */
export interface ToolOptions<In extends Input, Out extends Schema.Constraint, E, R> {
  /** What the tool does, for the model. */
  readonly description: string
  /**
   * The arguments: a Schema of an object, which a `Schema.Struct`, a `Schema.Class` or a `Schema.Record` is and a union is
   * not. The model is given its JSON Schema, with descriptions from annotations and from checks. Of a schema with a
   * transformation (`Schema.Date`) that is the encoded side, so describe it with `annotateKey`. Schemas of other libraries
   * are taken as `Output` takes them; a JSON Schema is checked before its decoder is called. For a tool without arguments leave it out, or give
   * `Schema.Void`.
   */
  readonly input: In
  /** What the handler gives, which the model is given as JSON. Default: a {@link Result}. */
  readonly output?: Out | undefined
  /**
   * Keeps the tool out of what the model is given until it searches for it, which not every model can: one that cannot is
   * never told of the tool (measured). For a tool of a {@link namespace} alone. Default: false.
   */
  readonly deferLoading?: boolean | undefined
  readonly handler: (
    input: InputType<In>,
    call: Call
  ) => Effect.Effect<[Out] extends [never] ? Result : Out["Type"], E, R>
}

const answered = (success: boolean, contentItems: ReadonlyArray<Content>): Sent.DynamicToolCallResponse => ({
  success,
  contentItems
})

// Of an answer the model sees the text alone, not whether it is one of success (measured).
const unsuccessful = (words: string): Sent.DynamicToolCallResponse => answered(false, [text(words)])

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const words = (issue: SchemaIssue.Issue): string => issueText(standardIssues(issue).issues)

const noParameters = Schema.Struct({})

const isEffectSchema = (input: Input): input is Schema.ConstraintDecoder<unknown, unknown> => Schema.isSchema(input)

/** Of a tool without parameters. */
const isNothing = (input: Schema.Constraint): boolean => input.ast._tag === "Void" || input.ast._tag === "Undefined"

// Loaded when it is first needed, as for `Output`.
const fromJsonSchema = Effect.promise(() => import("./internal/schemas/strictJsonSchema.ts"))

const orReason = <A>(evaluate: () => A) => Effect.try({ try: evaluate, catch: reason })

const decodeWith = <A, R>(schema: Schema.ConstraintDecoder<A, R>) => {
  const decode = SchemaParser.decodeUnknownEffect(schema, { errors: "all" })
  return (args: unknown) => Effect.mapError(decode(args), words)
}

/** A decoder of one's own may trust that the arguments fit the JSON Schema beside it. */
const decodeJsonSchema = <A>(input: Output.JsonSchemaOutput<A>) => {
  let fits: ReturnType<typeof decodeWith<unknown, never>> | undefined
  return (args: unknown): Effect.Effect<A, string> =>
    fromJsonSchema.pipe(
      Effect.flatMap(({ toolSchemaOf }) => orReason(() => fits ??= decodeWith(toolSchemaOf(input.jsonSchema)))),
      Effect.flatMap((fits) => fits(args)),
      Effect.andThen(ForeignSchema.decode(input, args))
    )
}

// TypeScript does not follow a type parameter into the branches, so what `InputType` says of them is repeated here.
const decoderOf = <In extends Input>(input: In) =>
  (isEffectSchema(input)
    ? isNothing(input) ? () => Effect.void : (args: unknown) => decodeWith(Schema.toCodecJson(input))(args)
    : ForeignSchema.isStandard(input)
    ? (args: unknown) => ForeignSchema.decode(input, args)
    : decodeJsonSchema(input)) as (args: unknown) => Effect.Effect<InputType<In>, string, InputServices<In>>

const inputSchemaOf = (input: Input): Effect.Effect<Schema.JsonObject, string> =>
  isEffectSchema(input)
    ? orReason(() => toolInput(isNothing(input) ? noParameters : input))
    : Effect.flatMap(
      fromJsonSchema,
      ({ toolSchemaOf }) => orReason(() => toolInput(toolSchemaOf(ForeignSchema.jsonSchemaOf(input))))
    )

/** What failed, for the model. JSON keeps redacted what is `Redacted`. */
const reason = (error: unknown): string => {
  if (Predicate.isString(error)) return error
  if (Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== "") {
    return error.message
  }
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : "it gives no reason."
  try {
    const json = JSON.stringify(error)
    return json === undefined || json === "{}" ? tag : json
  } catch {
    return tag
  }
}

const isContent = (u: unknown): u is Content => guardOf(Sent.DynamicToolCallOutputContentItem)(u)

const contentOf = (result: unknown): Effect.Effect<Array<Content>> =>
  Effect.forEach(Array.isArray(result) ? result : [result], (piece: unknown) => {
    const content = Predicate.isString(piece) ? text(piece) : piece
    if (!isContent(content)) {
      return Effect.die(
        new TypeError("The result is no string and nothing that DynamicTools.text, image or audio made.")
      )
    }
    return Effect.succeed(content)
  })

/**
 * A tool. Names are made of 1 to 128 letters, digits, `_` and `-`.
 *
 * **Example** (A tool with a typed result)
 *
 * ```ts
 * import { DynamicTools } from "@effect-codex/client"
 * import { Context, Effect, Schema } from "effect"
 *
 * class Ticket extends Schema.Class<Ticket>("Ticket")({ id: Schema.String, open: Schema.Boolean }) {}
 *
 * class Tickets extends Context.Service<Tickets, {
 *   readonly find: (id: string) => Effect.Effect<Ticket, Error>
 * }>()("Tickets") {}
 *
 * export const lookupTicket: DynamicTools.Tool<Tickets> = DynamicTools.tool("lookup_ticket", {
 *   description: "Looks a ticket up.",
 *   input: Schema.Struct({ id: Schema.String.annotate({ description: "Such as T-17." }) }),
 *   output: Ticket,
 *   handler: Effect.fnUntraced(function*({ id }) {
 *     const tickets = yield* Tickets
 *     return yield* tickets.find(id)
 *   })
 * })
 * ```
 *
 * **Example** (A tool that shows something)
 *
 * ```ts
 * import { DynamicTools } from "@effect-codex/client"
 * import { Effect, Schema } from "effect"
 *
 * export const screenshot = (take: Effect.Effect<Uint8Array>) =>
 *   DynamicTools.tool("screenshot", {
 *     description: "Shows what is on the screen.",
 *     input: Schema.Struct({}),
 *     handler: () => Effect.map(take, (bytes) => DynamicTools.image({ bytes, mediaType: "image/png" }))
 *   })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tool: {
  <E, R, Out extends Schema.ConstraintEncoder<unknown, unknown> = never>(
    name: string,
    options: Omit<ToolOptions<Schema.Void, Out, E, R>, "input"> & { readonly input?: never }
  ): Tool<R | Out["EncodingServices"]>
  <In extends Input, E, R, Out extends Schema.ConstraintEncoder<unknown, unknown> = never>(
    name: string,
    options: ToolOptions<In, Out, E, R>
  ): Tool<R | InputServices<In> | Out["EncodingServices"]>
} = <In extends Input, E, R, Out extends Schema.ConstraintEncoder<unknown, unknown>>(
  name: string,
  options: Omit<ToolOptions<In, Out, E, R>, "input"> & { readonly input?: In }
): Tool<R | InputServices<In> | Out["EncodingServices"]> => {
  const { description, output } = options
  // The signatures say that an input is left out of this type alone.
  const input = options.input ?? Schema.Void as Input as In
  const decodeInput = decoderOf(input)
  // The model is to have no part in where the program fails for itself.
  const unexpected = (cause: Cause.Cause<unknown>, { threadId, turnId }: Call) =>
    Effect.as(
      Effect.logWarning(`the tool ${name} failed unexpectedly in turn ${turnId} of thread ${threadId}`, cause),
      unsuccessful(`The tool ${name} failed unexpectedly.`)
    )
  const told = (value: unknown) =>
    output === undefined
      ? contentOf(value)
      : SchemaParser.encodeUnknownEffect(Schema.toCodecJson(output))(value).pipe(
        Effect.map((json) => [text(JSON.stringify(json))]),
        Effect.mapError((issue) => new TypeError(`The result does not fit the output: ${words(issue)}`)),
        Effect.orDie
      )
  // What the handler was there to do is done, and the model must not do it again.
  const encode = (value: unknown, { threadId, turnId }: Call) =>
    Effect.catchCause(told(value), (cause) =>
      Effect.andThen(
        Effect.logWarning(
          `the tool ${name} has run in turn ${turnId} of thread ${threadId}, but its result cannot be told`,
          cause
        ),
        Effect.fail(unsuccessful(`The tool ${name} has run, but its result cannot be told.`))
      ))
  const decode = (args: unknown) =>
    Effect.mapError(
      decodeInput(args),
      (words) =>
        unsuccessful(
          `The arguments do not fit the tool ${name}: ${words}. Nothing was done. Call it again with arguments that fit.`
        )
    )
  return {
    [TypeId]: "Tool",
    name,
    description,
    input,
    deferLoading: options.deferLoading ?? false,
    answer: (args, call) =>
      Effect.suspend(() => decode(args)).pipe(
        Effect.flatMap((input) =>
          Effect.mapError(
            Effect.suspend(() => options.handler(input, call)),
            (error) => unsuccessful(`The tool ${name} failed: ${reason(error)}`)
          )
        ),
        Effect.flatMap((value) => encode(value, call)),
        Effect.match({ onFailure: (response) => response, onSuccess: (content) => answered(true, content) }),
        Effect.catchCause((cause) => unexpected(cause, call))
      )
  }
}

/**
 * Tools under a common name, which the model is shown as a group. The name is made of 1 to 64 letters, digits, `_` and `-`;
 * the description has up to 1024 characters. Tools of different namespaces may have the same name.
 *
 * **Example** (Two tools of a tracker)
 *
 * ```ts
 * import { DynamicTools } from "@effect-codex/client"
 * import { Effect, Schema } from "effect"
 *
 * const input = Schema.Struct({ id: Schema.String })
 *
 * export const tickets = DynamicTools.namespace("tickets", "The tracker of this company.", [
 *   DynamicTools.tool("open", { description: "Opens a ticket again.", input, handler: () => Effect.succeed("done") }),
 *   DynamicTools.tool("close", { description: "Closes a ticket.", input, handler: () => Effect.succeed("done") })
 * ])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const namespace = <const T extends ReadonlyArray<Tool<unknown>>>(
  name: string,
  description: string,
  tools: T
): Namespace<Services<T[number]>> => ({
  [TypeId]: "Namespace",
  name,
  description,
  // What the tools need is in their types, which TypeScript does not add up for an array of different ones.
  tools: tools as ReadonlyArray<Tool<unknown>> as ReadonlyArray<Tool<Services<T[number]>>>
})

// =============================================================================
// Sets of tools
// =============================================================================

/** What {@link make} takes. */
type Entry<R = never> = Tool<R> | Namespace<R>

/**
 * What the handlers of tools require.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<T> = T extends Tool<infer R> ? R
  : T extends Namespace<infer R> ? R
  : T extends ReadonlyArray<infer U> ? Services<U>
  : never

/**
 * Tools with all that their handlers need, for the `tools` of `startThread`, `resumeThread` and `forkThread`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DynamicTools {
  readonly [TypeId]: "DynamicTools"
  /** As `thread/start` takes them. */
  readonly specs: ReadonlyArray<Sent.DynamicToolSpec>
  /**
   * Answers the calls of these tools, and gives those of others to `otherwise` (default: that of
   * `ServerRequests.defaults`). Threads that are given `tools` do this by themselves; use it to answer them for a whole
   * client, as in `ServerRequests.layer({ "item/tool/call": tools.handler() })`.
   */
  readonly handler: (otherwise?: Handler<"item/tool/call">) => Handler<"item/tool/call">
}

const namePattern = /^[\w-]+$/

const isReserved = (name: string) => name === "mcp" || name.startsWith("mcp__")

// The server takes them, but the model is given codex's own tool of that name and never this one (measured on 0.169).
const ownTools: ReadonlySet<string> = new Set([
  "apply_patch",
  "create_goal",
  "exec_command",
  "get_goal",
  "request_user_input",
  "tool_search",
  "update_goal",
  "view_image",
  "write_stdin"
])

// Of the Responses API (measured on 0.169).
const reservedNamespaces: ReadonlySet<string> = new Set([
  "api_tool",
  "browser",
  "computer",
  "container",
  "file_search",
  "functions",
  "image_gen",
  "multi_tool_use",
  "python",
  "python_user_visible",
  "submodel_delegator",
  "terminal",
  "tool_search",
  "web"
])

const maxNameLength = 128
const maxNamespaceLength = 64
const maxNamespaceDescription = 1024

const nameProblem = (name: string, maximum: number): string | undefined =>
  !namePattern.test(name) || name.length > maximum
    ? `a name is made of 1 to ${maximum} letters, digits, _ and -.`
    : isReserved(name)
    ? "mcp and what begins with mcp__ are reserved."
    : undefined

const toolProblem = (tool: Tool<unknown>, siblings: ReadonlyArray<Tool<unknown>>, isInNamespace: boolean) =>
  nameProblem(tool.name, maxNameLength)
    ?? (siblings.filter(({ name }) => name === tool.name).length > 1 ? "there are two tools of this name." : undefined)
    ?? (isInNamespace || !ownTools.has(tool.name)
      ? undefined
      : "codex has a tool of this name itself, and the model is not offered another. Take a different name.")
    ?? (isInNamespace || !tool.deferLoading ? undefined : "deferLoading is for the tools of a namespace.")

const namespaceProblem = (namespace: Namespace<unknown>, siblings: ReadonlyArray<Namespace<unknown>>) =>
  nameProblem(namespace.name, maxNamespaceLength)
    ?? (siblings.filter(({ name }) => name === namespace.name).length > 1
      ? "there are two namespaces of this name."
      : undefined)
    ?? (reservedNamespaces.has(namespace.name)
      ? "the model's API has a namespace of this name. Take another."
      : undefined)
    ?? (namespace.description.length > maxNamespaceDescription
      ? `its description has more than ${maxNamespaceDescription} characters.`
      : undefined)
    ?? (namespace.tools.length === 0 ? "it has no tools." : undefined)

const isNamespace = <R>(entry: Entry<R>): entry is Namespace<R> => entry[TypeId] === "Namespace"
const isTool = <R>(entry: Entry<R>): entry is Tool<R> => entry[TypeId] === "Tool"

const invalid = (what: string, problem: string) =>
  new InvalidArgument({ argument: "tools", detail: `${what}: ${problem}` })

const functionSpec = (tool: Tool<unknown>, siblings: ReadonlyArray<Tool<unknown>>, namespace?: string) =>
  Effect.gen(function*() {
    const what = `the tool ${JSON.stringify(tool.name)}${namespace === undefined ? "" : ` of ${namespace}`}`
    const problem = toolProblem(tool, siblings, namespace !== undefined)
    if (problem !== undefined) return yield* invalid(what, problem)
    const { deferLoading, description, input, name } = tool
    const inputSchema = yield* Effect.mapError(inputSchemaOf(input), (reason) => invalid(what, reason))
    return {
      type: "function" as const,
      name,
      description,
      inputSchema,
      ...(deferLoading && { deferLoading })
    }
  })

const specsOf = (entries: ReadonlyArray<Entry<unknown>>) => {
  const tools = entries.filter(isTool)
  const namespaces = entries.filter(isNamespace)
  return Effect.forEach(
    entries,
    (entry): Effect.Effect<Sent.DynamicToolSpec, InvalidArgument> => {
      if (isTool(entry)) return functionSpec(entry, tools)
      const { description, name } = entry
      const problem = namespaceProblem(entry, namespaces)
      return problem === undefined
        ? Effect.map(
          Effect.forEach(entry.tools, (tool) => functionSpec(tool, entry.tools, name)),
          (tools) => ({ type: "namespace" as const, name, description, tools })
        )
        : invalid(`the namespace ${JSON.stringify(name)}`, problem)
    }
  )
}

// No name has a space.
const keyOf = (namespace: string | null, tool: string): string => `${namespace ?? ""} ${tool}`

/** What a program without types may get wrong. */
const isWhole = (entry: unknown): boolean =>
  Predicate.hasProperty(entry, TypeId) &&
  Predicate.hasProperty(entry, "name") && Predicate.isString(entry.name) &&
  Predicate.hasProperty(entry, "description") && Predicate.isString(entry.description) &&
  (entry[TypeId] !== "Namespace" ||
    (Predicate.hasProperty(entry, "tools") && Array.isArray(entry.tools) && entry.tools.every(isWhole)))

const compile = <R>(entries: ReadonlyArray<Entry<R>>): Effect.Effect<DynamicTools, InvalidArgument, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    if (!entries.every(isWhole)) {
      return Effect.fail(
        new InvalidArgument({
          argument: "tools",
          detail: "expected what `tool` and `namespace` make, each with a name and a description."
        })
      )
    }
    const known = new Map(entries.flatMap((entry) =>
      isTool(entry)
        ? [[keyOf(null, entry.name), entry] as const]
        : entry.tools.map((tool) => [keyOf(entry.name, tool.name), tool] as const)
    ))
    const provide = CapturedServices.provider(context)
    const call = Effect.fnUntraced(function*(tool: Tool<R>, params: Received.DynamicToolCallParams) {
      const { arguments: args, callId, threadId, turnId } = params
      yield* Effect.annotateCurrentSpan({ "codex.tool": tool.name })
      return yield* provide(tool.answer(args, { threadId, turnId, callId }))
    })
    return Effect.map(specsOf(entries), (specs) => ({
      [TypeId]: "DynamicTools",
      specs,
      handler: (otherwise = ServerRequests.defaults["item/tool/call"]) => (request) => {
        const tool = known.get(keyOf(request.params.namespace, request.params.tool))
        return tool === undefined ? otherwise(request) : call(tool, request.params)
      }
    }))
  })

/**
 * Takes tools together, with the services that their handlers need, from where this runs. Fails with `InvalidArgument` for
 * what the server would refuse: a name that it does not take or that is there twice, an input that is no object; and for a
 * name of one of codex's own tools, which the model would be given instead.
 *
 * **Example** (A thread with a tool)
 *
 * ```ts
 * import { Codex, DynamicTools } from "@effect-codex/client"
 * import { Effect, Schema } from "effect"
 *
 * const roll = DynamicTools.tool("roll", {
 *   description: "Rolls a die.",
 *   input: Schema.Struct({ sides: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 100 })) }),
 *   handler: ({ sides }) => Effect.succeed(`You rolled ${1 + Math.floor(Math.random() * sides)}.`)
 * })
 *
 * export const play = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const tools = yield* DynamicTools.make(roll)
 *   const thread = yield* codex.startThread({ tools })
 *   return yield* thread.run("Roll a die with 20 sides.")
 * })
 *
 * export const goOn = Effect.fn("goOn")(function*(threadId: string) {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.resumeThread(threadId, { tools: yield* DynamicTools.make(roll) })
 *   return yield* thread.run("Once more.")
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const T extends ReadonlyArray<Entry<unknown> | ReadonlyArray<Entry<unknown>>>>(
  ...tools: T
): Effect.Effect<DynamicTools, InvalidArgument, Services<T[number]>> =>
  compile(tools.flat() as ReadonlyArray<Entry<unknown>> as ReadonlyArray<Entry<Services<T[number]>>>)
