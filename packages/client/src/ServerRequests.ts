/**
 * Handlers for the requests that the server sends to its client: approvals, input, tools, tokens.
 *
 * There is one handler per request of the protocol. The default handler answers at once and grants nothing: it
 * declines approvals and elicitations, leaves questions unanswered, grants empty permissions, tells a tool call that
 * there is no such tool, and refuses requests without a harmless answer with a JSON-RPC error. So the server never
 * waits for an answer that nobody is going to give.
 *
 * Handlers can be replaced for a client ({@link layer}), for the turns of a thread (`startThread({ handlers })`) and
 * for one turn (`run(input, { handlers })`). The nearest handler wins, for each request separately. A subagent's
 * requests go to the handlers of the turn that it works for. `Approvals`, `Questions`, `Elicitation` and
 * `DynamicTools` build handlers with friendlier types than the protocol's.
 *
 * @since 0.1.0
 */
import type { ServerRequests as Protocol } from "@effect-codex/protocol/Methods"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { capture, layerOf, provided } from "./internal/serverRequests/overrides.ts"
import type { ParamsOf } from "./internal/serverRequests/spareParams.ts"
import { TaggedError } from "./internal/taggedError.ts"
import type * as Received from "./Received.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * The failure of a handler that refuses a request: the server receives a JSON-RPC error with this message instead of
 * a result.
 *
 * **Details**
 *
 * After a refused approval the server marks the item as failed and tells the model so; the turn goes on. `code` is
 * for newer servers that may distinguish codes; default: -32603.
 *
 * @see {@link Handler}
 * @category errors
 * @since 0.1.0
 */
export class Refusal
  extends TaggedError<Refusal>("@effect-codex/client/ServerRequests/Refusal")("ServerRequestRefusal", {
    message: Schema.String,
    code: Schema.optionalKey(Schema.Int)
  })
{}

/**
 * The method name of a server request.
 *
 * @category models
 * @since 0.1.0
 */
export type Method = keyof Protocol

/**
 * A decoded request of the server.
 *
 * @see {@link RawRequest}
 * @category models
 * @since 0.1.0
 */
export interface Request<M extends Method> {
  /** The server's id of the request, unique within the connection. */
  readonly id: string | number
  readonly method: M
  /**
   * The decoded params. A param that an approval can be decided without, such as `reason`, is left out if it does not
   * fit the protocol.
   */
  readonly params: ParamsOf<M>
  /** The raw values of the params that were left out, by key. Undefined if none was. */
  readonly undecodable?: { readonly [key: string]: unknown } | undefined
  /**
   * The item that the request is about, as the server reported it at its start; a file change carries its diff here.
   * Undefined when this connection missed the start, and for requests about no item.
   */
  readonly item: Received.ThreadItem | undefined
}

/**
 * Handles one server request.
 *
 * **Details**
 *
 * A handler runs in its own fiber beside the reader and may use the client. The fiber is interrupted, and no answer
 * is sent, when the server resolves the request otherwise, when its turn ends, and when the connection ends. A
 * handler that fails with a {@link Refusal} answers with a JSON-RPC error. A handler that fails otherwise, dies,
 * takes longer than {@link HandlerTimeout}, or returns a result that does not fit the protocol is reported in the
 * log, and the default handler answers instead.
 *
 * @see {@link RawHandler}
 * @category models
 * @since 0.1.0
 */
export type Handler<M extends Method, R = never> = (
  request: Request<M>
) => Effect.Effect<Protocol[M]["result"], unknown, R>

/**
 * A server request as received, unchecked.
 *
 * @see {@link Request}
 * @category models
 * @since 0.1.0
 */
export interface RawRequest {
  /** The server's id of the request, unique within the connection. */
  readonly id: string | number
  readonly method: string
  readonly params: unknown
  /** The item that the request is about, if its params name one (`itemId`) and this connection saw its start. */
  readonly item: Received.ThreadItem | undefined
}

/**
 * Handles a request that this client need not know, such as one of a newer codex.
 *
 * **Details**
 *
 * The answer may be any JSON, and the client does not check it (`undefined` is sent as `null`). Otherwise it behaves
 * like a {@link Handler}. If the method is unknown and the handler fails with something other than a {@link Refusal},
 * the server receives a JSON-RPC error.
 *
 * @category models
 * @since 0.1.0
 */
export type RawHandler<R = never> = (request: RawRequest) => Effect.Effect<unknown, unknown, R>

interface Raw<R> {
  /**
   * Handlers by method, for methods that the protocol does not have; without a handler such a request is refused
   * (-32601). A handler for a method of the protocol takes precedence over the checked handler beside it, for params
   * of a newer codex that do not fit.
   */
  readonly raw?: { readonly [method: string]: RawHandler<R> | undefined } | undefined
}

interface McpToolApproval<R> {
  /**
   * Handles the approval of a call to an MCP server's tool, which codex sends as an elicitation without fields.
   * Default: the elicitation handler receives it.
   */
  readonly mcpToolApproval?: Handler<"mcpServer/elicitation/request", R> | undefined
}

/**
 * One handler for each request of the protocol.
 *
 * @see {@link Overrides}
 * @see {@link defaults}
 * @category models
 * @since 0.1.0
 */
export type Handlers<R = never> = { readonly [M in Method]: Handler<M, R> } & McpToolApproval<R> & Raw<R>

/**
 * Handlers for some of the requests.
 *
 * @see {@link make}
 * @see {@link layer}
 * @category models
 * @since 0.1.0
 */
export type Overrides<R = never> =
  & { readonly [M in Method]?: Handler<M, R> | undefined }
  & McpToolApproval<R>
  & Raw<R>

/**
 * The services that the handlers of a record require.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<H extends object> = {
  [K in keyof H]-?: NonNullable<H[K]> extends (...request: never) => Effect.Effect<infer _A, infer _E, infer R> ? R
    : NonNullable<H[K]> extends infer Raw extends object ? Services<Raw>
    : never
}[keyof H]

// =============================================================================
// Handlers
// =============================================================================

const rejection = "This client does not approve anything: no approval handler is installed."

/**
 * The default handlers, which answer at once and grant nothing.
 *
 * @see {@link current}
 * @category handlers
 * @since 0.1.0
 */
export const defaults: { readonly [M in Method]: Handler<M> } = {
  "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "decline" }),
  "item/fileChange/requestApproval": () => Effect.succeed({ decision: "decline" }),
  "item/permissions/requestApproval": () => Effect.succeed({ permissions: {}, scope: "turn" }),
  "item/tool/requestUserInput": () => Effect.succeed({ answers: {} }),
  "item/tool/call": ({ params }) =>
    Effect.as(
      Effect.logWarning(
        `thread ${params.threadId} called its tool ${params.tool}, which this client does not have: give \`tools\` to ` +
          `resumeThread or forkThread as they were given to startThread`
      ),
      {
        success: false,
        contentItems: [{
          type: "inputText",
          text: `This client has no tool named ${params.tool}. ` +
            `The tools of a thread belong to the client that offered them when the thread was started.`
        }]
      }
    ),
  "mcpServer/elicitation/request": () => Effect.succeed({ action: "decline", content: null, _meta: null }),
  "account/chatgptAuthTokens/refresh": () =>
    Effect.fail(new Refusal({ message: "This client holds no ChatGPT tokens to refresh." })),
  "attestation/generate": () => Effect.fail(new Refusal({ message: "This client does not attest." })),
  // oxlint-disable-next-line no-restricted-properties -- codex asks for the date
  "currentTime/read": () => Effect.map(Clock.currentTimeMillis, (now) => ({ currentTimeAt: Math.floor(now / 1000) })),
  applyPatchApproval: () => Effect.succeed({ decision: { denied: { rejection } } }),
  execCommandApproval: () => Effect.succeed({ decision: { denied: { rejection } } })
}

/**
 * Provides handlers with the services that they require, captured from where this runs.
 *
 * **When to use**
 *
 * For handlers of a thread or a turn that need services.
 *
 * **Example** (A turn whose commands are approved by a policy of the application)
 *
 * ```ts
 * import { ServerRequests, type Thread } from "@effect-codex/client"
 * import { Context, Effect } from "effect"
 *
 * class Policy extends Context.Service<Policy, {
 *   readonly allows: (command: string) => Effect.Effect<boolean>
 * }>()("Policy") {}
 *
 * export const runWithPolicy = Effect.fn("runWithPolicy")(function*(thread: Thread.Thread) {
 *   const handlers = yield* ServerRequests.make({
 *     "item/commandExecution/requestApproval": Effect.fnUntraced(function*({ params }) {
 *       const policy = yield* Policy
 *       return { decision: (yield* policy.allows(params.command ?? "")) ? "accept" : "decline" }
 *     })
 *   })
 *   return yield* thread.run("Update the changelog.", { handlers })
 * })
 * ```
 *
 * @see {@link layer} for a whole client
 * @category handlers
 * @since 0.1.0
 */
export const make = <const H extends Overrides<unknown>>(handlers: H): Effect.Effect<Overrides, never, Services<H>> =>
  capture(required(handlers))

// The requirements of each handler are part of the requirements of all.
const required = <H extends Overrides<unknown>>(handlers: H) => handlers as Overrides<Services<H>>

// =============================================================================
// Layers
// =============================================================================

/**
 * Replaces some of a client's handlers. Provide it to the client's layer, which reads the handlers when it is built.
 *
 * **Example** (A clock for the agent, the rest as it is)
 *
 * ```ts
 * import { ServerRequests } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 *
 * export const fixedTime = CodexNode.layer().pipe(
 *   Layer.provide(ServerRequests.layer({
 *     "currentTime/read": () => Effect.succeed({ currentTimeAt: 1_700_000_000 })
 *   }))
 * )
 * ```
 *
 * @see {@link make} for a thread or a turn
 * @category layers
 * @since 0.1.0
 */
export const layer = <const H extends Overrides<unknown>>(handlers: H): Layer.Layer<never, never, Services<H>> =>
  layerOf(required(handlers))

/**
 * The handlers of the context: those provided with {@link layer}, and the {@link defaults} for the rest.
 *
 * @category handlers
 * @since 0.1.0
 */
export const current: Effect.Effect<Handlers> = Effect.contextWith((context: Context.Context<never>) =>
  Effect.succeed({ ...defaults, ...provided(context) })
)

/**
 * How long a handler may run before the default handler answers instead. Default: 1 hour, which leaves time for a
 * person and still ends. It is read when the client's layer is built.
 *
 * @see {@link Handler}
 * @category references
 * @since 0.1.0
 */
export const HandlerTimeout: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "@effect-codex/client/ServerRequests/HandlerTimeout",
  { defaultValue: () => Duration.hours(1) }
)
