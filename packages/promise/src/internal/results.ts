import type * as Codex from "@effect-codex/client/Codex"
import type * as EffectGoal from "@effect-codex/client/Goal"
import type * as EffectSubagent from "@effect-codex/client/Subagent"
import type { Answer as ClientAnswer } from "@effect-codex/client/Thread"
import type * as EffectTurnResult from "@effect-codex/client/TurnResult"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Answer, Goal, Page, ThreadSearchEvent, TurnResult } from "../Results.ts"
import type { SubagentNode } from "../Subagent.ts"

export const date = (time: Option.Option<DateTime.Utc>): Date | undefined =>
  Option.getOrUndefined(Option.map(time, DateTime.toDateUtc))

export const turnResult = <A>(result: EffectTurnResult.TurnResult<A>): TurnResult<A> => ({
  ...result,
  error: Option.getOrUndefined(result.error),
  startedAt: date(result.startedAt),
  completedAt: date(result.completedAt),
  duration: Option.getOrUndefined(Option.map(result.duration, Duration.toMillis)),
  timing: Option.getOrUndefined(Option.map(result.timing, ({ firstToken, model, tools }) => ({
    firstToken: Option.getOrUndefined(Option.map(firstToken, Duration.toMillis)),
    model: Duration.toMillis(model),
    tools: Duration.toMillis(tools)
  }))),
  model: Option.getOrUndefined(result.model),
  finalResponse: Option.getOrUndefined(result.finalResponse),
  plan: Option.getOrUndefined(result.plan),
  cost: Option.getOrUndefined(result.cost),
  usage: Option.getOrUndefined(Option.map(result.usage, (usage) => ({
    ...usage,
    modelContextWindow: Option.getOrUndefined(usage.modelContextWindow),
    contextUsed: Option.getOrUndefined(usage.contextUsed)
  })))
})

export const subagentNames = ({ nickname, path, prompt, role }: Pick<
  EffectSubagent.Subagent,
  "nickname" | "path" | "prompt" | "role"
>) => ({
  nickname: Option.getOrUndefined(nickname),
  path: Option.getOrUndefined(path),
  prompt: Option.getOrUndefined(prompt),
  role: Option.getOrUndefined(role)
})

export const subagentNode = (node: EffectSubagent.SubagentNode): SubagentNode => ({
  ...node,
  ...subagentNames(node),
  tokens: Option.getOrUndefined(node.tokens),
  children: node.children.map(subagentNode)
})

export const answer = ({ text, usage }: ClientAnswer): Answer => ({
  text: Option.getOrUndefined(text),
  usage: Option.getOrUndefined(usage)
})

export const goal = (goal: EffectGoal.Goal): Goal => ({
  ...goal,
  tokenBudget: Option.getOrUndefined(goal.tokenBudget),
  timeUsed: Duration.toMillis(goal.timeUsed),
  createdAt: date(goal.createdAt),
  updatedAt: date(goal.updatedAt)
})

export const searchEvent = (event: Codex.ThreadSearchEvent): ThreadSearchEvent =>
  event._tag === "Found" ? event : { ...event, nextCursor: Option.getOrUndefined(event.nextCursor) }

export const page = <A>({ backwardsCursor, data, nextCursor }: Codex.Page<A>): Page<A> => ({
  data,
  nextCursor: Option.getOrUndefined(nextCursor),
  backwardsCursor: Option.getOrUndefined(backwardsCursor)
})
