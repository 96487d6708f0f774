/** The client on a real codex, with some frames changed on their way. */
import { AppServerRpc, Codex, Transport } from "@effect-codex/client"
import { Faults, ScriptedCodex, type ScriptedModel } from "@effect-codex/testing"
import { Effect, Layer } from "effect"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

/** @param heard what the client receives for a frame of the server. Default: the frame. */
export const faulty = (
  rules: ReadonlyArray<Faults.Rule>,
  heard: (frame: string) => ReadonlyArray<string> = (frame) => [frame]
): Layer.Layer<Services, unknown> =>
  Codex.layer().pipe(
    Layer.provideMerge(AppServerRpc.layer()),
    Layer.provide(
      Layer.effect(
        Transport.Transport,
        Effect.gen(function*() {
          const transport = yield* Faults.make(yield* Transport.Transport, rules)
          return {
            ...transport,
            receive: (onFrames: (frames: ReadonlyArray<string>) => void) =>
              transport.receive((frames) => onFrames(frames.flatMap(heard)))
          }
        })
      )
    ),
    Layer.provideMerge(ScriptedCodex.layerTransport())
  )
