/** The page and the picture of the architecture know every package and every layer. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>) => readFileSync(join(root, ...path), "utf8")
const foldersIn = (...path: ReadonlyArray<string>) =>
  readdirSync(join(root, ...path), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) =>
    name
  )

const isPublic = (name: string) => JSON.parse(read("packages", name, "package.json")).private !== true

describe("the architecture", () => {
  const page = read("docs", "architecture.md")
  const boxes = new Set(
    [...read("docs", "architecture.svg").matchAll(/<text class="[bh]"[^>]*>([^<]*)</g)].map(([, name]) => name)
  )
  const packages = foldersIn("packages").filter(isPublic)
  const layers = foldersIn("packages", "client", "src", "internal")

  it.each(packages)("has the package %s on the page and in the picture", (name) => {
    assert.include(page, `- \`${name}\`: `)
    assert.isTrue(boxes.has(name))
  })

  it.each(layers)("has the layer %s on the page and in the picture", (name) => {
    assert.match(page, new RegExp(`^(?:\\| )?\`${name}\``, "m"))
    assert.isTrue(boxes.has(name))
  })

  it("has no other boxes", () => {
    assert.sameMembers([...boxes].filter((name) => name !== "Packages" && name !== "public modules"), [
      ...new Set([...packages, ...layers])
    ])
  })
})
