/** What others wrote is shown as what it is, in errors and in the lines of approvals. */
import { Approvals, CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"

const error = (detail: string) => new CodexError.RpcError({ method: "x", code: -32600, detail }).message

const line = (command: string) =>
  Approvals.describe({
    _tag: "Command",
    threadId: "t",
    turnId: "u",
    itemId: "i",
    reason: undefined,
    kind: "command",
    command,
    cwd: "/",
    actions: [],
    network: undefined,
    additionalPermissions: undefined,
    proposedExecPolicyAmendment: undefined,
    proposedNetworkPolicyAmendments: [],
    availableDecisions: []
  })

const points = (text: string) => [...text].map((c) => `\\u{${c.codePointAt(0)!.toString(16)}}`).join("")

const tags = [...`ignore`].map((c) => String.fromCodePoint(0xe0000 + c.codePointAt(0)!)).join("")

const hidden: ReadonlyArray<readonly [what: string, text: string]> = [
  ["an escape sequence", "\u001b\u009b\u0007\u007f"],
  ["text that is written with tags", tags],
  ["the tags behind a flag that no flag has", `\u{e0061}${tags}`],
  ["what changes the direction", "\u202e\u2066\u200f\u061c"],
  ["fillers", "\u3164\uffa0\u115f\u1160\u2800"],
  ["a vowel separator, joiners and a soft hyphen", "\u180e\u2060\u200b\u200c\u200d\u034f\u00ad\ufeff"],
  ["interlinear annotations", "\ufff9\ufffa\ufffb"],
  ["selectors of variants", "\ufe00\ufe0f\u{e0100}\u{e01ef}\u180b"],
  ["separators of lines", "\u2028\u2029\u0085"],
  ["halves of characters", "\ud83d"],
  ["private characters", "\ue000\uf8ff\u{f0000}"],
  ["what is no character", "\ufffe\uffff\u{1ffff}\ufdd0"]
]

describe("text that hides something", () => {
  it.each(hidden)("%s is shown as escapes", (_, text) => {
    assert.include(error(`a${text}b`), `a${points(text)}b`)
    assert.include(line(`a${text}b`), `a${points(text)}b`)
  })

  it("is shown also behind and between emoji", () => {
    assert.include(error(`\u{1f3f4}${tags}`), `\u{1f3f4}${points(tags)}`)
    assert.include(error("🙂\ufe0f\ufe0f\u200d\u200dx"), "🙂\ufe0f\\u{fe0f}\\u{200d}\\u{200d}x")
  })
})

describe("text that hides nothing", () => {
  it.each([
    "Grüße, naïve, 数据, مرحبا, हिन्दी, Ελλάδα – “quotes” … 1\u00a0000 €",
    "👍🏽 👩‍👩‍👧‍👦 ❤️ ⚠️ 1️⃣ 🏳️‍🌈 🇨🇭 ☎️ 🙂",
    "$1 $& $' \\u{1b}"
  ])("is shown as it is: %s", (text) => {
    assert.include(error(text), text)
    assert.include(line(text), text)
  })

  it("keeps its lines and tabs where lines may be, and no others", () => {
    assert.include(error("a\n\tb\r\nc"), "a\n\tb\\u{d}\nc")
    assert.include(line("a\n\tb"), "a\\u{a}\tb")
  })
})

describe("text that is too long", () => {
  const family = "👩‍👩‍👧‍👦"
  it("is not cut in the middle of a character, nor hides what is left of one", () => {
    for (let more = 1; more < family.length; more++) {
      const text = line("x".repeat(300 - more) + family + "y".repeat(100))
      assert.isTrue(text.isWellFormed())
      assert.isFalse(text.includes("\u200d…") || text.includes("\ufe0f…"))
      assert.match(text, /… \(\d+ more characters\)/)
      const ending = line("y".repeat(400) + family + "x".repeat(120 - more))
      assert.isTrue(ending.isWellFormed())
      assert.isFalse(ending.includes("…\u200d") || ending.includes("…\ufe0f"))
      assert.match(ending, /x{100,}/)
    }
  })
})
