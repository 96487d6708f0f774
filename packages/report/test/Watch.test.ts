/** The live pages, spoken to over their socket. */
import { CodexError } from "@effect-codex/client"
import { Watch } from "@effect-codex/report"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Net from "node:net"
import { inspect } from "node:util"
import * as Parse5 from "parse5"
import type { DefaultTreeAdapterTypes as Tree } from "parse5"
import * as Hostile from "./support/hostile.ts"
import { type Answer, client, decide, follow, offerIn, send, serve } from "./support/watch.ts"

const statusOf = ({ status }: Answer) => status

describe("the address of the pages", () => {
  it.live("is nothing without the token, under another name, for another origin, or with another method", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      yield* given.hear("thread/name/updated", { threadId: "a", threadName: "A secret plan" })
      const waiting = yield* given.ask("a", { command: "rm -rf /" })
      const seen = yield* follow(url)
      yield* seen.has("offers", "rm -rf /")
      const id = offerIn(seen.part("offers"))
      const [, token = ""] = url.pathname.split("/")
      const json = { "content-type": "application/json" }
      const body = JSON.stringify({ id, decision: "accept" })
      const own = { origin: url.origin }
      const refused: ReadonlyArray<readonly [status: number, sent: Parameters<typeof send>[1]]> = [
        // Without the token, or with another one.
        [404, { path: "/" }],
        [404, { path: `/${token}` }],
        [404, { path: "/events" }],
        [404, { path: `/${"0".repeat(token.length)}/` }],
        [404, { path: `/${token.slice(1)}/` }],
        [404, { path: `/${token}0/` }],
        [404, { path: `/?token=${token}` }],
        [404, { path: "/", headers: { authorization: `Bearer ${token}`, cookie: `token=${token}` } }],
        [404, { path: `/x/${token}/` }],
        [404, { method: "POST", path: "/decide", headers: { ...json, ...own }, body }],
        // A name that somebody made resolve to loopback.
        [403, { headers: { host: "evil.example" } }],
        [403, { headers: { host: `localhost:${url.port}` } }],
        [403, { headers: { host: "127.0.0.1" } }],
        [403, { path: "events", headers: { host: `evil.example:${url.port}` } }],
        // Another page.
        [403, { headers: { origin: "https://evil.example" } }],
        [403, { headers: { origin: "null" } }],
        [403, { path: "events", headers: { origin: `http://127.0.0.1:${Number(url.port) + 1}` } }],
        [403, { path: "events", headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } }],
        [403, { path: "events", headers: { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" } }],
        [403, { method: "POST", path: "decide", headers: json, body }],
        [403, { method: "POST", path: "decide", headers: { ...json, origin: "https://evil.example" }, body }],
        [403, { method: "POST", path: "decide", headers: { ...json, origin: "null" }, body }],
        // Other paths and methods.
        [404, { path: "../../etc/passwd" }],
        [404, { path: "%2e%2e/%2e%2e/etc/passwd" }],
        [404, { path: "report/../.." }],
        [404, { path: "?thread=__proto__" }],
        [404, { path: "?thread=99" }],
        [404, { path: "events?thread=99" }],
        [404, { path: "report" }],
        [404, { path: "report?thread=a" }],
        [405, { method: "POST", headers: { ...json, ...own } }],
        [405, { method: "PUT" }],
        [405, { method: "OPTIONS", path: "decide", headers: own }],
        [405, { path: `decide?id=${id}&decision=accept` }],
        [405, { method: "DELETE", path: "events" }]
      ]
      for (const [status, sent] of refused) {
        const answer = yield* send(url, sent)
        assert.strictEqual(answer.status, status, JSON.stringify(sent))
        assert.strictEqual(answer.text, "", JSON.stringify(sent))
        assert.isUndefined(answer.headers["access-control-allow-origin"])
      }
      // Nothing of it has decided, and the page is there for whoever has the address.
      assert.isUndefined(waiting.pollUnsafe())
      const page = yield* send(url)
      assert.strictEqual(page.status, 200)
      assert.include(page.text, "A secret plan")
    }))

  it.live("stays in no cache, no frame and no referrer, and runs no script but its own", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      yield* given.hear("thread/name/updated", { threadId: "a", threadName: "one" })
      const seen = yield* follow(url)
      yield* seen.has("threads", "one")
      for (const path of ["", "?thread=1", "report?thread=1"]) {
        const { headers, text } = yield* send(url, { path })
        assert.strictEqual(headers["cache-control"], "no-store")
        assert.strictEqual(headers["referrer-policy"], "no-referrer")
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.strictEqual(headers["cross-origin-resource-policy"], "same-origin")
        assert.isUndefined(headers["access-control-allow-origin"])
        assert.isUndefined(headers["set-cookie"])
        const policy = `${headers["content-security-policy"]} ${text}`
        assert.include(policy, "frame-ancestors 'none'")
        assert.include(policy, "default-src 'none'")
        assert.notInclude(policy, "unsafe")
      }
    }))

  it.live("is random, in no inspected value, and gone with the scope, with all that was connected", () =>
    Effect.gen(function*() {
      const given = yield* client
      const scope = yield* Scope.make()
      const { url: hidden } = yield* Watch.make().pipe(Effect.provide(given.layer), Scope.provide(scope))
      const url = new URL(Redacted.value(hidden))
      assert.match(url.href, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{64}\/$/)
      assert.notInclude(`${String(hidden)} ${JSON.stringify(hidden)} ${inspect(hidden)}`, url.pathname)
      const other = yield* serve(given)
      assert.notStrictEqual(other.pathname, url.pathname)
      assert.strictEqual(statusOf(yield* send(other, { path: url.pathname })), 404)

      const seen = yield* follow(url)
      yield* seen.until(() => seen.events() > 0)
      yield* Scope.close(scope, Exit.void)
      yield* seen.over
      const error = yield* Effect.flip(send(url))
      assert.include(String(inspect(error)), "ECONNREFUSED")
    }))

  it.live("can be chosen, and is refused if anybody could guess it", () =>
    Effect.gen(function*() {
      const given = yield* client
      const token = Redacted.make("an-address_that-stays-0123456789")
      const first = yield* serve(given, { token }).pipe(Effect.scoped)
      const again = yield* serve(given, { token, port: Number(first.port) })
      assert.strictEqual(again.href, first.href)
      const wrong: ReadonlyArray<Watch.Options> = [
        { token: Redacted.make("short") },
        { token: Redacted.make(`${"x".repeat(40)}/`) },
        { port: 65_536 },
        { maxThreads: 0 }
      ]
      for (const options of wrong) {
        const error = yield* Effect.flip(serve(given, options))
        assert.instanceOf(error, CodexError.InvalidArgument)
        assert.notInclude(error.message, "short")
      }
      const taken = yield* Effect.flip(serve(given, { port: Number(again.port) }))
      assert.strictEqual(taken._tag, "ServeError")
    }))

  it.live("works on port 80, which a browser leaves out", () =>
    Effect.gen(function*() {
      const served = yield* Effect.exit(serve(yield* client, { port: 80 }))
      if (Exit.isFailure(served)) {
        // Not everybody may listen there, and another program may.
        const failure = Option.getOrThrow(Exit.findErrorOption(served))
        assert.match(String(failure._tag === "ServeError" && failure.cause), /EACCES|EADDRINUSE/)
        return
      }
      const headers = { host: "127.0.0.1", origin: "http://127.0.0.1" }
      assert.strictEqual((yield* send(served.value, { headers })).status, 200)
      assert.strictEqual((yield* send(served.value, { headers: { host: "localhost" } })).status, 403)
    }))
})

describe("a decision", () => {
  it.live("counts once, and only for an approval that is open", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      const first = yield* given.ask("a", { itemId: "1", command: "make one" })
      const second = yield* given.ask("b", { itemId: "2", command: "make two" })
      const seen = yield* follow(url)
      yield* seen.has("offers", "make two")
      const id = offerIn(seen.part("offers"))
      assert.strictEqual(statusOf(yield* decide(url, "unknown", "accept")), 410)
      assert.strictEqual(statusOf(yield* decide(url, id, "acceptAlways")), 400)
      assert.strictEqual(statusOf(yield* decide(url, id, "accept")), 204)
      assert.deepStrictEqual(yield* Fiber.join(first), { decision: "accept" })
      assert.strictEqual(statusOf(yield* decide(url, id, "decline")), 410)
      yield* seen.until(() => !seen.part("offers").includes("make one"))
      assert.strictEqual(statusOf(yield* decide(url, id, "accept")), 410)
      // The other one still waits, and what is decided elsewhere is no longer open here.
      const other = offerIn(seen.part("offers"))
      assert.isUndefined(second.pollUnsafe())
      yield* Fiber.interrupt(second)
      yield* seen.until(() => seen.part("offers") === "")
      assert.strictEqual(statusOf(yield* decide(url, other, "accept")), 410)
      // The thread tells both.
      const thread = yield* send(url, { path: "?thread=1" })
      assert.include(thread.text, "accept")
    }))

  it.live("of two browsers at once is that of one", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      const asked = yield* given.ask("a", { command: "make" })
      const seen = yield* follow(url)
      yield* seen.has("offers", "make")
      const id = offerIn(seen.part("offers"))
      const statuses = yield* Effect.all([decide(url, id, "decline"), decide(url, id, "accept")], {
        concurrency: "unbounded"
      })
      assert.sameMembers(statuses.map(statusOf), [204, 410])
      const { decision } = yield* Fiber.join(asked)
      assert.strictEqual(decision, statuses[0].status === 204 ? "decline" : "accept")
    }))

  it.live("that is too long, no JSON, or not sent as such is refused without being read", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      const asked = yield* given.ask("a", { command: "make" })
      const seen = yield* follow(url)
      yield* seen.has("offers", "make")
      const id = offerIn(seen.part("offers"))
      const headers = { origin: url.origin, "content-type": "application/json" }
      const post = (body: string, more: object = {}) =>
        Effect.map(send(url, { method: "POST", path: "decide", headers: { ...headers, ...more }, body }), statusOf)
      const body = JSON.stringify({ id, decision: "accept" })
      assert.strictEqual(yield* post(body, { "content-type": "text/plain" }), 415)
      assert.strictEqual(yield* post(body, { "content-type": "application/x-www-form-urlencoded" }), 415)
      assert.strictEqual(yield* post("{"), 400)
      assert.strictEqual(yield* post("null"), 400)
      assert.strictEqual(yield* post(JSON.stringify({ id: [id], decision: "accept" })), 400)
      assert.strictEqual(yield* post(JSON.stringify({ id, decision: ["accept"] })), 400)
      // The connection may break off before the rest is sent.
      const long = yield* Effect.exit(post(body.padEnd(8 * 1024 * 1024)))
      assert.isTrue(Exit.isFailure(long) || long.value === 413)
      assert.isUndefined(asked.pollUnsafe())
      assert.strictEqual(yield* post(body), 204)
    }))
})

// =============================================================================
// What they show
// =============================================================================

const elementsOf = (node: Tree.Node): ReadonlyArray<Tree.Element> => [
  ...("tagName" in node ? [node] : []),
  ...("childNodes" in node ? node.childNodes.flatMap(elementsOf) : [])
]

const tags = new Set(
  ("a article button code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr li ol output p pre section span strong s " +
    "summary table tbody td th thead time tr ul br blockquote").split(" ")
)
const attributes = new Set(
  "class id href rel target open start style type data-offer data-decision".split(" ")
)
const links = /^(?:#[a-z]+-\d+$|#top$|\?thread=\d+$|report\?thread=\d+$|https?:\/\/|mailto:)/

const check = (html: string): void => {
  for (const { attrs, tagName } of elementsOf(Parse5.parseFragment(html))) {
    assert.isTrue(tags.has(tagName), tagName)
    for (const { name, value } of attrs) {
      assert.isTrue(attributes.has(name), `${tagName} ${name}`)
      if (name === "href") assert.match(value, links)
      if (name === "style") assert.match(value, /^text-align:(?:left|right|center)$/)
      if (name === "id" || name.startsWith("data-")) assert.match(value, /^[\w-]+$/)
    }
  }
}

describe("the pages", () => {
  for (const [what, text] of Object.entries(Hostile.texts)) {
    it.live(`take ${what} for text, wherever it stands`, () =>
      Effect.gen(function*() {
        const given = yield* client
        const url = yield* serve(given)
        for (const [method, params] of Hostile.frames(text)) yield* given.hear(method, params)
        yield* given.ask("thread", {
          turnId: "turn",
          itemId: `command ${text}`,
          command: text,
          reason: text,
          cwd: text
        })
        const list = yield* follow(url)
        yield* list.until(() => list.part("offers") !== "" && list.part("threads") !== "")
        const thread = yield* follow(url, "events?thread=1")
        yield* thread.until(() => [...thread.parts.keys()].some((id) => id.startsWith("part-turn")))
        assert.isAbove(thread.part("offers").length, 100)
        const { text: page } = yield* send(url, { path: "?thread=1" })
        const [, main = ""] = /<main>(.*)<\/main>/s.exec(page) ?? []
        assert.notStrictEqual(main, "")
        for (const html of [...list.parts.values(), ...thread.parts.values(), main]) {
          check(html)
          assert.notMatch(html, /[\u202A-\u202E\u2066-\u2069\u200B\u0000-\u0008\u001B\u{E0041}]/u)
        }
      }))
  }

  it.live("list each thread with what it does, and subagents with the thread that they work for", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given, { price: () => Option.some(0.5), currency: "€" })
      for (const [method, params] of Hostile.frames("some text")) yield* given.hear(method, params)
      yield* given.hear("thread/status/changed", {
        threadId: "other",
        status: { type: "active", activeFlags: ["waitingOnUserInput"] }
      })
      yield* given.item("other", "1", "First I look.\nThen I write.")
      const seen = yield* follow(url)
      yield* seen.has("threads", "Then I write.")
      assert.include(seen.part("summary"), "2 threads, 1 at work")
      assert.include(seen.part("threads"), "waits for an answer")
      // What works comes first.
      assert.isBelow(seen.part("threads").indexOf("other"), seen.part("threads").indexOf("some text"))
      // Of the one whose beginning was not heard, the stored part was asked for.
      assert.deepInclude(given.reads, ["thread/read", { threadId: "other", includeTurns: true }])
    }))

  it.live("say that the client has ended, and stay", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      yield* given.item("a", "1", "the last words")
      const seen = yield* follow(url)
      yield* seen.has("threads", "the last words")
      yield* given.end
      yield* seen.until(() => seen.said.some(([name]) => name === "ended"))
      assert.include(JSON.stringify(seen.said.at(-1)), "codex is gone.")
      yield* given.ask("a", { command: "make" })
      yield* seen.has("offers", "make")
      yield* seen.until(() => seen.said.filter(([name]) => name === "ended").length > 1)
      assert.include((yield* send(url)).text, "the last words")
    }))

  it.live("keep as many threads as they may, first those that work or wait", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given, { maxThreads: 3 })
      yield* given.hear("thread/status/changed", { threadId: "works", status: { type: "active", activeFlags: [] } })
      yield* given.ask("asks", { command: "make" })
      for (let n = 0; n < 20; n++) {
        yield* given.hear("thread/name/updated", { threadId: `idle-${n}`, threadName: `idle ${n}` })
      }
      const seen = yield* follow(url)
      yield* seen.has("threads", "idle 19")
      assert.include(seen.part("summary"), "3 threads")
      for (const expected of ["works", "asks", "idle 19"]) assert.include(seen.part("threads"), expected)
      assert.include(seen.part("offers"), "make")
    }))

  it.live("show the end of a long conversation, and all of it in the report", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      for (let n = 0; n < 1000; n++) yield* given.item("a", `item-${n}`, `words-${n}.`)
      const list = yield* follow(url)
      yield* list.has("threads", "words-999.")
      const seen = yield* follow(url, "events?thread=1")
      assert.strictEqual(seen.status, 200)
      yield* seen.until(() => [...seen.parts.values()].some((html) => html.includes("words-999.")))
      const html = [...seen.parts.values()].join("")
      assert.notInclude(html, "words-799.")
      assert.include(html, "words-800.")
      assert.include(html, "800 earlier items")
      assert.include((yield* send(url, { path: "report?thread=1" })).text, "words-0.")
    }))
})

/** Lets time pass while something is waited for that comes over the socket. */
const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const read = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
  return Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("1 second"), read)))
}

describe("a slow browser", () => {
  it.effect("gets the last state, few of those between, and holds nobody up", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given, { maxOutput: 100_000 })
      // The turn is about 4 MB, more than the buffers of a socket take.
      const long = "x".repeat(40_000)
      for (let n = 0; n < 100; n++) yield* given.command("a", `item-${n}`, `${long}${n}`)
      const list = yield* follow(url)
      yield* list.has("threads", "make")
      const quick = yield* follow(url, "events?thread=1")
      yield* quick.until(() => quick.events() > 0)
      const slow = yield* follow(url, "events?thread=1")
      yield* slow.until(() => slow.events() > 0)
      yield* slow.pause
      const before = slow.events()
      const updates = 9
      for (let n = 0; n < updates; n++) {
        yield* given.command("a", "item-99", `${long}${n}`)
        yield* given.hear("thread/name/updated", { threadId: "a", threadName: `now ${n}` })
        // Both would be drawn by then, and the quick one gets them all.
        yield* passing(quick.has("head", `now ${n}`))
      }
      yield* slow.resume
      yield* passing(slow.has("head", `now ${updates - 1}`))
      // The system's buffers of the socket take some.
      assert.isAtMost(slow.events() - before, 5)
    }))

  it.live("that asks for more pages than there are has to wait", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      for (let n = 0; n < 32; n++) assert.strictEqual((yield* follow(url)).status, 200)
      assert.strictEqual((yield* follow(url)).status, 503)
    }))
})

describe("a price that throws", () => {
  it.live("ends no program, and is in the log", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(inspect(message)))
      yield* Effect.gen(function*() {
        const given = yield* client
        const url = yield* serve(given, {
          price: () => {
            throw new Error("no price today")
          }
        })
        for (const [method, params] of Hostile.frames("some text")) yield* given.hear(method, params)
        const of = { threadId: "thread", turnId: "turn" }
        const usage = {
          totalTokens: 3,
          inputTokens: 2,
          cachedInputTokens: 0,
          cacheWriteInputTokens: 0,
          outputTokens: 1,
          reasoningOutputTokens: 0
        }
        yield* given.hear("model/rerouted", { ...of, fromModel: "a", toModel: "b", reason: "highRiskCyberActivity" })
        yield* given.hear("thread/tokenUsage/updated", {
          ...of,
          tokenUsage: { total: usage, last: usage, modelContextWindow: 100 }
        })
        const seen = yield* follow(url)
        yield* seen.over
        assert.strictEqual((yield* send(url)).status, 500)
        assert.strictEqual((yield* send(url, { path: "nowhere" })).status, 404)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
      assert.include(logged.join(), "no price today")
    }))
})

describe("what is no HTTP", () => {
  it.live("harms nobody", () =>
    Effect.gen(function*() {
      const given = yield* client
      const url = yield* serve(given)
      yield* Effect.callback<void>((resume) => {
        const socket = Net.connect(Number(url.port), "127.0.0.1", () => socket.write("\u0000garbage\r\n\r\n"))
        socket.on("error", () => {}).on("close", () => resume(Effect.void)).resume()
      })
      assert.strictEqual((yield* send(url)).status, 200)
    }))
})
