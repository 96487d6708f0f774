// Spans, metrics and logs of a turn, sent to an OpenTelemetry collector. Without OTEL_EXPORTER_OTLP_ENDPOINT they go to the port of
// a collector on this machine; whatever is not sent when the program ends is sent then.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Layer, Option } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

const Telemetry = Layer.unwrap(Effect.gen(function*() {
  const baseUrl = yield* Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://localhost:4318"))
  return Otlp.layerJson({ baseUrl, resource: { serviceName: "my-service", serviceVersion: "1.0.0" } })
})).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const result = yield* thread.run("Say hello in one sentence.")
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
}).pipe(Effect.withSpan("hello"))

// The telemetry is provided last, so that it sees the client start and end.
program.pipe(Effect.provide(CodexNode.layer().pipe(Layer.provideMerge(Telemetry))), NodeRuntime.runMain)
