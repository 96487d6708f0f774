/**
 * Threads of codex as the tools of an MCP server: `codex` starts one, and `codex_reply` goes on with one by its id, also with
 * one of yesterday or of another process.
 *
 * This module is not in the package's index, because a server costs more to import than all the rest. `effect-codex mcp` of
 * `@effect-codex/cli` is this on stdin and stdout.
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
 * What the tools answer with: `structuredContent` of the call's result.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Answer = Schema.Struct({
  threadId: Schema.String.annotate({ description: "Give it to codex_reply to go on with this conversation." }),
  turnId: Schema.String,
  /** The final answer; null if the agent gave none. */
  answer: Schema.NullOr(Schema.String),
  /** The decoded answer, if an `outputSchema` was given. */
  output: Schema.optionalKey(Schema.Json)
})

/**
 * Why a call failed. Where there is a thread its id is told, so that it can be gone on with.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure = Schema.Struct({
  error: Schema.String,
  message: Schema.String,
  threadId: Schema.NullOr(Schema.String)
})

const prompt = Schema.String.annotate({ description: "What the agent is asked to do." })

const outputSchema = Schema.optionalKey(
  Schema.JsonObject.annotate({ description: "A JSON Schema of an object, which the final answer has to fit." })
)

/**
 * Starts a thread and runs its first turn.
 *
 * @category tools
 * @since 0.1.0
 */
export const start = Tool.make("codex", {
  description:
    "Asks codex, a coding agent, to do something, and waits until it has. It works with commands and patches, " +
    "and gives its final answer with the id of the conversation.",
  parameters: Schema.Struct({
    prompt,
    cwd: Schema.optionalKey(
      Schema.String.annotate({ description: "The folder that it works in, as an absolute path." })
    ),
    model: Schema.optionalKey(Schema.String.annotate({ description: "Default: as configured." })),
    outputSchema
  }),
  success: Answer,
  failure: Failure,
  failureMode: "return"
}).annotate(Tool.Title, "Ask codex")

/**
 * Runs a further turn of a thread.
 *
 * @category tools
 * @since 0.1.0
 */
export const reply = Tool.make("codex_reply", {
  description: "Says more to codex in a conversation that there is, whoever began it and when.",
  parameters: Schema.Struct({
    threadId: Schema.String.annotate({ description: "The id that codex answered with." }),
    prompt,
    outputSchema
  }),
  success: Answer,
  failure: Failure,
  failureMode: "return"
}).annotate(Tool.Title, "Reply to codex")

/**
 * Both tools.
 *
 * @category toolkits
 * @since 0.1.0
 */
export const toolkit = Toolkit.make(start, reply)

// =============================================================================
// Progress
// =============================================================================

// What the model says is shown to a person, and may hold what moves a cursor or hides a text.
const shown = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim().slice(0, 300)

/** What a person is told while a turn runs. */
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

/** Tells the client how a turn goes, if its request asked for that. */
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
    // The end of the connection is the turn's, too.
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

const isInterrupted = ({ status }: TurnResult): boolean => status === "interrupted"

const ask = Effect.fnUntraced(
  function*(
    server: McpServer.McpServer["Service"],
    thread: Thread,
    { outputSchema, prompt }: { readonly prompt: string; readonly outputSchema?: Schema.JsonObject }
  ) {
    const turn = yield* thread.turn(prompt, { outputSchema })
    yield* Effect.forkScoped(report(server, turn.events))
    const result = yield* turn.result
    if (isInterrupted(result)) {
      return yield* Effect.fail<typeof Failure.Type>({
        error: "TurnInterrupted",
        message: "The turn was interrupted. Go on with codex_reply.",
        threadId: thread.id
      })
    }
    const answer = Option.getOrNull(result.finalResponse)
    return answerOf(result, outputSchema === undefined ? undefined : parsed(answer) ?? null)
  },
  Effect.scoped
)

/**
 * What the server's threads are started and resumed with, beyond what a call says. What a client may have done to a machine
 * is said here and not by the client. Default: as `startThread` has it.
 *
 * @category options
 * @since 0.1.0
 */
export type Settings = Omit<Codex.StartThreadOptions, "tools">

/**
 * The handlers of {@link toolkit}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHandlers = (
  settings: Settings = {}
): Layer.Layer<Tool.HandlersFor<typeof toolkit.tools>, never, Codex.Codex | McpServer.McpServer> =>
  toolkit.toLayer(Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const server = yield* McpServer.McpServer
    const orFailed = <A, R>(effect: Effect.Effect<A, CodexError | typeof Failure.Type, R>, threadId: string | null) =>
      Effect.mapError(effect, (error) => "_tag" in error ? failed(threadId)(error) : error)
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
 * Registers the tools with a server, as `registrations` of `McpServer.layerStdio` and its relatives.
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
