/** A turn's handle. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { InputItem } from "../../Input.ts"
import type { Turn } from "../../Turn.ts"
import * as OptionKinds from "../options.ts"
import * as Items from "../protocol/items.ts"
import { call } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import * as AgentText from "../turns/agentText.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { StartedTurns } from "../turns/startedTurns.ts"
import * as Terminals from "../turns/terminals.ts"
import type { Turns } from "../turns/turns.ts"
import * as TurnSettings from "../turns/turnSettings.ts"
import type { TurnState } from "../turns/turnState.ts"
import * as TurnStop from "../turns/turnStop.ts"

/** How to steer and interrupt a turn. */
export interface Controls {
  readonly steer: (input: Array<InputItem>) => ReturnType<Turn["steer"]>
  readonly interrupt: Turn["interrupt"]
  /** Called when the server has changed the turn's settings. Default: nothing has to be remembered. */
  readonly onSettings?: Parameters<typeof TurnSettings.update>[3] | undefined
}

/** The controls of a turn that is a single turn on the server, unlike a goal's. */
export const controls = (turns: Turns, state: TurnState, started: StartedTurns): Controls => ({
  steer: (input) => call(turns.rpc, "turn/steer", { threadId: state.threadId, expectedTurnId: state.id, input }),
  interrupt: TurnStop.interrupt(turns, state),
  onSettings: (given) => started.change(state.threadId, state.id, given)
})

export const make = (
  rpc: Rpc,
  state: TurnState,
  toWire: ToWire,
  { interrupt, onSettings, steer }: Controls
): Turn => {
  const { events, threadId } = state
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
    id: state.id,
    threadId,
    events,
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
    ),
    result: state.result,
    partialResult: Effect.sync(() => state.partialResult),
    steer: Effect.fn("Turn.steer")(function*(input) {
      yield* steer(yield* toWire(input))
    }),
    updateSettings: Effect.fn("Turn.updateSettings")(function*(options) {
      yield* OptionKinds.checkArgument("options", options, OptionKinds.record)
      yield* TurnSettings.update(rpc, state, options, onSettings ?? (() => {}))
    }),
    interrupt,
    interruptWithTerminals: Effect.andThen(interrupt, Effect.suspend(() => Terminals.end(rpc, threadId, state.itemIds)))
  }
}
