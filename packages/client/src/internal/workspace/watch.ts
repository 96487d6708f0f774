/** Changes of a file or a folder of the server's machine, as a stream. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { FileCallError } from "../../CodexError.ts"
import type { WatchEvent } from "../../Workspace.ts"
import { Mailbox, slowReader } from "../events/mailbox.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Paths from "../settings/serverPaths.ts"
import { fileErrors } from "./files.ts"
import * as Names from "./names.ts"

const isConnectionError = ({ _tag }: FileCallError): boolean => _tag === "AppServerExited" || _tag === "TransportError"

export const watch = (rpc: Rpc, path: string): Stream.Stream<WatchEvent, FileCallError> =>
  Stream.unwrap(Effect.gen(function*() {
    yield* Paths.check("path", path)
    const internals = internalsOf(rpc)
    const watchId = Names.next(rpc, "watch")
    const mailbox = new Mailbox<FileCallError>({ highWater: slowReader(internals, `the watch of ${path}`) })
    const tell = (event: WatchEvent, bytes = 0) => mailbox.push({ _tag: event._tag, params: event }, bytes)
    const end = (error: FileCallError) => {
      mailbox.close(Exit.fail(error))
      mailbox.flush()
    }
    yield* internals.observe(undefined, {
      onNotification: (raw, bytes) => {
        if (raw._tag !== "fs/changed") return
        const changed = internals.decode(raw)
        if (changed._tag === "fs/changed" && changed.params.watchId === watchId) {
          tell({ _tag: "Changed", paths: changed.params.changedPaths }, bytes)
        }
      },
      onReadEnd: () => mailbox.flush(),
      onEnd: end
    })
    const begin = rpc.request("fs/watch", { watchId, path }).pipe(fileErrors(rpc, { path }))
    const started = yield* begin
    yield* Effect.addFinalizer(() => Effect.ignore(call(rpc, "fs/unwatch", { watchId }, { timeout: "2 seconds" })))
    tell({ _tag: "Started", path: started.path })
    // A restored connection has lost the watch.
    yield* internals.afterRestart(Effect.match(begin, {
      // If it is lost again, the next one begins the watch; if for good, `onEnd` ends the stream.
      onFailure: (error) => isConnectionError(error) ? undefined : end(error),
      onSuccess: () => {
        tell({ _tag: "Restarted" })
        mailbox.flush()
      }
    }))
    return mailbox.streamOf(({ params }) => params as WatchEvent)
  }))
