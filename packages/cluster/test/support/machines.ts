/** Runner processes on one PostgreSQL, and what tests and measurements do with them. */
import { CodexCluster, CodexThread } from "@effect-codex/cluster"
import { CodexHome, ScriptedModel as Model } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Schedule, type Scope } from "effect"
import { ShardingConfig } from "effect/cluster"
import * as Postgres from "./postgres.ts"
import * as Runners from "./runners.ts"

/** The runners. One that has ended is replaced. */
export class Machines extends Context.Service<Machines, {
  a: Runners.Runner
  b: Runners.Runner
  readonly start: Effect.Effect<Runners.Runner>
}>()("test/Machines") {}

const machines = (options: Runners.Given) =>
  Layer.effect(
    Machines,
    Effect.gen(function*() {
      const { url } = yield* Model.ScriptedModel
      const { options: postgres } = yield* Postgres.Postgres
      const services = yield* Effect.context<NodeServices.NodeServices | Scope.Scope>()
      const start = Effect.gen(function*() {
        const home = yield* CodexHome.make({ modelUrl: url, config: { sandbox_mode: "danger-full-access" } })
        return yield* Runners.start(home, { ...options, port: yield* Runners.freePort, postgres })
      }).pipe(Effect.orDie, Effect.provideContext(services))
      const [a, b] = yield* Effect.all([start, start], { concurrency: 2 })
      return { a, b, start }
    })
  )

export const layer = (model: Model.Options = {}, options: Runners.Given = {}) =>
  machines(options).pipe(
    Layer.provideMerge(Layer.fresh(CodexCluster.layerClient({
      shardingConfig: options.isDefault === true ? ShardingConfig.defaults : options.shardingConfig
    }))),
    Layer.provideMerge(Postgres.layer),
    Layer.provideMerge(Model.layer(model)),
    Layer.provideMerge(NodeServices.layer),
    Layer.orDie
  )

/** A thread that the runner has, once the runners have shared the shards. */
export const threadOn = (runner: () => Runners.Runner, name: string) =>
  Effect.forEach(Array.from({ length: 12 }, (_, i) => `${name}-${i}`), (key) => CodexThread.client(key)).pipe(
    Effect.flatMap(Effect.findFirst((thread) => Effect.map(thread.info, (info) => info.runner === runner().address))),
    Effect.flatMap(Effect.fromOption),
    Effect.retry(Schedule.spaced("100 millis"))
  )

/** A turn that waits in the model, after other answers of it. */
export const held = Effect.fnUntraced(function*(
  thread: CodexThread.Client,
  turnKey: string,
  before: ReadonlyArray<Model.Answer> = []
) {
  const model = yield* Model.ScriptedModel
  const gate = yield* Model.gate
  yield* model.enqueue(...before, Model.text(["Half of ", gate, "it."]))
  const run = yield* Effect.forkScoped(thread.run(turnKey, `begin ${turnKey}`))
  yield* gate.reached
  return { run, gate }
})
