/**
 * codex threads as the tools of an MCP server: `codex` starts a thread, and `codex_reply` continues any stored thread
 * by its id, including older threads and those of other processes.
 *
 * The package's index does not export this module, because a server costs more to import than everything else.
 * `effect-codex mcp` of `@effect-codex/cli` runs it on stdin and stdout.
 *
 * @since 0.1.0
 */
import * as Codex from "@effect-codex/client/Codex"
import type { CodexError } from "@effect-codex/client/CodexError"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { Thread } from "@effect-codex/client/Thread"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as McpSchema from "effect/ai/McpSchema"
import * as McpServer from "effect/ai/McpServer"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/**
 * The result of both tools, sent as `structuredContent`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Struct({
  threadId: Schema.String.annotate({ description: "Pass it to codex_reply to continue this conversation." }),
  turnId: Schema.String,
  /** The final answer; null if the turn ended without one. */
  answer: Schema.NullOr(Schema.String),
  /** The answer parsed as JSON, if the call had an `outputSchema`; null if it is not JSON. */
  output: Schema.optionalKey(Schema.Json)
})

/**
 * Why a call failed. `threadId` is null if no thread was started; otherwise `codex_reply` can continue it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure = Schema.Struct({
  error: Schema.String,
  message: Schema.String,
  threadId: Schema.NullOr(Schema.String)
})

const prompt = Schema.String.annotate({ description: "The task for the agent." })

const outputSchema = Schema.optionalKey(
  Schema.JsonObject.annotate({ description: "A JSON Schema of an object. The final answer must match it." })
)

/**
 * Starts a thread and runs its first turn.
 *
 * @category tools
 * @since 0.1.0
 */
export const start = Tool.make("codex", {
  description:
    "Gives a task to codex, a coding agent, and waits until it is done. codex runs commands and applies patches. " +
    "Returns its final answer and the id of the conversation.",
  parameters: Schema.Struct({
    prompt,
    cwd: Schema.optionalKey(
      Schema.String.annotate({ description: "The folder to work in, as an absolute path." })
    ),
    model: Schema.optionalKey(Schema.String.annotate({ description: "Default: the configured model." })),
    outputSchema
  }),
  success: Answer,
  failure: Failure,
  failureMode: "return"
}).annotate(Tool.Title, "Ask codex")

/**
 * Runs another turn of a thread.
 *
 * @category tools
 * @since 0.1.0
 */
export const reply = Tool.make("codex_reply", {
  description: "Continues an existing codex conversation, no matter when or by whom it was started. " +
    "Waits while the conversation is busy.",
  parameters: Schema.Struct({
    threadId: Schema.String.annotate({ description: "The threadId of an earlier result." }),
    prompt,
    outputSchema
  }),
  success: Answer,
  failure: Failure,
  failureMode: "return"
}).annotate(Tool.Title, "Reply to codex")

/**
 * A toolkit of {@link start} and {@link reply}.
 *
 * @category toolkits
 * @since 0.1.0
 */
export const toolkit = Toolkit.make(start, reply)

// =============================================================================
// Progress
// =============================================================================

// The client shows this text to a person; the model's text may contain characters that move a cursor or hide text.
const shown = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim().slice(0, 300)

/** The progress message for an event, if it deserves one. */
const progressOf = (event: TurnEvent): string | undefined => {
  if (event._tag !== "item/started" && event._tag !== "item/completed") return undefined
  const { item } = event.params
  const isOver = event._tag === "item/completed"
  switch (item.type) {
    case "commandExecution":
      return isOver ? undefined : `$ ${item.command}`
    case "fileChange":
      return isOver ? `changed ${item.changes.map(({ path }) => path).join(", ")}` : undefined
    case "mcpToolCall":
      return isOver ? undefined : `${item.server}.${item.tool}`
    case "webSearch":
      return isOver ? `searched ${item.query}` : undefined
    case "agentMessage":
      return isOver && item.phase === "commentary" ? item.text : undefined
    default:
      return undefined
  }
}

/** Sends progress notifications if the request carries a progress token. */
const report = Effect.fnUntraced(function*(
  server: McpServer.McpServer["Service"],
  events: Stream.Stream<TurnEvent, unknown>
) {
  const context = yield* Effect.serviceOption(McpSchema.McpRequestContext)
  const metadata = Option.getOrUndefined(context)?.requestMetadata
  const progressToken = Predicate.hasProperty(metadata, "progressToken") ? metadata.progressToken : undefined
  if (!Predicate.isString(progressToken) && !Predicate.isNumber(progressToken)) return
  let progress = 0
  yield* events.pipe(
    Stream.map(progressOf),
    Stream.filter(Predicate.isNotUndefined),
    Stream.runForEach((message) =>
      server.notifications["notifications/progress"]({ progressToken, progress: ++progress, message: shown(message) })
    ),
    // A lost connection also ends the turn, whose result reports it.
    Effect.ignore
  )
})

// =============================================================================
// Calls
// =============================================================================

const failed = (threadId: string | null) => (error: CodexError): typeof Failure.Type => ({
  error: error._tag,
  message: error.message,
  threadId
})

const answerOf = (result: TurnResult, output: Schema.Json | undefined): typeof Answer.Type => ({
  threadId: result.threadId,
  turnId: result.id,
  answer: Option.getOrNull(result.finalResponse),
  ...(output !== undefined && { output })
})

const parsed = (text: string | null): Schema.Json | undefined => {
  try {
    return text === null ? undefined : JSON.parse(text) as Schema.Json
  } catch {
    return undefined
  }
}

const clientGone = (threadId: string | null): typeof Failure.Type => ({
  error: "ClientGone",
  message: "The client has closed its connection, so the agent was stopped.",
  threadId
})

const isInterrupted = ({ status }: TurnResult): boolean => status === "interrupted"

const ask = Effect.fnUntraced(
  function*(
    server: McpServer.McpServer["Service"],
    thread: Thread,
    { outputSchema, prompt }: { readonly prompt: string; readonly outputSchema?: Schema.JsonObject }
  ) {
    // Models call tools in parallel, and could not follow the advice of `ThreadBusy`.
    const turn = yield* thread.turn(prompt, { outputSchema, whenBusy: "queue" })
    yield* Effect.forkScoped(report(server, turn.events))
    const result = yield* turn.result
    if (isInterrupted(result)) {
      return yield* Effect.fail<typeof Failure.Type>({
        error: "TurnInterrupted",
        message: "The turn was interrupted. Continue with codex_reply.",
        threadId: thread.id
      })
    }
    const answer = Option.getOrNull(result.finalResponse)
    return answerOf(result, outputSchema === undefined ? undefined : parsed(answer) ?? null)
  },
  Effect.scoped
)

/**
 * The settings of the server's threads. Permissions such as the sandbox come only from here; a client cannot choose
 * them. Defaults: those of `startThread`.
 *
 * @category options
 * @since 0.1.0
 */
export interface Settings extends Omit<Codex.StartThreadOptions, "tools"> {
  /**
   * Stops the agents of all running calls, and fails those calls and later ones, once this completes. A server on
   * stdin needs it: when its client has closed stdin, the server otherwise waits for its calls. Default: never.
   */
  readonly stopWhen?: Effect.Effect<void> | undefined
}

/**
 * A layer with the handlers of {@link toolkit}.
 *
 * @see {@link layer} to also register the tools with a server
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHandlers = (
  { stopWhen = Effect.never, ...settings }: Settings = {}
): Layer.Layer<Tool.HandlersFor<typeof toolkit.tools>, never, Codex.Codex | McpServer.McpServer> =>
  toolkit.toLayer(Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const server = yield* McpServer.McpServer
    const orFailed = <A, R>(effect: Effect.Effect<A, CodexError | typeof Failure.Type, R>, threadId: string | null) =>
      Effect.mapError(effect, (error) => "_tag" in error ? failed(threadId)(error) : error).pipe(
        Effect.raceFirst(Effect.andThen(stopWhen, Effect.fail(clientGone(threadId))))
      )
    return {
      codex: ({ cwd, model, ...asked }) =>
        orFailed(
          codex.startThread({ ...settings, ...(cwd !== undefined && { cwd }), ...(model !== undefined && { model }) }),
          null
        ).pipe(Effect.flatMap((thread) => orFailed(ask(server, thread, asked), thread.id))),
      codex_reply: ({ threadId, ...asked }) =>
        orFailed(
          Effect.flatMap(
            codex.resumeThread(threadId, {
              approvalMode: settings.approvalMode,
              handlers: settings.handlers,
              sandbox: settings.sandbox,
              stallTimeout: settings.stallTimeout
            }),
            (thread) => ask(server, thread, asked)
          ),
          threadId
        )
    }
  }))

/**
 * A layer that registers the tools with a server: the `registrations` of `McpServer.layerStdio` and its variants.
 *
 * **Example** (A server on stdin and stdout)
 *
 * ```ts
 * import * as Mcp from "@effect-codex/ai/Mcp"
 * import { Sandbox } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import * as NodeStdio from "@effect/platform-node/NodeStdio"
 * import { Layer } from "effect"
 * import { McpProtocol, McpServer } from "effect/ai"
 *
 * export const Server = McpServer.layerStdio({
 *   name: "codex",
 *   version: "1.0.0",
 *   protocols: [McpProtocol.v2025_11_25],
 *   registrations: Mcp.layer({ sandbox: Sandbox.readOnly })
 * }).pipe(Layer.provide([CodexNode.layer(), NodeStdio.layer]))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (settings?: Settings): Layer.Layer<never, never, Codex.Codex | McpServer.McpServer> =>
  McpServer.toolkit(toolkit).pipe(Layer.provide(layerHandlers(settings)))
