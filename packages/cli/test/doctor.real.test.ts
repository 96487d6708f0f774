/** `effect-codex doctor`, on the real binary and where there is none. */
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Cli from "./support/cli.ts"

// Each test starts a dozen programs one after another, and each of them codex.
const timeout = 180_000

interface Report {
  readonly ok: boolean
  readonly checks: ReadonlyArray<
    { readonly name: string; readonly status: string; readonly detail: string; readonly advice?: string }
  >
}

/** The report, and the status of each check. */
const examined = Effect.fnUntraced(function*(options: Cli.Options, ...args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* Cli.run(["doctor", "--json", ...args], options)
  assert.strictEqual(stderr, "")
  const report: Report = JSON.parse(stdout)
  assert.strictEqual(code, report.ok ? 0 : 1)
  const named = (name: string) => report.checks.find((check) => check.name === name)!
  return { named, report, stdout, status: Object.fromEntries(report.checks.map(({ name, status }) => [name, status])) }
})

const user = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const model = yield* ScriptedModel.make({ answers: [] })
  const home = yield* Cli.user(model)
  const file = join(home, ".codex", "config.toml")
  const config = yield* fs.readFileString(file)
  return { fs, home, model, configure: (more: string) => fs.writeFileString(file, `${config}\n${more}`) }
})

const ordinary = ["codex", "version", "CODEX_HOME", "app-server", "config.toml", "login", "sandbox"]

/** A program in place of codex. */
const program = (home: string, script: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = join(home, "codex-in-place")
    yield* fs.writeFileString(file, `#!/bin/sh\n${script}\n`)
    yield* fs.chmod(file, 0o755)
    return file
  })

describe("effect-codex doctor", () => {
  it.live("finds nothing wrong where nothing is", () =>
    Effect.gen(function*() {
      const { home } = yield* user
      const { code, stderr, stdout } = yield* Cli.run(["doctor"], { home, env: { COLUMNS: "40" } })
      assert.strictEqual(code, 0, stdout)
      const lines = stdout.split("\n")
      for (const name of [...ordinary, "MCP servers", "databases", "descriptors", "proxies", "clock"]) {
        assert.isDefined(lines.find((line) => line.startsWith(`ok    ${name}:`)), name)
      }
      assert.isAtMost(Math.max(...lines.map((line) => line.length)), 40)
      assert.strictEqual(stderr, "Everything is fine.\n")
      assert.deepStrictEqual(Cli.processesOf(home), [])
    }).pipe(Cli.live), timeout)

  it.live(
    "says what is wrong with the configuration, MCP servers and the environment, and no secret",
    () =>
      Effect.gen(function*() {
        const { configure, fs, home } = yield* user
        yield* configure([
          "[mcp_servers.good]",
          `command = ${JSON.stringify(process.execPath)}`,
          `args = [${JSON.stringify(mcpServer)}]`,
          "env = { TOKEN = \"sk-proj-aaaabbbbcccc1111\" }",
          "[mcp_servers.bad]",
          "command = \"/nowhere/mcp\"",
          "args = [\"--token\", \"sk-proj-ddddeeeeffff2222\"]",
          "[mcp_servers.silent]",
          "command = \"sleep\"",
          "args = [\"100\"]",
          "startup_timeout_sec = 1",
          "[mcp_servers.off]",
          "command = \"sleep\"",
          "enabled = false"
        ].join("\n"))
        const later = new Date(Date.now() + 86_400_000)
        yield* fs.utimes(join(home, ".codex", "config.toml"), later, later)
        const env = {
          HTTPS_PROXY: "http://someone:hunter2@proxy.example:8080",
          http_proxy: "not an address",
          CODEX_API_KEY: "sk-x1"
        }
        const { named, status, stdout } = yield* examined({ home, env })
        assert.deepInclude(status, {
          "MCP server good": "ok",
          "MCP server bad": "fail",
          "MCP server silent": "fail",
          "MCP server off": "skip",
          "config.toml": "ok",
          proxies: "warn",
          clock: "warn"
        })
        assert.include(named("MCP server bad").detail, "No such file or directory")
        assert.match(named("MCP server silent").advice!, /startup_timeout_sec/)
        assert.include(named("proxies").detail, "http_proxy is no address")
        for (const secret of ["hunter2", "proxy.example", "sk-proj", "sk-x1"]) assert.notInclude(stdout, secret)
      }).pipe(Cli.live),
    timeout
  )

  it.live("tells the errors of config.toml as codex does", () =>
    Effect.gen(function*() {
      const { configure, home } = yield* user
      yield* configure("model = [\n")
      const broken = yield* examined({ home })
      assert.strictEqual(broken.status["config.toml"], "fail")
      assert.match(broken.named("config.toml").detail, /config\.toml:\d+:\d+: unclosed array/)
      yield* configure("approval_policy = \"nonsense\"\n")
      const wrong = yield* examined({ home })
      assert.strictEqual(wrong.status["config.toml"], "fail")
      assert.match(
        wrong.named("config.toml").detail,
        /^invalid configuration: unknown variant `nonsense`, expected one of/
      )
      yield* configure("no_such_setting = true\n")
      const unknown = yield* examined({ home })
      assert.isTrue(unknown.report.ok)
      assert.strictEqual(unknown.status["config.toml"], "warn")
      assert.include(unknown.named("config.toml").detail, "`no_such_setting` is ignored")
    }).pipe(Cli.live), timeout)

  it.live("says who is logged in, and that somebody must be", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answers: [] })
      const home = yield* Cli.user(model, { apiKey: Redacted.make("sk-stored1") })
      const inside = yield* examined({ home })
      assert.strictEqual(inside.named("login").detail, "Logged in with an API key.")
      assert.notInclude(inside.stdout, "sk-stored1")
      const fs = yield* FileSystem.FileSystem
      yield* fs.remove(join(home, ".codex", "auth.json"))
      const outside = yield* examined({ home })
      assert.deepInclude(outside.named("login"), { status: "fail", detail: "nobody is logged in" })
      assert.include(outside.named("login").advice!, "effect-codex login")
      const withKey = yield* examined({ home, env: { CODEX_API_KEY: "sk-given1" } })
      assert.deepInclude(withKey.named("login"), {
        status: "ok",
        detail: "nobody is logged in; `effect-codex run` uses CODEX_API_KEY"
      })
    }).pipe(Cli.live), timeout)

  it.live("works where there is no codex, and for one that hangs, ends or is locked out", () =>
    Effect.gen(function*() {
      const { home } = yield* user
      const missing = yield* examined({ home, env: { CODEX_BIN: "/nowhere/codex" } })
      assert.deepInclude(missing.status, { codex: "fail", login: "skip", sandbox: "skip", CODEX_HOME: "ok" })
      assert.include(missing.named("codex").detail, "/nowhere/codex")

      const hanging = yield* program(home, "exec sleep 1000")
      const late = yield* examined({ home, env: { CODEX_BIN: hanging } }, "--timeout", "1s")
      assert.deepInclude(late.status, { codex: "ok", version: "fail", "app-server": "fail", login: "skip" })
      assert.match(late.named("version").detail, /no answer within 1s/)

      const ending = yield* program(home, "echo 'no such thing' >&2; exit 3")
      const ended = yield* examined({ home, env: { CODEX_BIN: ending } })
      assert.deepInclude(ended.status, { version: "fail", "app-server": "fail", login: "skip" })
      assert.include(ended.named("app-server").detail, "no such thing")

      const locked = yield* program(
        home,
        `[ "$1" = --version ] && echo codex-cli ${codexVersion} && exit 0\n` +
          "echo 'Error: failed to initialize state runtime at /home: database is locked' >&2; exit 1"
      )
      const out = yield* examined({ home, env: { CODEX_BIN: locked } })
      assert.deepInclude(out.status, { version: "ok", "app-server": "fail" })
      assert.match(out.named("app-server").advice!, /End the program that uses this CODEX_HOME/)

      const old = yield* program(home, "echo codex-cli 0.99.0; exit 0")
      const aged = yield* examined({ home, env: { CODEX_BIN: old } })
      assert.deepInclude(aged.named("version"), {
        status: "warn",
        advice: "Update codex, npm install -g @openai/codex."
      })
      assert.deepStrictEqual(Cli.processesOf(home), [])
    }).pipe(Cli.live), timeout)

  it.live("tells which database another program keeps locked", () =>
    Effect.gen(function*() {
      const { home } = yield* user
      const free = yield* examined({ home })
      assert.strictEqual(free.status["databases"], "ok")
      const file = Cli.files(join(home, ".codex")).find((name) => /state_\d+\.sqlite$/.test(name))
      yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(file!)),
        (database) => Effect.sync(() => database.close())
      ).pipe(Effect.tap((database) => Effect.sync(() => database.exec("BEGIN EXCLUSIVE"))))
      // codex waits for it longer than this.
      const locked = yield* examined({ home }, "--timeout", "3s")
      assert.strictEqual(locked.status["databases"], "warn")
      assert.match(locked.named("databases").detail, /^another program keeps state_\d+\.sqlite locked$/)
    }).pipe(Cli.live), timeout)

  it.live("looks at the home and the limits of the machine", () =>
    Effect.gen(function*() {
      const { fs, home } = yield* user
      const fresh = join(home, "fresh")
      yield* fs.makeDirectory(fresh)
      const first = yield* examined({ home: fresh, env: { CODEX_HOME: "" } })
      assert.deepInclude(first.named("CODEX_HOME"), {
        status: "ok",
        detail: `${join(fresh, ".codex")} does not exist yet: codex creates it`
      })
      const nowhere = yield* examined({ home, env: { CODEX_HOME: join(home, "none") } })
      assert.strictEqual(nowhere.status["CODEX_HOME"], "warn")
      assert.match(nowhere.named("CODEX_HOME").advice!, /^codex does not create the folder that CODEX_HOME names/)
      yield* fs.writeFileString(join(home, "file"), "")
      const file = yield* examined({ home, env: { CODEX_HOME: join(home, "file") } })
      assert.strictEqual(file.status["CODEX_HOME"], "fail")
      if (process.platform === "linux") {
        const few = `ulimit -n 256; exec "$0" "$@"`
        const args = ["-c", few, process.execPath, ...Cli.entry, "doctor", "--json"]
        const { stdout } = yield* Cli.runProgram("/bin/sh", args, { home })
        assert.match(stdout, /"name":"descriptors","status":"warn","detail":"only 256 open files/)
      }
      const wrong = yield* Cli.run(["doctor", "--timeout", "soon"], { home })
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.stderr, /^error: Invalid --timeout: "soon" is no duration/)
    }).pipe(Cli.live), timeout)
})
