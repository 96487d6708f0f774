import * as Fs from "node:fs"
import * as Path from "node:path"
import { type DefaultTheme, defineConfig } from "vitepress"
import { markdown } from "../src/markdown.ts"
import { type Package, publishedPackages, root } from "../src/packages.ts"
import { type Section, sectionsOf } from "../src/pages.ts"
import { withPolicy } from "../src/policy.ts"

/** The theme shows texts of the sidebar as HTML. */
const plain = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const pagesOf = ({ pages, title }: Section): DefaultTheme.SidebarItem => ({
  text: plain(title),
  items: pages.map(({ page, title }) => ({ text: plain(title), link: `/${page.replace(/\.md$/, "")}` }))
})

const modulesOf = ({ folder, modules, name }: Package): DefaultTheme.SidebarItem => ({
  text: plain(name),
  link: `/api/${folder}/`,
  collapsed: true,
  items: [...modules].sort((a, b) => a.name < b.name ? -1 : 1).map(({ name, page }) => ({
    text: plain(name),
    link: `/${page}`
  }))
})

const sections = sectionsOf(Fs.readFileSync(Path.join(root, "docs/README.md"), "utf8"))
const packages = publishedPackages()

export default defineConfig({
  lang: "en",
  title: "effect-codex",
  description: "The Effect client for codex app-server",
  base: process.env["DOCS_BASE"] ?? "/",
  srcDir: "dist/pages",
  outDir: "dist/html",
  cacheDir: "dist/cache",
  // One file with the hashes of the pages, so that the policy needs no hash for each.
  metaChunk: true,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${process.env["DOCS_BASE"] ?? "/"}icon.svg` }]],
  markdown,
  transformHtml: withPolicy,
  vite: { publicDir: Path.join(root, "site/public"), build: { chunkSizeWarningLimit: 10_000 } },
  themeConfig: {
    nav: [
      { text: "Guide", link: "/getting-started", activeMatch: "^/(?!api/|faq|$)" },
      { text: "Reference", link: "/api/", activeMatch: "^/api/" },
      { text: "FAQ", link: "/faq" }
    ],
    sidebar: {
      "/api/": [{ text: "All packages", link: "/api/" }, ...packages.map(modulesOf)],
      "/": [...sections.map(pagesOf), { text: "Reference", items: [{ text: "All packages", link: "/api/" }] }]
    },
    outline: [2, 3],
    search: {
      provider: "local",
      options: {
        // The names of the reference and what is said about them, without the code.
        _render: (text, env, md) =>
          env.frontmatter?.["search"] === false
            ? ""
            : md.render(env.relativePath.startsWith("api/") ? text.replaceAll(/^```[^]*?^```$/gm, "") : text, env),
        miniSearch: { searchOptions: { fuzzy: 0.1, prefix: true, boost: { title: 4, text: 1, titles: 2 } } }
      }
    }
  }
})
