import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as DynamicTools from "@effect-codex/client/DynamicTools"
import type { Output } from "@effect-codex/client/Output"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Tool, ToolNamespace, ToolOptions } from "../Tools.ts"
import { fromAsync } from "./handlers.ts"

type Build = Effect.Effect<DynamicTools.Tool, InvalidArgument>

// What a tool takes is known to its maker alone, so the tool itself needs no type parameter.
const builds = new WeakMap<object, Build>()

export const tool = <Input>(name: string, options: ToolOptions<Input>): Tool => {
  const { description } = options
  const made: Tool = Object.freeze({ type: "tool", name, description })
  builds.set(made, build(name, options))
  return made
}

const isSchema = <A>(input: Output<A>): input is Schema.ConstraintCodec<A, unknown> => Schema.isSchema(input)

const build = <Input>(
  name: string,
  { deferLoading, description, handler, input }: ToolOptions<Input>
): Build => {
  const handle = (input: Input, call: DynamicTools.Call) =>
    fromAsync(async (input: Input, { signal }) => handler(input, { ...call, signal }))(input)
  if (isSchema(input)) {
    return Effect.sync(() => DynamicTools.tool(name, { description, input, deferLoading, handler: handle }))
  }
  // Loaded when it is wanted: a program without such a tool does not need it.
  return Effect.flatMap(Effect.promise(() => import("./jsonSchemaInput.ts")), ({ read }) =>
    Effect.try({
      try: () => {
        const { decode, schema } = read(input)
        return DynamicTools.tool(name, {
          description,
          input: schema,
          deferLoading,
          handler: (json, call) => Effect.flatMap(decode(json), (input) => handle(input, call))
        })
      },
      catch: (error) =>
        new InvalidArgument({
          argument: "tools",
          detail: `the input of the tool ${name}: ${error instanceof Error ? error.message : String(error)}`
        })
    }))
}

const entry = (given: Tool | ToolNamespace): Effect.Effect<DynamicTools.Entry, InvalidArgument> =>
  Predicate.hasProperty(given, "tools")
    ? Effect.map(
      Effect.forEach(given.tools, one),
      (tools) => DynamicTools.namespace(given.name, given.description, tools)
    )
    : one(given)

const one = (given: Tool): Build =>
  builds.get(given) ?? Effect.fail(new InvalidArgument({ argument: "tools", detail: "expected what tool() made." }))

export const tools = (
  given: ReadonlyArray<Tool | ToolNamespace>
): Effect.Effect<DynamicTools.DynamicTools, InvalidArgument> =>
  Effect.flatMap(Effect.forEach(given, entry), (entries) => DynamicTools.make(entries))
