import { createMarkdownRenderer } from "vitepress"
import { describe, expect, it } from "vitest"
import { markdown } from "../src/markdown.ts"
import { withPolicy } from "../src/policy.ts"
import { slug } from "../src/slug.ts"

const md = await createMarkdownRenderer(import.meta.dirname, markdown, "/")
const render = (text: string) => md.render(text, { path: "page.md", relativePath: "page.md", cleanUrls: false })

describe("Markdown", () => {
  it.each([
    "# <img src=x onerror=alert(1)>",
    "# {{ constructor.constructor('alert(1)')() }}",
    "<script>alert(1)</script>",
    "[{{ 1 + 1 }}](page.md) ![{{ 1 + 1 }}](./x.png)",
    "```ts\n{{ 1 + 1 }}\n```",
    "[click](javascript:alert(1))",
    "| {{ 1 + 1 }} | <b onclick=alert(1)>b</b> |\n| --- | --- |\n| `{{ 1 + 1 }}` | x |"
  ])("runs nothing of %s", (text) => {
    const html = render(text)
    expect(html).not.toMatch(/<(?:script|img src=x|b )/)
    expect(html).not.toMatch(/href="javascript:/)
    // Vue evaluates no plain attribute, and nothing in an element with v-pre.
    const evaluated = html.replaceAll(/<pre [^>]*v-pre[^]*?<\/pre>/g, "").replaceAll(/ [\w-]+="[^"]*"/g, "")
    expect(evaluated).not.toContain("{{")
  })

  it.each([
    ["1. Decide by a rule", "1-decide-by-a-rule"],
    ["`startGoal(\"\")` resumes: even the sandbox", "startgoal-resumes-even-the-sandbox"],
    ["\"thread not found\" after a restart", "thread-not-found-after-a-restart"],
    ["A failed turn says `httpConnectionFailed` or raw JSON", "a-failed-turn-says-httpconnectionfailed-or-raw-json"]
  ])("gives %s the anchor of git hosts", (heading, anchor) => {
    expect(slug(heading.replaceAll("`", ""))).toBe(anchor)
    expect(render(`## ${heading}`)).toContain(`id="${anchor}"`)
  })
})

describe("the policy of a page", () => {
  it("allows its own inline scripts by their hash, and no other host", () => {
    const html = withPolicy("<html><head></head><script>one()</script><script src=\"/x.js\"></script></html>")
    expect(html).toContain("script-src 'self' 'sha256-")
    expect(html.match(/sha256-/g)).toHaveLength(1)
    expect(html).toContain("default-src 'self'")
    expect(html).not.toContain("http:")
  })
})
