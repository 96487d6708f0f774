import { assert, describe, it } from "@effect/vitest"
import { proxies } from "../src/internal/doctor/machine.ts"
import * as Report from "../src/internal/doctor/report.ts"
import * as Lines from "../src/internal/lines.ts"

const checks = [
  Report.check("codex", "ok", "/usr/bin/codex (from PATH)"),
  Report.check("login", "fail", "nobody is logged in", "Run `effect-codex login`, or set CODEX_API_KEY."),
  Report.check("MCP server \u001b[2J\u202e", "warn", "failed with key sk-proj-aaaabbbbcccc1111\r\nand\u0007 more"),
  Report.check("sandbox", "skip", "the app-server does not run")
]

const shown = (columns: number) =>
  Report.lines(checks).flatMap((line) => Lines.render(line, { colors: false, columns }))

describe("the report of the doctor", () => {
  it("fits on 40 columns, without keys and controls", () => {
    assert.deepStrictEqual(shown(40), [
      "ok    codex: /usr/bin/codex (from PATH)",
      "fail  login: nobody is logged in",
      "      → Run `effect-codex login`, or set",
      "        CODEX_API_KEY.",
      "warn  MCP server \\u{1b}[2J\\u{202e}:",
      "      failed with key <redacted>",
      "      and\\u{7} more",
      "skip  sandbox: the app-server does not",
      "      run"
    ])
  })

  it("takes a row for each thing on 120 columns, and sums up", () => {
    assert.lengthOf(shown(120), 5)
    assert.isFalse(Report.isOk(checks))
    assert.strictEqual(Report.summary(checks), "1 of 4 checks failed.")
    assert.strictEqual(Report.summary(checks.slice(0, 1)), "Everything is fine.")
    assert.strictEqual(Report.summary(checks.slice(2)), "codex works here, with 1 warning.")
  })
})

describe("the proxies", () => {
  it("are told by name, never by value", () => {
    assert.deepStrictEqual(proxies({}), { name: "proxies", status: "ok", detail: "none is set" })
    assert.strictEqual(
      proxies({ HTTPS_PROXY: "http://u:p4ss@proxy:8080", no_proxy: "localhost, .example" }).detail,
      "HTTPS_PROXY, no_proxy (the values are not shown)"
    )
    const wrong = proxies({ ALL_PROXY: "p4ss word" })
    assert.strictEqual(wrong.status, "warn")
    assert.notInclude(JSON.stringify(wrong), "p4ss")
  })
})
