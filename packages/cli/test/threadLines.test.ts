import type { ThreadInfo } from "@effect-codex/client/Thread"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { assert, describe, it } from "@effect/vitest"
import * as Lines from "../src/internal/lines.ts"
import * as ThreadLines from "../src/internal/threadLines.ts"

const now = Date.UTC(2026, 0, 31, 12)

const thread = (more: Partial<ThreadInfo>): ThreadInfo => ({
  id: "01a228cb-a963-7900-a4c2-6f5c652fb470",
  environments: null,
  extra: null,
  sessionId: "session",
  forkedFromId: null,
  attachedToThreadId: null,
  parentThreadId: null,
  preview: "Fix the failing test of the parser, and say what was wrong with it",
  ephemeral: false,
  section: null,
  sectionEnteredAt: null,
  projectId: null,
  historyMode: "paginated",
  modelProvider: "openai",
  model: "another-model",
  reasoningEffort: null,
  createdAt: now / 1000,
  updatedAt: now / 1000,
  recencyAt: null,
  status: { type: "notLoaded" },
  path: null,
  cwd: "/home/a/very/long/path/to/the/project",
  cliVersion: codexVersion,
  originator: null,
  source: "cli",
  canAcceptDirectInput: null,
  threadSource: null,
  agentNickname: null,
  agentRole: null,
  gitInfo: null,
  name: null,
  daybreakEnabled: null,
  turns: [],
  ...more
})

const threads = [
  thread({}),
  thread({
    id: "01a228cb-b25d-71f1-9768-ab94548ce26b",
    name: "漢字の名前がとても長いので切られるはずです",
    cwd: "/home/b",
    updatedAt: now / 1000 - 3 * 3600
  }),
  thread({
    id: "01a10000-0000-7000-8000-000000000000",
    preview: "evil\u001b]0;x\u0007\n\u202etitle\rx",
    cwd: "/\u001b[2J",
    updatedAt: Date.UTC(2025, 10, 3) / 1000
  }),
  thread({ id: "01a10000-0001-7000-8000-000000000000", preview: "", updatedAt: now / 1000 - 2 * 24 * 3600 })
]

const table = (columns: number | undefined, hasFolders = true) =>
  ThreadLines.table(threads, { columns, hasFolders, now }).flatMap((line) =>
    Lines.render(line, { colors: false, columns })
  )

describe("a list of threads", () => {
  it("fits on 40 columns", () => {
    assert.deepStrictEqual(table(40), [
      "ID             USED        TITLE",
      "01a228cb-a963  now         Fix the fail…",
      "01a228cb-b25d  3h          漢字の名前が…",
      "01a10000-0000  2025-11-03  evil\\u{1b}]0…",
      "01a10000-0001  2d          (nothing was…"
    ])
    for (let columns = 1; columns < 150; columns++) {
      for (const row of table(columns)) assert.isAtMost(Lines.widthOf(row), columns)
    }
  })

  it("has folders where there is room", () => {
    assert.deepStrictEqual(
      table(120),
      [
        "ID             USED        FOLDER                          TITLE",
        "01a228cb-a963  now         …very/long/path/to/the/project  Fix the failing test of the parser, and say what was wrong w…",
        "01a228cb-b25d  3h          /home/b                         漢字の名前がとても長いので切られるはずです",
        "01a10000-0000  2025-11-03  /\\u{1b}[2J                      evil\\u{1b}]0;x\\u{7} \\u{202e}title\\u{d}x",
        "01a10000-0001  2d          …very/long/path/to/the/project  (nothing was said yet)"
      ]
    )
    assert.include(table(undefined, false)[1], "Fix the failing test of the parser, and say what was wrong with it")
  })

  it("shows as much of the ids as tells them apart", () => {
    const ids = ["01a228cb-a963-7900-a4c2-6f5c652fb470", "01a228cb-a963-7900-b4c2-6f5c652fb470"]
    assert.strictEqual(ThreadLines.idLength(ids), 20)
    assert.strictEqual(ThreadLines.idLength([...ids, ids[0]!]), 20)
    assert.strictEqual(ThreadLines.idLength([]), 13)
  })
})
