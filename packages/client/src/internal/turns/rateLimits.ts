/**
 * The account's rate limits as far as known: the last full read, merged with the server's updates since.
 * docs/codex-behaviour.md, "Rate limits are told in part with each answer of the model".
 */
import * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import { guardOf } from "../protocol/guard.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"

type Limits = Received.GetAccountRateLimitsResponse
type Limit = Received.RateLimitSnapshot
type Window = Received.RateLimitWindow

export type Windows = Pick<Limit, "primary" | "secondary">

export interface RateLimits {
  readonly current: () => Limits | undefined
  /** Takes in a full read, which replaces everything known. */
  readonly read: (limits: Limits) => void
  /** Returns the notification completed with everything known of its limit. */
  readonly merged: (update: Raw) => Raw
  /** The known limits, if any, then each change. A slow reader gets only the latest. */
  readonly changes: Stream.Stream<Limits, ConnectionError>
}

// Far beyond the limits of an account. Bounds memory against a misbehaving server.
const maxLimits = 256

const merge = <A extends object>(known: A, update: A): A => {
  const merged: A = { ...known }
  for (const key in update) {
    if ((update[key] ?? null) !== null) merged[key] = update[key]
  }
  return merged
}

const mergeWindows = (known: Window | null, update: Window | null): Window | null => {
  if (known === null || update === null) return update ?? known
  const length = update.windowDurationMins ?? known.windowDurationMins
  // The end of a different window says nothing about this one.
  return length === known.windowDurationMins ? merge(known, update) : update
}

const mergeLimit = (known: Limit, update: Limit): Limit => ({
  ...merge(known, update),
  primary: mergeWindows(known.primary, update.primary),
  secondary: mergeWindows(known.secondary, update.secondary)
})

const saysNothing = (limit: Limit): boolean =>
  Object.entries(limit).every(([key, value]) => key === "limitId" || (value ?? null) === null)

const firstOf = (limit: Limit): Limits => ({
  ordinaryUsageAllowed: null,
  rateLimits: limit,
  rateLimitsByLimitId: null,
  rateLimitResetCredits: null,
  accountId: null,
  rateLimitUpsell: null
})

/** The limits after the update, and the limit that was updated. */
export const update = (known: Limits | undefined, update: Limit): readonly [Limits, Limit] => {
  const { rateLimits, rateLimitsByLimitId } = known ?? firstOf(update)
  const byId = rateLimitsByLimitId ?? {}
  const id = update.limitId ?? rateLimits.limitId
  const isDefault = id === rateLimits.limitId
  const ofId = id !== null && Object.hasOwn(byId, id) ? byId[id] : undefined
  const before = ofId ?? (isDefault ? rateLimits : undefined)
  const limit = before === undefined ? update : mergeLimit(before, update)
  const isKept = id !== null && (ofId !== undefined || Object.keys(byId).length < maxLimits)
  return [{
    ...known ?? firstOf(update),
    rateLimits: isDefault ? limit : rateLimits,
    rateLimitsByLimitId: isKept ? { ...byId, [id]: limit } : rateLimitsByLimitId
  }, limit]
}

/** Follows the server's notifications until the scope closes. */
export const follow = Effect.fnUntraced(function*(
  rpc: Rpc
): Effect.fn.Return<RateLimits, never, Scope.Scope> {
  const isUpdate = guardOf(Received.AccountRateLimitsUpdatedNotification)
  let current: Limits | undefined
  let end: ConnectionError | undefined
  let authMode: unknown
  let lastUpdate: Raw | undefined
  let lastMerged: Raw | undefined
  const readers = new Set<() => void>()

  const wake = () => {
    for (const reader of readers) reader()
  }

  // Several readers ask for each notification; it is merged once.
  const merged = (raw: Raw): Raw => {
    if (raw === lastUpdate && lastMerged !== undefined) return lastMerged
    const { params } = raw
    if (!isUpdate(params) || (current === undefined && saysNothing(params.rateLimits))) return raw
    const [limits, rateLimits] = update(current, params.rateLimits)
    if (!Equal.equals(limits, current)) current = limits
    lastUpdate = raw
    return lastMerged = { _tag: raw._tag, params: { ...params, rateLimits } }
  }

  const forget = () => {
    current = undefined
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      end ??= scopeEnded("layer")
      wake()
    })
  )
  yield* internalsOf(rpc).observe(undefined, {
    onNotification: (raw) => {
      switch (raw._tag) {
        case "account/rateLimits/updated":
          return void merged(raw)
        case "account/updated": {
          const mode = Predicate.hasProperty(raw.params, "authMode") ? raw.params.authMode : undefined
          if (mode === null || (authMode !== undefined && authMode !== mode)) forget()
          authMode = mode
          return
        }
        case "account/login/completed":
          // A person has logged in. A login that a program repeats, also after a restart, has no id and belongs
          // to the same account.
          if (Predicate.hasProperty(raw.params, "loginId") && raw.params.loginId !== null) forget()
      }
    },
    onReadEnd: wake,
    onEnd: (cause) => {
      end ??= cause
      wake()
    }
  })

  const changes = Stream.unwrap(Effect.sync(() => {
    let seen: Limits | undefined
    const read = (): Effect.Effect<readonly [Limits], ConnectionError> | undefined => {
      if (current !== undefined && current !== seen) {
        seen = current
        return Effect.succeed([current])
      }
      return end === undefined ? undefined : Effect.fail(end)
    }
    const wait = Effect.callback<readonly [Limits], ConnectionError>((resume) => {
      const reader = () => {
        const next = read()
        if (next === undefined) return
        readers.delete(reader)
        resume(next)
      }
      readers.add(reader)
      return Effect.sync(() => void readers.delete(reader))
    })
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => read() ?? wait)))
  }))

  return {
    current: () => current,
    read: (limits) => {
      current = limits
      wake()
    },
    merged,
    changes
  }
})

/** The windows of the account's default limit, for turns that fail because of it. */
export const windowsOf = (limits: Limits | undefined): Windows =>
  limits?.rateLimits ?? { primary: null, secondary: null }

/** When all exhausted limits have been reset, in milliseconds since the epoch. */
export const resetOf = ({ primary, secondary }: Windows): number | undefined => {
  const resets = [primary, secondary].flatMap((window) =>
    window !== null && window.usedPercent >= 100 && typeof window.resetsAt === "number" ? [window.resetsAt * 1000] : []
  )
  return resets.length === 0 ? undefined : Math.max(...resets)
}
