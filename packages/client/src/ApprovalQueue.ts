/**
 * A queue of the approvals that wait for a decision, for programs that show them to a person in a terminal, on a page
 * or in a chat.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
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
} from "./Approvals.ts"
import { overridesOf } from "./internal/serverRequests/approvals.ts"
import { layerOf } from "./internal/serverRequests/overrides.ts"
import type { Overrides } from "./ServerRequests.ts"

interface Open<Request extends ApprovalRequest, Decision> {
  readonly _tag: Request["_tag"]
  /** The request, as a handler of `Approvals` gets it. */
  readonly request: Request
  /** Decides. Succeeds with false, and sends nothing, when the approval is already decided or no longer open. */
  readonly respond: (decision: Decision) => Effect.Effect<boolean>
  /** {@link respond} with `accept`. */
  readonly accept: Effect.Effect<boolean>
  /** {@link respond} with `decline`. */
  readonly decline: Effect.Effect<boolean>
  /**
   * Waits until the approval is no longer open: this or another client decided it, its turn or the connection ended,
   * or `ServerRequests.HandlerTimeout` elapsed, which declines it.
   */
  readonly closed: Effect.Effect<void>
}

/**
 * An approval that waits for a decision.
 *
 * **Details**
 *
 * Every kind takes `accept`, `acceptForSession` and `decline`. Narrow by `_tag` first for the decisions of one kind.
 *
 * @see {@link ApprovalQueue}
 * @category models
 * @since 0.1.0
 */
export type OpenApproval =
  | Open<CommandRequest, CommandDecision>
  | Open<FileChangeRequest, FileChangeDecision>
  | Open<PermissionsRequest, PermissionsDecision>
  | Open<McpToolRequest, McpToolDecision>

/**
 * A queue of the approvals that wait for a decision, for a user interface.
 *
 * **When to use**
 *
 * When a person decides. Use `Approvals.layer` when the program decides.
 *
 * **Example** (Asking on a terminal)
 *
 * ```ts
 * import { ApprovalQueue, Approvals } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer, Stream } from "effect"
 * import { Prompt } from "effect/cli"
 *
 * export const ask = Effect.gen(function*() {
 *   const queue = yield* ApprovalQueue.ApprovalQueue
 *   yield* Stream.runForEach(queue.requests, ({ accept, decline, request }) =>
 *     Effect.gen(function*() {
 *       const allowed = yield* Prompt.run(Prompt.Confirm({ message: `May I ${Approvals.describe(request)}?` }))
 *       yield* allowed ? accept : decline
 *     }))
 * })
 *
 * export const CodexLive = CodexNode.layer().pipe(Layer.provideMerge(ApprovalQueue.layer))
 * ```
 *
 * @see {@link layer} for all approvals of a client
 * @see {@link make} for those of a thread or a turn
 * @category services
 * @since 0.1.0
 */
export class ApprovalQueue extends Context.Service<ApprovalQueue, {
  /** The open approvals, oldest first: the current list, and a new list after each change. For a list on a screen. */
  readonly changes: Stream.Stream<ReadonlyArray<OpenApproval>>
  /**
   * Each approval once: first those that are open when the stream starts, then each new one. Several readers may run
   * it; the first response decides.
   */
  readonly requests: Stream.Stream<OpenApproval>
  /**
   * Puts the approvals of a thread or a turn into this queue when passed as its `handlers`. {@link layer} does so for
   * a client.
   */
  readonly handlers: Overrides
}>()("@effect-codex/client/ApprovalQueue") {}

/**
 * Creates a separate queue. Pass its `handlers` to a thread or a turn.
 *
 * @see {@link layer} for all approvals of a client
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<ApprovalQueue["Service"]> = Effect.gen(function*() {
  // The mailboxes of subscribers are unbounded. They hold lists of open approvals, of which there are few.
  const open = yield* SubscriptionRef.make<ReadonlyArray<OpenApproval>>([])
  const changes = SubscriptionRef.changes(open)

  const wait = <Request extends ApprovalRequest, Decision>(
    toOpen: (open: Open<Request, Decision>) => OpenApproval
  ) =>
  (request: Request): Effect.Effect<Decision | "accept" | "decline"> =>
    Effect.suspend(() => {
      const decision = Deferred.makeUnsafe<Decision | "accept" | "decline">()
      const closed = Deferred.makeUnsafe<void>()
      const respond = (decided: Decision | "accept" | "decline"): Effect.Effect<boolean> =>
        Effect.flatMap(Deferred.isDone(closed), (isClosed) =>
          isClosed ? Effect.succeed(false) : Deferred.succeed(decision, decided))
      const entry = toOpen({
        _tag: request._tag,
        request,
        respond,
        accept: respond("accept"),
        decline: respond("decline"),
        closed: Deferred.await(closed)
      })
      return Effect.acquireUseRelease(
        SubscriptionRef.update(open, (entries) => [...entries, entry]),
        () =>
          Deferred.await(decision),
        () =>
          Effect.andThen(
            Deferred.succeed(closed, undefined),
            SubscriptionRef.update(open, (entries) => entries.filter((other) => other !== entry))
          )
      )
    })

  return {
    changes,
    requests: Stream.suspend(() => {
      let seen: ReadonlyArray<OpenApproval> = []
      return Stream.flatMap(changes, (entries) => {
        const news = entries.filter((entry) => !seen.includes(entry))
        seen = entries
        return Stream.fromIterable(news)
      })
    }),
    handlers: overridesOf({
      command: wait<CommandRequest, CommandDecision>((entry) => entry),
      fileChange: wait<FileChangeRequest, FileChangeDecision>((entry) => entry),
      permissions: wait<PermissionsRequest, PermissionsDecision>((entry) => entry),
      mcpTool: wait<McpToolRequest, McpToolDecision>((entry) => entry)
    })
  }
})

/**
 * A queue of all approvals of a client. Provide it to the client's layer with `Layer.provideMerge`, so that the
 * program can also access the queue.
 *
 * @see {@link make} for a queue of a thread or a turn
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ApprovalQueue> = Layer.effectContext(Effect.gen(function*() {
  const queue = yield* make
  return Context.add(yield* Layer.build(layerOf(queue.handlers)), ApprovalQueue, queue)
}))
