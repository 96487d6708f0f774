/** An MCP server on stdin and stdout, whose tools run codex threads. */
import * as Mcp from "@effect-codex/ai/Mcp"
import { Codex } from "@effect-codex/client/Codex"
import * as Sandbox from "@effect-codex/client/Sandbox"
import * as McpProtocol from "effect/ai/McpProtocol"
import * as McpServer from "effect/ai/McpServer"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { approvalModes, folderOf, type Options as RunOptions, sandboxes } from "./run.ts"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"
import { version } from "./version.ts"

export interface Options extends Pick<RunOptions, "model" | "sandbox" | "cwd" | "offline"> {
  readonly approve: "none" | "auto"
}

export const serve = Effect.fnUntraced(function*(options: Options) {
  const cwd = yield* folderOf(options.cwd)
  const session = yield* Session.open(options)
  if (session.notice !== undefined) yield* Effect.flatMap(Screen, ({ line }) => line(session.notice!))
  const stdio = yield* Stdio.Stdio
  const closed = yield* Deferred.make<void>()
  const stdin = Stream.ensuring(stdio.stdin, Deferred.succeed(closed, undefined))
  const settings: Mcp.Settings = {
    stopWhen: Deferred.await(closed),
    approvalMode: approvalModes[options.approve],
    cwd,
    model: Option.getOrUndefined(options.model),
    sandbox: Option.match(options.sandbox, {
      onNone: () => session.isOffline ? Sandbox.readOnly : undefined,
      onSome: (name) => sandboxes[name]
    })
  }
  const server = McpServer.layerStdio({
    name: "effect-codex",
    version,
    protocols: [
      McpProtocol.v2025_11_25,
      McpProtocol.v2025_06_18,
      McpProtocol.v2025_03_26,
      McpProtocol.v2024_11_05,
      McpProtocol.v2026_07_28
    ],
    registrations: Mcp.layer(settings)
  }).pipe(Layer.provide([
    Layer.succeed(Codex, session.codex),
    Layer.succeed(Stdio.Stdio, Stdio.make({ ...stdio, stdin }))
  ]))
  // When stdin ends, which is how a client closes a server, Effect waits for the calls and then interrupts the fiber
  // that runs the server.
  const exit = yield* Effect.flatMap(Effect.forkChild(Layer.launch(server)), Fiber.await)
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) yield* Effect.failCause(exit.cause)
}, Effect.scoped)
