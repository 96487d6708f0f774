/** The session: follows and restores threads over one connection. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { CodexSession } from "../CodexSession.ts"
import * as Metrics from "../Metrics.ts"
import type { Env } from "./carrier.ts"
import { Follower, makeFollow, type Options } from "./follow.ts"
import { descendantsOf, Followers, hear } from "./followers.ts"
import { makeRestore } from "./restore.ts"
import { SessionFileError } from "./sessionErrors.ts"

const counted = (outcome: string) => Metric.update(Metric.withAttributes(Metrics.restores, { outcome }), 1)

export const make = Effect.fnUntraced(function*(env: Env, options: Options) {
  const { path, rpc } = env
  const followers = new Followers()
  yield* hear(followers, rpc, path)
  const start = makeFollow(env, options)
  const place = makeRestore(env)

  /** Those that it has had before. */
  const subagentsOf = (threadId: string) =>
    descendantsOf(rpc, threadId).pipe(
      Effect.map((threads) => {
        for (const thread of threads) {
          if (thread.path !== null) followers.adopt(threadId, thread.id, path.dirname(thread.path))
        }
      }),
      Effect.mapError((cause) => new SessionFileError({ threadId, operation: "find", file: "", cause }))
    )

  return {
    follow: ({ id }, { isNew = false } = {}) =>
      Effect.gen(function*() {
        const follower = new Follower(id, isNew)
        yield* Effect.acquireRelease(
          Effect.sync(() => followers.add(id, follower)),
          () => Effect.sync(() => followers.remove(follower))
        )
        return yield* start(follower, subagentsOf(id))
      }),
    restore: (threadId) =>
      place(threadId).pipe(
        Effect.tap((placed) => Effect.annotateCurrentSpan("files", placed.length)),
        Effect.map((placed) => placed.length > 0),
        Effect.tap((isKnown) => counted(isKnown ? "restored" : "unknown")),
        Effect.onError(() => counted("failed")),
        Effect.withSpan("CodexSession.restore", { attributes: { threadId } })
      )
  } satisfies CodexSession["Service"]
})
