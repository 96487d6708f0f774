/** What an agent writes, which is Markdown. No HTML of it is HTML, no image is loaded, and links lead to pages only. */
import { visibleLines } from "@effect-codex/client/internal/text/visibleText"
import MarkdownIt from "markdown-it"
import { escape, Html } from "./html.ts"

const allowed = /^(?:https?:\/\/|mailto:)/i

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true })
markdown.validateLink = (url) => allowed.test(url.trim())
// Only addresses that were written as such: `main.rs` is no site of Serbia.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false })

const { rules } = markdown.renderer
rules["image"] = (tokens, i) => {
  const { attrs, content } = tokens[i]!
  const url = attrs?.find(([name]) => name === "src")?.[1] ?? ""
  return `<span class="image">image: ${escape(content)} (${escape(String(url))})</span>`
}
rules["link_open"] = (tokens, i, options, _env, self) => {
  tokens[i]!.attrSet("rel", "noopener noreferrer nofollow")
  tokens[i]!.attrSet("target", "_blank")
  return self.renderToken(tokens, i, options)
}

// Afterwards, because Markdown has names for hidden characters.
export const render = (text: string): Html => new Html(`<div class="md">${visibleLines(markdown.render(text))}</div>`)
