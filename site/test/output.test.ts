import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { problemsOf } from "../src/output.ts"
import { withPolicy } from "../src/policy.ts"

const folders: Array<string> = []
afterEach(() => folders.splice(0).forEach((folder) => Fs.rmSync(folder, { recursive: true, force: true })))

const page = (body: string, head = ""): string => withPolicy(`<html><head>${head}</head><body>${body}</body></html>`)

const problems = (files: Readonly<Record<string, string>>, pages: ReadonlyArray<string> = []) => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-site-"))
  folders.push(folder)
  for (const [file, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.join(folder, Path.dirname(file)), { recursive: true })
    Fs.writeFileSync(Path.join(folder, file), text)
  }
  return problemsOf(folder, { base: "/base/", pages })
}

describe("a site", () => {
  it("is right when its links lead to its pages and anchors, and it loads only its own files", () => {
    const files = {
      "index.html": page(
        `<a href="/base/a/b.html#Über">b</a> <a href="a/">a</a> <a href="https://elsewhere/">e</a> <img src="/base/x.svg">
        <script>const s = "<a href='/nowhere'>"</script><svg></svg><img src="data:image/png;base64,AA">`,
        `<link rel="stylesheet" href="/base/x.css">`
      ),
      "a/index.html": page(`<a href="../index.html">home</a> <a href="/base/">home</a>`),
      "a/b.html": page(`<h1 id="Über">b</h1> <a href="#%C3%9Cber">here</a>`),
      "x.svg": "<svg/>",
      "x.css": "a { background: url(/base/x.svg) } @font-face { src: url(data:font/woff2;base64,AA) }"
    }
    expect(problems(files, ["index.html", "a/b.html"])).toEqual([])
  })

  it.each([
    [`<a href="/base/b.html">`, "index.html: /base/b.html leads to no page"],
    [`<a href="#b">`, "index.html: #b leads to no anchor"],
    [`<a href="/b.html">`, "index.html: /b.html leaves /base/"],
    [`<img src="https://elsewhere/x.png">`, "index.html: <img> loads https://elsewhere/x.png"],
    [`<script src="//elsewhere/x.js"></script>`, "index.html: <script> loads //elsewhere/x.js"],
    [`<link rel="preconnect" href="https://elsewhere">`, "index.html: <link> loads https://elsewhere"],
    [`<img src="/base/x.svg">`, "index.html: /base/x.svg leads to no page"],
    [`<b onclick="alert(1)">`, "index.html: <b onclick> would run"],
    [`<a href="JavaScript:alert(1)">`, "index.html: JavaScript:alert(1) would run"],
    [`<iframe></iframe>`, "index.html: there is a <iframe>"]
  ])("is wrong with %s", (body, problem) => {
    expect(problems({ "index.html": page(body) })).toEqual([problem])
  })

  it("is wrong without a page, without a policy, and with a style sheet that loads from elsewhere", () => {
    expect(
      problems({ "index.html": "<html><head></head></html>", "x.css": "@import \"https://elsewhere/x.css\";" }, [
        "a.html"
      ])
    ).toEqual([
      "a.html is missing",
      "index.html: there is no Content-Security-Policy",
      "x.css: loads https://elsewhere/x.css"
    ])
  })
})
