/** The real codex behind a transport that loses frames. */
import { AppServer, AppServerRpc, Codex, Transport } from "@effect-codex/client"
import * as CodexExecutable from "@effect-codex/node/CodexExecutable"
import { CodexHome } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer } from "effect"

/** Uses a request timeout of two seconds. */
export const connect = Effect.fnUntraced(function*(
  isLost: (frame: string) => boolean,
  isNotSent: (frame: string) => boolean = () => false
) {
  const { env, workspace } = yield* CodexHome.CodexHome
  const { executable } = yield* CodexExecutable.find()
  const lossy = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport) => ({
      ...transport,
      send: (frame: string) => isNotSent(frame) ? Effect.void : transport.send(frame),
      receive: (onFrames: (frames: ReadonlyArray<string>) => void) =>
        transport.receive((frames) => onFrames(frames.filter((frame) => !isLost(frame))))
    }))
  )
  const context = yield* Layer.build(
    Codex.layer().pipe(
      Layer.provide(AppServerRpc.layer()),
      Layer.provide(lossy),
      Layer.provide(Transport.layerStdio()),
      Layer.provide(AppServer.layer({ executable, cwd: workspace, env })),
      Layer.provide(Layer.succeed(AppServerRpc.DefaultRequestTimeout, "2 seconds")),
      Layer.provide(NodeServices.layer)
    )
  )
  return Context.get(context, Codex.Codex)
})
