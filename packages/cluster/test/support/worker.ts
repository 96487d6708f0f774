/** A worker of the crash tests. It kills itself where the file `crash` in its folder says, once. */
import { ApprovalMode, Codex, Sandbox, type Thread } from "@effect-codex/client"
import { CodexSession, CodexThread, SessionStore, SqliteClient } from "@effect-codex/cluster"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Schedule } from "effect"
import { type StatementResultingChanges, StatementSync } from "node:sqlite"
import { make as makeCrash } from "./crash.ts"
import * as Fragile from "./fragileThread.ts"
import { type Crash, engine, JobLive } from "./job.ts"

const [filename = "", crashFile = "", carries = "false"] = process.argv.slice(2)

const { die, here: crashHere, isHere } = makeCrash<Crash>(crashFile)

let isArmed = false
const { run } = StatementSync.prototype
StatementSync.prototype.run = function(...parameters: ReadonlyArray<unknown>): StatementResultingChanges {
  const changes: StatementResultingChanges = Reflect.apply(run, this, parameters)
  // In a transaction that is not committed yet.
  if (isArmed && /INSERT INTO .*cluster_replies/.test(this.sourceSQL)) die()
  return changes
}

const fragile = (thread: Thread.Thread): Thread.Thread => {
  const run = (...call: Parameters<Thread.Thread["run"]>) =>
    Effect.andThen(crashHere("before the first frame of the turn"), thread.run(...call)).pipe(
      Effect.tap(() => crashHere("before the result is stored")),
      Effect.tap(() =>
        Effect.sync(() => {
          isArmed ||= isHere("in the write of the result")
        })
      )
    )
  return {
    ...thread,
    setName: (name) => Effect.tap(thread.setName(name), () => crashHere("before the id of the thread is stored")),
    run: run as Thread.Thread["run"]
  }
}

const CodexLive = CodexNode.layer({ cwd: process.cwd(), restart: Schedule.spaced("100 millis") })

const FragileCodex = Layer.effect(
  Codex.Codex,
  Effect.map(Codex.Codex, (codex) =>
    Codex.Codex.of({
      ...codex,
      startThread: (options) =>
        Effect.andThen(crashHere("before the start"), Effect.map(codex.startThread(options), fragile)),
      resumeThread: (id, options) => Effect.map(codex.resumeThread(id, options), fragile)
    }))
).pipe(Layer.provide(CodexLive))

const SessionLive = carries === "true"
  ? CodexSession.layer().pipe(
    Layer.provide(SessionStore.layerSql()),
    Layer.provide([CodexLive, NodeServices.layer, SqliteClient.layer({ filename })])
  )
  : CodexSession.layerLocal

const ThreadsLive = CodexThread.layer({
  settings: {
    approvalMode: ApprovalMode.denyAll,
    sandbox: Sandbox.workspaceWrite,
    developerInstructions: "Be brief."
  }
}).pipe(
  Layer.provide(SessionStore.layerSql()),
  Layer.provide([Fragile.layer(crashFile).pipe(Layer.provide(CodexLive)), SqliteClient.layer({ filename })])
)

Layer.merge(JobLive, ThreadsLive).pipe(
  Layer.provide([engine(filename, true), FragileCodex, SessionLive]),
  Layer.launch,
  NodeRuntime.runMain
)
