import { AppServerRpc, ServerInfo, Transport } from "@effect-codex/client"
import { Methods } from "@effect-codex/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fromInitialize } from "../../src/internal/rpc/serverVersion.ts"
import * as Fake from "../support/fakeServer.ts"

const { initialized } = Fake
const { newest, oldest } = ServerInfo.testedRange
/** The version whose second number is this much higher. */
const beside = (version: string, by: number): string => `0.${Number(version.split(".")[1]) + by}`
const before = `${beside(oldest, -1)}.9`
const after = `${beside(newest, 1)}.0-alpha.1`

const version = (userAgent: string, clientName: string) =>
  fromInitialize({ ...initialized, userAgent }, clientName).version

describe("ServerInfo", () => {
  it("reads the version after the client's own name, whatever that holds", () => {
    for (const name of ["probe", "my/app", "my app", "a/1.2.3 b/c", ""]) {
      assert.strictEqual(version(`${name}/7.8.9 (Debian 12.0.0; x86_64) xterm (${name}; 0.0.1)`, name), "7.8.9")
    }
    assert.strictEqual(version("probe/7.8.9-alpha.3 (x)", "probe"), "7.8.9-alpha.3")
  })

  it("has no version when the user agent has none", () => {
    assert.strictEqual(version("something else", "probe"), "")
    assert.strictEqual(version("", "probe"), "")
  })

  it("compares the server with the tested versions, whose newest is that of the schemas", () => {
    const compare = (version: string) => ServerInfo.compareToTested({ ...initialized, version })
    assert.isTrue(Methods.codexVersion.startsWith(`${newest}.`))
    for (const version of [`${oldest}.0`, `${oldest}.9`, `${newest}.0`, `${newest}.7`]) {
      assert.strictEqual(compare(version), "tested", version)
    }
    for (const version of [before, "0.99.0", "0.1.0"]) assert.strictEqual(compare(version), "older", version)
    for (const version of [after, "0.1000.0", "1.0.0"]) {
      assert.strictEqual(compare(version), "newer", version)
    }
    assert.strictEqual(compare(""), "unknown")
  })

  it("is installed as the documentation says in the newest of them", () => {
    const root = join(import.meta.dirname, "..", "..", "..", "..")
    const commands = globSync(["*.md", "docs/*.md", "packages/*/*.md"], { cwd: root }).flatMap((file) =>
      readFileSync(join(root, file), "utf8").match(/npm install .*@openai\/codex(?!-).*/g) ?? []
    )
    assert.isAtLeast(commands.length, 5)
    for (const command of commands) assert.include(command, `@openai/codex@${ServerInfo.testedRange.newest}`)
  })

  const warnings = (version: string, warnedOf: ServerInfo.VersionSet = new Set()) =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        if (logLevel === "Warn") logged.push(String(message))
      })
      const userAgent = initialized.userAgent.replace(Methods.codexVersion, version)
      const server = yield* Fake.make
      const making = yield* AppServerRpc.make().pipe(
        Effect.provideService(Transport.Transport, server.client),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(ServerInfo.WarnedOf, warnedOf),
        Effect.forkScoped
      )
      yield* Effect.flatMap(server.expect("initialize"), (asked) => server.reply(asked, { ...initialized, userAgent }))
      yield* Fiber.join(making)
      return logged
    })

  it.effect("is reported outside of the tested versions alone, with what they are", () =>
    Effect.gen(function*() {
      for (const version of [`${oldest}.0`, `${newest}.3`, "unknown"]) {
        assert.deepStrictEqual(yield* warnings(version), [], version)
      }
      for (const [version, age] of [[before, "older"], [after, "newer"]]) {
        const [warning, ...others] = yield* warnings(version!)
        assert.include(warning, `codex ${version} is ${age}`)
        assert.include(warning, `${oldest} to ${newest}`)
        if (age === "newer") assert.include(warning, "Whatever it has added is passed on unchanged.")
        assert.deepStrictEqual(others, [])
      }
    }))

  it.effect("is reported once for each version, or not at all to who says so", () =>
    Effect.gen(function*() {
      const warnedOf = new Set<string>()
      assert.lengthOf(yield* warnings(after, warnedOf), 1)
      assert.lengthOf(yield* warnings(after, warnedOf), 0)
      assert.lengthOf(yield* warnings("0.1000.0", warnedOf), 1)
      assert.lengthOf(yield* warnings("0.1001.0", { has: () => true, add: () => {} }), 0)
    }))
})
