/** A runner of the tests: a process of its own, with its own home of codex. `RUNNER` has its options. */
import { CodexCluster, CodexSession, CodexThread } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Logger, Schedule, Tracer } from "effect"
import { ShardingConfig } from "effect/cluster"
import * as Fragile from "./fragileThread.ts"
import type { Options } from "./runners.ts"

const options: Options = JSON.parse(process.env["RUNNER"] ?? "{}")
const say = (what: string, ...more: ReadonlyArray<unknown>) =>
  Effect.sync(() => process.stdout.write(`${JSON.stringify([what, ...more])}\n`))

const CodexLive = CodexNode.layer({
  cwd: options.cwd,
  env: Object.fromEntries(Object.entries(options.env).map(([name, value]) => [name, value ?? undefined])),
  restart: Schedule.spaced("500 millis"),
  stopGrace: "2 seconds"
})

/** Says which trace each span of a turn belongs to. */
const TracerLive = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      if (/Thread|Turn/.test(span.name)) process.stdout.write(`${JSON.stringify(["span", span.name, span.traceId])}\n`)
      return span
    }
  })
)

const RunnerLive = CodexThread.layer({
  settings: { cwd: options.cwd }
}).pipe(
  Layer.provide(CodexSession.layer()),
  Layer.provide(CodexCluster.layer({
    address: { host: "127.0.0.1", port: options.port },
    shardingConfig: { ...(options.isDefault === true && ShardingConfig.defaults), ...options.shardingConfig }
  })),
  Layer.provide([Layer.provideMerge(Fragile.layer(`${options.cwd}/crash`), CodexLive), NodeServices.layer]),
  Layer.provide(PgClient.layer({ ...options.postgres, maxConnections: 6 })),
  Layer.provide(TracerLive),
  Layer.provide(Logger.layer([
    Logger.make(({ logLevel, message }) =>
      process.stdout.write(`${JSON.stringify(["log", logLevel, String(message), process.uptime()])}\n`)
    )
  ]))
)

Layer.launch(Layer.merge(RunnerLive, Layer.effectDiscard(say("ready")))).pipe(NodeRuntime.runMain)
