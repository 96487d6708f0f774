/** The handles of the subagents that work for a turn. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Subagent from "../../Subagent.ts"
import type { Turn } from "../../Turn.ts"
import { using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import type { Subagents, SubagentState } from "../turns/subagents.ts"
import { of } from "../turns/subagents.ts"
import { type About, aboutOf } from "../turns/subagentThread.ts"
import type { Turns } from "../turns/turns.ts"
import type { TurnState } from "../turns/turnState.ts"
import * as TurnStop from "../turns/turnStop.ts"
import { itemsOf } from "./threadRequests.ts"
import { streamsOf } from "./turnStreams.ts"

/**
 * How often the server may say nothing before it is not asked again. A tree is made anew whenever one of its subagents
 * uses tokens.
 */
const maxUnanswered = 3

/**
 * What the server says of a subagent. A subagent is told of even if the server says nothing, because its work has been
 * heard.
 */
const aboutSubagent = (rpc: Rpc, root: TurnState, state: SubagentState): Effect.Effect<About> =>
  Effect.suspend(() => {
    if (state.about !== undefined) return Effect.succeed(state.about)
    if (state.unanswered >= maxUnanswered) return Effect.succeed(aboutOf(undefined, root.threadId))
    return rpc.request("thread/read", { threadId: state.threadId }).pipe(
      using(rpc, "thread/read", ({ thread }) => aboutOf(thread, root.threadId)),
      Effect.tap((about) =>
        Effect.sync(() => {
          state.about = about
        })
      ),
      Effect.orElseSucceed(() => {
        state.unanswered++
        return aboutOf(undefined, root.threadId)
      })
    )
  })

const promptOf = (subagents: Subagents, { threadId }: SubagentState): Option.Option<string> =>
  Option.fromUndefinedOr(subagents.promptOf(threadId))

const statusOf = ({ isRunning, turn: { outcome } }: SubagentState): Subagent.SubagentStatus => {
  if (isRunning) return "running"
  return outcome === "completed" || outcome === "interrupted" || outcome === "failed" ? outcome : "unknown"
}

const handleOf = (
  turns: Pick<Turns, "rpc" | "stopGrace">,
  subagents: Subagents,
  state: SubagentState,
  about: About
): Subagent.Subagent => {
  const { events, threadId } = state
  const { items, messages, reasoning, text, usage } = streamsOf(events)
  return {
    threadId,
    ...about,
    prompt: promptOf(subagents, state),
    events,
    messages,
    text,
    reasoning,
    items,
    usage,
    // Only a turn that this client starts, or watches for a stall, ends in one of these ways.
    result: Effect.suspend(() => state.turn.result).pipe(
      Effect.catchTag(["BudgetExceeded", "PriceUnknown", "SettingsNotApplied", "ThreadBusy", "TurnStalled"], Effect.die)
    ),
    interrupt: Effect.suspend(() => TurnStop.interrupt(turns, state.turn)).pipe(
      Effect.catchTag("ThreadBusy", Effect.die)
    ),
    history: itemsOf(turns.rpc, threadId)
  }
}

/** The members of a turn's handle that concern its subagents. */
export const ofTurn = (
  turns: Pick<Turns, "rpc" | "stopGrace">,
  root: TurnState
): Pick<Turn, "subagents" | "subagentTree"> => {
  const { rpc } = turns
  return {
    subagents: Stream.suspend(() => {
      const subagents = of(root)
      return Stream.mapEffect(
        subagents.started,
        (state) => Effect.map(aboutSubagent(rpc, root, state), (about) => handleOf(turns, subagents, state, about))
      )
    }),
    subagentTree: Stream.suspend(() => {
      const subagents = of(root)
      return Stream.mapEffect(subagents.all, (states) =>
        Effect.map(
          Effect.forEach(states, (state) =>
            Effect.map(aboutSubagent(rpc, root, state), (about) => ({
              threadId: state.threadId,
              ...about,
              prompt: promptOf(subagents, state),
              status: statusOf(state),
              tokens: Option.some(state.tokens)
            }))),
          Subagent.tree
        ))
    })
  }
}
