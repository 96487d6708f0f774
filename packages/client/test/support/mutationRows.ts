/** What is done to the frames of sessions on the real codex, by fixed seeds. */
import { Mutation } from "@effect-codex/testing"
import type { Duration } from "effect"
import * as Session from "./mutatedSession.ts"

export interface Row {
  /** Where the mutator is: in the client's transport, or a process in front of codex. */
  readonly where: "on the transport" | "in front of codex"
  readonly kinds: ReadonlyArray<Mutation.Kind>
  /** The share of the frames that are changed. */
  readonly rate: number
  readonly seeds: ReadonlyArray<number>
  /** The methods whose frames may be changed. Default: all. */
  readonly methods?: ReadonlyArray<string>
  /** Whether each call has to give what it gives without mutations. Otherwise it may also fail with a typed error. */
  readonly isRight: boolean
}

const where = "on the transport"

const harmless: Row = { where, kinds: Mutation.harmless, rate: 0.4, seeds: [1, 2, 3, 4, 5, 6], isRight: true }

/** All at once, where turns and goals live: what is done to a handshake leaves nothing to look at. */
const mixed: Row = {
  where,
  kinds: Mutation.harmful,
  rate: 0.3,
  seeds: [1, 2, 3, 5],
  methods: [
    "item/commandExecution/requestApproval",
    "item/completed",
    "item/started",
    "item/tool/call",
    "serverRequest/resolved",
    "thread/goal/updated",
    "thread/read",
    "thread/status/changed",
    "thread/turns/list",
    "turn/completed",
    "turn/interrupt",
    "turn/start",
    "turn/started",
    "turn/steer"
  ],
  isRight: false
}

/**
 * Each kind alone, so that one that fails is known by its name: the seeds after which every call ends, and those after which
 * it gives the right answer.
 */
const alone: Readonly<Record<string, { readonly ends: ReadonlyArray<number>; readonly right: ReadonlyArray<number> }>> =
  {
    unknownMethod: { ends: [], right: [1, 11] },
    enumValue: { ends: [12], right: [2] },
    dropKey: { ends: [], right: [3, 13] },
    nullKey: { ends: [4], right: [14] },
    retypeKey: { ends: [], right: [5, 15] },
    late: { ends: [], right: [6, 16] },
    lateDuplicate: { ends: [], right: [7, 17] },
    reorder: { ends: [], right: [8, 18] }
  }

const each = Mutation.harmful.flatMap((kind): ReadonlyArray<Row> => {
  const { ends = [], right = [] } = alone[kind] ?? {}
  const row = { where, kinds: [kind], rate: 0.05 } as const
  return [{ ...row, seeds: ends, isRight: false }, { ...row, seeds: right, isRight: true }].filter(
    ({ seeds }) => seeds.length > 0
  )
})

/** An approval alone, in a key that its handler can do without: the parsed actions, the time, what is proposed. */
const spared: Row = {
  where,
  kinds: ["retypeKey"],
  rate: 1,
  seeds: [1, 3, 4, 5],
  methods: ["item/commandExecution/requestApproval"],
  isRight: true
}

/** In one that identifies it. */
const needed: Row = { ...spared, seeds: [2, 6], isRight: false }

/** Where no meaning is touched. */
export const untouched: ReadonlyArray<Row> = [
  harmless,
  { ...harmless, where: "in front of codex", seeds: [7, 8, 9] }
]

/** Where something is late, lost or of another shape. */
export const touched: ReadonlyArray<Row> = [
  mixed,
  { ...mixed, where: "in front of codex", seeds: [4, 8, 9] },
  ...each.filter(({ isRight }) => !isRight),
  needed
]

/** Where something is, and no call needs it. */
export const unneeded: ReadonlyArray<Row> = [...each.filter(({ isRight }) => isRight), spared]

export const all: ReadonlyArray<Row> = [...untouched, ...unneeded, ...touched]

/** The kinds of a row in words. */
export const nameOf = ({ kinds, methods }: Row): string => {
  const names = kinds === Mutation.harmless
    ? "all that are harmless"
    : kinds === Mutation.harmful
    ? "all others"
    : kinds.join()
  return methods?.length === 1 ? `${names} in an approval` : names
}

const patience = ({ isRight }: Row): Duration.Input => isRight ? "15 seconds" : "3 seconds"

export const run = (row: Row, seed: number) => {
  const { kinds, methods, rate } = row
  const options = { seed, kinds, rate, methods, patience: patience(row) }
  return row.where === where ? Session.onTransport(options) : Session.onExecutable(options)
}
