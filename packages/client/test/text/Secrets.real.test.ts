/** Keys and tokens go to the transport and nowhere else, on the real codex binary. */
import { AppServer, AppServerRpc, Auth, Codex } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import { badToken, build, key, token, watched } from "../support/witness.ts"

describe("with the real server", () => {
  const layer = ScriptedCodex.layer({
    home: { config: { model_providers: { scripted: { requires_openai_auth: true } }, forced_login_method: "chatgpt" } }
  })
  it.live("neither keys nor tokens are told", () =>
    watched(({ see, seeExit }) =>
      Effect.gen(function*() {
        const rpc = yield* AppServerRpc.AppServerRpc
        const model = yield* ScriptedModel.ScriptedModel
        const codex = yield* Codex.Codex
        const auth = yield* Auth.Auth
        see(yield* Effect.context())
        assert.isTrue(Exit.isFailure(yield* seeExit(auth.loginApiKey(Redacted.make(key)))))

        const external = (accessToken: string) =>
          Auth.layerExternalTokens(({ reason }) =>
            reason === "login"
              ? Effect.succeed({ accessToken: Redacted.make(accessToken), accountId: "ws-1" })
              : Effect.fail(new Error(`the vault refused ${token}`))
          )
        assert.isTrue(Exit.isFailure(yield* seeExit(Effect.scoped(build(rpc, external(badToken))))))
        see(yield* build(rpc, external(token)))

        const thread = yield* codex.startThread()
        yield* model.enqueue("fine", ScriptedModel.httpFailure(401, "expired"))
        yield* seeExit(thread.run("go"))
        const refused = yield* seeExit(thread.run("again"))
        assert.isTrue(Exit.isFailure(refused))
        yield* seeExit(auth.account())
        yield* seeExit(auth.rateLimits)
        const requests = yield* model.requests
        assert.strictEqual(requests.length, 2)
        see(requests)
        see(yield* Effect.flatMap(AppServer.AppServer, ({ stderr }) => stderr))
      }).pipe(Effect.scoped, Effect.provide(layer))
    ))
})
