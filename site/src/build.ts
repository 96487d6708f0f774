/**
 * Builds the documentation as a site in `site/dist/html`, and checks it. `--base /path/` is where it will be served.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { build } from "vitepress"
import { problemsOf } from "./output.ts"
import { type Package, publishedPackages, root } from "./packages.ts"
import { stagePages } from "./pages.ts"
import { type Page, reference } from "./reference.ts"
import { searchProblems } from "./search.ts"

const site = Path.join(root, "site")
const staged = Path.join(site, "dist/pages")
const output = Path.join(site, "dist/html")

const write = (page: string, text: string): void => {
  const file = Path.join(staged, page)
  Fs.mkdirSync(Path.dirname(file), { recursive: true })
  Fs.writeFileSync(file, text)
}

const moduleList = ({ folder, modules }: Package, pages: ReadonlyMap<string, Page>): string =>
  [...modules].sort((a, b) => a.name < b.name ? -1 : 1).map(({ name, page }) => {
    const link = Path.posix.relative(`api/${folder}`, `${page}.md`)
    return `- [\`${name}\`](${link})${summaryOf(pages.get(page)!)}`
  }).join("\n")

/** A summary links from the page of its module; in a list it is text only. */
const summaryOf = ({ summary }: Page): string => {
  const text = summary.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
  return text === "" ? "" : `: ${text}`
}

const packageList = (packages: ReadonlyArray<Package>): string =>
  packages.map(({ description, folder, modules, name }) =>
    `## [${name}](${folder}/index.md)\n\n${description}\n\n${
      [...modules].sort((a, b) => a.name < b.name ? -1 : 1).map(({ name, page }) =>
        `[\`${name}\`](${page.slice("api/".length)}.md)`
      ).join(" · ")
    }`
  ).join("\n\n")

/** Returns the pages that the site must have. */
const stage = (): ReadonlyArray<string> => {
  Fs.rmSync(Path.join(site, "dist"), { recursive: true, force: true })
  const packages = publishedPackages()
  const pages = new Map(reference(packages).map((page) => [page.page, page]))
  for (const { page, text } of pages.values()) write(`${page}.md`, text)

  const files = [
    ...Fs.globSync("docs/*.md", { cwd: root }),
    ...packages.map(({ folder }) => `packages/${folder}/README.md`),
    "CONTRIBUTING.md",
    "scratchpad/README.md"
  ].sort()
  const texts = new Map(
    stagePages(root, files, new Set(packages.map(({ folder }) => folder))).map(({ page, text }) => [page, text])
  )
  for (const one of packages) {
    const page = `api/${one.folder}/index.md`
    texts.set(page, `${texts.get(page)}\n## Modules\n\n${moduleList(one, pages)}\n`)
  }
  texts.set("index.md", Fs.readFileSync(Path.join(site, "home.md"), "utf8"))
  texts.set("api/index.md", `# Reference\n\nThe packages and their modules.\n\n${packageList(packages)}\n`)
  for (const [page, text] of texts) write(page, text)
  for (const picture of Fs.globSync("docs/**/*.{svg,png,jpg}", { cwd: root })) {
    const target = Path.join(staged, Path.relative("docs", picture))
    Fs.mkdirSync(Path.dirname(target), { recursive: true })
    Fs.copyFileSync(Path.join(root, picture), target)
  }
  return [...texts.keys(), ...[...pages.keys()].map((page) => `${page}.md`)].map((page) =>
    page.replace(/\.md$/, ".html")
  )
}

const { values: { base } } = parseArgs({ options: { base: { type: "string", default: "/" } } })
if (!/^\/(?:.*\/)?$/.test(base)) throw new Error(`--base ${base}: start and end it with a slash`)
process.env["DOCS_BASE"] = base

const started = performance.now()
const say = (text: string): void => console.log(`${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`)

const pages = stage()
say(`wrote ${pages.length} pages of Markdown`)
await build(site)
const files = Fs.globSync("**/*", { cwd: output }).map((file) => Fs.statSync(Path.join(output, file)))
const bytes = files.reduce((sum, file) => file.isFile() ? sum + file.size : sum, 0)
say(`built ${(bytes / 1024 / 1024).toFixed(1)} MiB in ${Path.relative(process.cwd(), output)}`)

const problems = [...problemsOf(output, { base, pages }), ...await searchProblems(output)]
for (const problem of problems) console.error(problem)
say(problems.length === 0 ? "links, anchors, policy and search are right" : `${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
