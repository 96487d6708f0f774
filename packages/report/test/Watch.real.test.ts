/** The live page over a pool of processes of the real codex. */
import { ApprovalQueue, Codex } from "@effect-codex/client"
import { CodexPool } from "@effect-codex/node"
import { Watch } from "@effect-codex/report"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { follow } from "./support/watch.ts"

const layer = Watch.layer().pipe(
  Layer.provideMerge(Layer.unwrap(
    Effect.map(
      CodexHome.CodexHome,
      ({ env, workspace }) => CodexPool.layer({ processes: 2, maxLoadedThreads: 1, env, cwd: workspace })
    )
  )),
  Layer.provideMerge(ApprovalQueue.layer),
  Layer.provideMerge(CodexHome.layer()),
  Layer.provideMerge(ScriptedModel.layer({ answer: ({ prompt }) => `${prompt} Yes.` }))
)

describe("the page of a pool", () => {
  it.live("has the threads of all processes, and keeps none of them loaded", () =>
    Effect.gen(function*() {
      const { url } = yield* Watch.Watch
      const codex = yield* Codex.Codex
      const pool = yield* CodexPool.CodexPool
      const seen = yield* follow(new URL(Redacted.value(url)))
      for (let n = 0; n < 5; n++) {
        const thread = yield* codex.startThread()
        yield* thread.run(`Is this number ${n}?`)
        yield* seen.has("threads", `Is this number ${n}? Yes.`)
      }
      assert.include(seen.part("summary"), "5 threads")
      const { processes } = yield* pool.stats
      assert.deepStrictEqual(processes.map(({ placed }) => placed > 0), [true, true])
      for (const { loaded } of processes) assert.isAtMost(loaded, 1)
    }).pipe(Effect.provide(layer), Effect.provide(NodeServices.layer)))
})
