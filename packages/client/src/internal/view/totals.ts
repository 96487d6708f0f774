/** Tokens and cost of a turn, of an agent, or of a thread with its subagents. */
import * as Option from "effect/Option"
import type { Price } from "../../Pricing.ts"
import type * as Received from "../../Received.ts"
import type { AgentView, ModelCall, ThreadView, TurnView } from "../../ThreadView.ts"
import { add } from "./usage.ts"

type Part = TurnView | AgentView | ThreadView

const turnsOf = (part: Part): ReadonlyArray<TurnView> =>
  "items" in part
    ? [part]
    : [...part.turns, ...("subagents" in part ? [...part.subagents].flatMap(({ turns }) => [...turns]) : [])]

export const tokens = (part: Part): Received.TokenUsageBreakdown | undefined =>
  turnsOf(part).reduce<Received.TokenUsageBreakdown | undefined>(
    (all, { usage }) => usage === undefined ? all : add(all, usage),
    undefined
  )

const costOf = ({ model, usage }: ModelCall, price: Price): Option.Option<number> =>
  model === undefined ? Option.none() : Option.filter(price(model, usage), (cost) => Number.isFinite(cost) && cost >= 0)

export const cost = (part: Part, price: Price): Option.Option<number> => {
  const calls = turnsOf(part).flatMap((turn) => [...turn.calls])
  return calls.length === 0
    ? Option.none()
    : Option.map(Option.all(calls.map((call) => costOf(call, price))), (costs) => costs.reduce((a, b) => a + b, 0))
}
