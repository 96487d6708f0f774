import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import * as Collector from "./support/collector.ts"
import { run } from "./support/program.ts"

describe("a codex that exports its own spans", () => {
  it.live("puts them below those of the client, as docs/observability.md says", () =>
    Effect.gen(function*() {
      const collector = yield* Collector.make
      const endpoint = `${collector.url}/v1/traces`
      const otel = { environment: "dev", trace_exporter: { "otlp-http": { endpoint, protocol: "json" } } }
      const home = CodexHome.layer({ config: { otel } }).pipe(Layer.provideMerge(ScriptedModel.layer()))
      yield* Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        yield* model.enqueue("Hello!")
        const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
        const { code, said } = yield* run(join(import.meta.dirname, "..", "19-telemetry.ts"), { env })
        assert.strictEqual(code, 0, said)
      }).pipe(Effect.scoped, Effect.provide(home))
      const spans = collector.spans()
      const paths = spans.map((span) => Collector.pathOf(spans, span).join(" > "))
      assert.include(paths, "hello > Thread.run > AppServerRpc.turn/start > turn/start")
      // What codex does in the turn, too.
      const below = "hello > Thread.run > AppServerRpc.turn/start > turn/start > "
      assert.isTrue(paths.some((path) => path.startsWith(below) && path.includes(" > run_turn > ")))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
