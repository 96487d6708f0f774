/** Lists that the server returns page by page. */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DecodeError, type InvalidArgument } from "../../CodexError.ts"
import * as OptionKinds from "../options.ts"
import { parts } from "../protocol/guard.ts"
import type { Members } from "../protocol/peek.ts"
import { using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"

// docs/codex-behaviour.md, "A page has 25 entries unless more are asked for, and at most 100".
const largestPage = 100

/**
 * The entries of all pages. The server chooses the size of the first page, which suits callers that want only a
 * few entries. A caller that reads on usually reads most of the list, so the next pages are as large as the
 * server allows, unless `pageSize` is set.
 *
 * A repeated cursor fails the stream, because the entries after it were already read. Reading on would never
 * end, and ending normally would report an incomplete list as complete.
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
          return new DecodeError({ method, issue: "the server returned this cursor before.", raw: cursor })
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

/**
 * Decodes only the entries and the cursors of a page. An unreadable cursor must not end the list as if nothing
 * followed.
 */
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
