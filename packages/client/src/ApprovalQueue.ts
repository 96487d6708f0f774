/**
 * The approvals that wait for a decision, for a program that shows them to somebody: a terminal, a page, a chat.
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
  readonly request: Request
  /** Decides. False when it was decided before, or is not open any more; nothing is sent then. */
  readonly respond: (decision: Decision) => Effect.Effect<boolean>
  /** {@link respond} with `accept`. */
  readonly accept: Effect.Effect<boolean>
  /** {@link respond} with `decline`. */
  readonly decline: Effect.Effect<boolean>
  /**
   * Waits until it is not open any more: it was decided, here or by another client, its turn or the connection ended, or
   * it took longer than `ServerRequests.HandlerTimeout`, which declines it.
   */
  readonly closed: Effect.Effect<void>
}

/**
 * A request that waits for a decision. Whatever its `_tag`, it takes `accept`, `acceptForSession` and `decline`. For the
 * decisions of one kind, narrow it by `_tag` first.
 *
 * @category models
 * @since 0.1.0
 */
export type OpenApproval =
  | Open<CommandRequest, CommandDecision>
  | Open<FileChangeRequest, FileChangeDecision>
  | Open<PermissionsRequest, PermissionsDecision>
  | Open<McpToolRequest, McpToolDecision>

/**
 * The approvals that wait, for a user interface.
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
 * @category services
 * @since 0.1.0
 */
export class ApprovalQueue extends Context.Service<ApprovalQueue, {
  /** What waits, the oldest first: at the moment, and again whenever it changes. For a list on a screen. */
  readonly changes: Stream.Stream<ReadonlyArray<OpenApproval>>
  /**
   * Each request once: what waits when the stream is run, then what comes. Any number of readers may run it; the first to
   * respond decides.
   */
  readonly requests: Stream.Stream<OpenApproval>
  /** Put the approvals of a thread or a turn into this queue. {@link layer} does so for a client. */
  readonly handlers: Overrides
}>()("@effect-codex/client/ApprovalQueue") {}

/**
 * Makes a queue of its own. Give its `handlers` to a thread or a turn.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<ApprovalQueue["Service"]> = Effect.gen(function*() {
  // Its subscribers have mailboxes without a bound. What is in them are lists of what waits, of which there are few.
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
 * A queue of all approvals of a client. Provide it to the client's layer with `Layer.provideMerge`, so that the program sees
 * the queue too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ApprovalQueue> = Layer.effectContext(Effect.gen(function*() {
  const queue = yield* make
  return Context.add(yield* Layer.build(layerOf(queue.handlers)), ApprovalQueue, queue)
}))
