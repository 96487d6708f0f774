import { ServerInfo } from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FileSystem, Option, Redacted, Schema, Stdio, Stream, Terminal } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { join } from "node:path"
import { limitLines, readApiKey, who } from "../src/internal/account.ts"
import { Screen } from "../src/internal/screen.ts"
import * as Cli from "./support/cli.ts"
import * as LoginService from "./support/loginService.ts"
import * as Person from "./support/terminal.ts"

const timeout = 60_000

const key = "sk-secret-of-the-test"

const parse = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.JsonObject))

/** What was said beside what codex warns of on this machine. */
const said = (stderr: string): ReadonlyArray<string> =>
  stderr.split("\n").filter((line) => line !== "" && !line.startsWith("warning: "))

const auth = Effect.fnUntraced(function*(home: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.option(fs.readFileString(join(home, ".codex", "auth.json")))
})

/** A user whose provider needs a login, which nobody gives but a login service of this test. */
const user = Effect.fnUntraced(function*(options?: { readonly service?: string; readonly apiKey?: string }) {
  const service = options?.service ?? "http://127.0.0.1:1"
  const model = yield* ScriptedModel.make({ answers: [] })
  const home = yield* Cli.user(model, {
    apiKey: options?.apiKey === undefined ? undefined : Redacted.make(options.apiKey),
    config: {
      chatgpt_base_url: `${service}/backend-api/`,
      model_providers: { scripted: { requires_openai_auth: true } }
    }
  })
  return { home, env: { CODEX_APP_SERVER_LOGIN_ISSUER: service } }
})

/** The exit code of codex's own `login status`. */
const codexLoginStatus = Effect.fnUntraced(function*(given: Effect.Success<ReturnType<typeof user>>) {
  const { executable } = yield* CodexExecutable.find()
  return (yield* Cli.runProgram(executable, ["login", "status"], given)).code
})

describe("effect-codex login --api-key", () => {
  it.live(
    "stores the key that is piped in, tells who is logged in, and forgets it on logout",
    () =>
      Effect.gen(function*() {
        const given = yield* user()
        const login = yield* Cli.run(["login", "--api-key"], { ...given, stdin: `  ${key}\n` })
        // Nobody logs in to be told what the sandbox of turns lacks.
        assert.notMatch(login.stderr, /sandbox|bubblewrap/i)
        assert.deepStrictEqual(said(login.stderr), [
          "Logged in with an API key. The next turn shows whether it is valid."
        ])
        assert.deepStrictEqual([login.code, login.stdout], [0, ""])
        assert.include(Option.getOrThrow(yield* auth(given.home)), `"${key}"`)

        const needed = "The model provider of your configuration needs a login.\n"
        const account = yield* Cli.run(["account"], given)
        assert.deepStrictEqual([account.code, account.stdout], [0, `Logged in with an API key.\n${needed}`])
        const json = yield* Cli.run(["account", "--json"], given)
        assert.deepInclude(parse(json.stdout), {
          account: { type: "apiKey" },
          requiresOpenaiAuth: true,
          rateLimits: null
        })

        const logout = yield* Cli.run(["logout"], given)
        assert.deepStrictEqual(said(logout.stderr), ["Logged out."])
        assert.deepStrictEqual([logout.code, logout.stdout], [0, ""])
        assert.isTrue(Option.isNone(yield* auth(given.home)))

        const nobody = yield* Cli.run(["account"], given)
        assert.deepStrictEqual([nobody.code, nobody.stdout], [1, `Nobody is logged in.\n${needed}`])
        assert.deepStrictEqual(said(nobody.stderr), [])
        const nobodyInJson = yield* Cli.run(["account", "--json"], given)
        assert.strictEqual(nobodyInJson.code, 1)
        assert.deepInclude(parse(nobodyInJson.stdout), { account: null, requiresOpenaiAuth: true })
        const status = yield* codexLoginStatus(given)
        assert.deepStrictEqual([nobody.code, account.code], [status, 0])
        assert.deepStrictEqual(said((yield* Cli.run(["logout"], given)).stderr), ["Nobody was logged in."])
        assert.deepStrictEqual(yield* Cli.leftovers(given.home), [])
      }).pipe(Cli.live),
    timeout
  )

  it.live("makes a home for a newcomer", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const { code, stderr } = yield* Cli.run(["login", "--api-key"], { home, stdin: key })
      assert.strictEqual(code, 0, stderr)
      assert.include(Option.getOrThrow(yield* auth(home)), `"${key}"`)
    }).pipe(Cli.live), timeout)

  it.live("starts nothing without one key, and does not repeat what it got", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const cases = [
        [["login", "--api-key"], " \n", "error: Invalid API key: stdin is empty."],
        [["login", "--api-key"], `${key}\n${key}\n`, "error: Invalid API key: stdin contains more than one word."],
        [["login", "--api-key", key], "", "error: login takes no values."],
        [["login", key], "", "error: login takes no values."],
        [["login", `--api-key=${key}`], "", "error: login takes no values."],
        [["login", "--api-key", "--device"], key, "error: Invalid --device: it cannot be combined with --api-key."]
      ] as const
      for (const [args, stdin, error] of cases) {
        const { code, stderr, stdout } = yield* Cli.run(args, { home, stdin })
        assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
        assert.isTrue(stderr.startsWith(error), stderr)
        assert.notInclude(stderr, key)
      }
      assert.deepStrictEqual(Cli.files(home), [])
    }).pipe(Cli.live), timeout)

  const atTerminal = (person: ReturnType<typeof Person.make>, canPrompt = true) =>
    readApiKey.pipe(
      Effect.provideService(Screen, person.screen),
      Effect.provideService(Terminal.Terminal, person.terminal),
      Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
        canColor: false,
        canAnimate: true,
        canPrompt
      }),
      Effect.provide(
        Stdio.layerTest({ stdinIsTerminal: Effect.succeed(true), stdin: Stream.die("the terminal is asked") })
      ),
      Cli.live
    )

  it.live("asks for the key at a terminal and does not show it", () =>
    Effect.gen(function*() {
      const person = Person.make()
      const asking = yield* Effect.forkScoped(atTerminal(person))
      yield* person.has("API key")
      for (const character of key) yield* person.press(character)
      yield* person.press("return")
      assert.strictEqual(Redacted.value(yield* Fiber.join(asking)), key)
      assert.notInclude(person.text(), "sk")
      assert.notMatch(person.text(), /\*/)
      assert.isFalse(person.isReading())
    }))

  it.live("gives up asking on Ctrl-C, and does not ask where it cannot", () =>
    Effect.gen(function*() {
      const person = Person.make()
      const asking = yield* Effect.forkScoped(atTerminal(person))
      yield* person.has("API key")
      yield* person.hangUp
      const exit = yield* Fiber.await(asking)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.isTrue(person.text().endsWith("\n"))
      const error = yield* Effect.flip(atTerminal(Person.make(), false))
      assert.include(error.message, "Invalid API key: this terminal cannot ask for it.")
    }))
})

describe("effect-codex login --device", () => {
  it.live("shows the address and the code, and tells who is logged in and what is left", () =>
    Effect.gen(function*() {
      const service = yield* LoginService.make({ confirms: true })
      const given = yield* user({ service, apiKey: key })
      const login = yield* Cli.run(["login", "--device"], given)
      assert.strictEqual(login.code, 0, login.stderr)
      assert.strictEqual(
        login.stdout,
        `Open this address in a browser:\n\n  ${service}/codex/device\n\nand enter this code:\n\n  ABCD-1234\n`
      )
      const chatgpt = "Logged in with ChatGPT as someone@example.com, plan pro."
      assert.deepStrictEqual(said(login.stderr), ["Waiting for the login. Do not share the code.", chatgpt])
      assert.notInclude(Option.getOrThrow(yield* auth(given.home)), key)

      const account = yield* Cli.run(["account"], given)
      assert.deepStrictEqual(account.stdout.split("\n"), [
        chatgpt,
        "The model provider of your configuration needs a login.",
        "Limit codex, per 5 h: 75% left",
        "Limit codex, per 7 d: 60% left",
        ""
      ])
      const json = yield* Cli.run(["account", "--json"], given)
      assert.nestedPropertyVal(parse(json.stdout), "rateLimits.rateLimits.primary.usedPercent", 25)
    }).pipe(Cli.live), timeout)

  it.live("shows the account also when its limits cannot be read", () =>
    Effect.gen(function*() {
      const service = yield* LoginService.make({ confirms: true, hasUsage: false })
      const given = yield* user({ service })
      assert.strictEqual((yield* Cli.run(["login", "--device"], given)).code, 0)
      const { code, stderr, stdout } = yield* Cli.run(["account"], given)
      assert.deepStrictEqual([code, stdout.split("\n").length], [0, 3])
      assert.match(stderr, /^warning: .*rate limits/m)
    }).pipe(Cli.live), timeout)

  it.live("fails with the message of the typed error, and leaves the stored login alone", () =>
    Effect.gen(function*() {
      const given = yield* user({ apiKey: key })
      const before = yield* auth(given.home)
      const { code, stderr, stdout } = yield* Cli.run(["login", "--device"], given)
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.match(stderr, /^error: The login did not succeed \(offline\): /m)
      assert.deepStrictEqual(yield* auth(given.home), before)
    }).pipe(Cli.live), timeout)

  for (const { code: expected, signal } of Cli.signals) {
    it.live(`is cancelled on ${signal}`, () =>
      Effect.gen(function*() {
        const service = yield* LoginService.make({ confirms: false })
        const given = yield* user({ service, apiKey: key })
        const before = yield* auth(given.home)
        const cli = yield* Cli.start(["login", "--device"], given)
        yield* cli.stderrHas("Waiting for the login.")
        yield* cli.signal(signal)
        const { code, stderr } = yield* cli.ended
        assert.deepStrictEqual([code, said(stderr).at(-1)], [expected, "The login was cancelled."])
        assert.deepStrictEqual(yield* auth(given.home), before)
        assert.deepStrictEqual(yield* Cli.leftovers(given.home), [])
      }).pipe(Cli.live), timeout)
  }
})

/**
 * The real server waits for the browser on a port of the machine, and gives up a login when another codex wants it: two
 * tests at a time would end each other's logins. What the handle does on the real server is a test of the client.
 */
const browserServer = (log: string) =>
  `#!${process.execPath}
const { appendFileSync } = require("node:fs")
const send = (message) => process.stdout.write(JSON.stringify(message) + "\\n")
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  appendFileSync(${JSON.stringify(log)}, JSON.stringify([method, params]) + "\\n")
  if (method === "initialize") {
    send({ id, result: {
      userAgent: "effect_codex/${ServerInfo.testedRange.newest}.0 (Debian 12.0.0; x86_64) xterm (effect_codex; 0.0.0)",
      codexHome: "/home/someone/.codex", platformFamily: "unix", platformOs: "linux"
    } })
  }
  if (method === "account/login/start") {
    send({ id, result: { type: "chatgpt", loginId: "login-1", authUrl: "https://auth.example.com/authorize?x=1" } })
    if (process.env.CONFIRMS) {
      send({ method: "account/login/completed", params: { loginId: "login-1", success: true, error: null } })
    }
  }
  if (method === "account/read") {
    send({ id, result: { account: { type: "apiKey" }, userId: null, requiresOpenaiAuth: true, workspaceRouting: null } })
  }
  if (method === "account/login/cancel") send({ id, result: { status: "canceled" } })
}).on("close", () => appendFileSync(${JSON.stringify(log)}, '["closed"]\\n'))
`

describe("effect-codex login", () => {
  const server = Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const home = yield* Cli.newcomer
    const bin = join(home, "codex")
    const log = join(home, "log")
    yield* fs.writeFileString(bin, browserServer(log), { mode: 0o755 })
    return {
      home,
      env: { CODEX_BIN: bin },
      log: Effect.map(fs.readFileString(log), (text) => text.trimEnd().split("\n").map((line) => JSON.parse(line)))
    }
  })

  it.live("shows the address and waits", () =>
    Effect.gen(function*() {
      const given = yield* server
      const { code, stderr, stdout } = yield* Cli.run(["login"], { ...given, env: { ...given.env, CONFIRMS: "yes" } })
      assert.deepStrictEqual([code, stdout], [
        0,
        "Open this address in a browser on this machine:\n\n  https://auth.example.com/authorize?x=1\n"
      ])
      assert.deepStrictEqual(said(stderr), [
        "Waiting for the login. On a machine without a browser use --device.",
        "Logged in with an API key."
      ])
    }).pipe(Cli.live), timeout)

  it.live("is cancelled on the server on SIGINT", () =>
    Effect.gen(function*() {
      const given = yield* server
      const cli = yield* Cli.start(["login"], given)
      yield* cli.stderrHas("Waiting for the login.")
      yield* cli.signal("SIGINT")
      const { code, stderr } = yield* cli.ended
      assert.deepStrictEqual([code, said(stderr).at(-1)], [130, "The login was cancelled."])
      assert.deepStrictEqual((yield* given.log).slice(-2), [
        ["account/login/cancel", { loginId: "login-1" }],
        ["closed"]
      ])
      assert.deepStrictEqual(yield* Cli.leftovers(given.home), [])
    }).pipe(Cli.live), timeout)
})

describe("an account in words", () => {
  it("names every kind, also one of a newer codex", () => {
    assert.deepStrictEqual(
      [
        null,
        { type: "apiKey" as const },
        { type: "chatgpt" as const, email: null, planType: "team", workspaceName: "Acme" },
        { type: "amazonBedrock" as const, usesCodexManagedCredentials: true },
        JSON.parse(`{"type":"badge"}`)
      ].map((account) => who({ account })),
      [
        "Nobody is logged in.",
        "Logged in with an API key.",
        "Logged in with ChatGPT, plan team, workspace Acme.",
        "Logged in with Amazon Bedrock.",
        "Logged in (badge)."
      ]
    )
  })

  it("tells each limit, when it is reset, and the credits", () => {
    const limit = {
      limitId: "codex",
      limitName: null,
      normalModelSlug: null,
      primary: { usedPercent: 99.6, windowDurationMins: 300, resetsAt: 3_660 },
      secondary: { usedPercent: 120, windowDurationMins: null, resetsAt: null },
      credits: { hasCredits: true, unlimited: false, balance: "12" },
      individualLimit: null,
      spendControlReached: null,
      planType: null,
      rateLimitReachedType: null
    }
    const limits = {
      ordinaryUsageAllowed: null,
      rateLimits: limit,
      rateLimitResetCredits: null,
      accountId: null,
      rateLimitUpsell: null
    }
    const lines = ["Limit codex, per 5 h: 0% left, reset in 1 h 1 min", "Limit codex: 0% left", "Credits: 12"]
    assert.deepStrictEqual(limitLines({ ...limits, rateLimitsByLimitId: null }, 0), lines)
    assert.deepStrictEqual(
      limitLines({ ...limits, rateLimitsByLimitId: { codex: limit, other: { ...limit, limitName: "other" } } }, 0),
      [...lines, ...lines.map((line) => line.replace("codex", "other"))]
    )
  })
})
