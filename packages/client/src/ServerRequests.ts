/**
 * What the server asks of its client while it works: approvals, input, tools, tokens.
 *
 * There is one handler per request of the protocol. The default answers at once and grants nothing: approvals and
 * elicitations are declined, questions get no answers, permissions are granted empty, a tool call is told that there is no
 * such tool, and what has no harmless answer is refused with a JSON-RPC error. The server can therefore never wait for an
 * answer that nobody is going to give.
 *
 * Handlers are replaced for a client ({@link layer}), for the turns of a thread (`startThread({ handlers })`) and for one
 * turn (`run(input, { handlers })`); the nearest wins, request by request. What a subagent asks goes to the handlers of the
 * turn that it works for. `Approvals`, `Questions`, `Elicitation` and `DynamicTools` make handlers with friendlier types than
 * the protocol's.
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
 * Fails a handler so that the server gets a JSON-RPC error with this message instead of a result. For an approval the
 * server then marks the item as failed and tells the model so; the turn goes on (measured). `code` is for what a newer
 * server may tell apart; default: -32603.
 *
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
 * The name of a request of the server.
 *
 * @category models
 * @since 0.1.0
 */
export type Method = keyof Protocol

/**
 * A request of the server, decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request<M extends Method> {
  /** The server's id of the request, unique within the connection. */
  readonly id: string | number
  readonly method: M
  /** Those that an approval can be decided without, such as `reason`, are left out where they do not fit the protocol. */
  readonly params: ParamsOf<M>
  /** The params that were left out, by their keys, as they came. Undefined where none was. */
  readonly undecodable?: { readonly [key: string]: unknown } | undefined
  /**
   * The item that the request is about, as the server told its start: for a change of files this is where the diff is.
   * Undefined when this connection did not hear of the start, and for requests that are about no item.
   */
  readonly item: Received.ThreadItem | undefined
}

/**
 * Handles one request.
 *
 * **Details**
 *
 * A handler runs in a fiber of its own beside the reader and may use the client. The fiber is interrupted, and no answer
 * is sent, when the server resolves the request otherwise, when its turn ends and when the connection ends. A handler
 * that fails with a {@link Refusal} answers with a JSON-RPC error. One that fails otherwise, dies, takes longer than
 * {@link HandlerTimeout} or gives what does not fit the protocol is reported in the log, and the default answers instead.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<M extends Method, R = never> = (
  request: Request<M>
) => Effect.Effect<Protocol[M]["result"], unknown, R>

/**
 * A request of the server as it came: nothing of it is checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface RawRequest {
  /** The server's id of the request, unique within the connection. */
  readonly id: string | number
  readonly method: string
  readonly params: unknown
  /** The item that the request is about, if its params name one (`itemId`) and this connection heard of its start. */
  readonly item: Received.ThreadItem | undefined
}

/**
 * Handles a request that this client need not know, such as one of a newer codex. The answer may be any JSON (`undefined` is
 * sent as `null`), and nobody checks it. All else is as with a {@link Handler}; one that fails with something other than a
 * {@link Refusal} answers with a JSON-RPC error where the method is unknown.
 *
 * @category models
 * @since 0.1.0
 */
export type RawHandler<R = never> = (request: RawRequest) => Effect.Effect<unknown, unknown, R>

interface Raw<R> {
  /**
   * Handlers of requests that the protocol does not have, by their method; without one they are refused (-32601). One of a
   * method that it has goes before the checked handler beside it: for params of a newer codex that do not fit.
   */
  readonly raw?: { readonly [method: string]: RawHandler<R> | undefined } | undefined
}

interface McpToolApproval<R> {
  /**
   * The approval of a call of an MCP server's tool, which codex sends as an elicitation without fields. Where there is none,
   * the handler of elicitations gets it.
   */
  readonly mcpToolApproval?: Handler<"mcpServer/elicitation/request", R> | undefined
}

/**
 * One handler for each request of the protocol.
 *
 * @category models
 * @since 0.1.0
 */
export type Handlers<R = never> = { readonly [M in Method]: Handler<M, R> } & McpToolApproval<R> & Raw<R>

/**
 * Handlers for some of the requests.
 *
 * @category models
 * @since 0.1.0
 */
export type Overrides<R = never> =
  & { readonly [M in Method]?: Handler<M, R> | undefined }
  & McpToolApproval<R>
  & Raw<R>

/**
 * What the handlers of a record require.
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
 * The safe handlers.
 *
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
 * Gives handlers the services that they require, from where this runs. Use it for handlers of a thread or a turn that need
 * services; {@link layer} does the same for a client.
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
 * @category handlers
 * @since 0.1.0
 */
export const make = <const H extends Overrides<unknown>>(handlers: H): Effect.Effect<Overrides, never, Services<H>> =>
  capture(required(handlers))

// What each handler requires is a part of what all require.
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
 * @category layers
 * @since 0.1.0
 */
export const layer = <const H extends Overrides<unknown>>(handlers: H): Layer.Layer<never, never, Services<H>> =>
  layerOf(required(handlers))

/**
 * The handlers of the context: what was provided with {@link layer}, and the {@link defaults} for the rest.
 *
 * @category handlers
 * @since 0.1.0
 */
export const current: Effect.Effect<Handlers> = Effect.contextWith((context: Context.Context<never>) =>
  Effect.succeed({ ...defaults, ...provided(context) })
)

/**
 * How long a handler may take before the default answers in its place. Default: 1 hour, which leaves time for a person
 * and still ends. It is read when the client's layer is built.
 *
 * @category references
 * @since 0.1.0
 */
export const HandlerTimeout: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "@effect-codex/client/ServerRequests/HandlerTimeout",
  { defaultValue: () => Duration.hours(1) }
)
