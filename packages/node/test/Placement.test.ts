import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Placement from "../src/internal/pool/placement.ts"

const Candidate = Schema.Struct({
  state: Schema.Literals(["up", "restoring", "ended"]),
  isDraining: Schema.Boolean,
  load: Schema.Struct({ active: Schema.Literals([0, 1, 2]), loaded: Schema.Literals([0, 1, 2]) })
})

const numbered = <A>(all: readonly [A, ...ReadonlyArray<A>]) => {
  const [first, ...others] = all
  return [{ ...first, index: 0 }, ...others.map((one, i) => ({ ...one, index: i + 1 }))] as const
}

describe("the process that gets a thread", () => {
  it.prop("is the one that has the least to do, of those that can", [Schema.NonEmptyArray(Candidate)], ([all]) => {
    const slots = numbered(all)
    const chosen = Placement.leastBusy(slots)
    const able = (state: string, isDraining?: boolean) =>
      slots.filter((slot) => slot.state === state && slot.isDraining === (isDraining ?? slot.isDraining))
    const group = [able("up", false), able("up", true), able("restoring"), able("ended")].find(({ length }) =>
      length > 0
    )!
    assert.include(group, chosen)
    for (const { index, load: { active, loaded } } of group) {
      assert.isAtMost(chosen.load.active, active)
      if (active === chosen.load.active) assert.isAtMost(chosen.load.loaded, loaded)
      if (active === chosen.load.active && loaded === chosen.load.loaded) assert.isAtMost(chosen.index, index)
    }
  })
})
