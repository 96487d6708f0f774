/** Pages of a list. The cursor is the id of the last entry of the previous page. */
import * as Effect from "effect/Effect"
import { invalidRequest, type Refused } from "./refused.ts"

const defaultLimit = 25
const maxLimit = 100

export const page = <A>(
  all: ReadonlyArray<A>,
  idOf: (entry: A) => string,
  options: { readonly cursor?: string | null; readonly limit?: number | null }
): Effect.Effect<
  { readonly data: ReadonlyArray<A>; readonly nextCursor: string | null; readonly backwardsCursor: string | null },
  Refused
> => {
  const { cursor } = options
  const start = cursor === undefined || cursor === null ? 0 : all.findIndex((entry) => idOf(entry) === cursor) + 1
  if (start === 0 && cursor !== undefined && cursor !== null) {
    return Effect.fail(invalidRequest(`invalid cursor: ${cursor}`))
  }
  const data = all.slice(start, start + Math.min(maxLimit, Math.max(1, options.limit ?? defaultLimit)))
  const last = data.at(-1)
  const first = data.at(0)
  return Effect.succeed({
    data,
    nextCursor: last === undefined || start + data.length >= all.length ? null : idOf(last),
    backwardsCursor: first === undefined ? null : idOf(first)
  })
}
