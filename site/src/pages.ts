/**
 * Lays the repository's Markdown out as the pages of the site. A page stays as it is but for its links, which lead to
 * pages of the site: the files that pages link to are shown, too.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

export interface Staged {
  /** Path of the page below the site's root, with its ending. */
  readonly page: string
  readonly text: string
}

export interface Section {
  readonly title: string
  /** Pages with their titles, in the order in which they are read. */
  readonly pages: ReadonlyArray<{ readonly title: string; readonly page: string }>
}

/** Text between the fences of code; `change` sees nothing else. */
const outsideCode = (text: string, change: (text: string) => string): string =>
  text.split(/(^(?:```|~~~)[^]*?^(?:```|~~~)[^\n]*$|`[^`\n]+`(?!\]))/m).map((part, index) =>
    index % 2 === 1 ? part : change(part)
  ).join("")

/** The page of a file of the repository, if it is one of those that make the documentation. */
export const pageOf = (file: string, published: ReadonlySet<string>): string | undefined => {
  if (file === "README.md") return "index.md"
  if (file === "docs/README.md") return "contents.md"
  if (file === "CONTRIBUTING.md") return "contributing.md"
  if (file === "CHANGELOG.md") return "changelog.md"
  if (file === "scratchpad/README.md") return "examples.md"
  const inDocs = /^docs\/([\w-]+\.md)$/.exec(file)
  if (inDocs !== null) return inDocs[1]
  const readme = /^packages\/([\w-]+)\/README\.md$/.exec(file)
  return readme !== null && published.has(readme[1]!) ? `api/${readme[1]}/index.md` : undefined
}

const fenceOf = (text: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length))
  return "`".repeat(longest + 1)
}

const sourcePage = (file: string, text: string): string => {
  const fence = fenceOf(text)
  const language = Path.extname(file).slice(1)
  return `---\nsearch: false\n---\n\n# \`${file}\`\n\n${fence}${
    language === "json" ? "json" : language || "txt"
  }\n${text}\n${fence}\n`
}

/**
 * Lays out the given files, and every file that they link to.
 *
 * @throws with all links that lead to no file
 */
export const stagePages = (
  root: string,
  files: ReadonlyArray<string>,
  published: ReadonlySet<string>
): ReadonlyArray<Staged> => {
  const staged = new Map<string, string>()
  const waiting = [...files]
  const problems: Array<string> = []

  const markdownPage = (file: string): string => pageOf(file, published) ?? `files/${file}`

  /** The page for a file or a folder that a page links to. */
  const targetOf = (path: string): string | undefined => {
    const full = Path.join(root, path)
    if (!Fs.existsSync(full)) return undefined
    if (Fs.statSync(full).isDirectory()) {
      const readme = Path.posix.join(path, "README.md")
      if (pageOf(readme, published) !== undefined) return targetOf(readme)
      const page = `files/${path}/index.md`
      if (!staged.has(page)) {
        staged.set(page, "")
        const list = Fs.readdirSync(full, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => {
          const target = targetOf(Path.posix.join(path, name))!
          return `- [\`${name}\`](${Path.posix.relative(Path.posix.dirname(page), target)})`
        })
        staged.set(page, `---\nsearch: false\n---\n\n# \`${path}\`\n\n${list.join("\n")}\n`)
      }
      return page
    }
    if (path.endsWith(".md")) {
      const page = markdownPage(path)
      if (!staged.has(page) && !waiting.includes(path)) waiting.push(path)
      return page
    }
    const shown = `files/${path}.md`
    if (!staged.has(shown)) staged.set(shown, sourcePage(path, Fs.readFileSync(full, "utf8")))
    return shown
  }

  const rewrite = (file: string, page: string, text: string): string =>
    outsideCode(
      text,
      (part) =>
        part.replaceAll(/(!?\[(?:[^[\]]|\[[^\]]*\])*\]|\])\(([^)\s]+)\)/g, (whole, label: string, link: string) => {
          if (/^(?:[a-z]+:|#)/.test(link)) return whole
          const [target = "", anchor] = link.split("#")
          const path = Path.posix.normalize(Path.posix.join(Path.posix.dirname(file), target)).replace(/\/$/, "")
          if (/\.(?:svg|png|jpg)$/.test(path)) return whole
          const found = path.startsWith("..") ? undefined : targetOf(path)
          if (found === undefined) {
            problems.push(`${file}: ${link} leads to no file`)
            return whole
          }
          const relative = Path.posix.relative(Path.posix.dirname(page), found)
          return `${label}(${relative}${anchor === undefined ? "" : `#${anchor}`})`
        })
    )

  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const page = markdownPage(file)
    // The home page of the site is written for it.
    if (staged.has(page) || page === "index.md") continue
    staged.set(page, "")
    staged.set(page, rewrite(file, page, Fs.readFileSync(Path.join(root, file), "utf8")))
  }
  if (problems.length > 0) throw new Error(problems.join("\n"))
  return [...staged].map(([page, text]) => ({ page, text }))
}

/** Reads the order of the pages from `docs/README.md`: a heading for each section, a numbered item for each page. */
export const sectionsOf = (contents: string): ReadonlyArray<Section> =>
  contents.split(/^## /m).slice(1).map((part) => ({
    title: part.split("\n")[0]!,
    pages: [...part.matchAll(/^\d+\. \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, title = "", link = ""]) => ({
      title: title.replaceAll("`", ""),
      page: link.startsWith("../") ? pageOf(link.slice(3), new Set())! : link
    }))
  }))
