/** What a person sees of a turn: on terminals of 40 and 120 columns, in a pipe, and when all of it is hostile. */
import type { TurnResult } from "@effect-codex/client/TurnResult"
import { assert, describe, it } from "@effect/vitest"
import * as ItemLines from "../src/internal/itemLines.ts"
import * as Lines from "../src/internal/lines.ts"
import { Markdown } from "../src/internal/markdown.ts"
import * as Screen from "../src/internal/screen.ts"

type Item = TurnResult["items"][number]

const command = (more: Partial<ItemLines.ItemOf<"commandExecution">>): Item => ({
  type: "commandExecution",
  id: "command",
  pluginId: null,
  scriptPath: null,
  command: "/bin/bash -lc 'npm test'",
  cwd: "/home",
  processId: null,
  source: "agent",
  status: "completed",
  commandActions: [],
  aggregatedOutput: null,
  exitCode: 0,
  durationMs: 1234,
  ...more
})

const subagent = (more: Partial<ItemLines.ItemOf<"collabAgentToolCall">>): Item => ({
  type: "collabAgentToolCall",
  id: "agent",
  tool: "spawnAgent",
  status: "completed",
  senderThreadId: "parent",
  receiverThreadIds: ["child"],
  prompt: null,
  model: null,
  reasoningEffort: null,
  agentsStates: {},
  ...more
})

const items: ReadonlyArray<Item> = [
  command({}),
  command({
    command: "/bin/bash -lc 'npm test -- --project client turns/Goal.test'",
    status: "failed",
    exitCode: 2,
    aggregatedOutput: `${
      Array.from({ length: 20 }, (_, i) => `line ${i}`).join("\n")
    }\n\u001b[31mFAIL\u001b[0m turns/Goal.test.ts: expected the goal to be set after a restart\n10%\r50%\r100%\n`
  }),
  command({ status: "declined", exitCode: null }),
  {
    type: "fileChange",
    id: "files",
    status: "completed",
    changes: [
      { path: "/home/src/a.ts", kind: { type: "update", move_path: null }, diff: "@@ -1,2 +1,3 @@\n a\n-b\n+c\n+d\n" },
      { path: "/home/new.ts", kind: { type: "add" }, diff: "one\ntwo\n" },
      { path: "/elsewhere/old.ts", kind: { type: "delete" }, diff: "one\n" },
      { path: "/home/x.ts", kind: { type: "update", move_path: "/home/y.ts" }, diff: "@@ -1 +1 @@\n-a\n+b\n" }
    ]
  },
  subagent({ prompt: "Look for every caller of the old function and list the files that it is in." }),
  subagent({ tool: "wait", agentsStates: { child: { status: "completed", message: "Three files." } } })
]

const plan = ItemLines.planLines([], [
  { step: "Read the code", status: "completed" },
  { step: "Write the test that fails, and see it fail for the right reason", status: "inProgress" },
  { step: "Fix it", status: "pending" }
])

const shown = (columns: number | undefined, colors = false): ReadonlyArray<string> =>
  [...plan, ...items.flatMap((item) => ItemLines.linesOf(item, "/home"))].flatMap((line) =>
    Lines.render(line, { colors, columns })
  )

describe("what an agent does", () => {
  it("fits on 40 columns", () => {
    assert.deepStrictEqual(shown(40), [
      "the plan:",
      "  [x] Read the code",
      "  [>] Write the test that fails, and see",
      "      it fail for the right reason",
      "  [ ] Fix it",
      "ran `npm test` in 1.2s",
      "ran `npm test -- --project client",
      "  turns/Goal.test` in 1.2s, exit code 2",
      "    …",
      "    line 12",
      "    line 13",
      "    line 14",
      "    line 15",
      "    line 16",
      "    line 17",
      "    line 18",
      "    line 19",
      "    FAIL turns/Goal.test.ts: expected",
      "      the goal to be set after a restart",
      "    100%",
      "did not run `npm test`: it was declined",
      "deleted /elsewhere/old.ts -1",
      "added new.ts +2",
      "edited src/a.ts +2 -1",
      "moved x.ts → y.ts +1 -1",
      "started a subagent: Look for every",
      "  caller of the old function and list",
      "  the files that it is in.",
      "subagent completed: Three files."
    ])
    for (let columns = 1; columns < 60; columns++) {
      const widths = shown(columns).map(Lines.widthOf)
      assert.isAtMost(Math.max(...widths), Math.max(columns, 12))
    }
  })

  it("takes one row each on 120 columns, and is whole in a pipe", () => {
    const wide = shown(120)
    assert.include(wide, "  [>] Write the test that fails, and see it fail for the right reason")
    assert.include(wide, "ran `npm test -- --project client turns/Goal.test` in 1.2s, exit code 2")
    assert.deepStrictEqual(shown(undefined), wide)
  })

  it("has colours only where it matters", () => {
    const colored = shown(120, true)
    assert.include(colored, "edited src/a.ts\u001b[32m +2\u001b[0m\u001b[31m -1\u001b[0m")
    assert.include(colored, "ran `npm test` in 1.2s")
    // oxlint-disable-next-line no-control-regex
    assert.deepStrictEqual(colored.map((row) => row.replace(/\u001b\[[\d;]*m/g, "")), shown(120))
  })

  it("tells only the steps of a plan that have changed", () => {
    const steps = (...statuses: ReadonlyArray<string>) => statuses.map((status, i) => ({ step: `step ${i}`, status }))
    const told = (before: ReadonlyArray<ItemLines.Step>, after: ReadonlyArray<ItemLines.Step>) =>
      ItemLines.planLines(before, after).map(Lines.plain)
    const first = steps("inProgress", "pending")
    assert.deepStrictEqual(told(first, first), [])
    assert.deepStrictEqual(told(first, steps("completed", "inProgress")), ["  [x] step 0", "  [>] step 1"])
    assert.deepStrictEqual(told(first, steps("completed")), ["the plan:", "  [x] step 0"])
    assert.deepStrictEqual(told(first, [{ step: "step 0", status: "inProgress" }, { step: "step 1", status: "odd" }]), [
      "  [?] step 1"
    ])
  })

  it("stays short when a thousand files change, or an output has no end", () => {
    const changes = Array.from({ length: 1000 }, (_, i) => ({
      path: `/home/${i}.ts`,
      kind: { type: "add" as const },
      diff: "x\n"
    }))
    const many = ItemLines.linesOf({ type: "fileChange", id: "f", status: "completed", changes }, "/home")
    assert.strictEqual(many.length, 21)
    assert.strictEqual(Lines.plain(many.at(-1)!), "… and 980 more files +980")
    const endless = ItemLines.linesOf(
      command({ status: "failed", exitCode: 1, aggregatedOutput: "x".repeat(10_000_000) }),
      "/home"
    ).flatMap((line) => Lines.render(line, { colors: false, columns: 40 }))
    assert.isBelow(endless.join("").length, 600)
  })
})

// =============================================================================
// Markdown
// =============================================================================

const answer = [
  "# Result",
  "",
  "I **fixed** the `parser` and *checked* it, see [the docs](https://example.com/docs) and ~~old~~ \\*stars\\*.",
  "",
  "- first thing that is long enough to be wrapped on a narrow terminal",
  "  - nested",
  "10. tenth",
  "> quoted",
  "",
  "```ts",
  "const a = **b** // a line of code that is not wrapped, so that it can be copied",
  "```",
  "| Name | Meaning |",
  "|------|---------|",
  "| `a` | the first |",
  "| bb | the second \\| last |",
  "snake_case_name and 2 * 3 * 4",
  "---"
].join("\n")

const markdown = (text: string, look: Lines.Look, pieces = 1): ReadonlyArray<string> => {
  const writer = new Markdown(look.columns)
  const size = Math.ceil(text.length / pieces)
  const lines = Array.from({ length: pieces }, (_, i) => writer.push(text.slice(i * size, (i + 1) * size)))
  return [...lines.flat(), ...writer.end()].flatMap((line) => Lines.render(line, look))
}

describe("an answer in Markdown", () => {
  it("reads well on 40 columns", () => {
    assert.deepStrictEqual(markdown(answer, { colors: false, columns: 40 }), [
      "Result",
      "",
      "I fixed the parser and checked it, see",
      "the docs (https://example.com/docs) and",
      "old *stars*.",
      "",
      "• first thing that is long enough to be",
      "  wrapped on a narrow terminal",
      "  • nested",
      "10. tenth",
      "│ quoted",
      "",
      "  const a = **b** // a line of code that is not wrapped, so that it can be copied",
      "Name  Meaning",
      "────  ─────────────────",
      "a     the first",
      "bb    the second | last",
      "snake_case_name and 2 * 3 * 4",
      "────────"
    ])
  })

  it("is the same in one piece and letter by letter", () => {
    const look = { colors: true, columns: 120 }
    assert.deepStrictEqual(markdown(answer, look, answer.length), markdown(answer, look))
    assert.include(markdown(answer, look), "\u001b[1mResult\u001b[0m")
    assert.include(
      markdown(answer, look),
      "I \u001b[1mfixed\u001b[0m the \u001b[36mparser\u001b[0m and \u001b[3mchecked\u001b[0m it, see " +
        "\u001b[4mthe docs\u001b[0m\u001b[2m (https://example.com/docs)\u001b[0m and \u001b[9mold\u001b[0m *stars*."
    )
  })

  it("lists the cells of a table that is too wide", () => {
    const table = "| Name | Meaning |\n|---|---|\n| a | something that does not fit on the line |\n"
    assert.deepStrictEqual(markdown(table, { colors: false, columns: 40 }), [
      "Name: a",
      "Meaning: something that does not fit on",
      "  the line",
      ""
    ])
  })

  it("takes no time for what is made to take long", () => {
    const hostile = ["*", "**a ", "_a ", "`", "[", "[](", "~~a", "|", "\\", "<http:"].map((part) => part.repeat(20_000))
    const lines = markdown(hostile.join("\n"), { colors: true, columns: 80 })
    assert.isAbove(lines.length, 10)
  }, 10_000)
})

// =============================================================================
// Hostile text
// =============================================================================

const attacks: ReadonlyArray<readonly [name: string, text: string]> = [
  ["a colour that hides", "\u001b[8mhidden\u001b[0m"],
  ["the title of the window", "\u001b]0;title\u0007"],
  ["the clipboard", "\u001b]52;c;cm0gLXJmIH4=\u0007"],
  ["a link to elsewhere", "\u001b]8;;https://evil.example\u001b\\safe.example\u001b]8;;\u001b\\"],
  ["a C1 control", "\u009b2J\u009d0;x\u009c"],
  ["a carriage return", "rm -rf /\rls       "],
  ["a backspace", "rm\b\bls"],
  ["directions", "\u202egnp.exe\u202c \u2066x\u2069"],
  ["what is not seen", "a\u200bb\u00adc\u2060d\ufeffe"],
  ["tags", "\u{e0041}\u{e0042}"],
  ["a bell and a form feed", "\u0007\u000c"],
  ["half a character", "\ud83d"],
  ["line separators", "a\u2028b\u2029c\u0085d"]
]

// oxlint-disable-next-line no-control-regex
const dangerous =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]|[\ud800-\udfff](?![\udc00-\udfff])(?<![\ud800-\udbff][\udc00-\udfff])/u

const terminal = (options: { readonly isTTY: boolean; readonly env?: Record<string, string> }) => {
  const written: Array<string> = []
  const output = {
    isTTY: options.isTTY,
    columns: 60,
    on: () => {},
    write: (text: string, done?: (error?: Error | null) => void) => {
      written.push(text)
      done?.()
      return true
    }
  }
  return { written, screen: Screen.make({ stdout: output, stderr: output, env: options.env ?? {} }) }
}

describe("hostile text", () => {
  it("reaches no terminal as a command, wherever it comes from", () => {
    for (const [name, text] of attacks) {
      const everywhere: ReadonlyArray<Item> = [
        { type: "reasoning", id: "r", summary: [text], content: [] },
        command({ command: text }),
        command({ status: "failed", exitCode: 1, aggregatedOutput: text }),
        command({ status: "declined", command: `/bin/sh -lc '${text}'` }),
        {
          type: "fileChange",
          id: "f",
          status: "completed",
          changes: [{ path: `/home/${text}`, kind: { type: "update", move_path: text }, diff: text }]
        },
        subagent({ prompt: text }),
        subagent({ tool: "wait", agentsStates: { [text]: { status: text, message: text } } })
      ]
      const lines = [
        ...everywhere.flatMap((item) => ItemLines.linesOf(item, "/home")),
        ...ItemLines.planLines([], [{ step: text, status: text }])
      ].flatMap((line) => Lines.render(line, { colors: false, columns: 60 }))
      const rendered = markdown(
        `${text}\n# ${text}\n\`${text}\`\n[${text}](${text})\n| ${text} |\n|---|\n| ${text} |`,
        {
          colors: false,
          columns: 60
        }
      )
      for (const row of [...lines, ...rendered]) assert.notMatch(row, dangerous, name)
    }
  })

  it("has no way around the screen", () => {
    for (const isTTY of [true, false]) {
      const { screen, written } = terminal({ isTTY, env: { NO_COLOR: "1" } })
      for (const [, text] of attacks) {
        screen.lineUnsafe(text)
        screen.lineUnsafe(Lines.line(text))
      }
      assert.notMatch(written.join("").replaceAll("\n", ""), dangerous)
    }
  })

  it("is escaped so that a person sees it, and ordinary text is left alone", () => {
    const row = (text: string) => Lines.render(Lines.line(text), { colors: false, columns: undefined })[0]
    assert.strictEqual(row("\u001b[8mx"), "\\u{1b}[8mx")
    for (const text of ["naïve — “quoted” … 漢字 한글 👩‍👩‍👧 🏳️‍🌈 e\u0301", "می\u200cخواهم", "שלום"]) {
      assert.strictEqual(row(text), text)
    }
  })
})

describe("the looks of the screen", () => {
  const colors = (options: Parameters<typeof terminal>[0]) => terminal(options).screen.rich !== undefined

  it("follow the terminal, NO_COLOR, FORCE_COLOR, TERM and CI", () => {
    assert.isTrue(colors({ isTTY: true }))
    assert.isFalse(colors({ isTTY: false }))
    assert.isFalse(colors({ isTTY: true, env: { NO_COLOR: "1" } }))
    assert.isFalse(colors({ isTTY: true, env: { TERM: "dumb", FORCE_COLOR: "1" } }))
    assert.isFalse(colors({ isTTY: true, env: { CI: "true" } }))
    assert.isTrue(colors({ isTTY: false, env: { FORCE_COLOR: "1", CI: "true" } }))
    assert.isFalse(colors({ isTTY: false, env: { FORCE_COLOR: "0" } }))
    assert.isFalse(terminal({ isTTY: true, env: { CI: "true" } }).screen.isLive)
  })

  it("have the width of the terminal, else the one of COLUMNS, else none", () => {
    assert.strictEqual(terminal({ isTTY: true, env: { COLUMNS: "10" } }).screen.columns, 60)
    assert.strictEqual(terminal({ isTTY: false, env: { COLUMNS: "10" } }).screen.columns, 10)
    assert.isUndefined(terminal({ isTTY: false, env: { COLUMNS: "wide" } }).screen.columns)
    assert.isUndefined(terminal({ isTTY: false }).screen.columns)
  })
})
