import { CodexExecutable } from "@effect-codex/node"
import * as Servers from "@effect-codex/test-support/servers"
import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import * as Collector from "./support/collector.ts"
import * as Expectations from "./support/expectations.ts"
import { run, testLayer } from "./support/program.ts"
import * as RemoteExpectations from "./support/remoteExpectations.ts"

// Every example of these pages of docs runs on the real codex with a scripted model. Those of the page on testing are tests,
// and are kept here as files.

const root = join(import.meta.dirname, "..", "..")

const tests = join(import.meta.dirname, "testing")

const examplesOf = (page: string) =>
  readFileSync(join(root, page === "AGENTS" ? "packages/client" : "docs", `${page}.md`), "utf8").split(/^##? /m).slice(
    1
  ).flatMap((section) =>
    [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map((match, i) => ({
      name: `${page}: ${section.slice(0, section.indexOf("\n"))} (${i + 1})`,
      code: match[1]!
    }))
  )

const expectations = { ...Expectations.expectations, ...RemoteExpectations.expectations }

/** Writes modules below node_modules, so that they resolve packages as the workspace does. Node strips no types there. */
const write = Effect.fnUntraced(function*(modules: Readonly<Record<string, string>>) {
  const fs = yield* FileSystem.FileSystem
  const cache = join(root, "node_modules", ".cache")
  yield* fs.makeDirectory(cache, { recursive: true })
  const folder = yield* fs.makeTempDirectoryScoped({ directory: cache, prefix: "docs-" })
  for (const [name, code] of Object.entries(modules)) yield* fs.writeFileString(join(folder, name), code)
  return folder
})

const check = Effect.fnUntraced(function*(code: string, expectation: Expectations.Expectation) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* CodexHome.CodexHome
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(...expectation.answers, ...expectation.optional ?? [])

  const folder = yield* write({
    "example.mjs": stripTypeScriptTypes(code),
    ...expectation.effect !== undefined && { "main.mjs": Expectations.main(expectation) }
  })

  const collector = yield* Collector.make
  const led = yield* expectation.server ?? Effect.succeed({})
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...expectation.env, ...led }
  const { code: exit, lines, said, stderr } = yield* Effect.scoped(
    run(join(folder, expectation.effect === undefined ? "example.mjs" : "main.mjs"), { env })
  )
  assert.strictEqual(exit, 0, said)
  assert.strictEqual(
    lines.join("\n").replace(/http:\/\/127\.0\.0\.1:\d+/, "ISSUER")
      .replace(/(?<=run |declined: )\/.*(?=\?| \()/, "COMMAND")
      .replace(/(?<=" in )\/.*(?=\?)/, "FOLDER"),
    expectation.prints,
    said
  )
  assert.strictEqual(stderr, "")
  expectation.collected?.(collector)
  const { length } = yield* model.requests
  assert.isAtLeast(length, expectation.answers.length)
  assert.isAtMost(length, expectation.answers.length + (expectation.optional ?? []).length)
  assert.deepStrictEqual(yield* fs.readDirectory(home.workspace), [...expectation.files ?? []])
})

const examples = [
  "getting-started",
  "promise",
  "from-codex-sdk",
  "resilience",
  "scaling",
  "remote",
  "approvals",
  "control",
  "tools",
  "ai",
  "auth",
  "workspace",
  "configuration",
  "extensions",
  "observability",
  "checkpoints",
  "views",
  "cluster",
  "report",
  "watch",
  "AGENTS"
].flatMap(examplesOf)

afterAll(Servers.removeLeftovers)

describe.concurrent("docs", () => {
  it("has an expectation for every example", () =>
    assert.sameMembers(examples.map(({ name }) => name), Object.keys(expectations)))

  for (const { code, name } of examples) {
    it.live(name, () =>
      Effect.gen(function*() {
        const expectation = expectations[name]
        if (expectation === undefined) return assert.fail(`${name} has no expectation: say what it prints`)
        yield* expectation.browser === true
          ? Effect.provide(check(code, expectation), BrowserLogin.layerExclusive)
          : check(code, expectation)
      }).pipe(Effect.scoped, Effect.provide(testLayer(/^auth:|: 9. Accounts/.test(name) ? Expectations.openAI : {}))))
  }

  // A development server gives a module that it evaluates again another address, too.
  const reloaded = {
    "promise: 10. Reload without leaving servers behind (1)": `
let codex
for (let i = 0; i < 4; i++) {
  codex = (await import(\`./example.mjs?\${i}\`)).codex
  await codex.serverInfo()
}
await codex.close()`,
    "getting-started: 13. Keep one client when modules are reloaded (1)": `
import { Codex } from "@effect-codex/client"
let runtime
for (let i = 0; i < 4; i++) {
  runtime = (await import(\`./example.mjs?\${i}\`)).runtime
  await runtime.runPromise(Codex.Codex)
}
await runtime.dispose()`
  }
  for (const [name, main] of Object.entries(reloaded)) {
    it.live(`${name}: starts codex once, however often its module is evaluated`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const home = yield* CodexHome.CodexHome
        const example = examples.find((example) => example.name === name)
        const folder = yield* write({ "example.mjs": stripTypeScriptTypes(example!.code), "main.mjs": main })
        // Writes a line each time that codex is started.
        const { executable } = yield* CodexExecutable.find()
        const starts = join(home.path, "starts")
        const counted = join(home.path, "counted")
        yield* fs.writeFileString(counted, `#!/bin/sh\necho started >> '${starts}'\nexec '${executable}' "$@"\n`, {
          mode: 0o755
        })
        const { code, said } = yield* run(join(folder, "main.mjs"), { env: { CODEX_BIN: counted } })
        assert.strictEqual(code, 0, said)
        assert.strictEqual(yield* fs.readFileString(starts), "started\n")
      }).pipe(Effect.scoped, Effect.provide(testLayer())))
  }

  it("has the tests of this folder for examples of testing", () =>
    assert.sameMembers(
      examplesOf("testing").map(({ code }) => code),
      readdirSync(tests).filter((file) => file.endsWith(".test.ts")).map((file) =>
        readFileSync(join(tests, file), "utf8")
      )
    ))
})
