/** One long line: through the built client, or through nothing but JSON.parse. */
import { AppServerRpc } from "@effect-codex/client"
import { internalsOf } from "@effect-codex/client/internal/rpcInternals"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Path from "node:path"
import { bytesOf, idOf } from "../workload.ts"
import type { Workload } from "../workload.ts"
import { begin, tell } from "./sample.ts"

const workload = JSON.parse(process.argv[2]!) as Workload

if (process.argv[3] === "parse") {
  const text = bytesOf(workload).toString("utf8").split("\n")[0]!
  const end = begin()
  JSON.parse(text)
  tell(end())
} else {
  await Effect.runPromise(
    Effect.scoped(Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const completed = Deferred.makeUnsafe<void>()
      yield* internalsOf(rpc).observe(idOf("thread", 0), {
        onNotification: ({ _tag }) => {
          if (_tag === "turn/completed") Deferred.doneUnsafe(completed, Exit.void)
        },
        onReadEnd: () => {},
        onEnd: () => {}
      })
      const end = begin()
      yield* rpc.request("thread/loaded/list", {})
      yield* Deferred.await(completed)
      tell(end())
    })).pipe(
      Effect.provide(CodexNode.layer({
        executable: process.execPath,
        args: [Path.join(import.meta.dirname, "feeder.ts"), process.argv[2]!]
      }))
    )
  )
}
