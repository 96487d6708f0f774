/** Finds a stored turn by the id of its user's message. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Thread } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import * as Items from "../protocol/items.ts"
import { membersOf, rawOf } from "../protocol/peek.ts"
import { clientIdOf } from "../turns/storedTurn.ts"
import { resultOf } from "../turns/turnResult.ts"
import { TurnUsage } from "../turns/usage.ts"

export const make = (threadId: string, turns: Thread["turns"]): Thread["findTurn"] =>
  Effect.fn("Thread.findTurn")(function*(messageId) {
    yield* OptionKinds.checkArgument("messageId", messageId, OptionKinds.text)
    const stored = turns({ itemsView: "full" }).pipe(
      Stream.map((turn) => membersOf(rawOf(turn))),
      Stream.filter(({ items }) => Array.isArray(items) && items.some((item) => clientIdOf(rawOf(item)) === messageId)),
      Stream.runHead
    )
    // docs/codex-behaviour.md, "A new thread is stored with its first turn or its name".
    const turn = yield* Effect.catchTag(stored, "ThreadNotPersisted", () => Effect.succeedNone)
    return Option.map(turn, (turn) =>
      resultOf(turn, {
        id: Predicate.isString(turn["id"]) ? turn["id"] : "",
        threadId,
        model: undefined,
        items: Array.isArray(turn["items"]) ? turn["items"].map((item) => Items.read(rawOf(item))) : [],
        usage: new TurnUsage(() => undefined),
        timing: Option.none()
      }))
  })
