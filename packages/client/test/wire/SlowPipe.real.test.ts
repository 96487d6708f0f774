/**
 * What the client builds on: codex holds what is not read from its stdout, and loses none of it. A WebSocket is cut off
 * instead (`packages/node/test/WebSocket.test.ts`). So no event can be missing from a turn whose end is heard.
 */
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer } from "effect"
import * as ChildProcess from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

interface Frame {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly delta?: string; readonly turn?: { readonly status: string } }
  readonly result?: { readonly thread?: { readonly id: string } }
}

describe("a codex whose stdout nobody reads", () => {
  it.live("loses nothing of what it tells", () =>
    Effect.gen(function*() {
      const { env, workspace } = yield* CodexHome.CodexHome
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      const parts = Array.from({ length: 20_000 }, (_, i) => `${i} `.padEnd(300, "x"))
      yield* model.enqueue(ScriptedModel.text(["first", gate, ...parts]))
      const { executable } = yield* CodexExecutable.find()
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          ChildProcess.spawn(executable, ["app-server", "--listen", "stdio://"], {
            cwd: workspace,
            env: Object.fromEntries(
              Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== undefined)
            ),
            stdio: ["pipe", "pipe", "ignore"]
          })
        ),
        (child) =>
          Effect.promise(async () => {
            const exited = once(child, "exit")
            child.kill("SIGKILL")
            await exited
          })
      )
      const send = (frame: object) => child.stdin.write(`${JSON.stringify(frame)}\n`)
      const text: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const status = yield* Deferred.make<string>()
      createInterface({ input: child.stdout }).on("line", (line) => {
        const { id, method, params, result } = JSON.parse(line) as Frame
        if (id === 1) {
          send({ method: "initialized" })
          send({ id: 2, method: "thread/start", params: {} })
        } else if (id === 2) {
          const input = [{ type: "text", text: "go", text_elements: [] }]
          send({ id: 3, method: "turn/start", params: { threadId: result?.thread?.id, input } })
        } else if (method === "item/agentMessage/delta") {
          text.push(params?.delta ?? "")
          Deferred.doneUnsafe(begun, Exit.void)
        } else if (method === "turn/completed") {
          Deferred.doneUnsafe(status, Exit.succeed(params?.turn?.status ?? ""))
        }
      })
      const clientInfo = { name: "effect_codex", title: null, version: "0.0.0" }
      send({ id: 1, method: "initialize", params: { clientInfo, capabilities: { experimentalApi: true } } })
      yield* Deferred.await(begun)
      child.stdout.pause()
      yield* gate.release
      // codex has taken all of it from the model, and can have told next to nothing.
      assert.strictEqual(yield* (yield* model.requests)[0]!.outcome, "answered")
      assert.isBelow(text.length, 2_000)
      child.stdout.resume()
      assert.strictEqual(yield* Deferred.await(status), "completed")
      assert.strictEqual(text.join(""), ["first", ...parts].join(""))
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()))),
      Effect.provide(NodeServices.layer)
    ), 120_000)
})
