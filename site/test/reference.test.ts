import * as Path from "node:path"
import { describe, expect, it } from "vitest"
import type { Module, Package } from "../src/packages.ts"
import { reference } from "../src/reference.ts"

const moduleOf = (name: string): Module => ({
  specifier: `fixtures/${name}`,
  name,
  imports: `import * as ${name} from "fixtures/${name}"`,
  file: Path.join(import.meta.dirname, "fixtures", `${name}.ts`),
  page: `api/fixtures/${name}`
})

const packageOf = (...names: ReadonlyArray<string>): Package => ({
  name: "fixtures",
  folder: "fixtures",
  description: "",
  modules: names.map(moduleOf)
})

describe("the reference of a module", () => {
  const pages = reference([packageOf("Shop", "Fruit")])
  const shop = pages.find(({ page }) => page === "api/fixtures/Shop")!.text

  it("has the members of a service, each with its anchor, its type and its words", () => {
    expect(shop).toContain("### Shop {#Shop}")
    expect(shop).toContain("#### sell {#Shop.sell}\n\n```ts\nreadonly sell: (name: string) => Fruit\n```\n\nSells one")
    // It has no words of its own: the type of the service shows it.
    expect(shop).toContain("  readonly close: () => void\n}>()(\"Shop\")")
  })

  it("leads from a link to its symbol, in another module too", () => {
    expect(shop).toContain("It opens with [`open`](Shop.md#open).")
    expect(shop).toContain("Sells one [`Fruit.ripe`](Fruit.md#Fruit.ripe), see [`open`](Shop.md#open).")
    expect(shop).toContain("See also: [`Fruit`](Fruit.md#Fruit) for what it sells")
    expect(shop).toContain(
      "## Exported again {#category-exported-again}\n\n- `fixtures/Fruit`: [`Fruit`](Fruit.md#Fruit)"
    )
  })

  it("leaves examples as they are", () => {
    expect(shop).toContain("```ts\nopen(\"six\")\n// not a link: {@link nowhere}\n```")
  })

  it("shows neither bodies nor comments nor what is internal", () => {
    expect(shop).toContain("function close<A extends ReadonlyArray<string>>(how: A): A[\"length\"]\n```")
    expect(shop).not.toContain("secret, too")
    expect(shop).not.toContain("o'clock")
    expect(shop).not.toContain("hidden")
  })

  it("has categories, and the version of each symbol", () => {
    expect([...shop.matchAll(/^## (\w+)/gm)].map(([, name]) => name)).toEqual([
      "Constructors",
      "Destructors",
      "Services",
      "Exported"
    ])
    expect(shop).toContain("Since 0.2.0")
  })

  it("is refused when a link leads nowhere", () => {
    expect(() => reference([packageOf("Broken")])).toThrow("Broken.ts: {@link nothing} in Broken leads nowhere")
  })
})
