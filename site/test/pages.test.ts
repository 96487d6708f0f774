import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { root } from "../src/packages.ts"
import { pageOf, sectionsOf, stagePages } from "../src/pages.ts"

const folders: Array<string> = []
afterEach(() => folders.splice(0).forEach((folder) => Fs.rmSync(folder, { recursive: true, force: true })))

const repository = (files: Readonly<Record<string, string>>): string => {
  const outer = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-site-"))
  folders.push(outer)
  const folder = Path.join(outer, "repository")
  for (const [file, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.join(folder, Path.dirname(file)), { recursive: true })
    Fs.writeFileSync(Path.join(folder, file), text)
  }
  return folder
}

const stage = (files: Readonly<Record<string, string>>, ...pages: ReadonlyArray<string>) =>
  Object.fromEntries(
    stagePages(repository(files), pages, new Set(["client"])).map(({ page, text }) => [page, text])
  )

describe("a page", () => {
  it("leads to pages of the site where it led to files", () => {
    const pages = stage(
      {
        "docs/a.md": "[b](b.md#x) [`c`](../packages/client) [d](../x/d.ts) [e](https://e) [f](#f) ![g](g.svg)",
        "docs/b.md": "# B",
        "packages/client/README.md": "# Client\n\n[a](../../docs/a.md)",
        "x/d.ts": "const d = `\n```\n`"
      },
      "docs/a.md"
    )
    expect(pages["a.md"]).toBe(
      "[b](b.md#x) [`c`](api/client/index.md) [d](files/x/d.ts.md) [e](https://e) [f](#f) ![g](g.svg)"
    )
    expect(pages["b.md"]).toBe("# B")
    expect(pages["api/client/index.md"]).toContain("[a](../../a.md)")
    // A fence that the text does not end.
    expect(pages["files/x/d.ts.md"]).toContain("````ts\nconst d = `\n```\n`\n````")
  })

  it("shows a folder as the list of its files", () => {
    const pages = stage({ "docs/a.md": "[x](../x)", "x/d.ts": "1", "x/e.md": "# E" }, "docs/a.md")
    expect(pages["a.md"]).toBe("[x](files/x/index.md)")
    expect(pages["files/x/index.md"]).toContain("- [`d.ts`](d.ts.md)\n- [`e.md`](e.md)")
  })

  it("keeps links that are code", () => {
    const text = "`[x](x.md)`\n\n```md\n[x](x.md)\n```\n"
    expect(stage({ "docs/a.md": text }, "docs/a.md")["a.md"]).toBe(text)
  })

  it("is refused when a link leads to no file", () => {
    expect(() => stage({ "docs/a.md": "[x](x.md), [y](../../y.md)", "../y.md": "Outside" }, "docs/a.md")).toThrow(
      "docs/a.md: x.md leads to no file\ndocs/a.md: ../../y.md leads to no file"
    )
  })
})

it("the order of the pages has each page once", () => {
  const listed = sectionsOf(Fs.readFileSync(Path.join(root, "docs/README.md"), "utf8")).flatMap(({ pages }) =>
    pages.map(({ page }) => page)
  )
  const pages = Fs.globSync("docs/*.md", { cwd: root }).filter((file) => file !== "docs/README.md").map((file) =>
    pageOf(file, new Set())
  )
  expect(listed.toSorted()).toEqual([...pages, "contributing.md"].toSorted())
})
