/** The servers that the contract is held against. */
import { AppServer, Transport } from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import { BrowserLogin, CodexHome, Contract, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"

/** A connection to a new process of the real codex, whose model is scripted. */
export const transportReal = Layer.unwrap(Effect.gen(function*() {
  const { env, workspace } = yield* CodexHome.CodexHome
  const { executable } = yield* CodexExecutable.find()
  return Transport.layerStdio().pipe(Layer.provide(AppServer.layer({ executable, cwd: workspace, env })))
})).pipe(
  Layer.provideMerge(CodexHome.layer()),
  Layer.provideMerge(ScriptedModel.layer()),
  Layer.provide(NodeServices.layer)
)

export const layerReal = Contract.layer.pipe(
  Layer.provideMerge(transportReal),
  Layer.provideMerge(BrowserLogin.layerExclusive)
)

export const transportFake = FakeAppServer.layerTransport({ exec: Contract.exec })

export const layerFake = Contract.layer.pipe(Layer.provideMerge(transportFake))
