/** What answers a request of the client that concerns no thread. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as Effect from "effect/Effect"
import type { Connection } from "./connection.ts"
import type * as Refused from "./refused.ts"

export type Handler<M extends keyof ClientRequests> = (
  server: { readonly connection: Connection },
  params: ClientRequests[M]["params"],
  reply: (result: ClientRequests[M]["result"]) => void
) => Effect.Effect<void, Refused.Refused>
