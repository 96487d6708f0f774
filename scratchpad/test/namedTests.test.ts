/** The pages that name tests name tests that are there. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

const named = /((?:\.\.\/)?\w+\/test\/[\w./]+): ("[^"]+"(?:; "[^"]+")*)/g

const read = (page: string) => readFileSync(join(root, "docs", `${page}.md`), "utf8")

const assertThere = (file: string, name: string) =>
  assert.include(readFileSync(join(root, "packages", `${file}.test.ts`), "utf8"), name)

const testsOf = (text: string) =>
  [...text.matchAll(named)].flatMap(([, file, names]) =>
    [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => [file!, name!] as const)
  )

describe("docs/security.md", () => {
  const text = read("security")

  it("names a test in each line of its tables", () => {
    const lines = text.split("\n").filter((line) =>
      line.startsWith("| ") && !/\| Test +\|$/.test(line) && !line.includes("---")
    )
    assert.isAtLeast(lines.length, 36)
    assert.deepStrictEqual(lines.filter((line) => !line.includes("/test/")), [])
  })

  it.each(testsOf(text))("names a test of %s: %s", assertThere)
})

describe("docs/known-problems.md", () => {
  const text = read("known-problems")
  const problems = text.split(/^### /m).slice(1).map((problem) => problem.replace(/^## .*/ms, "").trim())

  it("says of each problem what becomes of it, and names tests below, one a line or more", () => {
    assert.isAtLeast(problems.length, 103)
    const line = new RegExp(`^- ${named.source}(?:; ${named.source})*$`)
    const wrong = problems.filter((problem) => {
      const [title, gap, answer, gap2, ...tests] = problem.split("\n")
      return title === "" || gap !== "" || !/^[A-Z`"].*\.$/i.test(answer ?? "") || gap2 !== "" || tests.length === 0 ||
        tests.some((test) => !line.test(test))
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("has each problem once", () => {
    const titles = problems.map((problem) => problem.split("\n")[0])
    assert.lengthOf(titles, new Set(titles).size)
  })

  it("has no tables, which nobody can read as text", () => assert.notMatch(text, /^\|/m))

  it.each(testsOf(text))("names a test of %s: %s", assertThere)
})
