/** The pages that name tests name tests that are there, and comments that name a fact of codex name one that is on its page. */
import * as Contract from "@effect-codex/testing/Contract"
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

const named = /((?:\.\.\/)?\w+\/test\/[\w./]+): ("[^"]+"(?:; "[^"]+")*)/g

const read = (page: string) => readFileSync(join(root, "docs", `${page}.md`), "utf8")

const contract: ReadonlySet<string> = new Set(
  [...Contract.cases, ...Contract.handshakeCases, ...Contract.loginCases].map(({ name }) => name)
)

const assertThere = (file: string, name: string) => {
  const text = readFileSync(join(root, "packages", `${file}.test.ts`), "utf8")
  // The tests of the contract have the names of its cases.
  if (!file.endsWith("/Contract") || !contract.has(name)) assert.include(text, name)
}

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
      const [title, answer, tests, ...more] = problem.split("\n\n")
      return title === "" || !/^[A-Z`"][^]*\.$/i.test(answer ?? "") || tests === undefined || more.length > 0 ||
        tests.split("\n").some((test) => !line.test(test))
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

describe("docs/codex-behaviour.md", () => {
  const text = read("codex-behaviour")
  const facts = text.split(/^### /m).slice(1).map((fact) => fact.replace(/^## .*/ms, "").trim())
  const headings = facts.map((fact) => fact.split("\n")[0]!)

  it("says of each fact what the code does about it, and names tests below, or says that there are none", () => {
    assert.isAtLeast(facts.length, 190)
    const line = new RegExp(`^- (?:${named.source}|no test(?: of [^:]+)?(?:: .+)?)$`)
    const wrong = facts.filter((fact) => {
      const [heading, ...paragraphs] = fact.split("\n\n")
      const tests = paragraphs.pop()?.split("\n") ?? []
      return /[.:]$/.test(heading!) || !paragraphs.at(-1)?.includes("`") || tests.length === 0 ||
        tests.some((test) => !line.test(test))
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("has each fact once, under a heading that can be quoted", () => {
    assert.lengthOf(headings, new Set(headings).size)
    assert.deepStrictEqual(headings.filter((heading) => heading.includes("\"")), [])
  })

  it.each(testsOf(text))("names a test of %s: %s", assertThere)

  it("has the facts that comments quote", () => {
    const quoted = globSync("packages/*/{src,test}/**/*.ts", { cwd: root }).flatMap((file) => {
      const comments = readFileSync(join(root, file), "utf8").replaceAll(/\n\s*(?:\*|\/\/) ?/g, " ")
      return [...comments.matchAll(/docs\/codex-behaviour\.md,\s+"([^"]+)"/g)].map(([, heading]) =>
        `${file}: ${heading}`
      )
    })
    assert.deepStrictEqual(quoted.filter((one) => !headings.some((heading) => one.endsWith(`: ${heading}`))), [])
  })
})
