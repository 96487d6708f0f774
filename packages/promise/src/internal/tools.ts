import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as DynamicTools from "@effect-codex/client/DynamicTools"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Tool, ToolNamespace, ToolOptions } from "../Tools.ts"
import { CallerContext, output, type Within } from "./callerContext.ts"
import { fromAsync } from "./handlers.ts"

// What a tool takes is known to its maker alone, so the tool itself needs no type parameter.
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
  // None of an empty array are pieces, and the model is to know of a list that it is empty.
  Array.isArray(u) ? u.length > 0 && u.every(isPiece) : isPiece(u)

// What JSON has no other word for than {}, or none at all.
const jsonOf = (_: string, value: unknown): unknown => {
  if (typeof value === "bigint") return String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value instanceof Error ? { name: value.name, message: value.message } : value
}

/** What the model is told of a result. The tool has run by now, so that whatever this is, it is told no failure of it. */
const told = (name: string, result: unknown): Effect.Effect<DynamicTools.Result> => {
  if (result === undefined) return Effect.succeed("done")
  if (isResult(result)) return Effect.succeed(result)
  return Effect.try({
    try: () => {
      const json: string | undefined = JSON.stringify(result, jsonOf)
      if (json === undefined) throw new TypeError(`a ${typeof result} is no JSON`)
      return json
    },
    catch: (error) => error
  }).pipe(
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning(`the result of the tool ${name} cannot be told to the model`, error),
        "The tool has run. Its result cannot be told, because it is no JSON."
      )
    )
  )
}

const one = (given: Tool): Effect.Effect<DynamicTools.Tool, InvalidArgument> => {
  const build = builds.get(given)
  return build ?? new InvalidArgument({ argument: "tools", detail: "expected what tool() made." })
}

const invalid = new InvalidArgument({
  argument: "tools",
  detail: "expected a list of what tool() and toolNamespace() made."
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
