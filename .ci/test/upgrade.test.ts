/** `npm run upgrade-codex`, without codex and a network. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Path from "node:path"
import type { Tested } from "../compatTable.ts"
import { type Machine, type Plan, planOf, upgrade, UsageError, withNewest, withVersion } from "../upgradeSteps.ts"

const pinned = "1.169.0"
const plan: Plan = { from: pinned, to: "1.171.0", isDryRun: false, hasTests: true, only: [] }

describe("the arguments", () => {
  it("are a version, and what to leave out", () => {
    assert.deepStrictEqual(planOf(["1.171.0"], pinned), plan)
    assert.deepStrictEqual(
      planOf(["--no-tests", "--only", "packages/cli/", "--only", "Contract", "--from", "1.168.0", "1.171.0"], pinned),
      { ...plan, from: "1.168.0", hasTests: false, only: ["packages/cli/", "Contract"] }
    )
    assert.isTrue(planOf(["--dry-run", "1.171.0-alpha.2"], pinned).isDryRun)
  })

  it("are refused where nothing can come of them", () => {
    const wrong = [
      [[], "Which version?"],
      [["1.171.0", "1.172.0"], "One version, not 2."],
      [["--nope", "1.171.0"], "Unknown option '--nope'"],
      [["latest"], `"latest" is not a version of codex`],
      [["^1.171.0"], `"^1.171.0" is not a version of codex`],
      [["1.171"], `"1.171" is not a version of codex`],
      // It names a folder that is removed.
      [["../../../src"], `"../../../src" is not a version of codex`],
      [["--from", "1.0.0/..", "1.171.0"], `"1.0.0/.." is not a version of codex`],
      [[pinned], `There is nothing to upgrade from ${pinned} to ${pinned}`],
      [["1.168.0"], `1.168.0 is older than ${pinned}`],
      // Numbers, not texts.
      [["1.99.0"], `1.99.0 is older than ${pinned}`]
    ] as const
    for (const [argv, message] of wrong) {
      assert.throws(() => planOf(argv, pinned), UsageError, message)
    }
    assert.strictEqual(planOf(["--dry-run", "1.168.0"], pinned).to, "1.168.0")
  })

  it("that are wrong end the script before it does anything, with how to use it", () => {
    for (const [script, argument] of [["upgrade.ts", "latest"], ["compat.ts", "../src"]] as const) {
      const file = Path.join(import.meta.dirname, "..", script)
      const { status, stderr, stdout } = spawnSync(process.execPath, [file, argument], { encoding: "utf8" })
      assert.strictEqual(stdout, "")
      assert.include(stderr, `"${argument}" is not a version of codex`)
      assert.include(stderr, "usage: npm run ")
      assert.strictEqual(status, 2)
    }
  })
})

interface Result extends Tested {
  readonly isPassed: boolean
}

/** A machine that notes what it is told. What is in `failing` throws. */
const machine = (failing: ReadonlyArray<string> = [], isPassed: (version: string) => boolean = () => true) => {
  const calls: Array<string> = []
  const said: Array<string> = []
  const call = (...words: ReadonlyArray<string>) => {
    const line = words.join(" ")
    calls.push(line)
    if (failing.includes(line)) throw new Error(`no ${line}`)
  }
  const it: Machine<string, Result> = {
    say: (line) => said.push(line),
    install: (version) => {
      call("install", version)
      return `launcher of ${version}`
    },
    uninstall: (version) => call("uninstall", version),
    compare: (from, to, isKept) => call("compare", from, to, ...isKept ? ["kept"] : []),
    pin: (version) => call("pin", version),
    generate: () => call("generate"),
    edit: ({ from, to }) => call("edit", from, to),
    test: (version, launcher, only) => {
      call("test", version, "with the", launcher, ...only)
      return { version, passed: { client: "1/1" }, partial: [], isPassed: isPassed(version) }
    },
    write: (results) => call("write", ...results.map(({ version }) => version)),
    isPassed: (result) => result.isPassed
  }
  return { it, calls, said: () => said.join("\n") }
}

const installing = ["install 1.169.0", "install 1.171.0"]
const uninstalling = ["uninstall 1.169.0", "uninstall 1.171.0"]
const changing = ["compare 1.169.0 1.171.0 kept", "pin 1.171.0", "generate", "edit 1.169.0 1.171.0"]

describe("an upgrade", () => {
  it("changes the repository, and tests both versions", () => {
    const { calls, it, said } = machine()
    assert.strictEqual(upgrade({ ...plan, only: ["Contract"] }, it), 0)
    assert.deepStrictEqual(calls, [
      ...installing,
      ...changing,
      "test 1.169.0 with the launcher of 1.169.0 Contract",
      "test 1.171.0 with the launcher of 1.171.0 Contract",
      "write 1.169.0 1.171.0",
      ...uninstalling
    ])
    assert.include(said(), "Left to do")
  })

  it("without tests changes it only, and a dry run changes nothing", () => {
    const untested = machine()
    assert.strictEqual(upgrade({ ...plan, hasTests: false }, untested.it), 0)
    assert.deepStrictEqual(untested.calls, [...installing, ...changing, ...uninstalling])

    const dry = machine()
    assert.strictEqual(upgrade({ ...plan, isDryRun: true }, dry.it), 0)
    assert.deepStrictEqual(dry.calls, [...installing, "compare 1.169.0 1.171.0", ...uninstalling])
    assert.notInclude(dry.said(), "Left to do")

    const older = machine()
    assert.strictEqual(upgrade({ ...plan, to: "1.168.0", isDryRun: true }, older.it), 0)
    assert.include(older.said(), "\"gained\" means lost since then")
  })

  it("whose tests fail writes their results, and fails", () => {
    const { calls, it } = machine([], (version) => version !== "1.171.0")
    assert.strictEqual(upgrade(plan, it), 1)
    assert.include(calls, "write 1.169.0 1.171.0")
  })

  it("that stops before it has changed anything says so, and removes what it installed", () => {
    for (const failing of ["install 1.171.0", "compare 1.169.0 1.171.0 kept"]) {
      const { calls, it, said } = machine([failing])
      assert.strictEqual(upgrade(plan, it), 1)
      assert.include(said(), `failed: no ${failing}\nNothing was changed.`)
      assert.notInclude(calls, "pin 1.171.0")
      assert.deepStrictEqual(calls.slice(-2), uninstalling)
    }
  })

  it("that stops midway says what was done, and how to go on from the older version", () => {
    for (
      const [failing, current, done] of [
        ["pin 1.171.0", "Pin it", "Install both versions, What changed"],
        ["generate", "Generate the protocol", "Install both versions, What changed, Pin it"],
        [
          "write 1.169.0 1.171.0",
          "Run what needs codex on both",
          "Install both versions, What changed, Pin it, Generate the protocol, Name it in sources and pages"
        ]
      ] as const
    ) {
      const { calls, it, said } = machine([failing])
      assert.strictEqual(upgrade(plan, it), 1)
      assert.include(said(), `"${current}" failed: no ${failing}\nDone until then: ${done}.`)
      const again = /npm run upgrade-codex -- (.*)/.exec(said())?.[1]?.split(" ") ?? []
      // The new version may be pinned by now.
      assert.deepStrictEqual(planOf(again, "1.171.0"), plan)
      assert.deepStrictEqual(calls.slice(-2), uninstalling)
    }
  })
})

describe("what names the version", () => {
  it("for readers names the new one, and nothing else changes", () => {
    const page = [
      "npm i @openai/codex@1.169 effect@4.1",
      "effect-codex is generated from codex 1.169.0 and tested with **codex 0.162 to 0.169**.",
      "- **1.169 and before**: 1.169.0 sends another form."
    ]
    assert.deepStrictEqual(withVersion(page.join("\n"), plan).split("\n"), [
      "npm i @openai/codex@1.171 effect@4.1",
      "effect-codex is generated from codex 1.171.0 and tested with **codex 0.162 to 1.171**.",
      page[2]
    ])
  })

  it("in the source is the newest tested one", () => {
    assert.strictEqual(
      withNewest(`{ oldest: "0.162", newest: "0.169" } as const`, plan),
      `{ oldest: "0.162", newest: "1.171" } as const`
    )
  })
})
