/**
 * `node --conditions=@effect-codex/source packages/report/scripts/pictures.ts`: makes the pictures of the documentation
 * from a session on the real codex. Needs Chromium.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Option } from "effect"
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import { Report } from "../src/index.ts"
import { executablePath } from "../test/support/chromium.ts"
import { layer, session } from "../test/support/session.ts"

const docs = Path.resolve(import.meta.dirname, "..", "..", "..", "docs", "pictures")
const { view } = await Effect.runPromise(
  session.pipe(Effect.provide(layer.pipe(Layer.provideMerge(NodeServices.layer))))
)

const folder = mkdtempSync(Path.join(tmpdir(), "effect-codex-report-"))
const file = Path.join(folder, "report.html")
// The pictures show no folder of whoever makes them.
const html = Report.render(view, { price: () => Option.some(0.0123) }).replaceAll(view.cwd ?? "", "/home/you/project")
writeFileSync(file, html)
mkdirSync(docs, { recursive: true })

const browser = await chromium.launch({ executablePath: executablePath(), args: ["--no-sandbox"] })
for (
  const [name, viewport, colorScheme] of [
    ["report-light", { width: 1000, height: 1400 }, "light"],
    ["report-dark", { width: 1000, height: 1400 }, "dark"],
    ["report-phone", { width: 390, height: 844 }, "light"]
  ] as const
) {
  const page = await browser.newPage({ viewport, colorScheme })
  await page.goto(pathToFileURL(file).href)
  const path = Path.join(docs, `${name}.png`)
  await page.screenshot({ path })
  await Effect.runPromise(Console.log(`${path}: ${statSync(path).size} bytes`))
}
await browser.close()
rmSync(folder, { recursive: true })
