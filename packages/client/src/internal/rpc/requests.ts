/** The requests of this client: checks them, sends them, waits for their replies, and cancels abandoned ones. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import { clientRequests } from "@effect-codex/protocol/Methods"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Tracer from "effect/Tracer"
import type { AppServerRpc, RawRequestOptions, RequestOptions } from "../../AppServerRpc.ts"
import type { RequestError } from "../../CodexError.ts"
import { DecodeError, InvalidArgument } from "../../CodexError.ts"
import * as OptionKinds from "../options.ts"
import type { RequestErrorOf } from "../protocol/answers.ts"
import * as Cancellation from "../protocol/cancellation.ts"
import { fitted, guardOf, issueOf } from "../protocol/guard.ts"
import { threadIdOf } from "../protocol/peek.ts"
import { undecodableReply } from "../protocol/uses.ts"
import type { ServerRequestFibers } from "../serverRequests/serverRequestFibers.ts"
import * as Frame from "../wire/frame.ts"
import type { ConnectionState } from "./connectionState.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"
import type { ExchangeError, PendingRequests, Reply, Waiting } from "./pendingRequests.ts"
import * as RequestTelemetry from "./requestTelemetry.ts"

// Answered only when their work is done, so they have no default timeout. docs/codex-behaviour.md, "The server admits
// long requests at once". So they take no permit, which they would hold for as long as they run.
const waiting: ReadonlySet<string> = new Set<keyof ClientRequests>([
  "account/gatewayOAuth/login",
  "command/exec",
  "externalAgentConfig/import",
  "feedback/upload",
  "fuzzyFileSearch",
  "marketplace/add",
  "marketplace/upgrade",
  "mcpServer/tool/call",
  "plugin/install",
  "thread/guardianReview",
  "thread/sample",
  "thread/search",
  "thread/search/stream",
  "userVerification/enroll",
  "userVerification/verify",
  "windowsSandbox/setupStart"
])

/** Set for requests that do not wait for others. */
export const OutOfTurn = Context.Reference<boolean>("@effect-codex/client/AppServerRpc/OutOfTurn", {
  defaultValue: () => false
})

/** How long a cancelled request waits for its reply. */
const cancelWithin = Duration.seconds(2)
const cancelAgainAfter = Duration.millis(250)

/** Whether the caller stopped waiting, though the reply may still come. */
const isGivenUp = (exit: Exit.Exit<unknown, RequestError>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) =>
    reason._tag === "Interrupt" || (reason._tag === "Fail" && reason.error._tag === "AppServerTimeout")
  )

const unsendable = (argument: string, detail: string): Effect.Effect<never, InvalidArgument> =>
  Effect.fail(new InvalidArgument({ argument, detail: `${detail}.` }))

const known = (method: string) =>
  Object.hasOwn(clientRequests, method) ? clientRequests[method as keyof ClientRequests] : undefined

type CancellableOf = (id: number) => Cancellation.Cancellable | undefined

interface Parts {
  readonly defaultTimeout: Duration.Input
  readonly diagnostics: DiagnosticLog
  /** Runs what outlasts its request, until the connection's scope closes. */
  readonly forkEnding: (effect: Effect.Effect<void>) => void
  readonly maxInFlight: number
  readonly pending: PendingRequests
  readonly serverRequests: ServerRequestFibers
  readonly state: ConnectionState
  readonly telemetry: RequestTelemetry.RequestTelemetry
}

export class Requests {
  private readonly parts: Parts
  private readonly inFlight: Semaphore.Semaphore

  constructor(parts: Parts) {
    this.parts = parts
    this.inFlight = Semaphore.makeUnsafe(parts.maxInFlight)
  }

  // ---------------------------------------------------------------------------
  // For the client
  // ---------------------------------------------------------------------------

  readonly request: AppServerRpc["Service"]["request"] = <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    options?: RequestOptions
  ) =>
    // The type derives from the same table that maps replies to errors.
    Effect.suspend(() => this.checked(method, params, options)) as Effect.Effect<
      ClientRequests[M]["result"],
      RequestErrorOf<M>
    >

  readonly requestRaw: AppServerRpc["Service"]["requestRaw"] = <M extends string>(
    method: M,
    params?: unknown,
    options?: RawRequestOptions
  ) =>
    // The type derives from the same table that maps replies to errors.
    Effect.suspend(() => this.raw(method, params, options)) as Effect.Effect<
      unknown,
      Exclude<RequestErrorOf<M>, DecodeError>
    >

  readonly notify: AppServerRpc["Service"]["notify"] = (method, params) => {
    const { defaultTimeout, state } = this.parts
    return Effect.andThen(
      state.awaitOpen(defaultTimeout),
      Effect.suspend((): Effect.Effect<void, InvalidArgument> => {
        const frame = Frame.encode({ method, params })
        return Result.isFailure(frame)
          ? unsendable(`params of ${method}`, frame.failure)
          : state.link.transport.send(frame.success)
      })
    )
  }

  private checked<M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    options: RequestOptions | undefined
  ): Effect.Effect<ClientRequests[M]["result"], RequestError> {
    const entry = Object.hasOwn(clientRequests, method) ? clientRequests[method] : undefined
    if (entry === undefined) {
      const detail = `the protocol has no request ${method}. If the server knows it, send it with \`requestRaw\`.`
      return Effect.fail(new InvalidArgument({ argument: "method", detail }))
    }
    // Before the schema, which visits a value as often as the params refer to it.
    const unwritable = Frame.problemOf(params)
    if (unwritable !== undefined) return unsendable(`params of ${method}`, unwritable)
    if (!guardOf(entry.params)(params)) {
      const issue = issueOf(entry.params, params)
      return Effect.fail(new InvalidArgument({ argument: `params of ${method}`, detail: issue }))
    }
    return this.send(method, params, options, (id) => Cancellation.of(method, params, id), (result) => {
      if (guardOf(entry.result)(result)) return Result.succeed(result)
      const part = fitted(entry.result, result)
      if (part === undefined) {
        return Result.fail(new DecodeError({ method, issue: issueOf(entry.result, result), raw: result }))
      }
      this.parts.diagnostics.tell(undecodableReply(method, part.issue))
      return Result.succeed(part.value)
    })
  }

  private raw(
    method: string,
    params: unknown,
    options: RawRequestOptions | undefined
  ): Effect.Effect<unknown, ExchangeError> {
    // The server would drop the frame without a reply.
    if (typeof method !== "string") return unsendable("method", "it is not a string")
    const unwritable = Frame.problemOf(params)
    if (unwritable !== undefined) return unsendable(`params of ${method}`, unwritable)
    const cancel = options?.cancel
    const cancellableOf: CancellableOf = (id) => {
      if (cancel !== undefined) return { params, afterReply: false, cancel: () => cancel(id) }
      const entry = known(method)
      return entry !== undefined && guardOf<unknown>(entry.params)(params)
        ? Cancellation.of(method, params, id)
        : undefined
    }
    return this.send(method, params, options, cancellableOf, Result.succeed)
  }

  // ---------------------------------------------------------------------------
  // The exchange
  // ---------------------------------------------------------------------------

  /** Sends a checked request and reads its result. */
  private send<A, E extends DecodeError>(
    method: string,
    params: unknown,
    options: RequestOptions | undefined,
    cancellableOf: CancellableOf,
    read: (result: unknown) => Result.Result<A, E>
  ): Effect.Effect<A, ExchangeError | E> {
    const problem = OptionKinds.problemOf(options, { timeout: OptionKinds.time })
    if (problem !== undefined) return Effect.fail(problem)
    const { defaultTimeout, state, telemetry } = this.parts
    const unlimited = waiting.has(method)
    const timeout = options?.timeout ?? (unlimited ? Duration.infinity : defaultTimeout)
    const exchanged = telemetry.request(
      method,
      Effect.flatMap(
        this.exchange(method, params, timeout, options?.onSent, cancellableOf, true),
        ({ result, seconds }): Effect.Effect<A, E> => {
          const decoded = read(result)
          telemetry.answered(method, seconds, Result.isSuccess(decoded) ? "ok" : decoded.failure._tag)
          return Effect.fromResult(decoded)
        }
      )
    )
    // An interrupt must get through when all else is stuck, and so must the handshake, which all else waits for.
    if (unlimited || method === "turn/interrupt") return exchanged
    if (state.isOpen) {
      return Effect.flatMap(OutOfTurn, (isOut) => isOut ? exchanged : this.inFlight.withPermit(exchanged))
    }
    return Effect.flatMap(state.isOwn, (isOwn) => isOwn ? exchanged : this.inFlight.withPermit(exchanged))
  }

  /** Sends a request once the connection is open, and waits for its reply. */
  private exchange(
    method: string,
    params: unknown,
    timeout: Duration.Input,
    onSent?: (id: number) => void,
    cancellableOf?: CancellableOf,
    isChecked = false
  ): Effect.Effect<Reply, ExchangeError> {
    const { defaultTimeout, pending, state } = this.parts
    return Effect.flatMap(
      state.awaitOpen(Duration.isFinite(Duration.fromInputUnsafe(timeout)) ? timeout : defaultTimeout),
      () =>
        Effect.withFiber((fiber) => {
          const { transport } = state.link
          const id = pending.nextId()
          const span = Context.getOption(fiber.context, Tracer.ParentSpan)
          const trace = Option.isNone(span) ? undefined : RequestTelemetry.traceOf(span.value)
          const cancellable = cancellableOf?.(id)
          const frame = Frame.encode(
            { id, method, params: cancellable?.params ?? params, trace },
            transport.maxSendBytes,
            isChecked
          )
          if (Result.isFailure(frame)) return unsendable(`params of ${method}`, frame.failure)
          onSent?.(id)
          const reply = pending.add(id, method, timeout, params)
          // Sends in its own fiber, so that a transport that accepts nothing cannot hold the caller past the deadline.
          return Effect.flatMap(
            Effect.forkChild(transport.send(frame.success), { startImmediately: true }),
            (sending) =>
              Effect.onExitPrimitive(Deferred.await(reply), (exit) => {
                const unsubscribed = method === "thread/unsubscribe" ? threadIdOf(params) : undefined
                if (unsubscribed !== undefined) this.parts.serverRequests.unsubscribed(unsubscribed)
                const isSent = sending.pollUnsafe() !== undefined
                if (cancellable !== undefined && isSent && isGivenUp(exit)) return this.giveUp(id, cancellable, reply)
                pending.forget(id)
                return isSent ? undefined : Fiber.interrupt(sending)
              })
          )
        })
    )
  }

  private giveUp(id: number, cancellable: Cancellation.Cancellable, reply: Waiting): Effect.Effect<void> | undefined {
    const { forkEnding, pending } = this.parts
    const forgotten = Effect.ensuring(this.endWork(cancellable, reply), Effect.sync(() => pending.forget(id)))
    if (!cancellable.afterReply) return forgotten
    forkEnding(forgotten)
    return undefined
  }

  /** Cancels the work of a request, and waits a short time for the reply that ends it. */
  private endWork({ afterReply, cancel }: Cancellation.Cancellable, reply: Waiting): Effect.Effect<void> {
    const ask = (result?: unknown): Effect.Effect<void> => {
      const asked = cancel(result)
      return asked === undefined
        ? Effect.void
        : Effect.ignore(this.exchange(asked.method, asked.params, cancelWithin))
    }
    const ended = afterReply
      ? Effect.ignore(Effect.flatMap(Deferred.await(reply), ({ result }) => ask(result)))
      : Deferred.isDoneUnsafe(reply)
      ? ask()
      // A cancellation right behind its request may arrive before the work exists.
      : Effect.raceFirst(
        Effect.forever(Effect.andThen(ask(), Effect.sleep(cancelAgainAfter))),
        Effect.exit(Deferred.await(reply))
      )
    return Effect.interruptible(ended).pipe(Effect.timeoutOption(cancelWithin), Effect.asVoid)
  }
}
