/** Hears of all threads, and wakes those who follow them. */
import type { AppServerRpc, Received, ServerNotification } from "@effect-codex/client"
import * as Effect from "effect/Effect"
import type * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Carried } from "./carrier.ts"
import type { Follower } from "./follow.ts"

const threadIdOf = (params: unknown): string | undefined =>
  Predicate.hasProperty(params, "threadId") && Predicate.isString(params.threadId) ? params.threadId : undefined

/**
 * After these there is something that must not be lost: the answer, or the outputs of the commands, which codex writes
 * before it tells of the tokens.
 */
const urgent: ReadonlySet<string> = new Set(["turn/completed", "thread/tokenUsage/updated"])

export class Followers {
  readonly #byThread = new Map<string, Set<Follower>>()

  ofThread(threadId: string): ReadonlySet<Follower> {
    return this.#byThread.get(threadId) ?? new Set()
  }

  add(threadId: string, follower: Follower): void {
    const followers = this.#byThread.get(threadId) ?? new Set<Follower>()
    this.#byThread.set(threadId, followers.add(follower))
  }

  remove(follower: Follower): void {
    for (const [threadId, followers] of this.#byThread) {
      if (followers.delete(follower) && followers.size === 0) this.#byThread.delete(threadId)
    }
  }

  /** Adds a subagent to all who follow the thread that it works for. */
  adopt(parentThreadId: string, threadId: string, folder: string): void {
    for (const follower of this.ofThread(parentThreadId)) {
      if (this.ofThread(threadId).has(follower)) continue
      this.add(threadId, follower)
      follower.newSubagents.add(new Carried(threadId, folder, false))
      follower.told.openUnsafe()
    }
  }

  /** Wakes who follows the thread. Returns the thread if nobody does, and it may be a new subagent. */
  tell({ _tag, params }: ServerNotification.ServerNotification): string | undefined {
    const threadId = threadIdOf(params)
    if (threadId === undefined) return undefined
    const followers = this.#byThread.get(threadId)
    if (followers === undefined) return _tag === "turn/started" && this.#byThread.size > 0 ? threadId : undefined
    for (const follower of followers) {
      if (_tag === "thread/reverted") follower.threads.get(threadId)?.move()
      follower.told.openUnsafe()
      if (urgent.has(_tag)) follower.urgent.openUnsafe()
    }
    return undefined
  }
}

type Service = AppServerRpc.AppServerRpc["Service"]

/** Has a name, because an inferred type would name a package that this one does not depend on. */
export interface Rpc extends Service {}

/** Tells the followers of what the server tells, and finds the subagents of their threads. */
export const hear = Effect.fnUntraced(function*(
  followers: Followers,
  rpc: Rpc,
  path: Path.Path
) {
  const strangers = yield* Queue.sliding<string>(1024)
  const meet = Effect.fnUntraced(function*(threadId: string) {
    const { thread } = yield* rpc.request("thread/read", { threadId, includeTurns: false })
    if (thread.parentThreadId === null || thread.path === null) return
    followers.adopt(thread.parentThreadId, threadId, path.dirname(thread.path))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(strangers), (id) => Effect.ignore(meet(id)))))
  yield* rpc.notifications.pipe(
    Stream.runForEach((notification) =>
      Effect.sync(() => {
        const stranger = followers.tell(notification)
        if (stranger !== undefined) Queue.offerUnsafe(strangers, stranger)
      })
    ),
    // Without a connection nothing is told. What codex has written until then is stored all the same.
    Effect.ignore,
    Effect.forkScoped
  )
})

/** The subagents that the thread has had, at any depth. */
export const descendantsOf = Effect.fnUntraced(function*(rpc: Rpc, threadId: string) {
  const found: Array<Received.Thread> = []
  let cursor: string | null = null
  do {
    const page: Received.ThreadListResponse = yield* rpc.request("thread/list", {
      ancestorThreadId: threadId,
      // Without it codex reads the beginning of each file on disk.
      useStateDbOnly: true,
      limit: 100,
      cursor
    })
    for (const thread of page.data) if (!("raw" in thread)) found.push(thread)
    cursor = page.nextCursor
  } while (cursor !== null)
  return found
})
