/** `effect-codex threads`, on the real binary. */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

// Each test starts a dozen programs one after another, and each of them codex.
const timeout = 180_000

const threadIn = (stderr: string): string => /^thread ([\da-f-]{36}), /m.exec(stderr)![1]!

const answer = ({ prompt, toolOutputs }: ScriptedModel.ModelRequest): ScriptedModel.Answer =>
  prompt === "break something" && toolOutputs.length === 0
    ? [
      ScriptedModel.text("I try.", { phase: "commentary" }),
      ScriptedModel.exec("printf '\\033]0;x\\007it broke\\n'; exit 3")
    ]
    : ScriptedModel.text(`# You said\n\n**${prompt}**\u001b[2J`, { phase: "final_answer" })

/** A user with three threads: two of the home, one of another folder. */
const withThreads = Effect.gen(function*() {
  const model = yield* ScriptedModel.make({ answer })
  const home = yield* Cli.user(model)
  const elsewhere = yield* Cli.newcomer
  const begin = (prompt: string, cwd: string) =>
    Effect.map(Cli.run(["run", prompt], { home, cwd }), ({ stderr }) => threadIn(stderr))
  const pear = yield* begin("paint a red pear", home)
  const broken = yield* begin("break something", home)
  const plum = yield* begin("paint a plum", elsewhere)
  const threads = (...args: ReadonlyArray<string>) => Cli.run(["threads", ...args], { home, env: { COLUMNS: "40" } })
  return { home, elsewhere, model, pear, broken, plum, threads }
})

const json = (stdout: string): ReadonlyArray<{ readonly [key: string]: unknown }> =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line))

describe("effect-codex threads", () => {
  it.live("lists those of the folder, all of them, and the archived ones", () =>
    Effect.gen(function*() {
      const { broken, pear, plum, threads } = yield* withThreads
      const here = yield* threads("list")
      assert.strictEqual(here.code, 0, here.stderr)
      const short = (id: string) => id.slice(0, 13)
      assert.deepStrictEqual(here.stdout.split("\n"), [
        "ID             USED  TITLE",
        `${short(broken)}  now   break something`,
        `${short(pear)}  now   paint a red pear`,
        ""
      ])
      const ids = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
        return json((yield* threads("list", "--json", ...args)).stdout).map(({ id }) => id)
      })
      assert.deepStrictEqual(yield* ids("--all"), [plum, broken, pear])
      const two = yield* threads("list", "--all", "--limit", "2", "--json")
      assert.deepStrictEqual(json(two.stdout).map(({ id }) => id), [plum, broken])
      assert.match(two.stderr, /^There are more\. --limit 10 /m)

      const archived = yield* threads("archive", short(pear))
      assert.strictEqual(archived.code, 0, archived.stderr)
      assert.deepStrictEqual(yield* ids(), [broken])
      assert.deepStrictEqual(yield* ids("--archived"), [pear])
      assert.include((yield* threads("show", short(pear))).stdout, "> paint a red pear")
      const back = yield* threads("unarchive", short(pear))
      assert.strictEqual(back.code, 0, back.stderr)
      assert.strictEqual((yield* threads("list", "--archived", "--all")).stderr, "There are no archived threads.\n")
      assert.deepStrictEqual([...yield* ids()].sort(), [broken, pear].sort())
    }).pipe(Cli.live), timeout)

  it.live("finds what was said, and shows it", () =>
    Effect.gen(function*() {
      const { broken, pear, plum, threads } = yield* withThreads
      const found = yield* threads("search", "paint")
      assert.include(found.stdout, pear.slice(0, 13), found.stderr)
      assert.include(found.stdout, plum.slice(0, 13))
      assert.notInclude(found.stdout, broken.slice(0, 13))
      const hits = json((yield* threads("search", "red pear", "--json")).stdout)
      assert.lengthOf(hits, 1)
      assert.include(JSON.stringify(hits), pear)

      const shown = yield* threads("show", broken)
      assert.strictEqual(shown.code, 0, shown.stderr)
      assert.strictEqual(shown.stderr, "")
      const rows = shown.stdout.split("\n").map((row) => row.replace(/ in [\d.]+s/, ""))
      assert.strictEqual(rows[0], "break something")
      assert.strictEqual(rows[1], `thread ${broken}`)
      const from = rows.indexOf("> break something")
      assert.deepStrictEqual(rows.slice(from, from + 9), [
        "> break something",
        "I try.",
        "ran `printf '\\033]0;x\\007it broke\\n';",
        "  exit 3`, exit code 3",
        "    it broke",
        "",
        "# You said",
        "",
        "**break something**\\u{1b}[2J"
      ])
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(shown.stdout, /[\u0000-\u0009\u000b-\u001f]/)
      const [thread] = json((yield* threads("show", broken, "--json")).stdout)
      assert.strictEqual(thread!["id"], broken)
      assert.lengthOf(thread!["turns"] as ReadonlyArray<unknown>, 1)
    }).pipe(Cli.live), timeout)

  it.live("shows a long one page by page", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer: ({ prompt }) => `You said ${prompt}.` })
      const home = yield* Cli.user(model)
      const prompts = Array.from({ length: 12 }, (_, i) => `prompt ${i}`)
      const id = yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* Effect.forEach(prompts, (prompt) => thread.run(prompt))
        return thread.id
      }).pipe(Effect.provide(CodexNode.layer({ env: { HOME: home, CODEX_HOME: join(home, ".codex") } })))
      const { stdout } = yield* Cli.run(["threads", "show", id], { home })
      assert.deepStrictEqual(
        stdout.split("\n").filter((row) => row.startsWith("> ")),
        prompts.map((prompt) => `> ${prompt}`)
      )
      const [thread] = json((yield* Cli.run(["threads", "show", id, "--json"], { home })).stdout)
      assert.lengthOf(thread!["turns"] as ReadonlyArray<unknown>, 12)
    }).pipe(Cli.live), timeout)

  it.live("copies one, with a prompt or without", () =>
    Effect.gen(function*() {
      const { home, model, pear, threads } = yield* withThreads
      const copy = yield* threads("fork", pear)
      assert.strictEqual(copy.code, 0, copy.stderr)
      assert.match(copy.stdout, /^[\da-f-]{36}\n$/)
      assert.notInclude(copy.stdout, pear)
      const on = yield* Cli.run(["run", "--resume", copy.stdout.trim(), "and now?"], { home })
      assert.include(on.stdout, "and now?", on.stderr)
      assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["paint a red pear", "and now?"])

      const asked = yield* threads("fork", pear, "paint it blue", "--quiet")
      assert.strictEqual(asked.code, 0, asked.stderr)
      assert.strictEqual(asked.stderr, "")
      assert.include(asked.stdout, "paint it blue")
      assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["paint a red pear", "paint it blue"])
      // The original has not changed.
      assert.notInclude((yield* threads("show", pear)).stdout, "blue")
    }).pipe(Cli.live), timeout)

  it.live("says what is wrong", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer })
      const home = yield* Cli.user(model)
      const threads = (...args: ReadonlyArray<string>) => Cli.run(["threads", ...args], { home })
      const none = yield* threads("list")
      assert.deepStrictEqual(none, {
        code: 0,
        stdout: "",
        stderr: "There are no threads of this folder. --all lists those of all folders.\n"
      })
      assert.strictEqual((yield* threads("search", "anything")).stderr, "No thread was found.\n")
      const unhappy = [
        [["list", "--limit", "0"], /^error: Invalid --limit: it is 0\./],
        [["list", "--limit", "many"], /^error: .*limit/],
        [["search", " "], /^error: Invalid text: it is empty\./],
        [["show", "ffff"], /^error: Invalid id: no thread begins with ffff\./],
        [["show", "00000000-0000-0000-0000-000000000000"], /^error: .*00000000-0000-0000-0000-000000000000/],
        [["archive", "it"], /^error: Invalid id: .* is not the id of a thread\./],
        [["unarchive", "ffff"], /^error: Invalid id: no archived thread begins with ffff\./],
        [["fork", "ffff"], /^error: Invalid id: no thread begins with ffff\./],
        [["fork", "ffff", "go"], /^error: Invalid id: no thread begins with ffff\./m],
        [["fork", "ffff", "--timeout", "soon", "go"], /^error: Invalid --timeout: /],
        [["remove"], /^error: /]
      ] as const
      for (const [args, message] of unhappy) {
        const { code, stderr, stdout } = yield* threads(...args)
        assert.strictEqual(code, 1, args.join(" "))
        assert.strictEqual(stdout, "")
        assert.match(stderr, message)
      }
      const missing = yield* Cli.run(["threads", "list"], { home, env: { CODEX_BIN: "/nowhere/codex" } })
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /^error: .*CODEX_BIN \(\/nowhere\/codex\)/)
      assert.deepStrictEqual(yield* Cli.leftovers(home), [])
    }).pipe(Cli.live), timeout)
})
