/** Whether a newer codex, or one with other models, needs changes of tests. */
import { assert, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { literals } from "../literals.ts"

const root = Path.resolve(import.meta.dirname, "../..")

it("no test names a version of codex or a model that codex knows", () => {
  const files = Fs.globSync(["packages/*/test/**/*.ts", "scratchpad/test/**/*.ts"], { cwd: root })
  assert.isAbove(files.length, 100)
  // What the examples of the documentation print is what the documentation says.
  const tested = files.filter((file) => !file.endsWith("test/support/expectations.ts"))
  const found = tested.flatMap((file) =>
    literals(Fs.readFileSync(Path.join(root, file), "utf8")).map(({ line, text }) => `${file}:${line}: ${text}`)
  )
  // `codexVersion` is the version under test, `isAtLeast` says since when codex does something, and a model is
  // `another-model` or one of test-support/models.
  assert.deepStrictEqual(found, [])
})

it("a version and a model are found in code, and left alone in comments and where the history of codex is told", () => {
  const texts = (...lines: ReadonlyArray<string>) => literals(lines.join("\n")).map(({ text }) => text)
  assert.deepStrictEqual(
    literals("a\n  agent: \"x/0.171.0 (Linux)\",\n  model: \"gpt-5.4\" // Fast."),
    [{ line: 2, text: "0.171.0" }, { line: 3, text: "gpt-5.4" }]
  )
  assert.deepStrictEqual(texts(`if (codexVersion >= "0.169") return`, "`${name}=gpt-6.2-sol`"), [
    "0.169",
    "gpt-6.2-sol"
  ])
  assert.deepStrictEqual(
    texts(
      "// 0.171.0 answers so.",
      "/** Since 0.171.0. */",
      " * With gpt-5.4.",
      "call() // Not before 0.169.0.",
      `if (isAtLeast("0.171.0")) return`,
      `it("has a position before 0.171", run)`,
      `const time = "2026-11-22t23:28:00.125+01:00"`,
      `const version = "0.1000.0"`,
      `const size = 0.125`
    ),
    []
  )
})
