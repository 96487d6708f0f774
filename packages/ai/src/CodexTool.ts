/**
 * What codex itself does in a turn, as tools that the provider executes: commands, patches, web searches and the tools of
 * its MCP servers. codex has them whether they are asked for or not; a toolkit that holds them gets their calls and results
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

// The failure of a command is a result of its part. In the other mode `effect/ai` adds it to the errors of the call.
const mode = { args: Schema.Struct({ failureMode: Schema.Literal("return") }) }
const failureMode = { failureMode: "return" } as const

const Status = Schema.String.annotate({ description: "As codex has it, such as `failed` and `declined`." })

const Output = {
  exitCode: Schema.NullOr(Schema.Number),
  /** What it wrote to stdout and stderr. */
  output: Schema.String
}

/**
 * A command that codex ran. One that ended with an exit code other than 0 is a failure, and so is one that was declined or
 * not started.
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
 * Files that codex changed with its tool for patches. What commands wrote is not among them.
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
 * A web search, or a page that was opened.
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
 * A call of a tool of one of codex's MCP servers.
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
 * All of them.
 *
 * @category toolkits
 * @since 0.1.0
 */
export const toolkit = Toolkit.make(shell, patch, webSearch, mcp)
