/**
 * Sessions on the real codex, whose frames are changed by fixed seeds: whatever a newer codex does, each call ends, in time and
 * with a result or a typed error; and where no meaning was touched with the right one. A rejection that nobody handles fails
 * the run.
 */
import { Mutation } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Session from "../support/mutatedSession.ts"

interface Row {
  readonly kinds: ReadonlyArray<Mutation.Kind>
  readonly rate: number
  readonly seeds: ReadonlyArray<number>
  readonly methods?: ReadonlyArray<string>
  /** Whether each call has to give what it gives without mutations. */
  readonly isRight: boolean
}

const harmless: Row = { kinds: Mutation.harmless, rate: 0.4, seeds: [1, 2, 3, 4, 5, 6], isRight: true }

/** All at once, where turns and goals live: what is done to a handshake leaves nothing to look at. */
const mixed: Row = {
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
  const row = { kinds: [kind], rate: 0.05 }
  return [{ ...row, seeds: ends, isRight: false }, { ...row, seeds: right, isRight: true }]
})

/** An approval alone, in a key that its handler can do without: the parsed actions, the time, what is proposed. */
const spared: Row = {
  kinds: ["retypeKey"],
  rate: 1,
  seeds: [1, 3, 4, 5],
  methods: ["item/commandExecution/requestApproval"],
  isRight: true
}

/** In one that identifies it. */
const needed: Row = { ...spared, seeds: [2, 6], isRight: false }

const test = (
  how: string,
  run: (options: Session.Options) => Effect.Effect<Session.Session, unknown>,
  { isRight, kinds, methods, rate, seeds }: Row
) => {
  const what = kinds === Mutation.harmless || kinds === Mutation.harmful ? "" : ` of ${kinds.join()}`
  for (const seed of seeds) {
    it.live(`${how}, seed ${seed}${what}`, () =>
      Effect.gen(function*() {
        const { made, outcomes } = yield* run({
          seed,
          kinds,
          methods,
          rate,
          patience: isRight ? "15 seconds" : "3 seconds"
        })
        const wrong = isRight ? Session.notRight(outcomes) : Session.faults(outcomes)
        assert.isAbove(made.length, 0)
        assert.deepStrictEqual(wrong, [], ["", ...made.map(Mutation.show), ""].join("\n"))
      }), 120_000)
  }
}

describe.concurrent("where no meaning was touched every call gives the right answer", () => {
  test("on the transport", Session.onTransport, harmless)
  test("in front of codex", Session.onExecutable, { ...harmless, seeds: [7, 8, 9] })
})

describe.concurrent("where something is late, lost or of another shape every call ends, with a result or a typed error", () => {
  for (const row of each.filter(({ isRight }) => !isRight)) test("on the transport", Session.onTransport, row)
  test("on the transport", Session.onTransport, mixed)
  test("on the transport, in an approval alone", Session.onTransport, needed)
  test("in front of codex", Session.onExecutable, { ...mixed, seeds: [4, 8, 9] })
})

describe.concurrent("where that is not needed every call gives the right answer", () => {
  for (const row of each.filter(({ isRight }) => isRight)) test("on the transport", Session.onTransport, row)
  test("on the transport, in an approval alone", Session.onTransport, spared)
})
