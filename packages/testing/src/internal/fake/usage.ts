/** Tells the tokens that were used, and the account's rate limits. */
import type * as Received from "@effect-codex/protocol/Received"
import type { Usage } from "../../ScriptedModel.ts"
import type { Connection, LoadedThread } from "./connection.ts"
import { noTokens } from "./home.ts"
import type { Told } from "./running.ts"

export const updateUsage = (told: Told, usage: Usage, isWhole = true): void => {
  const { thread } = told
  const input = usage.input ?? 0
  const output = usage.output ?? 0
  const last: Received.TokenUsageBreakdown = {
    totalTokens: input + output,
    inputTokens: input,
    cachedInputTokens: usage.cached ?? 0,
    cacheWriteInputTokens: 0,
    outputTokens: output,
    reasoningOutputTokens: usage.reasoning ?? 0
  }
  const { usage: total } = thread.stored
  // A response that was cut short counts towards the thread's total, but is not reported as the last one.
  if (isWhole) thread.stored.lastUsage = last
  thread.stored.usage = {
    totalTokens: total.totalTokens + last.totalTokens,
    inputTokens: total.inputTokens + last.inputTokens,
    cachedInputTokens: total.cachedInputTokens + last.cachedInputTokens,
    cacheWriteInputTokens: 0,
    outputTokens: total.outputTokens + last.outputTokens,
    reasoningOutputTokens: total.reasoningOutputTokens + last.reasoningOutputTokens
  }
  tellUsage(told.connection, thread, told.turn.stored.id)
}

const contextWindow = 258_400

export const tellUsage = (connection: Connection, thread: LoadedThread, turnId: string): void => {
  const { lastUsage: last, usage: total } = thread.stored
  connection.tell(thread, "thread/tokenUsage/updated", {
    turnId,
    tokenUsage: { total, last, modelContextWindow: contextWindow }
  })
}

const windowOf = (headers: Readonly<Record<string, string>>, name: string): Received.RateLimitWindow | null => {
  const numberOf = (member: string): number | null => {
    const value = headers[`x-codex-${name}-${member}`]
    return value === undefined ? null : Number(value)
  }
  const usedPercent = numberOf("used-percent")
  return usedPercent === null
    ? null
    : {
      usedPercent: Math.round(usedPercent),
      windowDurationMins: numberOf("window-minutes"),
      resetsAt: numberOf("reset-at")
    }
}

export const tellRateLimits = (connection: Connection, headers: Readonly<Record<string, string>> = {}): void =>
  connection.notify("account/rateLimits/updated", {
    rateLimits: {
      limitId: "codex",
      limitName: null,
      normalModelSlug: null,
      primary: windowOf(headers, "primary"),
      secondary: windowOf(headers, "secondary"),
      credits: null,
      individualLimit: null,
      spendControlReached: null,
      planType: null,
      rateLimitReachedType: null
    }
  })

export const fillContext = ({ connection, thread, turn }: Told): void => {
  const full = { ...noTokens, totalTokens: contextWindow }
  thread.stored.usage = full
  thread.stored.lastUsage = full
  tellUsage(connection, thread, turn.stored.id)
}
