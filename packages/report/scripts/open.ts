/**
 * `node --conditions=@effect-codex/source packages/report/scripts/open.ts`: how long a page of 10,000 items takes to
 * make, and to open in Chromium.
 */
import { ServerNotification, ThreadView } from "@effect-codex/client"
import { Console, Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import { Report } from "../src/index.ts"
import { executablePath } from "../test/support/chromium.ts"

const items = 10_000
const perTurn = 100

const command = (id: string) => ({
  type: "commandExecution",
  id,
  pluginId: null,
  scriptPath: null,
  command: "npm test",
  cwd: "/home/you/project",
  processId: null,
  source: "agent",
  status: "completed",
  commandActions: [],
  aggregatedOutput: "42 passed, 0 failed\n".repeat(20),
  exitCode: 0,
  durationMs: 20
})

const message = (id: string) => ({
  type: "agentMessage",
  moderation: null,
  id,
  text: "I looked at **src/index.ts** and at `src/parse.ts`.\n\n- one\n- two",
  phase: null,
  memoryCitation: null,
  delivery: null,
  questions: null
})

const decode = await Effect.runPromise(ServerNotification.decode)
let view = ThreadView.make("thread")
for (let n = 0; n < items; n++) {
  const params = {
    threadId: "thread",
    turnId: `turn-${Math.floor(n / perTurn)}`,
    item: n % 2 === 0 ? command(`item-${n}`) : message(`item-${n}`),
    startedAtMs: 1000 * n,
    completedAtMs: 1000 * n + 900
  }
  view = ThreadView.apply(view, decode({ _tag: "item/completed", params }))
}
let begin = performance.now()
const html = Report.render(view)
const made = performance.now() - begin

const folder = mkdtempSync(Path.join(tmpdir(), "effect-codex-report-"))
const file = Path.join(folder, "report.html")
writeFileSync(file, html)
const browser = await chromium.launch({ executablePath: executablePath(), args: ["--no-sandbox"] })
const page = await browser.newPage({ viewport: { width: 1000, height: 1400 } })
begin = performance.now()
await page.goto(pathToFileURL(file).href)
await page.screenshot()
const opened = performance.now() - begin
await browser.close()
rmSync(folder, { recursive: true })
await Effect.runPromise(
  Console.log(
    `${items} items: ${(html.length / 2 ** 20).toFixed(1)} MiB, made in ${made.toFixed(0)} ms, ` +
      `opened and drawn in ${opened.toFixed(0)} ms`
  )
)
