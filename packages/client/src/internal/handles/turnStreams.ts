/** The streams of a handle that are made from its events. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Turn } from "../../Turn.ts"
import * as Items from "../protocol/items.ts"
import * as AgentText from "../turns/agentText.ts"

export const streamsOf = (events: Turn["events"]) => {
  const pieces = (saidBy: ConstructorParameters<typeof AgentText.Pieces>[0]) =>
    Stream.mapAccum(events, () => new AgentText.Pieces(saidBy), (pieces, event) => [pieces, pieces.step(event)])
  const textOf = (pieces: Turn["messages"]) =>
    Stream.mapAccum(pieces, () => new AgentText.Text(), (told, piece) => {
      const text = told.step(piece)
      return [told, text === "" ? [] : [text]]
    }, {
      onHalt: (told) => {
        const text = told.end()
        return text === "" ? [] : [text]
      }
    })
  const messages = pieces(AgentText.messageOf)

  return {
    messages,
    text: textOf(messages),
    reasoning: textOf(pieces(AgentText.reasoningOf)),
    items: Stream.mapAccum(events, () => new Map<string, Received.ThreadItem>(), (told, event) => {
      const completed = Items.itemOf(event)
      if (completed?.isCompleted !== true) return [told, []]
      const item = Items.read(completed.raw)
      const id = String(item.id)
      if (Equal.equals(told.get(id), item)) return [told, []]
      return [told.set(id, item), [item]]
    }),
    plan: Stream.filterMap(
      events,
      (event) => event._tag === "turn/plan/updated" ? Result.succeed(event.params) : Result.failVoid
    ),
    proposedPlan: textOf(
      Stream.mapAccum(
        pieces(AgentText.planOf),
        () => new AgentText.PlanPieces(),
        (plan, piece) => [plan, plan.step(piece)]
      )
    ),
    diff: Stream.filterMap(
      events,
      (event) => event._tag === "turn/diff/updated" ? Result.succeed(event.params.diff) : Result.failVoid
    ),
    usage: Stream.filterMap(
      events,
      (event) => event._tag === "thread/tokenUsage/updated" ? Result.succeed(event.params.tokenUsage) : Result.failVoid
    )
  } satisfies Partial<Turn>
}
