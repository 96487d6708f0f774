/** The result of a turn, and the error of a turn that failed. */
import * as Received from "@effect-codex/protocol/Received"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { TurnFailed } from "../../CodexError.ts"
import type { TurnResult, TurnTiming } from "../../TurnResult.ts"
import { guardOf } from "../protocol/guard.ts"
import { finalResponse, plan } from "../protocol/items.ts"
import type { Members } from "../protocol/peek.ts"
import { redactTurnError } from "../text/keys.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as TurnFailure from "../text/turnFailure.ts"
import * as RateLimits from "./rateLimits.ts"
import type { TurnUsage } from "./usage.ts"

const finite = (u: unknown): Option.Option<number> =>
  typeof u === "number" && Number.isFinite(u) ? Option.some(u) : Option.none()

const seconds = (u: unknown): Option.Option<DateTime.Utc> =>
  Option.flatMap(finite(u), (seconds) => DateTime.make(seconds * 1000))

const contextUsed = (tokens: number, window: unknown): Option.Option<number> =>
  Option.map(Option.filter(finite(window), (window) => window > 0), (window) => Math.min(1, tokens / window))

/** @param turn the turn from its `turn/completed`; empty before that. */
export const resultOf = (turn: Members, known: {
  readonly id: string
  readonly threadId: string
  readonly model: string | undefined
  readonly items: ReadonlyArray<Received.ThreadItem>
  readonly usage: TurnUsage
  readonly timing: Option.Option<TurnTiming>
}): TurnResult => {
  const { id, items, model, threadId, timing, usage } = known
  const { completedAt, durationMs, error, startedAt, status } = turn
  // A stored turn did not pass through a notification, which would have been redacted already.
  redactTurnError(error)
  return {
    id,
    threadId,
    status: typeof status === "string" ? status : "inProgress",
    error: guardOf(Received.TurnError)(error) ? Option.some(error) : Option.none(),
    startedAt: seconds(startedAt),
    completedAt: seconds(completedAt),
    duration: Option.map(finite(durationMs), Duration.millis),
    timing,
    model: Option.fromUndefinedOr(model),
    finalResponse: finalResponse(items),
    plan: plan(items),
    output: undefined,
    items,
    cost: Option.fromUndefinedOr(usage.cost),
    usage: Option.map(Option.fromUndefinedOr(usage.told), (told) => ({
      turn: usage.turn,
      subagents: usage.subagents,
      total: told.total,
      last: told.last,
      modelContextWindow: finite(told.modelContextWindow),
      contextTokens: usage.contextTokens,
      contextUsed: contextUsed(usage.contextTokens, told.modelContextWindow)
    }))
  }
}

// docs/codex-behaviour.md, "A limit that was reached is told in the rate limits or in the text". Times are
// compared on the server's clock. A limit that was reset before the turn's end did not cause the failure.
const resetsAt = (
  failed: Pick<TurnFailed, "info" | "detail">,
  completedAt: Option.Option<DateTime.Utc>,
  limits: () => RateLimits.Windows
): Option.Option<DateTime.Utc> => {
  const reason = TurnFailure.reasonOf(failed)
  if (Option.isNone(completedAt) || (reason !== "usageLimit" && reason !== "rateLimit")) return Option.none()
  const end = DateTime.toEpochMillis(completedAt.value)
  const after = ServerTexts.retryAfter(failed.detail)
  const reset = after === undefined ? RateLimits.resetOf(limits()) : end + after
  return reset === undefined || reset < end ? Option.none() : DateTime.make(reset)
}

/** The error of a turn that was neither completed nor interrupted. An unknown status counts as a failure. */
export const failureOf = (result: TurnResult, limits: () => RateLimits.Windows): TurnFailed => {
  const error = Option.getOrUndefined(result.error)
  const failed = {
    threadId: result.threadId,
    turnId: result.id,
    detail: error?.message ?? (result.status === "failed"
      ? "the server gave no reason."
      : `it ended with the status ${result.status}, which this version of effect-codex does not know.`),
    info: error?.codexErrorInfo ?? null,
    result
  }
  return new TurnFailed({ ...failed, resetsAt: resetsAt(failed, result.completedAt, limits) })
}
