/** Reads turns and thread statuses from the server's store when frames or replies were lost. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { AppServerTimeout, CallError, ConnectionError, ThreadCallError } from "../../CodexError.ts"
import { type Members, membersOf, rawOf } from "../protocol/peek.ts"
import { using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"

/** A stored turn. Members that are not read may be anything. */
export interface Stored {
  readonly id: string
  readonly status: unknown
  readonly completedAt: unknown
  /** The items as they came. */
  readonly items: ReadonlyArray<unknown>
  readonly turn: Members
}

const ends: ReadonlySet<unknown> = new Set<Received.TurnStatus>(["completed", "failed", "interrupted"])

/** Whether the turn has ended. A status that this client does not know counts as running. */
export const isOver = ({ status }: Pick<Stored, "status">): boolean => ends.has(status)

const quiet: ReadonlySet<unknown> = new Set<Received.ThreadStatus["type"]>(["idle", "notLoaded", "systemError"])

/** Whether a thread with this status runs no turn. With an unknown status it may run one. */
export const isQuiet = (status: unknown): boolean => quiet.has(membersOf(status)["type"])

/** The status of a thread, as it came. */
export const threadStatus = (rpc: Rpc, threadId: string): Effect.Effect<unknown, ThreadCallError> =>
  rpc.request("thread/read", { threadId, includeTurns: false }).pipe(
    using(rpc, "thread/read", ({ thread }) => membersOf(thread)["status"])
  )

const storedOf = (entry: unknown): ReadonlyArray<Stored> => {
  const turn = membersOf(rawOf(entry))
  const { completedAt, id, items, status } = turn
  const given: ReadonlyArray<unknown> = Array.isArray(items) ? items : []
  return Predicate.isString(id) ? [{ id, status, completedAt, items: given.map(rawOf), turn }] : []
}

/** The stored turns of a page. */
export const list = (
  rpc: Rpc,
  params: Parameters<typeof rpc.request<"thread/turns/list">>[1],
  options?: { readonly timeout: Duration.Input }
): Effect.Effect<ReadonlyArray<Stored>, CallError | ThreadCallError> =>
  rpc.request("thread/turns/list", params, options).pipe(
    using(rpc, "thread/turns/list", ({ data }) => Array.isArray(data) ? data.flatMap(storedOf) : undefined)
  )

// A thread runs one turn at a time, so the one just started or running is among the last few.
const recent = 5

const find = (
  rpc: Rpc,
  threadId: string,
  among: (turns: ReadonlyArray<Stored>) => Stored | undefined
): Effect.Effect<Stored | undefined> =>
  list(rpc, { threadId, limit: recent, sortDirection: "desc", itemsView: "full" }, { timeout: Duration.seconds(10) })
    .pipe(
      Effect.map(among),
      Effect.orElseSucceed(() => undefined)
    )

type Lost = AppServerTimeout | ConnectionError

const isLost = (error: CallError | ThreadCallError): error is Lost =>
  error._tag === "AppServerTimeout" || error._tag === "AppServerExited" || error._tag === "TransportError"

/** The newest turn of a thread. Undefined if it has none, or if the server does not say. */
export const newest = (rpc: Rpc, threadId: string): Effect.Effect<Stored | undefined, Lost> =>
  list(rpc, { threadId, limit: 1, itemsView: "notLoaded" }).pipe(
    Effect.map(([turn]) => turn),
    Effect.catch((error) => isLost(error) ? Effect.fail(error) : Effect.succeed(undefined))
  )

// A message may have joined the turn that was running before it.
const since = (turns: ReadonlyArray<Stored>, before: Stored | undefined): ReadonlyArray<Stored> => {
  const index = turns.findIndex(({ id }) => id === before?.id)
  if (before === undefined || index < 0) return turns
  return turns.slice(0, isOver(before) ? index : index + 1)
}

/** The id that a client gave a user message. */
export const clientIdOf = (item: unknown): string | undefined => {
  const { clientId, type } = membersOf(item)
  return type === "userMessage" && Predicate.isString(clientId) ? clientId : undefined
}

/** Whether a message among the items has this id. */
export const hasMessage = (items: ReadonlyArray<unknown>, clientId: string): boolean =>
  items.some((item) => clientIdOf(rawOf(item)) === clientId)

/**
 * Finds a turn by the id that this client gave the message. Undefined if the server does not have it or does
 * not answer.
 *
 * @param before the newest turn before the message was sent, if older messages may have the same id.
 */
export const findByClientId = (rpc: Rpc, threadId: string, clientId: string, before?: Stored) =>
  find(rpc, threadId, (turns) => since(turns, before).find(({ items }) => hasMessage(items, clientId)))

/** Finds a turn by its id. Undefined if the server does not have it or does not answer. */
export const findById = (rpc: Rpc, threadId: string, turnId: string) =>
  find(rpc, threadId, (turns) => turns.find(({ id }) => id === turnId))
