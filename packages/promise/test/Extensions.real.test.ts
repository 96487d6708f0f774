/** Skills and MCP servers, on the real codex. */
import { InvalidArgument, McpLoginFailed, RpcError } from "@effect-codex/promise"
import { mcpServer } from "@effect-codex/test-support/files"
import * as HttpMcpServer from "@effect-codex/test-support/httpMcpServer"
import { assert, describe } from "@effect/vitest"
import { mkdirSync, writeFileSync } from "node:fs"
import { real, rejection } from "./support/real.ts"

describe("extensions", () => {
  real("are skills of extra roots, and MCP servers with secrets and logins", async ({ acquire, codex, home }) => {
    const { extensions } = codex
    const root = `${home.workspace}/skills`
    mkdirSync(`${root}/greet`, { recursive: true })
    writeFileSync(`${root}/greet/SKILL.md`, "---\nname: greet\ndescription: Greets.\n---\nHi\n")
    const has = async () => (await extensions.skills())[0]?.skills?.some(({ name }) => name === "greet")
    const roots = await extensions.addSkillRoots([root])
    assert.isTrue(await has())
    await roots.close()
    assert.isFalse(await has())

    const web = await acquire(HttpMcpServer.start(["promised-secret"]))
    const thread = await codex.startThread({
      mcpServers: {
        asker: {
          command: process.execPath,
          args: [mcpServer],
          env: { KEY: "k" },
          required: true,
          toolTimeout: "5 seconds"
        },
        web: { url: web.url, bearerToken: "promised-secret", required: true },
        open: { url: web.url }
      }
    })
    const of = { threadId: thread.id, server: "asker" }
    const { structuredContent } = await extensions.callTool({ ...of, tool: "process" })
    assert.deepNestedInclude(structuredContent, { "env.KEY": "k" })
    const [note] = await extensions.readResource({ ...of, uri: "test://note" })
    assert.deepInclude(note, { text: "buy milk" })
    assert.deepStrictEqual((await extensions.callTool({ ...of, server: "web", tool: "look" })).content, [
      { type: "text", text: "seen" }
    ])

    const login = await extensions.loginMcpServer({ threadId: thread.id, server: "open", timeout: "20 seconds" })
    const failed = rejection(login.wait())
    await acquire(HttpMcpServer.confirm(login.url, { error: "access_denied" }))
    const refused = await failed
    assert.instanceOf(refused, McpLoginFailed)
    assert.strictEqual(refused.reason, "refused")

    assert.instanceOf(await rejection(extensions.callTool({ ...of, server: "none", tool: "a" })), RpcError)
    const wrong = { web: { url: web.url, bearerToken: "promised secret" } }
    const invalid = await rejection(codex.startThread({ mcpServers: wrong }))
    assert.instanceOf(invalid, InvalidArgument)
    assert.notInclude(invalid.message, "promised")
    assert.instanceOf(await rejection(codex.startThread({ mcpServers: { web: 5 as never } })), InvalidArgument)
  })
})
