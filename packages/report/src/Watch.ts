/**
 * A live page of the threads of a client: what each does, waits for and costs. Approvals can be decided on it.
 *
 * @since 0.1.0
 */
import { ApprovalQueue } from "@effect-codex/client/ApprovalQueue"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { InvalidArgument } from "@effect-codex/client/CodexError"
import * as OptionKinds from "@effect-codex/client/internal/options"
import type { Price } from "@effect-codex/client/Pricing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"

/**
 * Options of {@link layer} and {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The port of 127.0.0.1. Default: a free one. */
  readonly port?: number | undefined
  /**
   * The part of the address that nobody else must know: at least 32 letters, digits, `-` and `_`. With a `port` and a
   * token of its own, a page stays open while the program is started again. Default: a random one.
   */
  readonly token?: Redacted.Redacted | undefined
  /**
   * Whether to show the threads that other clients of the server work on: each is resumed when it begins to work. Their
   * approvals can be decided here as well as there, and the first decision counts; all else that codex asks is left to
   * them. For a client of `CodexNode.layerWebSocket` or `layerUnixSocket`. Default: false.
   */
  readonly others?: boolean | undefined
  /** What the calls of the model cost: see `Pricing`. Default: the pages show no cost. */
  readonly price?: Price | undefined
  /** What a cost is in; it is written before the number. Default: `$`. */
  readonly currency?: string | undefined
  /** The longest text of a command or a tool that is shown whole, in characters. Default: 5,000. */
  readonly maxOutput?: number | undefined
  /**
   * How many threads the pages keep. Further ones take the place of those that do nothing, then of those that were not
   * heard of for the longest time. Default: 200.
   */
  readonly maxThreads?: number | undefined
}

/**
 * The pages, which are served until the scope of their layer closes.
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Watch extends Context.Service<Watch, {
  /** The address with the token. Whoever has it sees all threads and decides approvals. */
  readonly url: Redacted.Redacted
}>()("@effect-codex/report/Watch") {}

const kinds = {
  port: {
    expected: "a port from 0 to 65535",
    fits: (u: unknown) => Number.isInteger(u) && Number(u) >= 0 && Number(u) <= 65_535
  },
  token: {
    expected: "a Redacted text of at least 32 letters, digits, - and _",
    fits: (u: unknown) => Redacted.isRedacted(u) && /^[\w-]{32,}$/.test(String(Redacted.value(u)))
  },
  others: OptionKinds.flag,
  price: OptionKinds.callback,
  currency: OptionKinds.text,
  maxOutput: OptionKinds.count,
  maxThreads: OptionKinds.count
}

/**
 * Serves the pages until the scope closes. Then nothing listens.
 *
 * @see {@link layer} for what they show, and who reaches them
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options?: Options
) => Effect.Effect<Watch["Service"], InvalidArgument | ServeError, AppServerRpc | ApprovalQueue | Scope.Scope> = Effect
  .fnUntraced(function*(options: Options = {}) {
    yield* OptionKinds.check(options, kinds)
    const rpc = yield* AppServerRpc
    const queue = yield* ApprovalQueue
    // Loaded here, so that programs that only make reports need no HTTP server.
    const [Board, Server] = yield* Effect.promise(() =>
      Promise.all([import("./internal/watch/board.ts"), import("./internal/watch/server.ts")])
    )
    const board = yield* Board.make({
      queue,
      rpc,
      most: options.maxThreads ?? 200,
      others: options.others ?? false
    })
    const url = yield* Server.make(board, {
      port: options.port ?? 0,
      token: options.token === undefined ? randomBytes(32).toString("hex") : Redacted.value(options.token),
      price: options.price ?? (() => Option.none()),
      currency: options.currency ?? "$",
      maxOutput: options.maxOutput ?? 5000
    })
    return { url: Redacted.make(url, { label: "address of Watch" }) }
  })

/**
 * Serves a live page of the threads of a client, and one of each thread.
 *
 * **When to use**
 *
 * When several threads work at once and a person keeps an eye on them: on the threads of a program, of a pool of
 * processes, or of an app-server that others use too.
 *
 * **Details**
 *
 * The list has each thread with what it does, what it waits for, its tokens, its cost, the context that is left, and
 * when it began. The page of a thread is the end of its conversation as a report shows it, while it goes on, and leads
 * to the whole report. Subagents are with the thread that they work for. A browser gets at most four updates in a
 * second; one that is slow misses states, and costs the program nothing.
 *
 * The approvals that can be decided are those of the `ApprovalQueue`. Whatever has handlers of its own, a turn, a
 * thread or a kind of approval, is decided there, and the page only says that it waits. Another reader of the queue,
 * such as a prompt in the terminal, decides as well: the first decision counts. Questions and forms are not answered on
 * a page.
 *
 * It listens on 127.0.0.1 alone. Nothing answers without the token, under another name of the machine, or to a page of
 * another origin. Nothing that the model, its tools and the server said becomes markup, as in a report.
 *
 * Fails with `InvalidArgument` for a wrong option, and with `ServeError` if it cannot listen.
 *
 * **Gotchas**
 *
 * - Provide `ApprovalQueue.layer` to the client too, and not only to this layer. Otherwise the client declines without
 *   asking anybody.
 * - It keeps a view of each thread in memory. `maxThreads` limits them.
 * - With an app-server that others use, the pages show the threads that this client has started or resumed, unless
 *   `others` says otherwise. An approval that nobody decides is declined after `ServerRequests.HandlerTimeout`; give
 *   the client `Duration.infinity` to leave that to the others too.
 *
 * **Example** (A client, and its page)
 *
 * ```ts
 * import { ApprovalQueue } from "@effect-codex/client"
 * import { CodexPool } from "@effect-codex/node"
 * import { Watch } from "@effect-codex/report"
 * import { Console, Effect, Layer, Redacted } from "effect"
 *
 * export const CodexLive = Watch.layer().pipe(
 *   Layer.provideMerge(CodexPool.layer()),
 *   Layer.provideMerge(ApprovalQueue.layer)
 * )
 *
 * export const announce = Effect.gen(function*() {
 *   const { url } = yield* Watch.Watch
 *   yield* Console.log(`Watch the threads at ${Redacted.value(url)}`)
 * })
 * ```
 *
 * @see `ApprovalQueue` for the approvals that wait
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<Watch, InvalidArgument | ServeError, AppServerRpc | ApprovalQueue> => Layer.effect(Watch, make(options))
