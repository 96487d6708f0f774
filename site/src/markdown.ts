/** How the site reads Markdown: no HTML, no templates of Vue, and the anchors of git hosts. */
import type { MarkdownOptions } from "vitepress"
import { slug } from "./slug.ts"

/** Vue would evaluate `{{ … }}` in a text. */
const inert = (html: string): string => html.replaceAll("{", "&#123;").replaceAll("}", "&#125;")

export const markdown: MarkdownOptions = {
  html: false,
  anchor: { slugify: slug },
  toc: { slugify: slug },
  theme: { light: "github-light", dark: "github-dark" },
  config: (md) => {
    for (const rule of ["text", "image", "code_inline"] as const) {
      const original = md.renderer.rules[rule]!
      md.renderer.rules[rule] = (...args) => inert(original(...args))
    }
  }
}
