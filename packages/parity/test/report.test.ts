/** What the docs show is what the last run has measured. Needs no Python. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "vitest"
import { differences } from "../src/differences.ts"
import type { Report } from "../src/report.ts"
import { inPage, section } from "../src/report.ts"
import { scenarios } from "../src/scenarios.ts"
import { pythonOf } from "../src/shapes.ts"

const docs = Path.join(import.meta.dirname, "../../../docs")
const page = Fs.readFileSync(Path.join(docs, "from-python.md"), "utf8")
const report: Report = JSON.parse(Fs.readFileSync(Path.join(docs, "parity.json"), "utf8"))

describe("docs/from-python.md", () => {
  it("shows the scenarios and the differences that are listed", () => {
    assert.strictEqual(inPage(page, section(report, scenarios, differences)), page)
  })

  it("is about the scenarios that there are, and about no other difference", () => {
    assert.deepStrictEqual(report.rows.map(({ scenario }) => scenario), scenarios.map(({ name }) => name))
    const ids = differences.filter((row) => row.scenarios !== undefined).map(({ id }) => id)
    assert.sameMembers([...new Set(report.rows.flatMap(({ listed }) => listed))], ids)
  })

  it("names the exception that each error stands for", () => {
    const rows = page.split("\n").filter((line) => line.startsWith("|"))
    for (const [ours, python] of Object.entries(pythonOf)) {
      const [tag = "", reason] = ours.split(" ")
      const has = (row: string) =>
        row.includes(`\`${python}\``) && row.includes(`\`${tag}\``) && row.includes(reason ?? tag)
      assert.isTrue(rows.some(has), `${ours} for ${python}`)
    }
  })
})

describe("a listed difference", () => {
  it("has an id of its own, and names scenarios that there are", () => {
    const ids = differences.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const names = scenarios.map(({ name }) => name)
    for (const { id, scenarios = [] } of differences) assert.includeMembers(names, [...scenarios], id)
  })
})
