/**
 * What the server asks of its client while it works: approvals, input, tools, tokens.
 *
 * There is one handler per request of the protocol and the record has to be complete. The default answers at once and
 * grants nothing: approvals and elicitations are declined, questions get no answers, permissions are granted empty, a
 * tool call is told that there is no such tool, and what has no harmless answer is refused with a JSON-RPC error. The
 * server can therefore never wait for an answer that nobody is going to give.
 *
 * @since 0.1.0
 */
import type { ServerRequests as Protocol } from "@effect-codex/protocol/Methods"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * Fails a handler so that the server gets a JSON-RPC error with this message instead of a result. For an approval the
 * server then marks the item as failed and tells the model so; the turn goes on (measured).
 *
 * @category errors
 * @since 0.1.0
 */
export class Refusal extends Schema.TaggedError<Refusal>()("ServerRequestRefusal", {
  message: Schema.String
}) {}

/**
 * A request of the server, decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request<M extends keyof Protocol> {
  /** The server's id of the request, unique within the connection. */
  readonly id: string | number
  readonly method: M
  readonly params: Protocol[M]["params"]
}

/**
 * One handler for each request of the protocol.
 *
 * **Details**
 *
 * A handler runs in a fiber of its own beside the reader and may use the client. The fiber is interrupted, and no answer
 * is sent, when the server resolves the request otherwise, when its turn ends and when the connection ends. A handler
 * that dies, or whose answer does not fit the protocol, is reported and answered with the default.
 *
 * @category models
 * @since 0.1.0
 */
export type Handlers = {
  readonly [M in keyof Protocol]: (request: Request<M>) => Effect.Effect<Protocol[M]["result"], Refusal>
}

const rejection = "This client does not approve anything: no approval handler is installed."

/**
 * The safe handlers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const defaults: Handlers = {
  "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "decline" }),
  "item/fileChange/requestApproval": () => Effect.succeed({ decision: "decline" }),
  "item/permissions/requestApproval": () => Effect.succeed({ permissions: {}, scope: "turn" }),
  "item/tool/requestUserInput": () => Effect.succeed({ answers: {} }),
  "item/tool/call": ({ params }) =>
    Effect.succeed({
      success: false,
      contentItems: [{ type: "inputText", text: `This client has no tool named ${params.tool}.` }]
    }),
  "mcpServer/elicitation/request": () => Effect.succeed({ action: "decline", content: null, _meta: null }),
  "account/chatgptAuthTokens/refresh": () =>
    Effect.fail(new Refusal({ message: "This client holds no ChatGPT tokens to refresh." })),
  "attestation/generate": () => Effect.fail(new Refusal({ message: "This client does not attest." })),
  "currentTime/read": () => Effect.map(Clock.currentTimeMillis, (now) => ({ currentTimeAt: Math.floor(now / 1000) })),
  applyPatchApproval: () => Effect.succeed({ decision: { denied: { rejection } } }),
  execCommandApproval: () => Effect.succeed({ decision: { denied: { rejection } } })
}

/**
 * The handlers of a client. It is read when the client's layer is built, so provide it to that layer.
 *
 * **Example** (Accepting every command, declining the rest)
 *
 * ```ts
 * import { ServerRequests } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 *
 * export const accepting = CodexNode.layer().pipe(
 *   Layer.provide(Layer.succeed(ServerRequests.CurrentHandlers, {
 *     ...ServerRequests.defaults,
 *     "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "accept" })
 *   }))
 * )
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentHandlers: Context.Reference<Handlers> = Context.Reference<Handlers>(
  "@effect-codex/client/ServerRequests/CurrentHandlers",
  { defaultValue: () => defaults }
)
