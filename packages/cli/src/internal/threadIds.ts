/** Finds threads by what a person types: the beginning of an id, or "the last one here". */
import type { Codex } from "@effect-codex/client/Codex"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import type { Undecodable } from "@effect-codex/client/Received"
import type { ThreadInfo } from "@effect-codex/client/Thread"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { visible } from "./text.ts"

/** Every thread that a person may have begun: not those of subagents. */
export const sourceKinds = ["cli", "vscode", "exec", "appServer", "unknown"] as const

/** Whether this version of the client understands an entry of a list. */
export const isDecoded = <A extends object>(entry: A | Undecodable<A>): entry is A => !("raw" in entry)

const isWhole = (id: string): boolean => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)

/** Looks no further back: a person types the ids of recent threads. */
const searched = 5000

/**
 * The id that begins with this text. A whole id is not looked up, and what is looked up comes from the database of
 * codex, without reading a history.
 *
 * @param argument the option or argument that errors name
 */
export const resolve = Effect.fnUntraced(function*(
  codex: Codex["Service"],
  argument: string,
  text: string,
  options?: { readonly archived?: boolean }
) {
  const prefix = text.trim().toLowerCase()
  const invalid = (detail: string) => new InvalidArgument({ argument, detail })
  if (isWhole(prefix)) return prefix
  if (!/^[\da-f-]+$/.test(prefix)) {
    return yield* invalid(
      `${visible(JSON.stringify(text), 80)} is not the id of a thread. List them with \`effect-codex threads list\`.`
    )
  }
  const found = yield* codex.listThreads({
    archived: options?.archived,
    sourceKinds,
    useStateDbOnly: true,
    pageSize: 100
  }).pipe(
    Stream.take(searched),
    Stream.filter(isDecoded),
    Stream.filter(({ id }) => id.startsWith(prefix)),
    Stream.take(4),
    Stream.map(({ id }) => id),
    Stream.runCollect
  )
  const ids = [...new Set(found)]
  const [only] = ids
  if (only === undefined) {
    return yield* invalid(
      `no ${options?.archived === true ? "archived " : ""}thread begins with ${prefix}. List them with ` +
        `\`effect-codex threads list --all${options?.archived === true ? " --archived" : ""}\`.`
    )
  }
  if (ids.length > 1) {
    const shown = ids.slice(0, 3).join(", ")
    return yield* invalid(
      `several threads begin with ${prefix}: ${shown}${ids.length > 3 ? ", …" : ""}. Give more of the id.`
    )
  }
  return only
})

/** {@link resolve}, also of an archived thread, which can be read too. */
export const resolveAny = (codex: Codex["Service"], argument: string, text: string) =>
  resolve(codex, argument, text).pipe(
    Effect.catchTag(
      "InvalidArgument",
      (error) => resolve(codex, argument, text, { archived: true }).pipe(Effect.mapError(() => error))
    )
  )

/** The thread of a folder that was used last. */
export const last = Effect.fnUntraced(function*(codex: Codex["Service"], cwd: string) {
  const { data } = yield* codex.listThreadsPage({ cwd, sourceKinds, sortKey: "updated_at", pageSize: 10 })
  return Option.fromUndefinedOr(data.find((thread): thread is ThreadInfo => isDecoded(thread)))
})
