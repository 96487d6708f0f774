/** A turn's handle. */
import * as Effect from "effect/Effect"
import type { Turn } from "../../Turn.ts"
import * as OptionKinds from "../options.ts"
import { call } from "../protocol/uses.ts"
import { steerSettings } from "../settings/settings.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { StartedTurns } from "../turns/startedTurns.ts"
import type { Steer } from "../turns/startRequest.ts"
import * as Terminals from "../turns/terminals.ts"
import type { Turns } from "../turns/turns.ts"
import * as TurnSettings from "../turns/turnSettings.ts"
import type { TurnState } from "../turns/turnState.ts"
import * as TurnStop from "../turns/turnStop.ts"
import * as SubagentHandle from "./subagentHandle.ts"
import { streamsOf } from "./turnStreams.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = {
  steer: Effect.fn("Turn.steer"),
  updateSettings: Effect.fn("Turn.updateSettings")
}

/** How to steer and interrupt a turn. */
export interface Controls {
  readonly steer: (message: Steer["message"]) => ReturnType<Turn["steer"]>
  readonly interrupt: Turn["interrupt"]
  /** Called when the server has changed the turn's settings. Default: nothing has to be remembered. */
  readonly onSettings?: Parameters<typeof TurnSettings.update>[3] | undefined
}

/** The controls of a turn that is a single turn on the server, unlike a goal's. */
export const controls = (turns: Turns, state: TurnState, started: StartedTurns): Controls => ({
  steer: (message) => call(turns.rpc, "turn/steer", { threadId: state.threadId, expectedTurnId: state.id, ...message }),
  interrupt: TurnStop.interrupt(turns, state),
  onSettings: (given) => started.change(state.threadId, state.id, given)
})

export const make = (
  turns: Pick<Turns, "rpc" | "stopGrace">,
  state: TurnState,
  toWire: ToWire,
  { interrupt, onSettings, steer }: Controls
): Turn => {
  const { rpc } = turns
  const { events, threadId } = state
  return {
    id: state.id,
    threadId,
    events,
    ...streamsOf(events),
    ...SubagentHandle.ofTurn(turns, state),
    result: state.result,
    partialResult: Effect.sync(() => state.partialResult),
    steer: traced.steer(function*(input, options) {
      yield* OptionKinds.check(options, OptionKinds.ofSteer)
      yield* steer({ ...steerSettings(options ?? {}), input: yield* toWire(input) })
    }),
    updateSettings: traced.updateSettings(function*(options) {
      yield* OptionKinds.checkArgument("options", options, OptionKinds.record)
      yield* TurnSettings.update(rpc, state, options, onSettings ?? (() => {}))
    }),
    interrupt,
    interruptWithTerminals: Effect.andThen(interrupt, Effect.suspend(() => Terminals.end(rpc, threadId, state.itemIds)))
  }
}
