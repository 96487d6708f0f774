/** The real codex, with a second sender on the connection that sends something right before a frame of the client. */
import { AppServer, AppServerRpc, Codex, Transport } from "@effect-codex/client"
import * as CodexExecutable from "@effect-codex/node/CodexExecutable"
import { CodexHome } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer } from "effect"

/** A request of the second sender. */
export const frame = (method: string, params: object): string => JSON.stringify({ id: 1_000_000, method, params })

/** What to do about a frame of the client. */
interface Meddling {
  /** The frame to send before it. */
  readonly before?: string
  /** What to wait for after that. */
  readonly until?: Effect.Effect<void>
  /** Whether to drop the client's frame. */
  readonly isLost?: boolean
}

export const connect = Effect.fnUntraced(function*(meddle: (frame: string) => Meddling | undefined) {
  const { env, workspace } = yield* CodexHome.CodexHome
  const { executable } = yield* CodexExecutable.find()
  const meddled = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport) => ({
      ...transport,
      send: (frame: string) => {
        const { before, isLost, until = Effect.void } = meddle(frame) ?? {}
        const said = before === undefined ? Effect.void : transport.send(before)
        return said.pipe(
          Effect.andThen(until),
          Effect.andThen(isLost === true ? Effect.void : transport.send(frame))
        )
      }
    }))
  )
  const context = yield* Layer.build(
    Codex.layer().pipe(
      Layer.provideMerge(AppServerRpc.layer()),
      Layer.provide(meddled),
      Layer.provide(Transport.layerStdio()),
      Layer.provide(AppServer.layer({ executable, cwd: workspace, env })),
      Layer.provide(NodeServices.layer)
    )
  )
  return { codex: Context.get(context, Codex.Codex), rpc: Context.get(context, AppServerRpc.AppServerRpc) }
})
