import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import * as Servers from "../../packages/node/test/support/servers.ts"
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

const check = Effect.fnUntraced(function*(code: string, expectation: Expectations.Expectation) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* CodexHome.CodexHome
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(...expectation.answers, ...expectation.optional ?? [])

  // Below node_modules, so that an example resolves packages as the workspace does. Node strips no types there.
  const cache = join(root, "node_modules", ".cache")
  yield* fs.makeDirectory(cache, { recursive: true })
  const folder = yield* fs.makeTempDirectoryScoped({ directory: cache, prefix: "docs-" })
  yield* fs.writeFileString(join(folder, "example.mjs"), stripTypeScriptTypes(code))
  if (expectation.effect !== undefined) {
    yield* fs.writeFileString(join(folder, "main.mjs"), Expectations.main(expectation))
  }

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
  "remote",
  "approvals",
  "tools",
  "auth",
  "observability",
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

  it("has the tests of this folder for examples of testing", () =>
    assert.sameMembers(
      examplesOf("testing").map(({ code }) => code),
      readdirSync(tests).filter((file) => file.endsWith(".test.ts")).map((file) =>
        readFileSync(join(tests, file), "utf8")
      )
    ))
})
