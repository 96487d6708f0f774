/** Reads turns and thread statuses from the server's store when frames or replies were lost. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { CallError, ThreadCallError } from "../../CodexError.ts"
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
  isIt: (turn: Stored) => boolean
): Effect.Effect<Stored | undefined> =>
  list(rpc, { threadId, limit: recent, sortDirection: "desc", itemsView: "full" }, { timeout: Duration.seconds(10) })
    .pipe(
      Effect.map((turns) => turns.find(isIt)),
      Effect.orElseSucceed(() => undefined)
    )

/** The id that a client gave a user message. */
export const clientIdOf = (item: unknown): string | undefined => {
  const { clientId, type } = membersOf(item)
  return type === "userMessage" && Predicate.isString(clientId) ? clientId : undefined
}

/**
 * Finds a turn by the id that this client gave the message. Undefined if the server does not have it or does
 * not answer.
 */
export const findByClientId = (rpc: Rpc, threadId: string, clientId: string) =>
  find(rpc, threadId, ({ items }) => items.some((item) => clientIdOf(item) === clientId))

/** Finds a turn by its id. Undefined if the server does not have it or does not answer. */
export const findById = (rpc: Rpc, threadId: string, turnId: string) => find(rpc, threadId, ({ id }) => id === turnId)
