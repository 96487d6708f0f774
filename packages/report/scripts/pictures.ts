/**
 * `node --conditions=@effect-codex/source packages/report/scripts/pictures.ts`: makes the pictures of the documentation
 * from a session on the real codex. Needs Chromium.
 */
import { ApprovalMode, ApprovalQueue, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import { Report, Watch } from "../src/index.ts"
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

/** Several threads at work, two of which wait for somebody. */
const watched = Effect.gen(function*() {
  const { url } = yield* Watch.Watch
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  const page = yield* Effect.promise(() => browser.newPage({ viewport: { width: 1000, height: 1180 } }))
  yield* Effect.promise(() => page.goto(Redacted.value(url)))
  const gate = yield* ScriptedModel.gate
  const usage = { input: 8200, cached: 6100, output: 640, reasoning: 210 }
  const escalated = (command: string, justification: string) =>
    ScriptedModel.exec(command, { args: { sandbox_permissions: "require_escalated", justification } })
  const threads = [
    ["Fix the flaky login test", [["The session expired before the assertion."]]],
    ["Find unused exports", [[ScriptedModel.exec("grep -rn export src"), "…"], ["Reading `src/parse.ts`…\n", gate]]],
    ["Write the changelog of 2.4", [[ScriptedModel.text(["### 2.4\n\n- Parsing is twice as fast\n", gate])]]],
    ["Release 2.4.0", [[
      escalated("git push origin v2.4.0", "The tag has to be on the remote before CI publishes it.")
    ]]],
    ["Update the dependencies", [[escalated("npm install effect@4.2.0", "The new version is not in the cache.")]]]
  ] as const
  for (const [name, answers] of threads) {
    const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly })
    yield* thread.setName(name)
    yield* model.enqueue(...answers.map((parts) => ScriptedModel.reply([...parts], { usage })))
    yield* Effect.forkScoped(thread.run(name), { startImmediately: true })
    const shown = answers.length === 1 && typeof answers[0][0] === "string" ? "idle" : "active"
    yield* Effect.promise(() =>
      page.locator("#threads li", { hasText: name }).locator(".doing", { hasText: /\S/ }).waitFor()
    )
    if (shown === "idle") {
      yield* Effect.promise(() => page.locator("#threads li", { hasText: name }).getByText("idle").waitFor())
    }
    if (/Release|Update/.test(name)) {
      yield* Effect.promise(() => page.locator(".offer", { hasText: name }).locator("button:enabled").first().waitFor())
    } else if (shown === "active") {
      yield* Effect.promise(() =>
        page.locator("#threads li", { hasText: name }).locator(".doing", { hasText: /Reading|twice/ }).waitFor()
      )
    }
  }
  // The pictures show no folder of whoever makes them.
  yield* Effect.promise(() =>
    page.evaluate(() => {
      for (const code of document.querySelectorAll(".offer code")) code.textContent = "/home/you/project"
    })
  )
  const path = Path.join(docs, "watch.png")
  yield* Effect.promise(() => page.screenshot({ path }))
  yield* Console.log(`${path}: ${statSync(path).size} bytes`)
}).pipe(Effect.scoped)

await Effect.runPromise(
  watched.pipe(
    Effect.provide(
      Watch.layer({ price: () => Option.some(0.0123) }).pipe(
        Layer.provideMerge(Layer.unwrap(
          Effect.map(CodexHome.CodexHome, ({ env, workspace }) => CodexNode.layer({ env, cwd: workspace }))
        )),
        Layer.provideMerge(ApprovalQueue.layer),
        Layer.provideMerge(CodexHome.layer()),
        Layer.provideMerge(ScriptedModel.layer())
      )
    ),
    Effect.provide(NodeServices.layer)
  )
)
await browser.close()
rmSync(folder, { recursive: true })
