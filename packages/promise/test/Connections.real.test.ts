/** Clients of a real app-server that runs already. */
import { AppServerConnectError, type Codex } from "@effect-codex/promise"
import { onTcp, onUnix, removeLeftovers } from "@effect-codex/test-support/servers"
import { afterAll, assert, describe, vi } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { type Model, real, rejection } from "./support/real.ts"

// Where this process looks for the socket of a codex: effect reads the environment once, node the home folder each time.
const userHome = mkdtempSync(join(homedir(), ".effect-codex-user-"))
vi.stubEnv("HOME", userHome)

afterAll(() => {
  removeLeftovers()
  vi.unstubAllEnvs()
  rmSync(userHome, { recursive: true, force: true })
})

const isOfUse = async (codex: Codex, model: Model) => {
  await model.enqueue("Hello!")
  const thread = await codex.startThread()
  assert.strictEqual((await thread.run("Say hello.")).finalResponse, "Hello!")
}

const whyNot = async (codex: Codex) => {
  const error = await rejection(codex.serverInfo())
  if (!(error instanceof AppServerConnectError)) return assert.fail(String(error))
  return error
}

describe("a client of a server that runs already", () => {
  real(
    "connects to a WebSocket with a token, which a function gives for each connection",
    async ({ acquire, home, model, open }) => {
      const file = join(home.path, "token")
      writeFileSync(file, "s3cret", { mode: 0o600 })
      const { url } = await acquire(onTcp(["--ws-auth", "capability-token", "--ws-token-file", file]))
      let asked = 0
      const token = async () => {
        asked++
        return "s3cret"
      }
      await isOfUse(open({ connect: { url, token } }), model)
      await isOfUse(open({ connect: { url, token } }), model)
      assert.strictEqual(asked, 2)
      await isOfUse(open({ connect: { url, token: "s3cret" } }), model)

      const wrong = await whyNot(open({ connect: { url, token: "wr0ng" } }))
      assert.deepInclude(wrong, { reason: "unauthorized", status: 401 })
      const none = await whyNot(open({ connect: { url, token: () => Promise.reject(new Error("no vault")) } }))
      assert.deepInclude(none, { reason: "token", detail: "no vault" })
      const thrown = () => {
        throw new Error("no vault at all")
      }
      assert.deepInclude(await whyNot(open({ connect: { url, token: thrown } })), { detail: "no vault at all" })
    }
  )

  real("connects to a unix socket, at a path or where codex puts it", async ({ acquire, home, model, open }) => {
    const { path } = await acquire(onUnix(join(home.workspace, "a socket")))
    await isOfUse(open({ connect: { unixSocket: path } }), model)
    const control = join(userHome, ".codex", "app-server-control")
    mkdirSync(control, { recursive: true, mode: 0o700 })
    await acquire(onUnix(join(control, "app-server-control.sock")))
    await isOfUse(open({ connect: { unixSocket: true } }), model)
    const nowhere = await whyNot(
      open({ connect: { unixSocket: join(home.workspace, "nobody"), connectTimeout: 1000 } })
    )
    assert.include(nowhere.address, "nobody")
  })
})
