/**
 * Sessions on the real codex, whose frames are changed by fixed seeds: whatever a newer codex does, each call ends, in time and
 * with a result or a typed error; and where no meaning was touched with the right one. A rejection that nobody handles fails
 * the run.
 */
import { Mutation } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Session from "../support/mutatedSession.ts"
import * as Rows from "../support/mutationRows.ts"

it("the outcomes of all sessions are listed in docs/compatibility.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../docs/compatibility.md"), "utf8")
  const listed = page.split("\n").map((line) => line.split("|").slice(1, 5).map((cell) => cell.trim()).join("|"))
  for (const row of Rows.all) {
    assert.include(listed, [Rows.nameOf(row), row.rate, row.where, row.seeds.join(", ")].join("|"))
  }
})

const test = (row: Rows.Row) => {
  for (const seed of row.seeds) {
    it.live(`${row.where}, seed ${seed} of ${Rows.nameOf(row)}`, () =>
      Effect.gen(function*() {
        const { made, outcomes } = yield* Rows.run(row, seed)
        const wrong = row.isRight ? Session.notRight(outcomes) : Session.faults(outcomes)
        assert.isAbove(made.length, 0)
        assert.deepStrictEqual(wrong, [], ["", ...made.map(Mutation.show), ""].join("\n"))
      }), 120_000)
  }
}

describe.concurrent("where no meaning was touched every call gives the right answer", () => {
  Rows.untouched.forEach(test)
})

describe.concurrent("where something is late, lost or of another shape every call ends, with a result or a typed error", () => {
  Rows.touched.forEach(test)
})

describe.concurrent("where that is not needed every call gives the right answer", () => {
  Rows.unneeded.forEach(test)
})
