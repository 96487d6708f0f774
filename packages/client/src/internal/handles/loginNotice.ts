/**
 * Warns once when the model provider needs a login and nobody is logged in. codex itself reports it only after
 * the first turn has failed.
 */
import * as Effect from "effect/Effect"
import { internalsOf, type Rpc } from "../rpcInternals.ts"

// docs/codex-behaviour.md, "The app-server reads no key from its environment". `codex exec` does read one.
const message = "nobody is logged in to codex, and its model provider needs a login: turns will fail. Log in with " +
  "`codex login` or `effect-codex login`, or give a key: `Auth.layerApiKey(Config.Redacted(\"OPENAI_API_KEY\"))`, in the " +
  "promise package the option `apiKey`. The app-server reads neither OPENAI_API_KEY nor CODEX_API_KEY by itself."

/** The first call asks the server, in the background. */
export const make = (
  rpc: Rpc,
  inBackground: (effect: Effect.Effect<void>) => void
): () => void => {
  let isAsked = false
  const ask = rpc.request("account/read", { refreshToken: false }, { timeout: "30 seconds" }).pipe(
    Effect.map(({ account, requiresOpenaiAuth }) => {
      if (account === null && requiresOpenaiAuth) internalsOf(rpc).tell({ _tag: "NotLoggedIn", message })
    }),
    // A server that cannot answer this fails the turns with an error of its own.
    Effect.ignore
  )
  return () => {
    if (isAsked) return
    isAsked = true
    inBackground(ask)
  }
}
