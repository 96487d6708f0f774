/** The implementation of `Extensions`. */
import * as Effect from "effect/Effect"
import { AppServerRpc } from "../../AppServerRpc.ts"
import { Extensions } from "../../Extensions.ts"
import * as Catalog from "./catalog.ts"
import * as Mcp from "./mcp.ts"
import * as Skills from "./skills.ts"

export const make: Effect.Effect<Extensions["Service"], never, AppServerRpc> = Effect.map(
  AppServerRpc,
  (rpc) => Extensions.of({ ...Skills.make(rpc), ...Mcp.make(rpc), ...Catalog.make(rpc) })
)
