/**
 * Async functions that answer the requests of the server.
 *
 * @since 0.1.0
 */
import type {
  ApprovalRequest,
  CommandDecision,
  CommandRequest,
  FileChangeDecision,
  FileChangeRequest,
  McpToolDecision,
  McpToolRequest,
  PermissionsDecision,
  PermissionsRequest
} from "@effect-codex/client/Approvals"
import type * as Elicitation from "@effect-codex/client/Elicitation"
import type * as Questions from "@effect-codex/client/Questions"
import type * as ServerRequests from "@effect-codex/client/ServerRequests"
import type { ServerRequests as Protocol } from "@effect-codex/protocol/Methods"

/**
 * The second argument of a handler.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandlerContext {
  /** Aborts when the answer is no longer needed: the turn has ended, or `handlerTimeout` has expired. */
  readonly signal: AbortSignal
}

/**
 * Answers one kind of request.
 *
 * **Details**
 *
 * A handler that throws, rejects or returns an invalid answer is reported in the log, and the safe default answers
 * instead; an invalid answer never counts as consent. The handler runs in the async context of the call that received
 * it, so an `AsyncLocalStorage` has the same value as in that call.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<Request, Answer> = (request: Request, context: HandlerContext) => Promise<Answer>

/**
 * Handlers for approval requests, by kind. A kind without a handler goes to the next outer handler, or is declined if
 * there is none.
 *
 * @category models
 * @since 0.1.0
 */
export interface ApprovalHandlers {
  readonly command?: Handler<CommandRequest, CommandDecision> | undefined
  readonly fileChange?: Handler<FileChangeRequest, FileChangeDecision> | undefined
  readonly permissions?: Handler<PermissionsRequest, PermissionsDecision> | undefined
  readonly mcpTool?: Handler<McpToolRequest, McpToolDecision> | undefined
}

/**
 * The answers to the agent's questions, by question id: the label of an option, or any text where the question allows
 * it; an array for several.
 *
 * @category models
 * @since 0.1.0
 */
export interface QuestionAnswers {
  readonly [questionId: string]: string | ReadonlyArray<string> | undefined
}

/**
 * Handlers of a client (`Codex.start`), of the turns of a thread (`startThread`), or of one turn (`run`, `turn`). The
 * innermost one answers.
 *
 * **Example** (Asking before a command runs)
 *
 * ```ts
 * import { ApprovalMode, Codex } from "@effect-codex/promise"
 * import { createInterface } from "node:readline/promises"
 *
 * export const work = async (prompt: string) => {
 *   const terminal = createInterface({ input: process.stdin, output: process.stdout })
 *   await using codex = await Codex.start({
 *     handlers: {
 *       approvals: {
 *         command: async ({ command }, { signal }) =>
 *           (await terminal.question(`May I run ${command}? `, { signal })) === "y" ? "accept" : "decline"
 *       }
 *     }
 *   })
 *   const thread = await codex.startThread({ approvalMode: ApprovalMode.ask })
 *   const { finalResponse } = await thread.run(prompt)
 *   terminal.close()
 *   return finalResponse
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Handlers {
  /**
   * Decides on approval requests. `"accept"` and `"decline"` apply to all of them; a function returns whether to
   * accept. Default: `"decline"`.
   */
  readonly approvals?: "accept" | "decline" | Handler<ApprovalRequest, boolean> | ApprovalHandlers | undefined
  /** Answers the agent's questions. `"firstOption"` chooses what the agent recommends. Default: no answers. */
  readonly questions?: "firstOption" | Handler<Questions.Request, QuestionAnswers> | undefined
  /** Answers requests of MCP servers to the user; build the answers with `Elicitation`. Default: declined. */
  readonly elicitation?: Handler<Elicitation.Request, Elicitation.Answer> | undefined
  /** Answers any request of the protocol, by method. Throw a `Refusal` to answer with a JSON-RPC error. */
  readonly requests?:
    | {
      readonly [M in ServerRequests.Method]?:
        | Handler<ServerRequests.Request<M>, Protocol[M]["result"]>
        | undefined
    }
    | undefined
  /**
   * Answers requests that the protocol types do not contain, such as those of a newer codex, by method. The params and
   * the answer are any JSON and are not checked. Default: such requests are refused.
   */
  readonly raw?: { readonly [method: string]: Handler<ServerRequests.RawRequest, unknown> | undefined } | undefined
}
