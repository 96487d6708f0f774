/** Warns once that nobody is logged in where the model provider needs it: codex itself says so when the first turn has failed. */
import * as Effect from "effect/Effect"
import { internalsOf, type Rpc } from "../rpcInternals.ts"

// What `codex exec` reads from its environment the app-server does not (measured on codex 0.169.0).
const message = "nobody is logged in to codex, and its model provider needs a login: turns will fail. Log in with " +
  "`codex login` or `effect-codex login`, or give a key: `Auth.layerApiKey(Config.Redacted(\"OPENAI_API_KEY\"))`, in the " +
  "promise package the option `apiKey`. The app-server reads neither OPENAI_API_KEY nor CODEX_API_KEY by itself."

/** Asks in the background, the first time that it is called. */
export const make = (
  rpc: Rpc,
  inBackground: (effect: Effect.Effect<void>) => void
): () => void => {
  let isAsked = false
  const ask = rpc.request("account/read", { refreshToken: false }, { timeout: "30 seconds" }).pipe(
    Effect.map(({ account, requiresOpenaiAuth }) => {
      if (account === null && requiresOpenaiAuth) internalsOf(rpc).tell({ _tag: "NotLoggedIn", message })
    }),
    // A server that cannot say it fails turns with words of its own.
    Effect.ignore
  )
  return () => {
    if (isAsked) return
    isAsked = true
    inBackground(ask)
  }
}
