/** The implementation of `Workspace`. */
import * as Effect from "effect/Effect"
import { AppServerRpc } from "../../AppServerRpc.ts"
import { Workspace } from "../../Workspace.ts"
import * as Paths from "../settings/serverPaths.ts"
import * as Commands from "./commands.ts"
import * as Files from "./files.ts"
import * as Search from "./search.ts"
import * as Watch from "./watch.ts"

export const make: Effect.Effect<Workspace["Service"], never, AppServerRpc> = Effect.map(
  AppServerRpc,
  (rpc) =>
    Workspace.of({
      ...Files.make(rpc),
      ...Search.make(rpc),
      ...Commands.make(rpc),
      watch: (path) => Watch.watch(rpc, path),
      diffToRemote: Effect.fn("Workspace.diffToRemote")(function*(folder) {
        yield* Paths.check("folder", folder)
        return yield* rpc.request("gitDiffToRemote", { cwd: folder })
      })
    })
)
