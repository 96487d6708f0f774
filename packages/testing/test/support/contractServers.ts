/** The servers on which the cases of the contract run. */
import { AppServer, Transport } from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import { BrowserLogin, CodexHome, Contract, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"

const real = (home?: CodexHome.Options) =>
  Layer.unwrap(Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    const { executable } = yield* CodexExecutable.find()
    return Transport.layerStdio().pipe(Layer.provide(AppServer.layer({ executable, cwd: workspace, env })))
  })).pipe(
    Layer.provideMerge(CodexHome.layer(home)),
    Layer.provideMerge(ScriptedModel.layer()),
    Layer.provide(NodeServices.layer)
  )

/** A connection to a new process of the real codex, with a scripted model. */
export const transportReal = real()

/** The same, with a model that requires a login. */
export const layerRealLogin = Contract.layer.pipe(
  Layer.provideMerge(real({ config: { model_providers: { scripted: { requires_openai_auth: true } } } }))
)

export const layerReal = Contract.layer.pipe(
  Layer.provideMerge(transportReal),
  Layer.provideMerge(BrowserLogin.layerExclusive)
)

export const transportFake = FakeAppServer.layerTransport({ exec: Contract.exec })

export const layerFake = Contract.layer.pipe(Layer.provideMerge(transportFake))

export const layerFakeLogin = Contract.layer.pipe(
  Layer.provideMerge(FakeAppServer.layerTransport({ exec: Contract.exec, requiresOpenaiAuth: true }))
)
