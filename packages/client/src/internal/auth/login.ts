/**
 * One login attempt that a person must confirm, in the browser or with a code. docs/codex-behaviour.md, "A
 * server has one login under way".
 *
 * The server announces the end of an attempt in a notification, which can come in the same read as the reply
 * that names the attempt. So this observes ends before it requests the attempt, and keeps them until the
 * attempt's id is known.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { CallError, ConnectionError, InvalidArgument } from "../../CodexError.ts"
import { DecodeError, LoginFailed, type TransportError } from "../../CodexError.ts"
import { fromLoginEnd } from "../protocol/rpcErrors.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"

export interface Attempt<A> {
  /** What the person needs to continue. */
  readonly reply: A
  readonly wait: Effect.Effect<void, LoginFailed | ConnectionError>
  readonly cancel: Effect.Effect<void, Exclude<CallError, InvalidArgument>>
}

/**
 * @param scope the layer's scope, in which an attempt whose caller was interrupted is cancelled once its id is
 * known.
 * @param request requests the attempt.
 */
export const start = <A extends { readonly loginId: string }, E>(
  rpc: Rpc,
  scope: Scope.Scope,
  request: Effect.Effect<A, E>
): Effect.Effect<Attempt<A>, E | TransportError, Scope.Scope> =>
  Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
    const ended = Deferred.makeUnsafe<void, LoginFailed | ConnectionError>()
    const early: Array<object> = []
    let loginId: string | undefined
    let outcome: Exit.Exit<void, LoginFailed | ConnectionError> | undefined
    let isCancelled = false

    const onCompleted = (params: object): void => {
      if (loginId === undefined) return void early.push(params)
      if (!Predicate.hasProperty(params, "loginId") || params.loginId !== loginId) return
      const isSuccess = Predicate.hasProperty(params, "success") && params.success === true
      const error = Predicate.hasProperty(params, "error") ? params.error : undefined
      outcome ??= isSuccess ? Exit.void : Exit.fail(fromLoginEnd(loginId, error, isCancelled))
    }
    const tell = (): void => {
      if (outcome !== undefined) Deferred.doneUnsafe(ended, outcome)
    }
    const end = (cause: ConnectionError): void => {
      outcome ??= Exit.fail(cause)
      tell()
    }
    yield* internalsOf(rpc).observe(undefined, {
      onNotification({ _tag, params }) {
        if (_tag === "account/login/completed" && Predicate.isObject(params)) onCompleted(params)
      },
      onReadEnd: tell,
      onEnd: end,
      // The attempt belonged to the process that is gone.
      onLost: end
    })

    const asked = yield* restore(request).pipe(Effect.forkIn(scope, { startImmediately: true }))
    const abandon = Fiber.join(asked).pipe(
      Effect.flatMap(({ loginId }) => rpc.request("account/login/cancel", { loginId })),
      Effect.ignore,
      Effect.forkIn(scope)
    )
    const exit = yield* Effect.onInterrupt(restore(Fiber.await(asked)), () => abandon)
    if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) {
      return yield* scopeEnded("layer")
    }
    const reply = yield* exit
    const id = loginId = reply.loginId
    early.splice(0).forEach(onCompleted)
    tell()

    const endAsCancelled = (detail: string) =>
      Effect.sync(() => {
        outcome ??= Exit.fail(new LoginFailed({ reason: "cancelled", detail, loginId: id }))
        tell()
      })
    const cancel = Effect.suspend(() => {
      if (outcome !== undefined) return Effect.void
      isCancelled = true
      return Effect.flatMap(
        rpc.request("account/login/cancel", { loginId: id }).pipe(
          // The id is the server's, and may be longer than what it takes.
          Effect.catchTag(
            "InvalidArgument",
            ({ detail }) =>
              Effect.fail(
                new DecodeError({ method: "account/login/start", issue: `its loginId: ${detail}`, raw: reply })
              )
          )
        ),
        ({ status }) =>
          status === "canceled"
            ? endAsCancelled("the login was cancelled.")
            // The attempt was already over, and the server may be about to announce how it ended.
            : Effect.exit(Deferred.await(ended)).pipe(
              Effect.timeoutOption("1 second"),
              Effect.andThen(endAsCancelled("the server did not know the login any more when it was cancelled."))
            )
      )
    })
    yield* Effect.addFinalizer(() =>
      Effect.interruptible(cancel).pipe(
        Effect.timeoutOption("2 seconds"),
        Effect.ignore,
        Effect.andThen(endAsCancelled("the scope of its handle closed."))
      )
    )
    return { reply, wait: Deferred.await(ended), cancel }
  }))
