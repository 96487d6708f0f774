/**
 * Runs the Effect client for programs without Effect. All fibers and scopes belong to one runtime, so closing it ends
 * them all.
 */
import type * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as Auth from "@effect-codex/client/Auth"
import type * as Codex from "@effect-codex/client/Codex"
import { InvalidArgument, TransportError } from "@effect-codex/client/CodexError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { CallerContext, current } from "./callerContext.ts"
import { scheduler } from "./scheduler.ts"

export type Services = Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc

interface Session {
  readonly runtime: ManagedRuntime.ManagedRuntime<Services, unknown>
  /** The scope of handles and readers. It closes while the client still works, before the fibers are interrupted. */
  readonly resources: Scope.Closeable
}

// An unawaited rejection must not end the process. Code that awaits the promise still receives it.
export const handled = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(() => {})
  return promise
}

const dispose = ({ runtime }: Session): Promise<void> => Effect.runPromise(runtime.disposeEffect, { scheduler })

const closedError = () => new TransportError({ reason: "closed", detail: "this Codex was closed." })

/** What a promise rejects with. Only the end of the runtime interrupts a fiber on its own. */
const rejectionOf = (cause: Cause.Cause<unknown>): unknown =>
  Cause.hasInterruptsOnly(cause) ? closedError() : Cause.squash(cause)

const signalProblem = (signal: unknown): InvalidArgument | undefined =>
  signal === undefined || signal === null || Predicate.hasProperty(signal, "addEventListener")
    ? undefined
    : new InvalidArgument({ argument: "signal", detail: "expected an AbortSignal." })

export class Host {
  readonly #layer: Layer.Layer<Services, unknown>
  #session: Session | undefined
  #closing: Promise<void> | undefined

  constructor(layer: Layer.Layer<Services, unknown>) {
    this.#layer = layer
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  #open(): Session {
    if (this.#session !== undefined) return this.#session
    const runtime = ManagedRuntime.make(this.#layer)
    return this.#session = { runtime, resources: Scope.forkUnsafe(runtime.scope, "parallel") }
  }

  /** When the signal aborts, interrupts the effect and waits for its end before the promise rejects. */
  run<A>(effect: Effect.Effect<A, unknown, Services>, signal?: AbortSignal): Promise<A> {
    return handled(
      new Promise((resolve, reject) => {
        if (this.isClosed) return reject(closedError())
        const problem = signalProblem(signal)
        if (problem !== undefined) return reject(problem)
        if (signal?.aborted === true) return reject(signal.reason)
        const session = this.#open()
        const fiber = session.runtime.runFork(Effect.provideService(effect, CallerContext, current()), { scheduler })
        const onAbort = () => fiber.interruptUnsafe()
        signal?.addEventListener("abort", onAbort, { once: true })
        fiber.addObserver((exit) => {
          signal?.removeEventListener("abort", onAbort)
          if (Exit.isSuccess(exit)) return resolve(exit.value)
          if (signal?.aborted === true) return reject(signal.reason)
          const rejection = rejectionOf(exit.cause)
          if (Cause.hasInterruptsOnly(exit.cause) || session.runtime.cachedContext !== undefined) {
            return reject(rejection)
          }
          // The start failed. Clean up what it left, so that the next call can try again.
          if (this.#session === session) this.#session = undefined
          dispose(session).then(() => reject(rejection), reject)
        })
      })
    )
  }

  /** Creates a scope that closes with the runtime at the latest. */
  readonly scope: Effect.Effect<Scope.Closeable> = Effect.suspend(() => Scope.fork(this.#open().resources))

  /** Closes a scope of {@link scope}. Rejects if a finalizer dies. */
  readonly closeScope = (scope: Scope.Closeable): Promise<void> =>
    handled(Effect.runPromise(Scope.close(scope, Exit.void), { scheduler }))

  /** Runs an effect beside the calls, until it or the runtime ends. */
  inBackground(effect: Effect.Effect<unknown, unknown, Services>): void {
    if (!this.isClosed) this.#open().runtime.runFork(effect, { scheduler })
  }

  /** Closes the scopes of turns and logins, then interrupts the calls, then ends the process. */
  close(): Promise<void> {
    return this.#closing ??= handled(this.#session === undefined ? Promise.resolve() : dispose(this.#session))
  }
}
