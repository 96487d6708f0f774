/** The table of `docs/compatibility.md`, as `npm run compat -- --write` and upgrades write it. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { withResults } from "../compatTable.ts"

const page = `# Compatibility

| Since | Methods |
| ----- | ------- |
| 0.9   | one     |

|        | 0.169.0 | 0.99.1 |
| ------ | ------- | ------ |
| client | 485/485 | 1/2    |
| node   | 95/95   | -      |

Below.`

const tableOf = (text: string) => text.split("\n").filter((line) => /^\| (?:-|client|node|cli|) \|/.test(line))

describe("the results of tests", () => {
  it("replace the cells that they are about, unless only a part ran, and leave the others and the rest of the page", () => {
    const written = withResults(page, [
      { version: "0.169.0", passed: { client: "2/3", node: "102/102" }, partial: ["client"] }
    ])
    assert.deepStrictEqual(tableOf(written), [
      "|  | 0.169.0 | 0.99.1 |",
      "| - | - | - |",
      "| client | 485/485 | 1/2 |",
      "| node | 102/102 | - |"
    ])
    assert.isTrue(written.startsWith(page.slice(0, page.indexOf("|        |"))))
    assert.isTrue(written.endsWith("\n\nBelow."))
  })

  it("of new versions and groups get columns, the newest first, and rows", () => {
    const written = withResults(page, [
      { version: "0.168.0", passed: { client: "3/3" }, partial: [] },
      { version: "0.171.0", passed: { client: "4/4", cli: "5/6" }, partial: [] }
    ])
    assert.deepStrictEqual(tableOf(written), [
      "|  | 0.171.0 | 0.169.0 | 0.168.0 | 0.99.1 |",
      "| - | - | - | - | - |",
      "| client | 4/4 | 485/485 | 3/3 | 1/2 |",
      "| node | - | 95/95 | - | - |",
      "| cli | 5/6 | - | - | - |"
    ])
    assert.strictEqual(withResults(written, []), written)
  })

  it("have a place in the page", () => {
    const file = Path.join(import.meta.dirname, "../../docs/compatibility.md")
    const written = withResults(Fs.readFileSync(file, "utf8"), [
      { version: "0.162.1", passed: { "a group": "7/8" }, partial: [] }
    ])
    assert.match(written, /^\| a group \|(?: - \|)+ 7\/8 \|$/m)
    assert.throws(() => withResults("No table.", []), /docs\/compatibility\.md has no table/)
  })
})
