/** Pages in a real Chromium: nothing of a hostile session runs or is asked for, and the keys and links work. */
import { Report } from "@effect-codex/report"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { type Browser, chromium, type Page } from "playwright-core"
import { executablePath } from "./support/chromium.ts"
import * as Hostile from "./support/hostile.ts"

let browser: Browser
const folder = mkdtempSync(Path.join(tmpdir(), "effect-codex-report-"))

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: executablePath(), args: ["--no-sandbox"] })
})
afterAll(async () => {
  await browser.close()
  rmSync(folder, { recursive: true })
})

interface Opened {
  readonly page: Page
  /** What the browser had to say, and every address that was asked for. */
  readonly said: ReadonlyArray<string>
  readonly asked: ReadonlyArray<string>
}

/** Opens the page of a session that has the text in every place. */
const open = async (text: string, hash = ""): Promise<Opened> => {
  const file = Path.join(folder, "report.html")
  writeFileSync(file, Report.render(await Effect.runPromise(Hostile.view(text))))
  const page = await browser.newPage({ viewport: { width: 390, height: 844 } })
  const said: Array<string> = []
  const asked: Array<string> = []
  page.on("console", (message) => said.push(message.text()))
  page.on("pageerror", (error) => said.push(String(error)))
  page.on("dialog", (dialog) => said.push(dialog.message()))
  page.on("request", (request) => asked.push(request.url()))
  await page.goto(`${pathToFileURL(file).href}${hash}`)
  return { page, said, asked }
}

describe("in Chromium, the page of a session", () => {
  for (const [what, text] of Object.entries(Hostile.texts)) {
    it(`that has ${what} in every place runs nothing, asks for nothing, and fits a phone`, async () => {
      const { asked, page, said } = await open(text)
      // Whatever is folded, is a link or reacts to the pointer.
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true
        for (const element of document.querySelectorAll("main *, header *")) {
          if (!(element instanceof HTMLAnchorElement)) element.dispatchEvent(new MouseEvent("click", { bubbles: true }))
          element.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }))
        }
      })
      assert.isUndefined(await page.evaluate(() => (globalThis as { readonly pwned?: unknown }).pwned))
      assert.deepStrictEqual(said, [])
      assert.lengthOf(asked, 1)
      const [width, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.isAtMost(width!, inner!)
      await page.close()
    })
  }

  it("goes from turn to turn and opens all with keys, and opens what a link leads to", async () => {
    const { page } = await open("some text")
    const openCount = () => page.evaluate(() => document.querySelectorAll("main details[open]").length)
    const before = await openCount()
    await page.keyboard.press("o")
    assert.isAbove(await openCount(), before)
    await page.keyboard.press("o")
    assert.strictEqual(await openCount(), 0)
    await page.keyboard.press("j")
    assert.isAbove(await page.evaluate(() => scrollY), 0)
    // A turn of the subagent, which is folded.
    const id = await page.evaluate(() => document.querySelector(".subagent .turn")?.id)
    assert.isString(id)
    await page.evaluate((id) => {
      location.hash = `#${id}`
    }, id)
    await page.waitForFunction((id) => document.getElementById(id!)!.closest("details")!.open, id)
    await page.close()
  })

  it("is printed with all that is folded", async () => {
    const { page } = await open("some text")
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")))
    assert.strictEqual(await page.evaluate(() => document.querySelectorAll("main details:not([open])").length), 0)
    assert.isAbove((await page.pdf()).length, 10_000)
    await page.close()
  })
})
