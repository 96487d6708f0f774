/** Lists that the server gives page by page. */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DecodeError, type InvalidArgument } from "../../CodexError.ts"
import * as OptionKinds from "../options.ts"
import { parts } from "../protocol/guard.ts"
import type { Members } from "../protocol/members.ts"
import { using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"

// The most that codex gives at a time, whatever it is asked for (measured on 0.169).
const largestPage = 100

/**
 * The entries of all pages. The first page has the size that the server chooses, 25, for those who want no more than a few;
 * whoever reads on reads most of it, so the next pages are as large as the server makes them, unless `pageSize` says
 * otherwise. A cursor that comes again ends the stream with an error, because what follows it was read
 * already: a server that repeats itself is neither read for ever nor taken for one that is done.
 */
export const pages = <A, E>(
  method: string,
  options: object | undefined,
  pageSize: number | undefined,
  page: (at: { readonly cursor?: string; readonly limit?: number }) => Effect.Effect<
    { readonly data: ReadonlyArray<A>; readonly nextCursor: string | null | undefined },
    E
  >
): Stream.Stream<A, E | DecodeError | InvalidArgument> =>
  Stream.suspend((): Stream.Stream<A, E | DecodeError | InvalidArgument> => {
    const problem = OptionKinds.problemOf(options, OptionKinds.none)
    if (problem !== undefined) return Stream.fail(problem)
    const seen = new Set<string>()
    return Stream.paginate<string | undefined, A, E | DecodeError>(undefined, (cursor) => {
      if (cursor !== undefined) {
        if (seen.has(cursor)) {
          return new DecodeError({ method, issue: "the cursor of the next page was given before.", raw: cursor })
        }
        seen.add(cursor)
      }
      const limit = pageSize ?? (cursor === undefined ? undefined : largestPage)
      return Effect.map(
        page(defined({ cursor, limit })),
        ({ data, nextCursor }) => [data, Option.fromNullishOr(nextCursor)] as const
      )
    })
  })

interface Page<A> {
  readonly data: ReadonlyArray<A>
  readonly nextCursor: string | null
  readonly backwardsCursor?: string | null
}

/** A page of which entries and cursors are used. A cursor that is not understood must not end the list as if nothing followed. */
export const page =
  <A>(rpc: Rpc, method: string, schema: Lazy<Page<A>>) =>
  <E>(request: Effect.Effect<Page<A>, E | DecodeError>): Effect.Effect<Page<A>, E | DecodeError> => {
    const used = (reply: Members): Page<A> | undefined => {
      const { backwardsCursor = null, data, nextCursor } = parts(schema, reply)
      return data === undefined || nextCursor === undefined && (reply["nextCursor"] ?? null) !== null
        ? undefined
        : { data, nextCursor: nextCursor ?? null, backwardsCursor }
    }
    return Effect.catch(request, (error) => using(rpc, method, used)(Effect.fail(error)))
  }
