/**
 * codex's own actions as provider-executed tools: commands, patches, web searches and the tools of its MCP servers.
 *
 * codex can use them in every turn, whether or not a toolkit contains them. If it does, their calls and results appear
 * as parts of the answer.
 *
 * **Example** (The commands of an answer)
 *
 * ```ts
 * import { CodexTool } from "@effect-codex/ai"
 * import { Effect } from "effect"
 * import { LanguageModel, Toolkit } from "effect/ai"
 *
 * export const commands = Effect.gen(function*() {
 *   const { toolCalls } = yield* LanguageModel.generateText({
 *     prompt: "Run the tests.",
 *     toolkit: Toolkit.make(CodexTool.shell)
 *   })
 *   return toolCalls.map(({ id }) => id)
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Schema from "effect/Schema"

// A failed command is a result, not a failure of the call: in the other mode `effect/ai` adds it to the call's errors.
const mode = { args: Schema.Struct({ failureMode: Schema.Literal("return") }) }
const failureMode = { failureMode: "return" } as const

const Status = Schema.String.annotate({ description: "The status that codex reports, such as `failed` or `declined`." })

const Output = {
  exitCode: Schema.NullOr(Schema.Number),
  /** What the command wrote to stdout and stderr. */
  output: Schema.String
}

/**
 * A command that codex ran. Its result is a failure if the exit code is not 0, or if the command was declined or did
 * not start.
 *
 * @category tools
 * @since 0.1.0
 */
export const shell = Tool.providerDefined({
  ...mode,
  id: "codex.shell",
  customName: "CodexShell",
  providerName: "shell",
  parameters: Schema.Struct({ command: Schema.String, cwd: Schema.String }),
  success: Schema.Struct(Output),
  failure: Schema.Struct({ ...Output, status: Status })
})<"return">(failureMode)

/**
 * Files that codex changed with its patch tool. It does not include files that commands wrote.
 *
 * @category tools
 * @since 0.1.0
 */
export const patch = Tool.providerDefined({
  ...mode,
  id: "codex.patch",
  customName: "CodexPatch",
  providerName: "apply_patch",
  parameters: Schema.Struct({
    changes: Schema.Array(Schema.Struct({ path: Schema.String, kind: Schema.String, diff: Schema.String }))
  }),
  success: Schema.Struct({ status: Status }),
  failure: Schema.Struct({ status: Status })
})<"return">(failureMode)

/**
 * A web search, or a web page that codex opened.
 *
 * @category tools
 * @since 0.1.0
 */
export const webSearch = Tool.providerDefined({
  ...mode,
  id: "codex.web_search",
  customName: "CodexWebSearch",
  providerName: "web_search",
  parameters: Schema.Struct({ query: Schema.String, action: Schema.String, url: Schema.NullOr(Schema.String) }),
  success: Schema.Struct({ results: Schema.NullOr(Schema.Array(Schema.Json)) })
})<"return">(failureMode)

/**
 * A tool call to one of codex's MCP servers.
 *
 * @category tools
 * @since 0.1.0
 */
export const mcp = Tool.providerDefined({
  ...mode,
  id: "codex.mcp",
  customName: "CodexMcp",
  providerName: "mcp",
  parameters: Schema.Struct({ server: Schema.String, tool: Schema.String, arguments: Schema.Json }),
  success: Schema.Struct({ content: Schema.Array(Schema.Json), structuredContent: Schema.NullOr(Schema.Json) }),
  failure: Schema.Struct({ status: Status, message: Schema.NullOr(Schema.String) })
})<"return">(failureMode)

/**
 * A toolkit of {@link shell}, {@link patch}, {@link webSearch} and {@link mcp}.
 *
 * @category toolkits
 * @since 0.1.0
 */
export const toolkit = Toolkit.make(shell, patch, webSearch, mcp)
