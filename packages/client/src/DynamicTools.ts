/**
 * Tools of this client that the agent can call.
 *
 * A {@link tool} has a name, a description for the model, a Schema for its input and a handler. {@link make} combines
 * tools with the services that their handlers need, and `startThread({ tools })` offers them to the agent:
 *
 * - The server stores a thread's tools with the thread. It offers them again after `resumeThread`, even in another
 *   process, and to forks, but not to subagents. They cannot be changed later. Calls go to the client that resumed or
 *   forked the thread, so pass `tools` there too.
 * - A handler runs in its own fiber, beside other handlers and the reader, and may use the client. It is interrupted
 *   when the turn of its call ends. After `ServerRequests.HandlerTimeout` the call is answered without it.
 * - A call always returns a result that the model can read: what is wrong with its arguments, the message of a
 *   failure, that the tool failed unexpectedly (a defect), or that the tool ran but its result does not fit. The turn
 *   goes on.
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
 * One piece of a tool's result, in the protocol's form.
 *
 * @see {@link text}
 * @see {@link image}
 * @see {@link audio}
 * @category models
 * @since 0.1.0
 */
export type Content = Sent.DynamicToolCallOutputContentItem

/**
 * The result of a handler of a tool without `output`. A string stands for one piece of text.
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
 * A text, as one piece of a tool's result.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): Content => ({ type: "inputText", text })

/**
 * An image, as a data URL or as the bytes of a PNG, JPEG, GIF or WebP. Any other image would break the thread, so the
 * model receives a text that says what is wrong with it, and the client logs a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const image = (image: string | Media): Content => ({ type: "inputImage", imageUrl: dataUrl(image) })

/**
 * Sound, as a data URL or as bytes. A model without audio input is told that a sound was left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const audio = (audio: string | Media): Content => ({ type: "inputAudio", audioUrl: dataUrl(audio) })

// =============================================================================
// Tools
// =============================================================================

/**
 * Identifies the call that a handler answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly threadId: string
  readonly turnId: string
  /** The id of the call and of its `dynamicToolCall` item. */
  readonly callId: string
}

/**
 * The schema that decodes a tool's arguments: an Effect Schema, which may need services, or a schema of another
 * library, as `Output` accepts.
 *
 * @category models
 * @since 0.1.0
 */
export type Input =
  | Schema.ConstraintDecoder<unknown, unknown>
  | Output.StandardOutput<unknown>
  | Output.JsonSchemaOutput<unknown>

/** The type that an {@link Input} decodes the arguments to. */
type InputType<In> = In extends Schema.Constraint ? In["Type"]
  : In extends Output.StandardOutput<infer A> ? A
  : In extends Output.JsonSchemaOutput<infer A> ? A
  : never

/** The services that an {@link Input} needs for decoding. */
type InputServices<In> = In extends Schema.Constraint ? In["DecodingServices"] : never

/**
 * A tool whose handler needs `R`. Create it with {@link tool}.
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
  /** The response to a call with these arguments. It never fails: a failure is part of the response. */
  readonly answer: (args: unknown, call: Call) => Effect.Effect<Sent.DynamicToolCallResponse, never, R>
}

/**
 * Tools under a common name. Create it with {@link namespace}.
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
 * Options of {@link tool}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ToolOptions<In extends Input, Out extends Schema.Constraint, E, R> {
  /** What the tool does, for the model. */
  readonly description: string
  /**
   * The schema of the arguments, which must describe an object: a `Schema.Struct`, `Schema.Class` or `Schema.Record`,
   * not a union. Leave it out, or pass `Schema.Void`, for a tool without arguments.
   *
   * The model receives its JSON Schema, with descriptions from annotations and checks. A schema with a transformation
   * (`Schema.Date`) is shown by its encoded side, so describe it with `annotateKey`. Schemas of other libraries are
   * accepted as `Output` accepts them; arguments are checked against a JSON Schema before its decoder is called.
   */
  readonly input: In
  /**
   * The schema of the handler's result, which the model receives as JSON. Default: the handler returns a
   * {@link Result}.
   */
  readonly output?: Out | undefined
  /**
   * Hides the tool until the model searches for it. A model that cannot search never sees the tool. Only for a tool
   * of a {@link namespace}. Default: false.
   */
  readonly deferLoading?: boolean | undefined
  /** Runs a call. The model is told why it fails; of a defect it learns only that the tool failed unexpectedly. */
  readonly handler: (
    input: InputType<In>,
    call: Call
  ) => Effect.Effect<[Out] extends [never] ? Result : Out["Type"], E, R>
}

const answered = (success: boolean, contentItems: ReadonlyArray<Content>): Sent.DynamicToolCallResponse => ({
  success,
  contentItems
})

// The model sees only the text, not `success` (docs/codex-behaviour.md, "The model sees the text of a tool's answer
// and not whether it succeeded").
const unsuccessful = (words: string): Sent.DynamicToolCallResponse => answered(false, [text(words)])

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const words = (issue: SchemaIssue.Issue): string => issueText(standardIssues(issue).issues)

const noParameters = Schema.Struct({})

const isEffectSchema = (input: Input): input is Schema.ConstraintDecoder<unknown, unknown> => Schema.isSchema(input)

/** Whether a tool takes no parameters. */
const isNothing = (input: Schema.Constraint): boolean => input.ast._tag === "Void" || input.ast._tag === "Undefined"

// Loaded on first use, as for `Output`.
const fromJsonSchema = Effect.promise(() => import("./internal/schemas/strictJsonSchema.ts"))

const orReason = <A>(evaluate: () => A) => Effect.try({ try: evaluate, catch: reason })

const decodeWith = <A, R>(schema: Schema.ConstraintDecoder<A, R>) => {
  const decode = SchemaParser.decodeUnknownEffect(schema, { errors: "all" })
  return (args: unknown) => Effect.mapError(decode(args), words)
}

/** Checks the arguments against the JSON Schema first, so that the caller's decoder may rely on it. */
const decodeJsonSchema = <A>(input: Output.JsonSchemaOutput<A>) => {
  let fits: ReturnType<typeof decodeWith<unknown, never>> | undefined
  return (args: unknown): Effect.Effect<A, string> =>
    fromJsonSchema.pipe(
      Effect.flatMap(({ toolSchemaOf }) => orReason(() => fits ??= decodeWith(toolSchemaOf(input.jsonSchema)))),
      Effect.flatMap((fits) => fits(args)),
      Effect.andThen(ForeignSchema.decode(input, args))
    )
}

// TypeScript does not narrow a type parameter in the branches, so the cast repeats what `InputType` says.
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

/** Describes a failure to the model. JSON keeps a `Redacted` value redacted. */
const reason = (error: unknown): string => {
  if (Predicate.isString(error)) return error
  if (Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== "") {
    return error.message
  }
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : "it gave no reason."
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
        new TypeError("The result is neither a string nor made by DynamicTools.text, image or audio.")
      )
    }
    return Effect.succeed(content)
  })

/**
 * Defines a tool. A name consists of 1 to 128 letters, digits, `_` and `-`.
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
 * @see {@link namespace} to group tools
 * @see {@link make} to offer them to a thread
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
  // By the signatures, only a tool with `Schema.Void` may omit its input.
  const input = options.input ?? Schema.Void as Input as In
  const decodeInput = decoderOf(input)
  // The model must not see the program's own defects.
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
  // The handler has already done its work; the message must keep the model from calling it again.
  const encode = (value: unknown, { threadId, turnId }: Call) =>
    Effect.catchCause(told(value), (cause) =>
      Effect.andThen(
        Effect.logWarning(
          `the tool ${name} has run in turn ${turnId} of thread ${threadId}, but its result could not be sent`,
          cause
        ),
        Effect.fail(unsuccessful(`The tool ${name} has run, but its result could not be sent.`))
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
 * Groups tools under a common name, which the model sees. A name consists of 1 to 64 letters, digits, `_` and `-`;
 * the description has at most 1024 characters. Tools of different namespaces may share a name.
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
 * @see {@link tool}
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
  // TypeScript cannot combine the requirements of an array of different tools.
  tools: tools as ReadonlyArray<Tool<unknown>> as ReadonlyArray<Tool<Services<T[number]>>>
})

// =============================================================================
// Sets of tools
// =============================================================================

/** An argument of {@link make}. */
type Entry<R = never> = Tool<R> | Namespace<R>

/**
 * The services that the handlers of tools require.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<T> = T extends Tool<infer R> ? R
  : T extends Namespace<infer R> ? R
  : T extends ReadonlyArray<infer U> ? Services<U>
  : never

/**
 * Tools together with the services of their handlers, for the `tools` of `startThread`, `resumeThread` and
 * `forkThread`. Create it with {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export interface DynamicTools {
  readonly [TypeId]: "DynamicTools"
  /** The tools in the form that `thread/start` expects. */
  readonly specs: ReadonlyArray<Sent.DynamicToolSpec>
  /**
   * Handles calls of these tools, and passes calls of other tools to `otherwise` (default: the handler of
   * `ServerRequests.defaults`). A thread that is given `tools` does this on its own. Use it to answer calls for a
   * whole client, as in `ServerRequests.layer({ "item/tool/call": tools.handler() })`.
   */
  readonly handler: (otherwise?: Handler<"item/tool/call">) => Handler<"item/tool/call">
}

const namePattern = /^[\w-]+$/

const isReserved = (name: string) => name === "mcp" || name.startsWith("mcp__")

// Refused here because the server accepts them and then offers the model its own tool (docs/codex-behaviour.md, "A
// tool with the name of one of codex's own is taken and never offered").
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

// Reserved by the Responses API (docs/codex-behaviour.md, "The server takes only certain names for tools and
// namespaces").
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
    ? `a name consists of 1 to ${maximum} letters, digits, _ and -.`
    : isReserved(name)
    ? "mcp and names that begin with mcp__ are reserved."
    : undefined

const toolProblem = (tool: Tool<unknown>, siblings: ReadonlyArray<Tool<unknown>>, isInNamespace: boolean) =>
  nameProblem(tool.name, maxNameLength)
    ?? (siblings.filter(({ name }) => name === tool.name).length > 1 ? "there are two tools of this name." : undefined)
    ?? (isInNamespace || !ownTools.has(tool.name)
      ? undefined
      : "codex has a tool of this name itself and would not offer yours to the model. Choose a different name.")
    ?? (isInNamespace || !tool.deferLoading ? undefined : "deferLoading is for the tools of a namespace.")

const namespaceProblem = (namespace: Namespace<unknown>, siblings: ReadonlyArray<Namespace<unknown>>) =>
  nameProblem(namespace.name, maxNamespaceLength)
    ?? (siblings.filter(({ name }) => name === namespace.name).length > 1
      ? "there are two namespaces of this name."
      : undefined)
    ?? (reservedNamespaces.has(namespace.name)
      ? "the model's API has a namespace of this name. Choose another."
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

// Names contain no spaces, so the key is unambiguous.
const keyOf = (namespace: string | null, tool: string): string => `${namespace ?? ""} ${tool}`

/** Catches the mistakes of an untyped program. */
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
          detail: "expected tools and namespaces made by `tool` and `namespace`, each with a name and a description."
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
 * Combines tools, and captures the services that their handlers need from where this runs.
 *
 * **Details**
 *
 * Fails with `InvalidArgument` for tools that the server would refuse: an invalid or duplicate name, or an input that
 * is not an object. It also refuses the name of one of codex's own tools, which the model would get instead.
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
 * @see {@link tool}
 * @see {@link namespace}
 * @category constructors
 * @since 0.1.0
 */
export const make = <const T extends ReadonlyArray<Entry<unknown> | ReadonlyArray<Entry<unknown>>>>(
  ...tools: T
): Effect.Effect<DynamicTools, InvalidArgument, Services<T[number]>> =>
  compile(tools.flat() as ReadonlyArray<Entry<unknown>> as ReadonlyArray<Entry<Services<T[number]>>>)
