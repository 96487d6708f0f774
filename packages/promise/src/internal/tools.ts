import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as DynamicTools from "@effect-codex/client/DynamicTools"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Tool, ToolNamespace, ToolOptions } from "../Tools.ts"
import { CallerContext, output, type Within } from "./callerContext.ts"
import { fromAsync } from "./handlers.ts"

// Only `tool` knows the input type. Keeping the build here spares `Tool` a type parameter.
const builds = new WeakMap<object, Effect.Effect<DynamicTools.Tool>>()

export const tool = <Input>(name: string, options: ToolOptions<Input>): Tool => {
  const { deferLoading, description, handler, input } = options
  const handle = (within: Within) => (input: Input, call: DynamicTools.Call) =>
    Effect.flatMap(
      fromAsync(within)(async (input: Input, { signal }) => handler(input, { ...call, signal }))(input),
      (result) => told(name, result)
    )
  const made: Tool = Object.freeze({ type: "tool", name, description })
  const build = Effect.map(CallerContext, (within) =>
    DynamicTools.tool(name, {
      description,
      input: output(within, input),
      deferLoading,
      handler: handle(within)
    }))
  builds.set(made, build)
  return made
}

const contents: { readonly [C in DynamicTools.Content as C["type"]]: Exclude<keyof C, "type"> } = {
  inputText: "text",
  inputImage: "imageUrl",
  inputAudio: "audioUrl"
}

const isContent = (u: unknown): u is DynamicTools.Content =>
  Object.entries(contents).some(([type, key]) =>
    Predicate.hasProperty(u, "type") && u.type === type && Predicate.hasProperty(u, key) && typeof u[key] === "string"
  )

const isPiece = (u: unknown): u is string | DynamicTools.Content => typeof u === "string" || isContent(u)

const isResult = (u: unknown): u is DynamicTools.Result =>
  // An empty array has no pieces; as JSON it tells the model that the list is empty.
  Array.isArray(u) ? u.length > 0 && u.every(isPiece) : isPiece(u)

// Values that JSON would write as {}, or refuse.
const jsonOf = (_: string, value: unknown): unknown => {
  if (typeof value === "bigint") return String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value instanceof Error ? { name: value.name, message: value.message } : value
}

/**
 * Converts a result for the model. The tool has already run, so a result that cannot be converted is not its failure.
 */
const told = (name: string, result: unknown): Effect.Effect<DynamicTools.Result> => {
  if (result === undefined) return Effect.succeed("done")
  if (isResult(result)) return Effect.succeed(result)
  return Effect.try({
    try: () => {
      const json: string | undefined = JSON.stringify(result, jsonOf)
      if (json === undefined) throw new TypeError(`a ${typeof result} is not JSON`)
      return json
    },
    catch: (error) => error
  }).pipe(
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning(`the result of the tool ${name} cannot be sent to the model`, error),
        "The tool has run, but its result cannot be sent because it is not JSON."
      )
    )
  )
}

const one = (given: Tool): Effect.Effect<DynamicTools.Tool, InvalidArgument> => {
  const build = builds.get(given)
  return build ?? new InvalidArgument({ argument: "tools", detail: "expected a tool made by tool()." })
}

const invalid = new InvalidArgument({
  argument: "tools",
  detail: "expected a list of tools made by tool() and toolNamespace()."
})

const entry = (
  given: Tool | ToolNamespace
): Effect.Effect<DynamicTools.Tool | DynamicTools.Namespace, InvalidArgument> =>
  Predicate.hasProperty(given, "tools")
    ? Effect.map(
      Array.isArray(given.tools) ? Effect.forEach(given.tools, one) : Effect.fail(invalid),
      (tools) => DynamicTools.namespace(given.name, given.description, tools)
    )
    : one(given)

export const tools = (
  given: ReadonlyArray<Tool | ToolNamespace>
): Effect.Effect<DynamicTools.DynamicTools, InvalidArgument> =>
  Array.isArray(given)
    ? Effect.flatMap(Effect.forEach(given, entry), (entries) => DynamicTools.make(entries))
    : Effect.fail(invalid)
