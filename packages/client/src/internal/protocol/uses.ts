/**
 * A call needs only the parts of a reply that it uses. Problems in the rest are counted and reported as a
 * diagnostic.
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Diagnostic, RequestOptions } from "../../AppServerRpc.ts"
import { DecodeError, type InvalidArgument } from "../../CodexError.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import type { RequestErrorOf } from "./answers.ts"
import { type Members, membersOf } from "./peek.ts"

export const undecodableReply = (method: string, issue: string): Diagnostic => ({
  _tag: "UndecodableReply",
  message: `a part of the reply to ${method} does not fit the protocol. The rest is used: ${issue}`,
  method,
  issue
})

const isDecodeError = (error: unknown): error is DecodeError => Predicate.isTagged(error, "DecodeError")

/**
 * Returns what `read` finds in a reply, whether or not the reply fits the protocol. Fails with `DecodeError` if
 * `read` finds nothing; the first overload is for a `read` that always finds something.
 *
 * @param read returns undefined if the parts that the call uses are missing.
 */
export function using<A extends {} | null>(
  rpc: Rpc,
  method: string,
  read: (reply: Members) => A
): <E>(request: Effect.Effect<unknown, E>) => Effect.Effect<A, Exclude<E, DecodeError>>
export function using<A>(
  rpc: Rpc,
  method: string,
  read: (reply: Members) => A | undefined
): <E>(request: Effect.Effect<unknown, E | DecodeError>) => Effect.Effect<A, E | DecodeError>
export function using<A>(
  rpc: Rpc,
  method: string,
  read: (reply: Members) => A | undefined
): <E>(request: Effect.Effect<unknown, E | DecodeError>) => Effect.Effect<A, E | DecodeError> {
  return usingWith((diagnostic) => internalsOf(rpc).tell(diagnostic), method, read)
}

/** {@link using} during the handshake. */
export const usingWith = <A>(
  tell: (diagnostic: Diagnostic) => void,
  method: string,
  read: (reply: Members) => A | undefined
) =>
<E>(request: Effect.Effect<unknown, E | DecodeError>): Effect.Effect<A, E | DecodeError> =>
  Effect.matchEffect(request, {
    onSuccess: (raw) => {
      const used = read(membersOf(raw))
      const issue = "a part that the call needs is missing."
      return used === undefined ? Effect.fail(new DecodeError({ method, issue, raw })) : Effect.succeed(used)
    },
    onFailure: (error) => {
      const used = isDecodeError(error) ? read(membersOf(error.raw)) : undefined
      if (used === undefined) return Effect.fail(error)
      if (isDecodeError(error)) tell(undecodableReply(method, error.issue))
      return Effect.succeed(used)
    }
  })

const isInvalidArgument = (error: unknown): error is InvalidArgument => Predicate.isTagged(error, "InvalidArgument")

/** A request whose params contain nothing from the program, so they cannot be invalid. */
export function ownParams<A, E>(request: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, InvalidArgument>>
export function ownParams<A, E>(request: Effect.Effect<A, E>): Effect.Effect<A, E> {
  return Effect.catch(request, (error) => isInvalidArgument(error) ? Effect.die(error) : Effect.fail(error))
}

/** A request whose reply is not used. */
export const call = <M extends keyof ClientRequests>(
  rpc: Rpc,
  method: M,
  params: ClientRequests[M]["params"],
  options?: RequestOptions
): Effect.Effect<void, Exclude<RequestErrorOf<M>, DecodeError>> =>
  rpc.request(method, params, options).pipe(using(rpc, method, () => true), Effect.asVoid)
