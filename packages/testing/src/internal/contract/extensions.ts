/** Cases about skills and MCP servers. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Case } from "./model.ts"
import { equal, fact, refusal, request, startThread } from "./story.ts"

const write = Effect.fnUntraced(function*(folder: string, text: string) {
  yield* request("fs/createDirectory", { path: folder })
  const path = `${folder}/SKILL.md`
  yield* request("fs/writeFile", { path, dataBase64: Buffer.from(text).toString("base64") })
  return path
})

const skill = (name: string) => `---\nname: ${name}\ndescription: Does ${name}.\n---\nDo it.\n`

export const cases: ReadonlyArray<Case> = [
  fact(
    "skills: of extra roots are told of, listed with what is wrong, and switched by name and path",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const { cwd } = yield* request("thread/start", { ephemeral: true })
      const root = `${cwd}/contract-skills`
      const one = yield* write(`${root}/contract-one`, skill("contract-one"))
      const two = yield* write(`${root}/contract-two`, skill("contract-two"))
      const bad = yield* write(`${root}/contract-bad`, "no front matter")
      const told = yield* Effect.forkChild(
        Stream.runHead(Stream.filter(rpc.notifications, ({ _tag }) => _tag === "skills/changed")),
        { startImmediately: true }
      )
      const list = Effect.map(request("skills/list", { cwds: [cwd] }), ({ data: [entry] }) => ({
        skills: (entry?.skills ?? []).flatMap(({ enabled, name, path, scope }) =>
          name.startsWith("contract-") ? [{ name, path, scope, enabled }] : []
        ).sort((a, b) => a.name < b.name ? -1 : 1),
        errors: (entry?.errors ?? []).map(({ path }) => path)
      }))
      const scope = "user"
      yield* equal("the reply", yield* request("skills/extraRoots/set", { extraRoots: [root, `${root}-none`] }), {})
      yield* Fiber.join(told)
      yield* equal("the skills", yield* list, {
        skills: [
          { name: "contract-one", path: one, scope, enabled: true },
          { name: "contract-two", path: two, scope, enabled: true }
        ],
        errors: [bad]
      })
      const off = { effectiveEnabled: false }
      yield* equal("by name", yield* request("skills/config/write", { name: "contract-one", enabled: false }), off)
      yield* equal("by path", yield* request("skills/config/write", { path: two, enabled: false }), off)
      yield* equal("of none", yield* request("skills/config/write", { name: "contract-none", enabled: false }), off)
      yield* equal("the switches", (yield* list).skills.map(({ enabled }) => enabled), [false, false])
      yield* request("skills/config/write", { name: "contract-one", enabled: true })
      yield* equal("the switches", (yield* list).skills.map(({ enabled }) => enabled), [true, false])
      const refused = "-32602 skills/config/write requires exactly one of path or name"
      yield* equal("neither", yield* refusal(request("skills/config/write", { name: " ", enabled: true })), refused)
      const both = { name: "contract-one", path: one, enabled: true }
      yield* equal("both", yield* refusal(request("skills/config/write", both)), refused)
      yield* equal(
        "a relative root",
        yield* refusal(request("skills/extraRoots/set", { extraRoots: ["skills"] })),
        "-32600 Invalid request: AbsolutePathBuf deserialized without a base path"
      )
      yield* request("skills/extraRoots/set", { extraRoots: [] })
      yield* equal("without roots", (yield* list).skills, [])
    })
  ),

  fact(
    "extensions: what is unknown is refused, and what nobody has is an empty list",
    Effect.gen(function*() {
      const threadId = yield* startThread({ ephemeral: true })
      const away = "01a227de-f4ca-7cb0-8b77-8ad762b7f720"
      const notFound = `-32600 thread not found: ${away}`
      const server = "contract-none"
      const unknown = `-32603 unknown MCP server '${server}'`
      const call = (thread: string) => refusal(request("mcpServer/tool/call", { threadId: thread, server, tool: "a" }))
      const read = (thread: string) =>
        refusal(request("mcpServer/resource/read", { threadId: thread, server, uri: "a:b" }))
      yield* equal("a call", yield* call(threadId), unknown)
      yield* equal("a call for no thread", yield* call(away), notFound)
      yield* equal("a read", yield* read(threadId), unknown)
      yield* equal("a read for no thread", yield* read(away), notFound)
      yield* equal(
        "a login",
        yield* refusal(request("mcpServer/oauth/login", { name: server })),
        `-32600 No MCP server named '${server}' found.`
      )
      const none = { data: [], nextCursor: null }
      yield* equal("a server", yield* request("mcpServerStatus/list", { threadId, serverName: server }), none)
      yield* equal(
        "servers of no thread",
        yield* refusal(request("mcpServerStatus/list", { threadId: away })),
        notFound
      )
      yield* equal("a reload", yield* request("config/mcpServer/reload", undefined), {})
      yield* equal("apps", yield* request("app/list", { threadId }), none)
      yield* equal("installed apps", yield* request("app/installed", {}), { apps: [] })
      yield* equal("plugins", yield* request("plugin/list", {}), {
        marketplaces: [],
        marketplaceLoadErrors: [],
        featuredPluginIds: []
      })
      const { data: [entry] } = yield* request("hooks/list", { threadId })
      yield* equal("hooks", [entry?.hooks, entry?.warnings, entry?.errors], [[], [], []])
      yield* equal("hooks of no thread", yield* refusal(request("hooks/list", { threadId: away })), notFound)
    })
  )
]
