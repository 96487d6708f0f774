/** Finds a stored turn by the id of its user's message. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { ThreadCallError } from "../../CodexError.ts"
import type { ListTurnsOptions, Thread } from "../../Thread.ts"
import type { TurnResult } from "../../TurnResult.ts"
import * as OptionKinds from "../options.ts"
import * as Items from "../protocol/items.ts"
import { type Members, membersOf, rawOf } from "../protocol/peek.ts"
import * as StoredTurn from "../turns/storedTurn.ts"
import { resultOf } from "../turns/turnResult.ts"
import { TurnUsage } from "../turns/usage.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = Effect.fn("Thread.findTurn")

const itemsOf = ({ items }: Members): ReadonlyArray<unknown> => Array.isArray(items) ? items.map(rawOf) : []

const toResult = (threadId: string, turn: Members): TurnResult =>
  resultOf(turn, {
    id: Predicate.isString(turn["id"]) ? turn["id"] : "",
    threadId,
    model: undefined,
    items: itemsOf(turn).map(Items.read),
    usage: new TurnUsage(() => undefined),
    timing: Option.none()
  })

export const make = (threadId: string, { items, turns }: Pick<Thread, "items" | "turns">): Thread["findTurn"] => {
  const newest = (messageId: string, options: ListTurnsOptions) =>
    turns(options).pipe(
      Stream.map((turn) => membersOf(rawOf(turn))),
      Stream.filter((turn) => StoredTurn.hasMessage(itemsOf(turn), messageId)),
      Stream.runHead
    )

  const withItems = (turn: Members, turnId: string): Effect.Effect<Members, ThreadCallError> =>
    items({ turnId }).pipe(
      Stream.map((entry) => membersOf(rawOf(entry))["item"]),
      Stream.runCollect,
      Effect.map((items) => ({ ...turn, items }))
    )

  // docs/codex-behaviour.md, "The summary of a turn has its first message and its last answer". A page of summaries
  // costs next to nothing, and one of whole turns may hold megabytes.
  const find = Effect.fnUntraced(function*(messageId: string) {
    const whole = newest(messageId, { itemsView: "full", pageSize: 5 })
    const begun = yield* newest(messageId, { itemsView: "summary" })
    const turnId = Option.isSome(begun) ? begun.value["id"] : undefined
    // The message may have steered a turn.
    if (Option.isNone(begun) || !Predicate.isString(turnId)) return yield* whole
    return yield* withItems(begun.value, turnId).pipe(
      Effect.map(Option.some),
      // docs/codex-behaviour.md, "A thread with a legacy history has no list of items".
      Effect.catchTag("RpcError", (error) => error.reason === "methodNotFound" ? whole : Effect.fail(error))
    )
  })

  return traced(function*(messageId) {
    yield* OptionKinds.checkArgument("messageId", messageId, OptionKinds.filled)
    // docs/codex-behaviour.md, "A new thread is stored with its first turn or its name".
    const found = yield* Effect.catchTag(find(messageId), "ThreadNotPersisted", () => Effect.succeedNone)
    return Option.map(found, (turn) => toResult(threadId, turn))
  })
}
