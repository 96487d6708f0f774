/** Fuzzy search for files of the server's machine by their path. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import type * as Received from "../../Received.ts"
import type { FileSearchResults, FoundFile, Workspace } from "../../Workspace.ts"
import * as OptionKinds from "../options.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Paths from "../settings/serverPaths.ts"
import * as Names from "./names.ts"

const foundOf = (file: Received.FuzzyFileSearchResult): FoundFile => ({
  folder: file.root,
  path: file.path,
  name: file.file_name,
  isFolder: file.match_type === "directory",
  score: file.score,
  matches: file.indices ?? []
})

export const make = (rpc: Rpc): Pick<Workspace["Service"], "searchFiles" | "searchFilesLive"> => ({
  searchFiles: Effect.fn("Workspace.searchFiles")(function*(query, folders) {
    yield* OptionKinds.checkArgument("query", query, OptionKinds.text)
    yield* Paths.checkAll("folders", folders)
    const { files } = yield* rpc.request("fuzzyFileSearch", { query, roots: folders, cancellationToken: null })
    return files.map(foundOf)
  }),

  searchFilesLive: Effect.fn("Workspace.searchFilesLive")(function*(folders) {
    yield* Paths.checkAll("folders", folders)
    const internals = internalsOf(rpc)
    const sessionId = Names.next(rpc, "search")
    // docs/codex-behaviour.md, "A live search tells each step". Only the latest results count.
    const results = yield* Effect.acquireRelease(
      Queue.sliding<FileSearchResults, ConnectionError>(1),
      (results) => Queue.shutdown(results)
    )
    const end = (cause: ConnectionError) => void Queue.failCauseUnsafe(results, Cause.fail(cause))
    yield* internals.observe(undefined, {
      onNotification: (raw) => {
        if (raw._tag !== "fuzzyFileSearch/sessionUpdated") return
        const updated = internals.decode(raw)
        if (updated._tag === "fuzzyFileSearch/sessionUpdated" && updated.params.sessionId === sessionId) {
          const { files, query } = updated.params
          Queue.offerUnsafe(results, { query, files: files.map(foundOf) })
        }
      },
      onReadEnd: () => {},
      onEnd: end,
      // The server's process has the index, and it may have ended.
      onLost: end
    })
    yield* Effect.addFinalizer(() =>
      Effect.ignore(call(rpc, "fuzzyFileSearch/sessionStop", { sessionId }, { timeout: "2 seconds" }))
    )
    yield* call(rpc, "fuzzyFileSearch/sessionStart", { sessionId, roots: folders })
    return {
      search: Effect.fn("FileSearch.search")(function*(query) {
        yield* OptionKinds.checkArgument("query", query, OptionKinds.text)
        yield* call(rpc, "fuzzyFileSearch/sessionUpdate", { sessionId, query })
      }),
      results: Stream.fromQueue(results)
    }
  })
})
