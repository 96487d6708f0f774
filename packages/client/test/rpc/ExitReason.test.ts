import { CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"

const exited = (...stderr: ReadonlyArray<string>) =>
  new CodexError.AppServerExited({ code: 101, signal: null, stderr: [...stderr] })

const backtrace = [
  "stack backtrace:",
  "   0: core::panicking::panic",
  "             at ./library/core.rs:1:2",
  "   1: <unknown>"
]

describe("the reason of an exit", () => {
  const cases: ReadonlyArray<readonly [stderr: ReadonlyArray<string>, reason: string | undefined]> = [
    [[], undefined],
    [["\u001b[2m2026\u001b[0m \u001b[31mERROR\u001b[0m codex: something"], undefined],
    [["WARN x", "Error: it broke"], "it broke."],
    [
      ["\u001b[1m\u001b[31merror:\u001b[0m invalid value 'x'", "", "For more information, try '--help'."],
      "invalid value 'x'."
    ],
    [["Error: first", "", "Error: second!", "", "Stack backtrace:", "   0: <unknown>"], "second!"],
    [["Error: outer", "", "Caused by:", "    inner"], "outer."],
    [
      ["thread 'main' (12) panicked at src/main.rs:3:5:", "it is gone", "note: run with `RUST_BACKTRACE=1`"],
      "thread 'main' (12) panicked at src/main.rs:3:5: it is gone."
    ],
    [["thread 'tokio-1' panicked at a.rs:1:1:", "boom", ...backtrace], "thread 'tokio-1' panicked at a.rs:1:1: boom."],
    [[`Error: ${"long ".repeat(1000)}`], `${"long ".repeat(100)}`.trim().concat(".")]
  ]
  it.each(cases)("%#", (stderr, reason) => {
    assert.strictEqual(exited(...stderr).reason, reason)
  })

  it("comes first in the message, then what to do, then the end of stderr without backtraces", () => {
    const { message } = exited("before", "thread 'main' panicked at a.rs:1:1:", "boom", ...backtrace, "after")
    assert.strictEqual(
      message,
      "codex app-server ended with exit code 101. thread 'main' panicked at a.rs:1:1: boom. A layer with the option " +
        "`restart` goes on by itself. Build any other again, then resume threads by id.\n" +
        "The last lines of its stderr:\n  before\n  thread 'main' panicked at a.rs:1:1:\n  boom\n  after"
    )
  })

  it("keeps the whole of stderr in the field", () => {
    assert.include(exited("Error: x", ...backtrace).stderr, "   1: <unknown>")
  })

  it("says that the descriptors ran out", () => {
    const { message } = exited("Error: No file descriptors available (os error 24)")
    assert.include(message, "(os error 24). codex has run out of file descriptors: raise")
  })
})
