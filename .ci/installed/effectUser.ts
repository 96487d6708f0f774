/**
 * Exports of an Effect user's package without type annotations: the compiler must name the types in the declarations.
 */
import { AppServerRpc, Auth, Codex, Input, type Thread, type Turn } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Effect, Stream } from "effect"

export const items = (prompt: string) =>
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    return (yield* thread.run(prompt)).items
  })
export const result = (thread: Thread.Thread) => thread.run("Go.")
export const info = (thread: Thread.Thread) =>
  thread.run("Go.").pipe(Effect.catchTag("TurnFailed", (error) => Effect.succeed(error.info)))
export const models = Effect.flatMap(Codex.Codex, (codex) => codex.models())
export const threads = Effect.map(Codex.Codex, (codex) => codex.listThreads())
export const stored = (thread: Thread.Thread) => thread.read()
export const stream = (turn: Turn.Turn) => turn.items
export const events = (turn: Turn.Turn) => Stream.filter(turn.events, (event) => event._tag === "item/completed")
export const usage = (turn: Turn.Turn) => turn.usage
export const input = (file: string) => [Input.text("Look."), Input.localImage(file)]
export const account = Effect.flatMap(Auth.Auth, (auth) => auth.account())
export const list = Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.request("thread/list", {}))
export const notifications = Effect.map(AppServerRpc.AppServerRpc, (rpc) => rpc.notifications)
export const layer = CodexNode.layer()
