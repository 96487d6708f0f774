/** Turns through the cluster's entity, as steps of a workflow, or by the client alone, on one codex. */
import { type AppServerRpc, Codex } from "@effect-codex/client"
import { CodexCluster, CodexSession, CodexThread, CodexWorkflow } from "@effect-codex/cluster"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Workflow from "effect/workflow/Workflow"
import { freePort } from "../../../cluster/test/support/runners.ts"
import { answerOf, promptOf } from "../stage.ts"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const deltas = 20
/** Turns before the measurement, in which modules are loaded and codex gets ready. */
const warmUps = 3

const [face, how, database, turnsText, executable] = process.argv.slice(2) as [
  face: "plain" | "entity" | "workflow",
  /** One after another in one thread, or each in a new thread and all at once. */
  how: "one" | "new",
  database: "sqlite" | "postgres",
  turns: string,
  executable: string
]
const turns = Number(turnsText)
const codexProcesses = watchCodex(executable)
const prompt = promptOf(deltas)

const checked = (answer: Option.Option<string>): Effect.Effect<void> =>
  Option.contains(answer, answerOf(deltas))
    ? Effect.void
    : Effect.die(new Error(`a wrong answer: ${Option.getOrElse(answer, () => "none")}`))

type RunTurn<R> = (turnKey: string) => Effect.Effect<void, unknown, R>

/** Runs the turns of one thread, of which only the last ones are measured. */
const oneAfterAnother = <R>(run: RunTurn<R>) =>
  Effect.gen(function*() {
    for (let turn = 0; turn < warmUps; turn++) yield* run(`warm-up-${turn}`)
    const end = codexProcesses.begin()
    for (let turn = 0; turn < turns; turn++) yield* run(`turn-${turn}`)
    tell(end())
  })

/** Runs one turn of each of as many new threads, all at once. */
const allAtOnce = <R>(run: RunTurn<R>) =>
  Effect.gen(function*() {
    for (let thread = 0; thread < warmUps; thread++) yield* run(`warm-up-${thread}`)
    const end = codexProcesses.begin()
    yield* Effect.forEach(Array.from({ length: turns }, (_, thread) => `thread-${thread}`), run, {
      concurrency: "unbounded",
      discard: true
    })
    tell(end())
  })

const measured = <R, R2>(ofOneThread: Effect.Effect<RunTurn<R>, unknown, R2>, ofNewThread: RunTurn<R | R2>) =>
  how === "one" ? Effect.flatMap(ofOneThread, oneAfterAnother) : allAtOnce(ofNewThread)

const answered = (result: { readonly finalResponse: Option.Option<string> }) => checked(result.finalResponse)

const plain = measured(
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    return () => Effect.flatMap(thread.run(prompt), answered)
  }),
  () =>
    Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* Effect.flatMap(thread.run(prompt), answered)
    }).pipe(Effect.scoped)
).pipe(Effect.scoped)

const entity = measured(
  Effect.map(
    CodexThread.client("one"),
    (thread) => (turnKey: string) => Effect.flatMap(thread.run(turnKey, prompt), answered)
  ),
  (key) =>
    Effect.flatMap(
      CodexThread.client(key),
      (thread) => Effect.flatMap(thread.run("turn", prompt), answered)
    )
)

const Job = Workflow.make("Job", {
  payload: { name: Schema.String },
  success: Schema.Void,
  error: CodexWorkflow.CodexFailed,
  idempotencyKey: ({ name }) => name
})

const turnOf = (name: string, thread: CodexWorkflow.WorkflowThread) =>
  Effect.flatMap(CodexWorkflow.turn(name, { thread, input: prompt }), ({ answer }) => checked(answer))

const JobLive = Job.toLayer(Effect.fnUntraced(function*({ name }) {
  const thread = yield* CodexWorkflow.thread(name)
  yield* how === "one"
    ? Effect.orDie(oneAfterAnother((turnKey) => turnOf(turnKey, thread)))
    : turnOf("turn", thread)
}))

const workflow = how === "one" ? Job.execute({ name: "one" }) : allAtOnce((name) => Job.execute({ name }))

// A runner whose locks are not refreshed in time, as on a busy machine, interrupts its turns.
const shardingConfig = { shardLockExpiration: "1 minute", shardLockRefreshInterval: "20 seconds" } as const

/** As the documentation says for one machine, and for many. */
const Cluster = Layer.unwrap(Effect.gen(function*() {
  if (database === "sqlite") {
    const filename = "bench.sqlite"
    return Layer.provideMerge(CodexSession.layerLocal, CodexCluster.layerSqlite({ filename, shardingConfig }))
  }
  const postgres: PgClient.PgPoolConfig = JSON.parse(process.env["BENCH_POSTGRES"] ?? "{}")
  return CodexSession.layer().pipe(
    Layer.provideMerge(CodexCluster.layer({ address: { host: "127.0.0.1", port: yield* freePort }, shardingConfig })),
    Layer.provide(PgClient.layer(postgres)),
    Layer.provide(NodeServices.layer)
  )
}))

const Durable = Layer.provideMerge(Layer.merge(CodexThread.layer(), JobLive), Cluster)

const programs = {
  plain,
  entity: Effect.provide(entity, Durable),
  workflow: Effect.provide(workflow, Durable)
}

await Effect.runPromise(
  Effect.scoped<void, unknown, Codex.Codex | AppServerRpc.AppServerRpc>(programs[face]).pipe(
    Effect.provide(CodexNode.layer({ executable })),
    // The sample alone is for stdout.
    Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
  )
)
