/** MCP servers: their status, their tools and resources. */
import * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Extensions } from "../../Extensions.ts"
import { page, pages } from "../handles/pages.ts"
import * as OptionKinds from "../options.ts"
import { call, ownParams } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import * as LoadedThreads from "../turns/loadedThreads.ts"
import * as McpLogin from "./mcpLogin.ts"

type Mcp = Pick<
  Extensions["Service"],
  "mcpServers" | "reloadMcpServers" | "callTool" | "readResource" | "loginMcpServer"
>

const ofServer = { environmentId: OptionKinds.text, server: OptionKinds.text, threadId: OptionKinds.text }

const checkGiven = (argument: string, given: unknown, kinds: OptionKinds.Kinds, required: ReadonlyArray<string>) =>
  OptionKinds.checkArgument(argument, given, OptionKinds.record).pipe(
    Effect.andThen(OptionKinds.check(given, kinds)),
    Effect.andThen(
      Effect.forEach(
        required,
        (name) => OptionKinds.checkArgument(name, Reflect.get(given as object, name), OptionKinds.text),
        { discard: true }
      )
    )
  )

/** A call on a thread keeps it loaded, and its MCP servers with it. */
const using = <A, E, R>(rpc: Rpc, threadId: string | undefined, request: Effect.Effect<A, E, R>) =>
  threadId === undefined ? request : LoadedThreads.of(rpc).using(threadId, request)

export const make = (rpc: Rpc): Mcp => ({
  mcpServers: Effect.fn("Extensions.mcpServers")(function*(options) {
    yield* OptionKinds.check(options, { detail: OptionKinds.oneOf("full", "toolsAndAuthOnly"), ...ofServer })
    const { detail, environmentId, server: serverName, threadId } = options ?? {}
    return yield* Stream.runCollect(
      pages(
        "mcpServerStatus/list",
        options,
        undefined,
        (at) =>
          rpc.request("mcpServerStatus/list", defined({ detail, environmentId, serverName, threadId, ...at })).pipe(
            page(rpc, "mcpServerStatus/list", Received.ListMcpServerStatusResponse),
            (request) => using(rpc, threadId, request)
          )
      )
    )
  }),
  reloadMcpServers: ownParams(call(rpc, "config/mcpServer/reload", undefined)).pipe(
    Effect.withSpan("Extensions.reloadMcpServers")
  ),
  callTool: Effect.fn("Extensions.callTool")(function*(given) {
    yield* checkGiven("call", given, { ...ofServer, input: OptionKinds.record, timeout: OptionKinds.time }, [
      "threadId",
      "server",
      "tool"
    ])
    const { environmentId, input = {}, server, threadId, timeout, tool } = given
    const params = { threadId, server, tool, arguments: input, ...defined({ environmentId }) }
    return yield* using(rpc, threadId, rpc.request("mcpServer/tool/call", params, { timeout }))
  }),
  readResource: Effect.fn("Extensions.readResource")(function*(given) {
    yield* checkGiven("resource", given, { ...ofServer, timeout: OptionKinds.time }, ["server", "uri"])
    const { environmentId, server, threadId, timeout, uri } = given
    const params = { server, uri, ...defined({ environmentId, threadId }) }
    return (yield* using(rpc, threadId, rpc.request("mcpServer/resource/read", params, { timeout }))).contents
  }),
  loginMcpServer: Effect.fn("Extensions.loginMcpServer")(function*(given) {
    yield* checkGiven("login", given, { ...ofServer, scopes: OptionKinds.texts, timeout: OptionKinds.time }, ["server"])
    return yield* McpLogin.start(rpc, given)
  })
})
