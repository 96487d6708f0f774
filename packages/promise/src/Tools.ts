/**
 * Tools of this program that the agent can call.
 *
 * @since 0.1.0
 */
import type * as DynamicTools from "@effect-codex/client/DynamicTools"
import type { Output } from "@effect-codex/client/Output"
import * as internal from "./internal/tools.ts"
import type { Awaitable } from "./Options.ts"

/**
 * A tool, made by {@link tool}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tool {
  readonly type: "tool"
  readonly name: string
  readonly description: string
}

/**
 * Tools under a common name, made by {@link toolNamespace}.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolNamespace {
  readonly type: "namespace"
  readonly name: string
  readonly description: string
  readonly tools: ReadonlyArray<Tool>
}

/**
 * Where a call comes from.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall extends DynamicTools.Call {
  /** Aborts when nobody waits for the result any more: the turn has ended, or the time for an answer is over. */
  readonly signal: AbortSignal
}

/**
 * What a handler gives. Text, and what {@link toolText}, {@link toolImage} and {@link toolAudio} make, alone or in an array,
 * is told to the model as it is; nothing is told as `done`; anything else as JSON.
 *
 * **Gotchas**
 *
 * What is no JSON, such as a cycle or a function, cannot be told. The model is then told that the tool has run, and your log
 * why its result is missing.
 *
 * @category models
 * @since 0.1.0
 */
export type ToolResult = DynamicTools.Result | object | number | boolean | null | undefined | void

/**
 * How a tool is made.
 *
 * @category options
 * @since 0.1.0
 */
export interface ToolOptions<Input> {
  /** What the tool does, for the model. */
  readonly description: string
  /**
   * The arguments, an object: a Standard Schema that gives its JSON Schema (zod from 4.2, ArkType), a JSON Schema with a
   * decoder, or an Effect Schema.
   */
  readonly input: Output<Input>
  /** Keeps the tool out of what the model is given until it searches for it; for a tool of a namespace. Default: false. */
  readonly deferLoading?: boolean | undefined
  /**
   * Does the work. What it gives is told to the model, and so is the message of what it throws. It runs in the async context
   * of the `startThread`, `resumeThread` or `forkThread` that was given the tool.
   */
  readonly handler: (input: Input, call: ToolCall) => Awaitable<ToolResult>
}

/**
 * A tool, for the `tools` of `startThread`, `resumeThread` and `forkThread`. Names are made of 1 to 128 letters, digits, `_`
 * and `-`.
 *
 * The model is told what does not fit in its arguments, and the message of what the handler throws; the turn goes on.
 * Something wrong with the tool itself, such as its name, is an `InvalidArgument` of the call that is given the tool.
 *
 * **Example** (A tool whose input is a JSON Schema)
 *
 * ```ts
 * import { type Codex, tool } from "@effect-codex/promise"
 *
 * const weather = tool("weather", {
 *   description: "Tells the weather of a city.",
 *   input: {
 *     jsonSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
 *     decode: (value) => ({ ok: true, value: value as { city: string } })
 *   },
 *   handler: async ({ city }, { signal }) => {
 *     const response = await fetch(`https://wttr.in/${encodeURIComponent(city)}?format=3`, { signal })
 *     return response.text()
 *   }
 * })
 *
 * export const ask = async (codex: Codex) => {
 *   const thread = await codex.startThread({ tools: [weather] })
 *   return thread.run("What is the weather in Kyiv?")
 * }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tool: <Input>(name: string, options: ToolOptions<Input>) => Tool = internal.tool

/**
 * Tools that the model is shown as a group.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toolNamespace = (name: string, description: string, tools: ReadonlyArray<Tool>): ToolNamespace => ({
  type: "namespace",
  name,
  description,
  tools
})

export {
  /**
   * A piece of a tool's result.
   *
   * @category content
   * @since 0.1.0
   */
  audio as toolAudio,
  /**
   * A piece of a tool's result: an image, as a data URL or as bytes.
   *
   * @category content
   * @since 0.1.0
   */
  image as toolImage,
  /**
   * A piece of a tool's result.
   *
   * @category content
   * @since 0.1.0
   */
  text as toolText
} from "@effect-codex/client/DynamicTools"
