/**
 * Reviews the packages of this repository, and can be killed at any instant: `npm run demo:pipeline`. Start it again,
 * and it goes on where it was. It asks once: answer from another terminal, or on the page with `--web`.
 */
import { AppServerRpc } from "@effect-codex/client"
import { CodexCluster, CodexSession, Decisions } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, Schedule, Stream } from "effect"
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { runMain } from "../../packages/cli/src/internal/main.ts"
import * as Board from "./board.ts"
import * as Model from "./model.ts"
import { Report, ReportLive, Review, ReviewLive, reviewSteps, Watcher } from "./pipeline.ts"
import * as Web from "./web.ts"

const repository = join(import.meta.dirname, "..", "..")

// Not in the system's temporary folder: codex installs its helper programs only elsewhere.
const folder = process.env["DEMO_FOLDER"] ?? join(homedir(), ".effect-codex-demo")
const workspace = join(folder, "workspace")
const filename = join(folder, "pipeline.sqlite")

const packages = readdirSync(join(repository, "packages")).filter((name) =>
  existsSync(join(repository, "packages", name, "src")) &&
  (process.env["DEMO_PACKAGES"] ?? name).split(",").includes(name)
)

const steps: Readonly<Record<string, number>> = {
  ...Object.fromEntries(packages.map((name) => [name, reviewSteps])),
  report: 1
}

/** The thread of each step, for the page. */
const threads = new Map<string, string>()

const how = "Answer in another terminal: npm run demo:pipeline -- allow (or: decline)"

const answer = Effect.fnUntraced(function*(id: string | undefined, allow: boolean) {
  const pending = yield* Decisions.pending
  const question = id === undefined ? pending[0] : pending.find((question) => question.id === id)
  if (question === undefined) {
    return yield* Board.say("Nothing waits for an answer: it was given already, or nothing was asked yet.")
  }
  yield* Decisions.decide(question.id, { allow })
  yield* Board.say(`${allow ? "Allowed" : "Declined"}: ${question.summary}.`)
  yield* Board.say("If the pipeline is not running, start it again to go on: npm run demo:pipeline")
})

/** What the agents do, and what they ask. */
const watching = Effect.gen(function*() {
  const board = yield* Board.Board
  const rpc = yield* AppServerRpc.AppServerRpc
  yield* Effect.forkScoped(Stream.runForEach(rpc.notifications, board.event))
  yield* Decisions.pending.pipe(
    Effect.flatMap(([question]) =>
      question === undefined ? board.answered : board.asks("report", question.summary, how)
    ),
    Effect.repeat(Schedule.spaced("500 millis")),
    Effect.forkScoped
  )
})

const run = Effect.gen(function*() {
  const board = yield* Board.Board
  yield* Board.say(
    isNew
      ? "codex reviews the packages; a script plays its model, so this needs no login. End it with Ctrl-C or kill -9 whenever\n" +
        `you like, and start it again. All of it is in ${folder}.`
      : "Going on where it was."
  )
  yield* watching
  if (isWeb) yield* Web.serve((name) => threads.get(name))
  const reviews = yield* Effect.forEach(
    packages,
    (name) =>
      Effect.matchEffect(Review.execute({ name, folder: join(repository, "packages", name) }), {
        onSuccess: ({ findings, tokens }) => {
          const lines = findings.map(({ file, problem }) => `- packages/${name}/${file} ${problem}`)
          return Effect.as(board.end(name, "done", lines[0]?.slice(2) ?? "fine", tokens), lines)
        },
        onFailure: ({ message }) => Effect.as(board.end(name, "failed", message), [])
      }),
    { concurrency: 4 }
  )
  const text = `# Review\n\n${reviews.flat().join("\n")}\n`
  const said = yield* Report.execute({ folder: workspace, text })
  yield* board.end("report", "done", said)
  yield* Board.say(`The report is in ${workspace}. Start afresh with: npm run demo:pipeline -- reset`)
}).pipe(
  Effect.scoped,
  Effect.onInterrupt(() => Board.say("Start it again to go on: npm run demo:pipeline"))
)

const WatcherLive = Layer.effect(
  Watcher,
  Effect.map(Board.Board, (board) => ({
    thread: (name, threadId) => {
      threads.set(name, threadId)
      return board.follow(name, threadId)
    },
    step: (name, tokens) =>
      board.update(name, (row) => ({ ...row, done: row.done + 1, tokens: row.tokens + tokens, state: "works" }))
  }))
)

const Codex = Layer.unwrap(Effect.map(CodexHome.CodexHome, ({ env }) => CodexNode.layer({ cwd: workspace, env }))).pipe(
  Layer.provide(CodexHome.layer({
    folder,
    // The model ends with this process and codex a moment later, which would otherwise store a failed turn.
    requestMaxRetries: 10,
    streamMaxRetries: 10
  })),
  Layer.provide(ScriptedModel.layer({ answer: Model.answer }))
)

const Worker = Layer.merge(ReviewLive, ReportLive).pipe(
  Layer.provideMerge(WatcherLive),
  Layer.provideMerge(Board.layer(steps)),
  Layer.provideMerge(CodexSession.layer()),
  Layer.provideMerge(Decisions.layerSql),
  Layer.provideMerge(CodexCluster.layerSqlite({ filename, shardingConfig: { entityTerminationTimeout: 0 } })),
  Layer.provideMerge([Codex, NodeServices.layer])
)

const Person = Decisions.layerSql.pipe(Layer.provideMerge(CodexCluster.layerSqliteClient({ filename })))

const isWeb = process.argv.includes("--web")
const [command = "run", id] = process.argv.slice(2).filter((argument) => argument !== "--web")
const programs: Readonly<Record<string, Effect.Effect<void, unknown>>> = {
  run: Effect.provide(run, Worker),
  allow: Effect.provide(answer(id, true), Person),
  decline: Effect.provide(answer(id, false), Person),
  reset: Effect.gen(function*() {
    // The file has one worker at a time.
    const isFree = yield* Layer.build(CodexCluster.layerSqlite({ filename })).pipe(
      Effect.scoped,
      Effect.timeoutOption("2 seconds")
    )
    if (isFree._tag === "None") return yield* Board.say("The pipeline is running. End it first, with Ctrl-C.")
    rmSync(folder, { recursive: true })
    yield* Board.say(`Removed ${folder}.`)
  })
}

const isNew = !existsSync(filename)
mkdirSync(folder, { recursive: true })
const unknown = Effect.suspend(() => {
  process.exitCode = 2
  return Board.say(`Use one of: ${Object.keys(programs).join(", ")}`)
})
runMain(Effect.provide(programs[command] ?? unknown, Logger.layer([])))
