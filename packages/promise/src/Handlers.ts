/**
 * Answers to what the server asks of its client while it works, as async functions.
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
 * What a handler is given beside the request.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandlerContext {
  /** Aborts when nobody waits for the answer any more: the turn has ended, or the time for an answer is over. */
  readonly signal: AbortSignal
}

/**
 * Answers one kind of request. One that throws, rejects, or gives something of another type is reported in the log, and the
 * safe default answers: nothing that is no answer is taken for consent. It runs in the async context of the call that was
 * given it, so that an `AsyncLocalStorage` holds there what it held at that call.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<Request, Answer> = (request: Request, context: HandlerContext) => Promise<Answer>

/**
 * Who decides what goes beyond the sandbox, kind by kind. What is left out stays as it is: with the client's handler, or
 * declined.
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
 * The answer to a question of the agent: the label of an option, or any text where the question allows it; several, in an
 * array.
 *
 * @category models
 * @since 0.1.0
 */
export interface QuestionAnswers {
  readonly [questionId: string]: string | ReadonlyArray<string> | undefined
}

/**
 * Handlers for a client (`Codex.start`), the turns of a thread (`startThread`) or one turn (`run`, `turn`). The nearest one
 * answers.
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
  /** `"accept"` and `"decline"` stand for everything; a function decides with true or false. Default: `"decline"`. */
  readonly approvals?: "accept" | "decline" | Handler<ApprovalRequest, boolean> | ApprovalHandlers | undefined
  /** `"firstOption"` chooses what the agent recommends. Default: no answers. */
  readonly questions?: "firstOption" | Handler<Questions.Request, QuestionAnswers> | undefined
  /** What MCP servers ask of the user; answers are made by `Elicitation`. Default: declined. */
  readonly elicitation?: Handler<Elicitation.Request, Elicitation.Answer> | undefined
  /** Any request of the protocol, by its method. A `Refusal` that is thrown answers with a JSON-RPC error. */
  readonly requests?:
    | {
      readonly [M in ServerRequests.Method]?:
        | Handler<ServerRequests.Request<M>, Protocol[M]["result"]>
        | undefined
    }
    | undefined
  /**
   * Requests that the protocol does not have, such as those of a newer codex, by their method, which are refused otherwise.
   * Neither the params nor the answer, any JSON, are checked.
   */
  readonly raw?: { readonly [method: string]: Handler<ServerRequests.RawRequest, unknown> | undefined } | undefined
}
