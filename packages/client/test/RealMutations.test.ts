/**
 * Sessions on the real codex, whose frames are changed by fixed seeds: whatever a newer codex does, each call ends, in time and
 * with a result or a typed error; and where no meaning was touched with the right one. A rejection that nobody handles fails
 * the run.
 */
import { Mutation } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Session from "./support/mutatedSession.ts"

interface Row {
  readonly kinds: ReadonlyArray<Mutation.Kind>
  readonly rate: number
  readonly seeds: ReadonlyArray<number>
  /** Whether each call has to give what it gives without mutations. */
  readonly isRight: boolean
}

const harmless: Row = { kinds: Mutation.harmless, rate: 0.4, seeds: [1, 2, 3, 4, 5, 6], isRight: true }

const mixed: Row = { kinds: Mutation.harmful, rate: 0.1, seeds: [1, 2, 3], isRight: false }

/** Each kind alone, so that one that fails is known by its name. */
const each = Mutation.harmful.map((kind, index): Row => ({
  kinds: [kind],
  rate: 0.05,
  seeds: [index + 1, index + 11],
  isRight: false
}))

const test = (
  how: string,
  run: (options: Session.Options) => Effect.Effect<Session.Session, unknown>,
  { isRight, kinds, rate, seeds }: Row
) => {
  const what = kinds === Mutation.harmless || kinds === Mutation.harmful ? "" : ` of ${kinds.join()}`
  for (const seed of seeds) {
    it.live(`${how}, seed ${seed}${what}`, () =>
      Effect.gen(function*() {
        const { made, outcomes } = yield* run({ seed, kinds, rate, patience: isRight ? "15 seconds" : "3 seconds" })
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

describe.concurrent("where something is lost, late or of another shape every call ends, with a result or a typed error", () => {
  for (const row of each) test("on the transport", Session.onTransport, row)
  test("on the transport", Session.onTransport, mixed)
  test("in front of codex", Session.onExecutable, { ...mixed, seeds: [4, 5, 6] })
})
