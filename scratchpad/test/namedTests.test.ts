/** The pages that name tests name tests that are there. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

describe.each([["security", 36], ["known-problems", 90]])("docs/%s.md", (page, rows) => {
  const text = readFileSync(join(root, "docs", `${page}.md`), "utf8")
  const named = [...text.matchAll(/((?:\.\.\/)?\w+\/test\/\w+): ("[^"]+"(?:; "[^"]+")*)/g)].flatMap(([, file, names]) =>
    [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => [file!, name!] as const)
  )

  it("names a test in each line of its tables", () => {
    const lines = text.split("\n").filter((line) =>
      line.startsWith("| ") && !/\| Test +\|$/.test(line) && !line.includes("---")
    )
    assert.isAtLeast(lines.length, rows)
    assert.deepStrictEqual(lines.filter((line) => !line.includes("/test/")), [])
  })

  it.each(named)("names a test of %s: %s", (file, name) => {
    assert.include(readFileSync(join(root, "packages", `${file}.test.ts`), "utf8"), name)
  })
})
