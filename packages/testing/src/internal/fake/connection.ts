/** One connection to the fake. It has the state that a process of the real server has. */
import type { ServerNotifications, ServerRequests } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Home, StoredThread } from "./home.ts"
import type { RunningTurn } from "./running.ts"

/** The client's answer to a request of the server. */
export type ClientAnswer = { readonly result: unknown } | { readonly error: unknown }

interface OpenRequest {
  readonly frame: string
  readonly threadId: string
  readonly answer: Deferred.Deferred<ClientAnswer>
}

/** A thread that is loaded on a connection. */
export interface LoadedThread {
  readonly stored: StoredThread
  status: Received.ThreadStatus
  running: RunningTurn | undefined
  isSubscribed: boolean
}

export class Connection {
  readonly home: Home
  readonly now: () => number
  readonly loaded = new Map<string, LoadedThread>()
  readonly openRequests = new Map<number, OpenRequest>()
  originator = ""
  userAgent = ""
  isInitialized = false
  isExperimental = false
  pendingLoginId: string | undefined
  private readonly send: (frame: string) => void
  private requests = 0

  constructor(home: Home, now: () => number, send: (frame: string) => void) {
    this.home = home
    this.now = now
    this.send = send
  }

  reply(id: string | number, result: unknown): void {
    this.send(JSON.stringify({ id, result }))
  }

  refuse(
    id: string | number,
    error: { readonly code: number; readonly message: string; readonly data?: unknown }
  ): void {
    const { code, data, message } = error
    this.send(JSON.stringify({ error: data === undefined ? { code, message } : { code, data, message }, id }))
  }

  notify<M extends keyof ServerNotifications>(method: M, params: ServerNotifications[M]): void {
    this.send(JSON.stringify({ method, params, emittedAtMs: this.now() }))
  }

  /** Sends a notification about a thread, if the client is subscribed to it. */
  tell<M extends keyof ServerNotifications>(
    thread: LoadedThread,
    method: M,
    params: Omit<ServerNotifications[M], "threadId">
  ): void {
    if (!thread.isSubscribed) return
    this.send(JSON.stringify({
      method,
      params: { ...params, threadId: thread.stored.id },
      emittedAtMs: this.now()
    }))
  }

  setStatus(thread: LoadedThread, status: Received.ThreadStatus): void {
    thread.status = status
    this.tell(thread, "thread/status/changed", { status })
  }

  /** Sends a request to the client. Its answer has no timeout. */
  ask<M extends keyof ServerRequests>(
    thread: LoadedThread,
    method: M,
    params: ServerRequests[M]["params"]
  ): { readonly id: number; readonly answer: Effect.Effect<ClientAnswer> } {
    const id = this.requests++
    const frame = JSON.stringify({ method, id, params })
    const answer = Deferred.makeUnsafe<ClientAnswer>()
    this.openRequests.set(id, { frame, threadId: thread.stored.id, answer })
    this.send(frame)
    return { id, answer: Deferred.await(answer) }
  }

  /** Sends the open requests of a thread again, with their ids. */
  askAgain(threadId: string): void {
    for (const request of this.openRequests.values()) {
      if (request.threadId === threadId) this.send(request.frame)
    }
  }

  /** Completes the request that the client answers. Ignores a second answer, and an answer to an unknown id. */
  onAnswer(id: number, answer: ClientAnswer): void {
    const request = this.openRequests.get(id)
    if (request === undefined) return
    this.openRequests.delete(id)
    Deferred.doneUnsafe(request.answer, Effect.succeed(answer))
  }
}
