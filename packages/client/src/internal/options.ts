/**
 * Checks options that an untyped program may get wrong and that nothing else would notice: those that stay in the
 * client, and those that are taken apart before they are sent. The protocol's schemas check the rest.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { isBudget } from "../Budget.ts"
import { InvalidArgument } from "../CodexError.ts"

export interface Kind {
  readonly expected: string
  readonly fits: (u: unknown) => boolean
}

export type Kinds = { readonly [option: string]: Kind }

const isRecord = (u: unknown): boolean => Predicate.isObject(u) && !Array.isArray(u)

const isListOf = (fits: (u: unknown) => boolean) => (u: unknown): boolean => Array.isArray(u) && u.every(fits)

const values = (u: unknown): ReadonlyArray<unknown> => Predicate.isObject(u) ? Object.values(u) : []

export const text: Kind = { expected: "a string", fits: Predicate.isString }
export const filled: Kind = { expected: "a string that is not empty", fits: (u) => Predicate.isString(u) && u !== "" }
export const texts: Kind = { expected: "a list of strings", fits: isListOf(Predicate.isString) }
export const flag: Kind = { expected: "true or false", fits: Predicate.isBoolean }
export const list: Kind = { expected: "a list", fits: Array.isArray }
export const record: Kind = { expected: "an object", fits: isRecord }
export const callback: Kind = { expected: "a function", fits: Predicate.isFunction }
export const count: Kind = { expected: "a whole number above 0", fits: (u) => Number.isSafeInteger(u) && Number(u) > 0 }
export const countOrNone: Kind = {
  expected: "a whole number, 0 or more",
  fits: (u) => Number.isSafeInteger(u) && Number(u) >= 0
}
export const time: Kind = {
  expected: "a duration, such as \"5 minutes\" or milliseconds",
  fits: (u) => Option.isSome(Duration.fromInput(u as Duration.Input))
}
export const environment: Kind = {
  expected: "an object of strings, which may be Redacted",
  fits: (u) =>
    isRecord(u) &&
    values(u).every((value) => value === undefined || Predicate.isString(value) || Redacted.isRedacted(value))
}
export const strings: Kind = {
  expected: "an object of strings",
  fits: (u) => isRecord(u) && values(u).every((value) => value === undefined || Predicate.isString(value))
}
export const overrides: Kind = {
  expected: "an object, or a list of strings and objects",
  fits: (u) => isRecord(u) || isListOf((entry) => Predicate.isString(entry) || isRecord(entry))(u)
}
export const flags: Kind = {
  expected: "an object of true and false",
  fits: (u) => isRecord(u) && values(u).every(Predicate.isBoolean)
}
export const functions: Kind = {
  expected: "an object of functions",
  fits: (u) => isRecord(u) && values(u).every((value) => value === undefined || Predicate.isFunction(value))
}
export const handlers: Kind = {
  expected: "an object of handlers, each a function",
  fits: (u) => {
    if (!Predicate.isObject(u) || !isRecord(u)) return false
    const { raw, ...others } = u as { readonly raw?: unknown }
    return functions.fits(others) && (raw === undefined || functions.fits(raw))
  }
}
export const tools: Kind = {
  expected: "the result of DynamicTools.make",
  fits: (u) => Predicate.hasProperty(u, "specs") && Array.isArray(u.specs) && Predicate.hasProperty(u, "handler")
}
export const budget: Kind = { expected: "the result of Budget.make", fits: isBudget }
export const oneOf = (...all: ReadonlyArray<string>): Kind => ({
  expected: all.map((one) => JSON.stringify(one)).join(" or "),
  fits: (u) => all.some((one) => one === u)
})
export const either = (one: Kind, other: Kind): Kind => ({
  expected: `${one.expected}, or ${other.expected}`,
  fits: (u) => one.fits(u) || other.fits(u)
})

const invalid = (argument: string, expected: string) =>
  new InvalidArgument({ argument, detail: `expected ${expected}.` })

/** The problem of the first option that does not fit. An undefined option counts as left out. */
export const problemOf = (options: unknown, kinds: Kinds): InvalidArgument | undefined => {
  if (options === undefined || options === null) return undefined
  if (!isRecord(options)) return invalid("options", record.expected)
  for (const [name, kind] of Object.entries(kinds)) {
    const value: unknown = Reflect.get(options as object, name)
    if (value !== undefined && !kind.fits(value)) return invalid(name, kind.expected)
  }
  return undefined
}

export const check = (options: unknown, kinds: Kinds): Effect.Effect<void, InvalidArgument> =>
  Effect.suspend(() => problemOf(options, kinds) ?? Effect.void)

/** Checks a required argument. */
export const checkArgument = (argument: string, value: unknown, kind: Kind): Effect.Effect<void, InvalidArgument> =>
  Effect.suspend(() => kind.fits(value) ? Effect.void : invalid(argument, kind.expected))

// =============================================================================
// The options of the calls
// =============================================================================

const ofThreadOrTurn = { budget, handlers, stallTimeout: time }

export const ofThread: Kinds = {
  ...ofThreadOrTurn,
  baseInstructions: text,
  config: record,
  developerInstructions: text,
  runtimeWorkspaceRoots: texts,
  tools
}

export const ofTurn: Kinds = {
  ...ofThreadOrTurn,
  maxUnreadBytes: countOrNone,
  mode: oneOf("plan", "default"),
  outputSchema: record,
  messageId: filled,
  metadata: strings,
  repair: countOrNone,
  whenBusy: oneOf("fail", "queue", "steer")
}

export const ofImplementation: Kinds = { ...ofTurn, fresh: either(flag, record), mode: oneOf("default") }

export const ofReview: Kinds = { whenBusy: oneOf("fail", "queue") }

export const ofAsk: Kinds = { disableMcp: flag, effort: text, metadata: strings }

export const ofSteer: Kinds = { messageId: filled, metadata: strings }

export const ofQueued: Kinds = { messageId: filled, metadata: strings, stallTimeout: time }

export const ofGoal: Kinds = { budget, maxUnreadBytes: countOrNone, stallTimeout: time, tokenBudget: count }

export const ofClient: Kinds = {
  budget,
  checkLogin: flag,
  maxLoadedThreads: count,
  stallTimeout: time,
  stopGrace: time
}

export const ofProcess: Kinds = {
  args: texts,
  configOverrides: overrides,
  credentialsStore: oneOf("ephemeral", "file", "keyring", "auto"),
  cwd: text,
  env: environment,
  executable: text,
  shutdownGrace: time,
  stderrLines: countOrNone
}

export const ofConnection: Kinds = {
  capabilities: record,
  clientInfo: record,
  experimentalApi: flag,
  initializeTimeout: time,
  maxInFlight: count,
  requestTimeout: time,
  handlerTimeout: time,
  restart: { expected: "a Schedule", fits: Schedule.isSchedule }
}

export const none: Kinds = {}
