/**
 * Which package the compiler names in the declarations of a program. `npm run check:packages` compiles programs that pnpm, npm
 * and yarn have installed.
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const packages = join(import.meta.dirname, "..", "..")

describe("the types of the protocol", () => {
  // The compiler finds the name of a type by a module that exports it, if the program has loaded that module.
  it.each(["client", "promise"])(
    "are those of %s in its public modules, for programs that have no other package",
    (name) => {
      const sources = join(packages, name, "src")
      const reExports = ["Received.ts", "Sent.ts"]
      for (const file of reExports) {
        assert.match(readFileSync(join(sources, file), "utf8"), /^export type \* from "@effect-codex\/\w+\/\w+"$/m)
      }
      const direct = globSync("*.ts", { cwd: sources }).filter((file) =>
        !reExports.includes(file) &&
        /^import type .* from "@effect-codex\/protocol\/(Received|Sent)"/m.test(
          readFileSync(join(sources, file), "utf8")
        )
      )
      assert.deepStrictEqual(direct, [])
    }
  )
})
