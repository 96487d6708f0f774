/** What this client does not know, asked of the real codex and asked by it. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, Sandbox, Transport } from "@effect-codex/client"
import { CodexHome, Faults, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Predicate, type Scope } from "effect"
import { existsSync } from "node:fs"

type Services =
  | Codex.Codex
  | AppServerRpc.AppServerRpc
  | ScriptedModel.ScriptedModel
  | CodexHome.CodexHome

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  ...rules: ReadonlyArray<Faults.Rule>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(
        Codex.layer().pipe(
          Layer.provideMerge(AppServerRpc.layer()),
          Layer.provide(
            Layer.effect(
              Transport.Transport,
              Effect.flatMap(Transport.Transport, (transport) => Faults.make(transport, rules))
            )
          ),
          Layer.provideMerge(ScriptedCodex.layerTransport())
        )
      )
    ))

const services = Effect.all({
  codex: Codex.Codex,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc,
  home: CodexHome.CodexHome
})

describe("a raw request", () => {
  real(
    "is judged by codex alone, be it known, wrong or unknown here",
    Effect.gen(function*() {
      const { codex, rpc } = yield* services
      const { id } = yield* codex.startThread({ ephemeral: true })
      assert.deepStrictEqual(yield* rpc.requestRaw("thread/loaded/list", {}), { data: [id], nextCursor: null })
      const wrong = yield* Effect.flip(rpc.requestRaw("thread/loaded/list", { limit: "many" }))
      const unknown = yield* Effect.flip(rpc.requestRaw("thread/dream", {}))
      const gone = yield* Effect.flip(rpc.requestRaw("thread/goal/get", {
        threadId: "01a204a6-7a20-7f20-96b9-d324ba3d05aa"
      }))
      assert.instanceOf(wrong, CodexError.RpcError)
      assert.include(wrong.message, "invalid type: string \"many\"")
      assert.instanceOf(unknown, CodexError.RpcError)
      assert.include(unknown.message, "refused thread/dream (-32600): the server knows no method thread/dream. ")
      assert.isBelow(unknown.message.length, 250)
      assert.strictEqual(unknown.reason, "methodNotFound")
      assert.include(unknown.detail, "unknown variant `thread/dream`")
      assert.instanceOf(gone, CodexError.ThreadNotFound)
    })
  )

  real(
    "is cancelled by its id when its caller is interrupted",
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      yield* model.enqueue("ok", ScriptedModel.text(["on ", yield* ScriptedModel.gate]))
      const thread = yield* codex.startThread()
      const { id } = yield* thread.run("go")
      const ids: Array<number> = []
      const asking = yield* Effect.forkScoped(rpc.requestRaw("thread/sample", {
        threadId: thread.id,
        expectedTurnId: id,
        prompt: "and now?"
      }, {
        onSent: (id) => void ids.push(id),
        cancel: (requestId) => {
          ids.push(requestId)
          return { method: "thread/sample/cancel", params: { requestId } }
        }
      }))
      yield* model.received(2)
      yield* Fiber.interrupt(asking)
      assert.isAbove(ids.length, 1)
      assert.strictEqual(new Set(ids).size, 1)
      const asked = (yield* model.requests)[1]!
      assert.strictEqual(yield* asked.outcome, "abandoned")
    })
  )
})

/** A request that a newer codex may have in place of the one for commands. */
const renamed = Faults.corrupt("item/commandExecution/requestApproval", {
  corrupt: (text) => text.replace("item/commandExecution/requestApproval", "item/anything/requestApproval")
})

const touch = (workspace: string) => ScriptedModel.exec(`touch ${workspace}/made`)

describe("a request that this client does not know", () => {
  real(
    "gets the answer of its raw handler, which codex takes",
    Effect.gen(function*() {
      const { codex, home, model } = yield* services
      yield* model.enqueue(touch(home.workspace), "made")
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.untrusted, sandbox: Sandbox.workspaceWrite })
      const asked: Array<unknown> = []
      const { finalResponse } = yield* thread.run("make it", {
        handlers: {
          raw: {
            "item/anything/requestApproval": ({ item, params }) => {
              asked.push([item?.type, Predicate.hasProperty(params, "command")])
              return Effect.succeed({ decision: "accept" })
            }
          }
        }
      })
      assert.deepStrictEqual(asked, [["commandExecution", true]])
      assert.deepStrictEqual(finalResponse, Option.some("made"))
      assert.isTrue(existsSync(`${home.workspace}/made`))
    }),
    renamed
  )

  real(
    "is refused without one, and its turn goes on",
    Effect.gen(function*() {
      const { codex, home, model } = yield* services
      yield* model.enqueue(touch(home.workspace), "not made")
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.untrusted, sandbox: Sandbox.workspaceWrite })
      const { finalResponse } = yield* thread.run("make it")
      assert.deepStrictEqual(finalResponse, Option.some("not made"))
      assert.isFalse(existsSync(`${home.workspace}/made`))
    }),
    renamed
  )
})
