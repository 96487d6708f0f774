/** The live pages in a real Chromium, over the real codex: what is clicked is done, and nothing leaves the origin. */
import { ApprovalMode, ApprovalQueue, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Watch } from "@effect-codex/report"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { existsSync } from "node:fs"
import * as Path from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import { executablePath } from "./support/chromium.ts"
import * as Hostile from "./support/hostile.ts"
import { client, serve } from "./support/watch.ts"

let browser: Browser

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: executablePath(), args: ["--no-sandbox"] })
})
afterAll(() => browser.close())

/** Opens a page on a phone, with all that the browser said and asked for. */
const open = Effect.fnUntraced(function*(url: string) {
  const page = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newPage({ viewport: { width: 390, height: 844 } })),
    (page) => Effect.promise(() => page.close())
  )
  const said: Array<string> = []
  const asked: Array<string> = []
  page.on("console", (message) => said.push(message.text()))
  page.on("pageerror", (error) => said.push(String(error)))
  page.on("dialog", (dialog) => said.push(dialog.message()))
  page.on("request", (request) => asked.push(request.url()))
  yield* Effect.promise(() => page.goto(url))
  return { page, said, asked }
})

const has = (page: Page, selector: string, text: string) =>
  Effect.promise(() => page.locator(selector, { hasText: text }).first().waitFor({ timeout: 15_000 }))

const gone = (page: Page, selector: string) =>
  Effect.promise(() => page.locator(selector).waitFor({ state: "detached", timeout: 15_000 }))

const click = (page: Page, selector: string) => Effect.promise(() => page.locator(selector).first().click())

const fits = Effect.fnUntraced(function*(page: Page) {
  const [width, inner] = yield* Effect.promise(() =>
    page.evaluate(() => [document.documentElement.scrollWidth, innerWidth] as const)
  )
  assert.isAtMost(width, inner)
})

const touch = (name: string) =>
  ScriptedModel.exec(`touch ${name}`, {
    args: { sandbox_permissions: "require_escalated", justification: `It has to make ${name}.` }
  })

const real = Watch.layer({ price: () => Option.some(0.0123) }).pipe(
  Layer.provideMerge(Layer.unwrap(
    Effect.map(CodexHome.CodexHome, ({ env, workspace }) => CodexNode.layer({ env, cwd: workspace }))
  )),
  Layer.provideMerge(ApprovalQueue.layer),
  Layer.provideMerge(CodexHome.layer()),
  Layer.provideMerge(ScriptedModel.layer())
)

describe("in Chromium, the page of a client", () => {
  it.live("lists a thread of codex, and lets its command run with a click, or not", () =>
    Effect.gen(function*() {
      const { url } = yield* Watch.Watch
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      const { asked, page, said } = yield* open(Redacted.value(url))
      yield* has(page, "#state", "live")
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly })
      yield* thread.setName("Make two files")
      yield* has(page, "#threads", "Make two files")

      yield* model.enqueue(touch("yes"), touch("no"), "One of them was made.")
      const running = yield* Effect.forkScoped(thread.run("Make the files."), { startImmediately: true })
      yield* has(page, ".offer pre", "touch yes")
      yield* has(page, ".offer", "It has to make yes.")
      yield* has(page, "#threads", "waits for you")
      assert.strictEqual(yield* Effect.promise(() => page.title()), "(1) Threads of codex")
      yield* fits(page)
      assert.isFalse(existsSync(Path.join(workspace, "yes")))
      yield* click(page, ".offer button[data-decision=accept]")
      yield* has(page, ".offer pre", "touch no")
      assert.isTrue(existsSync(Path.join(workspace, "yes")))

      // The page of the thread has the same, and the conversation.
      yield* click(page, "#threads a")
      yield* has(page, "h1", "Make two files")
      yield* has(page, ".userMessage", "Make the files.")
      yield* click(page, ".offer button[data-decision=decline]")
      const result = yield* Fiber.join(running)
      assert.strictEqual(Option.getOrThrow(result.finalResponse), "One of them was made.")
      yield* has(page, ".agentMessage", "One of them was made.")
      yield* gone(page, ".offer")
      yield* has(page, ".ask", "decline by the client")
      assert.isFalse(existsSync(Path.join(workspace, "no")))
      yield* has(page, "#head", "$0.0369")
      yield* fits(page)

      assert.deepStrictEqual(said, [])
      for (const address of asked) assert.isTrue(address.startsWith(Redacted.value(url)), address)
    }).pipe(Effect.provide(real), Effect.provide(NodeServices.layer)))

  it.live("stays as a person has opened it, and a click right after a change decides nothing", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      yield* given.command("a", "1", "some output")
      const { page, said } = yield* open(url.href)
      yield* has(page, "#threads", "make")
      yield* click(page, "#threads a")
      yield* click(page, ".commandExecution summary")
      yield* given.item("a", "2", "And on it goes.")
      yield* has(page, ".agentMessage", "And on it goes.")
      assert.isTrue(yield* Effect.promise(() => page.evaluate(() => document.querySelector("details")!.open)))

      const one = yield* given.ask("a", { itemId: "1", command: "make one" })
      yield* has(page, ".offer", "make one")
      const isDisabled = Effect.promise(() =>
        page.evaluate(() => [...document.querySelectorAll("button")].every((button) => button.disabled))
      )
      // Waits until it can be pressed, as a person does.
      yield* Effect.promise(() => page.locator(".offer button:enabled").first().waitFor())
      yield* given.ask("a", { itemId: "2", command: "make two" })
      yield* has(page, ".offer", "make two")
      assert.isTrue(yield* isDisabled)
      yield* Effect.promise(() =>
        page.evaluate(() => document.querySelector<HTMLButtonElement>("button[data-decision=accept]")!.click())
      )
      assert.isUndefined(one.pollUnsafe())
      yield* click(page, ".offer button[data-decision=accept]")
      assert.deepStrictEqual(yield* Fiber.join(one), { decision: "accept" })
      assert.deepStrictEqual(said, [])
    }))

  it.live("decides nothing with a click right after it has appeared", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      const asked = yield* given.ask("a", { itemId: "1", command: "make one" })
      const { page } = yield* open("about:blank")
      yield* Effect.promise(() =>
        page.addInitScript(() =>
          addEventListener(
            "DOMContentLoaded",
            () => document.querySelector<HTMLButtonElement>(".offer button")?.click()
          )
        )
      )
      yield* Effect.promise(() => page.goto(url.href))
      yield* Effect.promise(() => page.locator(".offer button:enabled").first().waitFor())
      assert.isUndefined(asked.pollUnsafe())
      yield* click(page, ".offer button[data-decision=decline]")
      assert.deepStrictEqual(yield* Fiber.join(asked), { decision: "decline" })
    }))

  it.live("says that the client has ended, or that it is not connected, and connects again", () =>
    Effect.gen(function*() {
      const given = yield* client
      const token = Redacted.make("an-address_that-stays-0123456789")
      const scope = yield* Scope.make()
      const url = yield* serve(given, { token }).pipe(Scope.provide(scope))
      yield* given.item("a", "1", "the last words")
      const { page } = yield* open(url.href)
      yield* has(page, "#threads", "the last words")
      yield* Scope.close(scope, Exit.void)
      yield* has(page, "#state.bad", "Not connected")
      yield* has(page, "#threads", "the last words")

      const next = yield* client
      yield* serve(next, { token, port: Number(url.port) })
      yield* next.item("b", "1", "the first words")
      yield* has(page, "#threads", "the first words")
      yield* has(page, "#state.quiet", "live")
      yield* next.end
      yield* has(page, "#state.bad", "The connection to codex has ended: ")
      yield* has(page, "#threads", "the first words")
    }))

  it.live("of a thread becomes the list when another program has taken its place", () =>
    Effect.gen(function*() {
      const token = Redacted.make("an-address_that-stays-0123456789")
      const scope = yield* Scope.make()
      const first = yield* client
      const url = yield* serve(first, { token }).pipe(Scope.provide(scope))
      yield* first.item("a", "1", "the words of a")
      const { page } = yield* open(url.href)
      yield* has(page, "#threads", "the words of a")
      yield* click(page, "#threads a")
      yield* has(page, ".agentMessage", "the words of a")
      yield* Scope.close(scope, Exit.void)
      const next = yield* client
      yield* next.item("b", "1", "the words of b")
      yield* serve(next, { token, port: Number(url.port) })
      yield* has(page, "#threads", "the words of b")
      assert.strictEqual(page.url(), url.href)
    }))

  for (const [what, text] of Object.entries(Hostile.texts)) {
    it.live(`that has ${what} in every place runs nothing, asks for nothing, and fits a phone`, () =>
      Effect.gen(function*() {
        const given = yield* client
        const url = yield* serve(given)
        const { asked, page, said } = yield* open(url.href)
        for (const [method, params] of Hostile.frames(text)) yield* given.hear(method, params)
        yield* given.ask("thread", { turnId: "turn", command: text, reason: text, cwd: text })
        yield* Effect.promise(() => page.locator(".offer").waitFor())
        const poke = Effect.promise(() =>
          page.evaluate(() => {
            for (const details of document.querySelectorAll("details")) details.open = true
            for (const element of document.querySelectorAll("main *")) {
              if (element instanceof HTMLAnchorElement || element instanceof HTMLButtonElement) continue
              element.dispatchEvent(new MouseEvent("click", { bubbles: true }))
              element.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }))
            }
          })
        )
        yield* poke
        yield* fits(page)
        yield* click(page, "#threads a")
        yield* Effect.promise(() => page.locator(".turn").first().waitFor())
        yield* poke
        yield* fits(page)
        assert.isUndefined(
          yield* Effect.promise(() => page.evaluate(() => (globalThis as { readonly pwned?: unknown }).pwned))
        )
        assert.deepStrictEqual(said, [])
        for (const address of asked) assert.isTrue(address.startsWith(url.href), address)
      }))
  }
})
