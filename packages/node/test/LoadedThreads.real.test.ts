/** Many threads on one process of the real codex binary: the limit of loaded threads, and its file descriptors. */
import { ApprovalMode, type AppServer, AppServerRpc, Codex, Metrics, Sandbox } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric, Option, type Scope, Stream } from "effect"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CodexExecutable, CodexNode } from "../src/index.ts"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | AppServer.AppServer | ScriptedModel.ScriptedModel

const real = (
  name: string,
  options: (home: CodexHome.CodexHome["Service"]) => Effect.Effect<CodexNode.Options>,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  answer: ScriptedModel.Options["answer"] = () => ScriptedModel.reply(["done"], { usage: { input: 10, output: 5 } })
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const given = yield* options(home)
      yield* test.pipe(Effect.provide(CodexNode.layer({ env: home.env, ...given })))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        CodexHome.layer().pipe(Layer.provideMerge(
          ScriptedModel.layer({ answer })
        ))
      )
    ))

const loadedIds = Effect.gen(function*() {
  const rpc = yield* AppServerRpc.AppServerRpc
  return (yield* rpc.request("thread/loaded/list", {})).data
})

const limit = (maxLoadedThreads: number) => () => Effect.succeed({ maxLoadedThreads })

/** The real binary with few file descriptors. */
const limited = (descriptors: number) =>
  Effect.fnUntraced(function*(home: CodexHome.CodexHome["Service"]) {
    const { executable: codex } = yield* Effect.orDie(
      CodexExecutable.find().pipe(Effect.provide(NodeServices.layer))
    )
    const folder = join(home.path, "bin")
    mkdirSync(folder, { recursive: true })
    const executable = join(folder, "codex")
    writeFileSync(executable, `#!/bin/sh\nulimit -n ${descriptors}\nexec "${codex}" "$@"\n`)
    chmodSync(executable, 0o755)
    return executable
  })

describe("the limit of loaded threads", () => {
  real(
    "lets go of idle threads, which come back by themselves as they were",
    limit(3),
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      const first = yield* codex.startThread({
        sandbox: Sandbox.workspaceWrite,
        approvalMode: ApprovalMode.ask,
        config: { model_verbosity: "low" }
      })
      yield* first.run("one")
      yield* first.updateSettings({ effort: "low" })
      const nameless = yield* codex.startThread()
      const ephemeral = yield* codex.startThread({ ephemeral: true })
      for (let i = 0; i < 5; i++) yield* (yield* codex.startThread()).setName(`thread ${i}`)

      // Nothing is stored of two of them.
      const loaded = yield* loadedIds
      assert.lengthOf(loaded, 3)
      assert.includeMembers([...loaded], [nameless.id, ephemeral.id])
      assert.deepStrictEqual(yield* first.status, { type: "notLoaded" })

      const { usage } = yield* first.run("two")
      // It is unloaded at once, and cannot be used while it is.
      assert.strictEqual(yield* first.unsubscribe, "unsubscribed")
      yield* first.run("three")
      assert.deepStrictEqual(
        Option.map(usage, ({ total, turn }) => [turn.totalTokens, total.totalTokens]),
        Option.some([15, 30])
      )
      const request = (yield* model.requests).at(-1)
      assert.includeMembers(request?.userTexts.slice() ?? [], ["one", "two", "three"])
      const body = request?.body as {
        readonly reasoning?: { readonly effort?: string }
        readonly text?: { readonly verbosity?: string }
      }
      assert.strictEqual(body.reasoning?.effort, "low")
      const rpc = yield* AppServerRpc.AppServerRpc
      const told = yield* rpc.request("thread/resume", { threadId: first.id, excludeTurns: true })
      assert.strictEqual(told.sandbox.type, "workspaceWrite")
      assert.strictEqual(told.approvalPolicy, "on-request")
      assert.isAtMost((yield* loadedIds).length, 4)
    })
  )
})

describe("what runs", () => {
  const gate = Effect.runSync(ScriptedModel.gate)
  real(
    "keeps its thread loaded: a command in the background, a subagent, a goal that is not complete",
    limit(1),
    Effect.gen(function*() {
      const { startThread } = yield* Codex.Codex
      const rpc = yield* AppServerRpc.AppServerRpc
      const commands = yield* startThread()
      yield* commands.run("work in the background")
      const parent = yield* startThread()
      yield* parent.run("start a subagent")
      yield* gate.reached
      const goals = yield* startThread()
      yield* Effect.scoped(Effect.flatMap(goals.startGoal("a goal"), ({ interrupt }) => interrupt))
      const named = yield* startThread()
      yield* named.setName("idle")
      const threads = [commands.id, parent.id, goals.id]
      assert.includeMembers([...yield* loadedIds], threads)

      const subagent = yield* rpc.notifications.pipe(
        Stream.filter((event) => event._tag === "turn/completed"),
        Stream.runHead,
        Effect.map(Option.map(({ params }) => params.threadId)),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* gate.release
      assert.isTrue(Option.isSome(yield* Fiber.join(subagent)))
      const last = yield* startThread()
      // The subagent has nothing more to do, and goes with its thread.
      assert.sameMembers([...yield* loadedIds], [commands.id, goals.id, last.id])
    }),
    ({ prompt, toolOutputs }) => {
      if (prompt === "work in the background" && toolOutputs.length === 0) {
        return ScriptedModel.exec("sleep 300", { args: { yield_time_ms: 250 } })
      }
      if (prompt === "start a subagent" && toolOutputs.length === 0) return ScriptedModel.spawnAgent("take your time")
      return prompt === "take your time" ? ScriptedModel.text(["slow", gate]) : "done"
    }
  )
})

describe("the descriptors of codex", () => {
  real(
    "do not run out: near their limit idle threads are let go of, which is told and measured",
    (home) => Effect.map(limited(140)(home), (executable) => ({ executable, maxLoadedThreads: 1000 })),
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const rpc = yield* AppServerRpc.AppServerRpc
      const low = yield* rpc.diagnosticEvents.pipe(
        Stream.filter((event) => event._tag === "DescriptorsLow"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      const thread = yield* codex.startThread()
      for (let i = 0; i < 34; i++) {
        yield* (yield* codex.startThread()).setName("idle")
        if (i % 5 === 0) yield* thread.run("again")
      }
      const { limit, message, open } = Option.getOrThrow(yield* Fiber.join(low))
      assert.strictEqual(limit, 140)
      assert.isAtLeast(open, 0.85 * 140)
      assert.match(message, /has \d+ of at most 140 file descriptors open.* lets go of idle threads now.*`ulimit -n`/)
      assert.isBelow((yield* loadedIds).length, 30)
      const gauge = yield* Metric.value(Metric.withAttributes(Metrics.descriptors, { kind: "limit" }))
      assert.strictEqual(gauge.value, 140)
    })
  )
})
