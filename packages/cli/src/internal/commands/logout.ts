import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"

export const logout = Command.make(
  "logout",
  {},
  () => Effect.flatMap(Effect.promise(() => import("../account.ts")), ({ logout }) => logout)
).pipe(Command.withDescription("Remove the login"))
