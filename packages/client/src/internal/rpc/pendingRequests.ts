/** The requests that wait for their replies, with their ids and deadlines. */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { ConnectionError, DecodeError, RequestError } from "../../CodexError.ts"
import { AppServerTimeout } from "../../CodexError.ts"
import type { ReadBatch } from "../events/readBatch.ts"
import * as RpcErrors from "../protocol/rpcErrors.ts"
import * as ToldSettings from "../settings/toldSettings.ts"
import * as Deadlines from "./deadlines.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"
import type { Observed } from "./fanOut.ts"
import type { RequestTelemetry } from "./requestTelemetry.ts"

/** How a request can fail before its result is read. */
export type ExchangeError = Exclude<RequestError, DecodeError>

export interface Reply {
  readonly result: unknown
  /** How long the server took. */
  readonly seconds: number
}

export type Waiting = Deferred.Deferred<Reply, ExchangeError>

interface Pending {
  readonly method: string
  readonly params: unknown
  /** Monotonic, in nanoseconds. */
  readonly sentAt: bigint
  readonly reply: Waiting
  /** In milliseconds. */
  readonly timeout: number
  /** Monotonic, in milliseconds. */
  readonly expiresAt: number
}

interface Parts {
  readonly batch: ReadBatch<Observed>
  readonly clock: Clock.Clock
  readonly diagnostics: DiagnosticLog
  readonly settings: ToldSettings.ToldSettings
  readonly telemetry: RequestTelemetry
}

export class PendingRequests {
  private readonly pending = new Map<number, Pending>()
  private lastId = 0
  private deadlines: Deadlines.Deadlines | undefined
  private readonly parts: Parts

  private constructor(parts: Parts) {
    this.parts = parts
  }

  static readonly make = Effect.fnUntraced(function*(
    parts: Parts
  ): Effect.fn.Return<PendingRequests, never, Scope.Scope> {
    const requests = new PendingRequests(parts)
    requests.deadlines = yield* Deadlines.make(parts.clock, (now) => requests.expire(now))
    return requests
  })

  get size(): number {
    return this.pending.size
  }

  nextId(): number {
    return ++this.lastId
  }

  /** Registers a request, whose reply may come from now on. */
  add(id: number, method: string, timeout: Duration.Input, params?: unknown): Waiting {
    const reply: Waiting = Deferred.makeUnsafe()
    const millis = Duration.toMillis(timeout)
    const sentAt = this.parts.clock.monotonicTimeNanosUnsafe()
    const expiresAt = Number(sentAt) / 1e6 + millis
    this.pending.set(id, { method, params, reply, sentAt, timeout: millis, expiresAt })
    this.deadlines?.add(expiresAt)
    return reply
  }

  /** Drops a request: its reply is not expected any more. */
  forget(id: number): void {
    this.pending.delete(id)
  }

  /** Called by the reader. Waiters resume after the read, so they see everything that came with the reply. */
  onReply(id: unknown, { error, result }: { readonly result?: unknown; readonly error?: unknown }): void {
    const { batch, diagnostics, settings, telemetry } = this.parts
    // Our ids are numbers. A server may echo one as a string.
    const known = typeof id === "string" && /^\d+$/.test(id) ? Number(id) : id
    const request = typeof known === "number" ? this.pending.get(known) : undefined
    if (typeof known !== "number" || request === undefined) return diagnostics.unmatchedReply(id)
    this.pending.delete(known)
    const seconds = this.secondsSince(request.sentAt)
    if (error !== undefined && error !== null) {
      const refusal = RpcErrors.fromReply(request.method, error)
      telemetry.answered(request.method, seconds, refusal._tag)
      return batch.defer(() => Deferred.doneUnsafe(request.reply, Exit.fail(refusal)))
    }
    if (ToldSettings.isTold(request.method)) settings.replied(result, request.sentAt)
    if (request.method === "thread/settings/update") settings.accepted(request.params)
    batch.defer(() => Deferred.doneUnsafe(request.reply, Exit.succeed({ result, seconds })))
  }

  /** Fails all requests: no more replies will be read from this connection. */
  failAll(cause: ConnectionError): void {
    for (const { method, reply, sentAt } of this.pending.values()) {
      this.parts.telemetry.answered(method, this.secondsSince(sentAt), cause._tag)
      Deferred.doneUnsafe(reply, Exit.fail(cause))
    }
    this.pending.clear()
  }

  private secondsSince(nanos: bigint): number {
    return Number(this.parts.clock.monotonicTimeNanosUnsafe() - nanos) / 1e9
  }

  private expire(now: number): number {
    let nearest = Infinity
    for (const [id, { expiresAt, method, reply, timeout }] of this.pending) {
      if (expiresAt > now) {
        nearest = Math.min(nearest, expiresAt)
        continue
      }
      this.pending.delete(id)
      this.parts.telemetry.answered(method, timeout / 1000, "AppServerTimeout")
      Deferred.doneUnsafe(reply, Exit.fail(new AppServerTimeout({ method, timeout })))
    }
    return nearest
  }
}
