/** Checks the built site: links and anchors lead somewhere, nothing is loaded from elsewhere, nothing of a page runs. */
import * as Fs from "node:fs"
import * as Path from "node:path"

export interface OutputOptions {
  /** The path that the site is served below; starts and ends with a slash. */
  readonly base: string
  /** Pages that must be there, below the site's root and with their ending `.html`. */
  readonly pages: ReadonlyArray<string>
}

const unescape = (text: string): string =>
  text.replaceAll("&quot;", `"`).replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll(
    "&amp;",
    "&"
  )

interface Tag {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
}

const tagsOf = (html: string): ReadonlyArray<Tag> =>
  // What a script contains is no markup.
  [
    ...html.replaceAll(/(<script\b[^>]*>)[^]*?<\/script>/g, "$1").matchAll(
      /<([a-z][\w-]*)((?:\s+[^\s=>/]+(?:="[^"]*"|='[^']*'|=[^\s>]+)?)*)\s*\/?>/gi
    )
  ]
    .map(([, name = "", attributes = ""]) => ({
      name: name.toLowerCase(),
      attributes: new Map(
        [...attributes.matchAll(/([^\s=>/]+)(?:="([^"]*)"|='([^']*)'|=([^\s>]+))?/g)].map((
          [, key = "", double, single, bare]
        ) => [key.toLowerCase(), unescape(double ?? single ?? bare ?? "")])
      )
    }))

const isElsewhere = (url: string): boolean => /^(?:[a-z][\w+.-]*:|\/\/)/i.test(url) && !url.startsWith("data:")

/** Returns everything that is wrong with the site in a folder. */
export const problemsOf = (folder: string, { base, pages }: OutputOptions): ReadonlyArray<string> => {
  const files = Fs.globSync("**/*", { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile()).map((
    entry
  ) => Path.relative(folder, Path.join(entry.parentPath, entry.name)).replaceAll(Path.sep, "/"))
  const known = new Set(files)
  const problems: Array<string> = pages.filter((page) => !known.has(page)).map((page) => `${page} is missing`)
  const parsed = new Map(
    files.filter((file) => file.endsWith(".html")).map((file) =>
      [file, tagsOf(Fs.readFileSync(Path.join(folder, file), "utf8"))] as const
    )
  )
  const anchors = new Map(
    [...parsed].map(([file, tags]) => [file, new Set(tags.flatMap(({ attributes }) => attributes.get("id") ?? []))])
  )

  const checkLink = (file: string, link: string): void => {
    const url = new URL(link, `http://site${base}${file}`)
    if (!url.pathname.startsWith(base)) {
      problems.push(`${file}: ${link} leaves ${base}`)
      return
    }
    const path = decodeURIComponent(url.pathname.slice(base.length))
    const target = path === "" || path.endsWith("/") ? `${path}index.html` : path
    const anchor = decodeURIComponent(url.hash.slice(1))
    if (!known.has(target)) problems.push(`${file}: ${link} leads to no page`)
    else if (anchor !== "" && anchors.get(target)?.has(anchor) !== true) {
      problems.push(`${file}: ${link} leads to no anchor`)
    }
  }

  for (const [file, tags] of parsed) {
    for (const { attributes, name } of tags) {
      for (const [key, value] of attributes) {
        if (key.startsWith("on")) problems.push(`${file}: <${name} ${key}> would run`)
        if (!/^(?:href|src|srcset|poster|data|action)$/.test(key)) continue
        if (/^\s*(?:javascript|vbscript):/i.test(value)) problems.push(`${file}: ${value} would run`)
        else if (name !== "a" && isElsewhere(value)) problems.push(`${file}: <${name}> loads ${value}`)
        else if (!isElsewhere(value) && !value.startsWith("data:") && key !== "srcset" && key !== "data") {
          checkLink(file, value)
        }
      }
      if (["iframe", "object", "embed", "form", "base"].includes(name)) problems.push(`${file}: there is a <${name}>`)
    }
    const policy = tags.find(({ attributes }) => attributes.get("http-equiv") === "Content-Security-Policy")
    if (policy === undefined) problems.push(`${file}: there is no Content-Security-Policy`)
  }
  for (const file of files.filter((file) => file.endsWith(".css"))) {
    const css = Fs.readFileSync(Path.join(folder, file), "utf8")
    for (const [, url = ""] of css.matchAll(/(?:url\(|@import\s*)["']?([^"')]+)/g)) {
      if (isElsewhere(url)) problems.push(`${file}: loads ${url}`)
    }
  }
  return problems
}
