/**
 * Tools of your program that the agent can call.
 *
 * @since 0.1.0
 */
import type * as DynamicTools from "@effect-codex/client/DynamicTools"
import type { Output } from "@effect-codex/client/Output"
import * as internal from "./internal/tools.ts"
import type { Awaitable } from "./Options.ts"

/**
 * A tool, created by {@link tool}.
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
 * A group of tools under a common name, created by {@link toolNamespace}.
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
 * The second argument of a tool's handler: where the call comes from, and a signal.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall extends DynamicTools.Call {
  /** Aborts when the result is no longer needed: the turn has ended, or `handlerTimeout` has expired. */
  readonly signal: AbortSignal
}

/**
 * The result of a tool's handler. The model receives text, and the content of {@link toolText}, {@link toolImage} and
 * {@link toolAudio}, alone or in an array, unchanged. It receives `undefined` as `done`, and any other value as JSON.
 *
 * **Gotchas**
 *
 * A value that JSON cannot represent, such as a cycle or a function, cannot be sent. The model is then told only that
 * the tool has run, and a warning in the log says why.
 *
 * @category models
 * @since 0.1.0
 */
export type ToolResult = DynamicTools.Result | object | number | boolean | null | undefined | void

/**
 * Options of {@link tool}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ToolOptions<Input> {
  /** Tells the model what the tool does. */
  readonly description: string
  /**
   * The schema of the arguments, an object: a Standard Schema that provides its JSON Schema (zod since 4.2, ArkType), a
   * JSON Schema with a decoder, or an Effect Schema.
   */
  readonly input: Output<Input>
  /** Hides the tool from the model until it searches for it. Only for tools of a namespace. Default: false. */
  readonly deferLoading?: boolean | undefined
  /**
   * Does the work. The model receives its result, or the message of the error that it throws. It runs in the async
   * context of the `startThread`, `resumeThread` or `forkThread` that received the tool.
   */
  readonly handler: (input: Input, call: ToolCall) => Awaitable<ToolResult>
}

/**
 * Creates a tool for the `tools` of `startThread`, `resumeThread` and `forkThread`. A name consists of 1 to 128
 * letters, digits, `_` and `-`.
 *
 * **Details**
 *
 * If the arguments do not match the schema, or the handler throws, the model receives the message and the turn
 * continues. An invalid tool, such as one with a wrong name, rejects the call that receives it with `InvalidArgument`.
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
 * Groups tools under a common name and description, which the model sees.
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
   * Audio in a tool's result.
   *
   * @category content
   * @since 0.1.0
   */
  audio as toolAudio,
  /**
   * An image in a tool's result, as a data URL or bytes.
   *
   * @category content
   * @since 0.1.0
   */
  image as toolImage,
  /**
   * Text in a tool's result.
   *
   * @category content
   * @since 0.1.0
   */
  text as toolText
} from "@effect-codex/client/DynamicTools"
