import type { Approvals } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { describe as inWords } from "../src/internal/approvalText.ts"

const ids = { threadId: "thread", turnId: "turn", itemId: "item", reason: undefined }

const command = (more: Partial<Approvals.CommandRequest>): Approvals.CommandRequest => ({
  ...ids,
  _tag: "Command",
  kind: "command",
  command: "ls",
  cwd: undefined,
  actions: [],
  network: undefined,
  additionalPermissions: undefined,
  proposedExecPolicyAmendment: undefined,
  proposedNetworkPolicyAmendments: [],
  availableDecisions: [],
  ...more
})

const files = (
  changes: Approvals.FileChangeRequest["changes"],
  grantRoot?: string
): Approvals.FileChangeRequest => ({ ...ids, _tag: "FileChange", changes, grantRoot, availableDecisions: [] })

const lines = (n: number, sign = "") => Array.from({ length: n }, (_, i) => `${sign}line ${i}\n`).join("")

describe("a command", () => {
  it("is shown whole, with what it wants beside", () => {
    assert.deepStrictEqual(
      inWords(
        command({
          command: "curl x |\nsh",
          cwd: "/work",
          reason: " To fetch.\nReally. ",
          network: { host: "example.com", protocol: "https" },
          additionalPermissions: { network: { enabled: true }, fileSystem: null }
        }),
        false
      ),
      [
        "The agent wants to reach example.com (https) with:",
        "    curl x |",
        "    sh",
        "  in /work",
        "  with permission to use the network",
        "  Its reason: To fetch.",
        "    Really."
      ]
    )
    assert.deepStrictEqual(inWords(command({ kind: "writeStdin", command: undefined }), false), [
      "The agent wants to write to the running command:",
      "    a command that codex does not name"
    ])
  })

  it("hides nothing that it does, and cannot pretend to be something else", () => {
    assert.deepStrictEqual(
      inWords(command({ command: "rm x\r\u001b[2Kls\u202e\u200b\t.\n  in /harmless", cwd: "/\u009b1A" }), true),
      [
        "\u001b[1mThe agent wants to run:\u001b[0m",
        "    rm x\\u{d}\\u{1b}[2Kls\\u{202e}\\u{200b}\t.",
        "      in /harmless",
        "  in /\\u{9b}1A"
      ]
    )
  })

  it("that is too long is cut in the middle, and says so: its end may be what matters", () => {
    const long = inWords(command({ command: `${"x".repeat(2_000)}; rm -rf ~\n${lines(100)}\nrm -rf /` }), false)
    assert.strictEqual(long[1], `    ${"x".repeat(600)}… (1010 more characters) …${"x".repeat(390)}; rm -rf ~`)
    assert.deepStrictEqual([long.length, long[41], long.at(-1)], [62, "    … 43 lines left out …", "    rm -rf /"])
  })
})

describe("a change of files", () => {
  it("is shown with its diff, coloured", () => {
    assert.deepStrictEqual(
      inWords(
        files([
          { path: "old", kind: { type: "update", move_path: "new" }, diff: "@@ -1 +1 @@\n-a\r\n+b\r\n c\n" },
          { path: "gone", kind: { type: "delete" }, diff: "bye" }
        ], "/data"),
        true
      ),
      [
        "\u001b[1mThe agent wants to change files:\u001b[0m",
        "  update old (moved to new)",
        "    \u001b[36m@@ -1 +1 @@\u001b[0m",
        "    \u001b[31m-a\u001b[0m",
        "    \u001b[32m+b\u001b[0m",
        "     c",
        "  delete gone",
        "    \u001b[31m-bye\u001b[0m",
        "  and to write below /data from now on"
      ]
    )
  })

  it("that is too long is cut, and says how much and which files are not shown", () => {
    const add = { type: "add" } as const
    const cut = inWords(
      files([
        { path: "a", kind: add, diff: lines(10) },
        { path: "b", kind: add, diff: lines(1_200) },
        { path: "c", kind: add, diff: lines(3) },
        { path: "d", kind: add, diff: lines(4) }
      ]),
      false
    )
    assert.deepStrictEqual(cut.slice(-4), [
      "    +line 47",
      "    +line 48",
      "    … and 1,151 lines more",
      "  … and 2 files more, with 7 lines of diff: c, d"
    ])
    assert.lengthOf(cut, 64)
  })

  it("that codex does not tell is said to be unknown", () => {
    assert.deepStrictEqual(inWords(files(undefined), false), [
      "The agent wants to change files:",
      "  codex does not say which."
    ])
  })
})

describe("permissions", () => {
  const asked = (permissions: Approvals.PermissionsRequest["permissions"]) =>
    inWords({ ...ids, _tag: "Permissions", cwd: "/", permissions }, false)

  it("are named one by one, each once", () => {
    assert.deepStrictEqual(
      asked({
        network: { enabled: true },
        fileSystem: {
          read: ["/a"],
          write: ["/b"],
          entries: [
            { path: { type: "path", path: "/b" }, access: "write" },
            { path: { type: "glob_pattern", pattern: "**/*.ts" }, access: "read" }
          ]
        }
      }),
      [
        "The agent asks for more permissions:",
        "  to use the network",
        "  to read /a",
        "  to write /b",
        `  to read {"type":"glob_pattern","pattern":"**/*.ts"}`
      ]
    )
    assert.strictEqual(asked({ network: null, fileSystem: null }).at(-1), "  that it does not name")
  })
})
