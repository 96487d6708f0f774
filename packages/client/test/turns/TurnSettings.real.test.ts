/** Settings of a running turn, and granular approvals, on the real codex binary. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, Sandbox } from "@effect-codex/client"
import { known, otherKnown } from "@effect-codex/test-support/models"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, type Scope } from "effect"
import { existsSync } from "node:fs"

const reasoningOf = Schema.decodeUnknownSync(
  Schema.Struct({ effort: Schema.optional(Schema.String), summary: Schema.optional(Schema.String) })
)

const services = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  return {
    model,
    rpc: yield* AppServerRpc.AppServerRpc,
    codex: yield* Codex.Codex,
    workspace: (yield* CodexHome.CodexHome).workspace,
    /** What each call of the model was asked with. */
    asked: Effect.map(model.requests, (all) =>
      all.map(({ body }) => {
        const { reasoning, service_tier } = body
        const { effort, summary } = reasoningOf(reasoning)
        return { model: body["model"] ?? null, effort, summary, tier: service_tier ?? null }
      }))
  }
})

const real = (
  name: string,
  test: (given: Effect.Success<typeof services>) => Effect.Effect<void, unknown, Scope.Scope>,
  home?: CodexHome.Options
) =>
  it.live(
    name,
    () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer({ home })))
  )

const switching = { approvalMode: ApprovalMode.denyAll, config: { "features.step_model_switching": true } }

describe("the settings of a running turn", () => {
  real(
    "change with its next call of the model, and the thread keeps its own",
    ({ asked, codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.reply([gate, ScriptedModel.exec("true")]), "done", "again")
        const thread = yield* codex.startThread(switching)
        const turn = yield* thread.turn("go", { effort: "low" })
        yield* gate.reached
        yield* turn.updateSettings({
          model: otherKnown,
          effort: "high",
          summary: "detailed",
          serviceTier: "priority"
        })
        yield* gate.release
        assert.deepStrictEqual((yield* turn.result).model, Option.some(otherKnown))
        const next = yield* thread.run("go on")
        assert.deepStrictEqual(next.model, Option.some(known))
        const own = { model: known, effort: "low", summary: undefined, tier: null }
        assert.deepStrictEqual(yield* asked, [
          own,
          { model: otherKnown, effort: "high", summary: "detailed", tier: "priority" },
          own
        ])
      }),
    { model: known }
  )

  real(
    "can change before the turn has begun",
    ({ asked, codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue("done")
        const thread = yield* codex.startThread(switching)
        const turn = yield* thread.turn("go", { effort: "low" })
        yield* turn.updateSettings({ effort: "medium" })
        yield* turn.result
        assert.deepStrictEqual((yield* asked).map(({ effort }) => effort), ["medium"])
      }),
    { model: known }
  )

  real(
    "are what a message must not contradict that steers the turn",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.reply([gate]), "done")
        const thread = yield* codex.startThread(switching)
        const turn = yield* thread.turn("go", { effort: "low" })
        yield* gate.reached
        yield* turn.updateSettings({ effort: "high" })
        const refused = yield* Effect.flip(thread.turn("more", { whenBusy: "steer", effort: "low" }))
        assert.propertyVal(refused, "_tag", "SettingsNotApplied")
        yield* thread.turn("more", { whenBusy: "steer", effort: "high" })
        yield* gate.release
        yield* turn.result
      }),
    { model: known }
  )

  real(
    "are refused for a model that codex does not know, and after the turn",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.reply([gate]))
        const thread = yield* codex.startThread(switching)
        const turn = yield* thread.turn("go")
        yield* gate.reached
        const unknown = yield* Effect.flip(turn.updateSettings({ model: known }))
        assert.instanceOf(unknown, CodexError.SettingsNotApplied)
        assert.match(unknown.message, /switches only between models that it knows/)
        const nowhere = yield* Effect.flip(turn.updateSettings({ environments: [{ environmentId: "no", cwd: "/" }] }))
        assert.propertyVal(nowhere, "_tag", "RpcError")
        yield* turn.updateSettings({})
        yield* turn.interrupt
        yield* turn.result
        assert.propertyVal(yield* Effect.flip(turn.updateSettings({ effort: "low" })), "_tag", "NoActiveTurn")
        const nobody = { threadId: "01a20000-0000-7000-8000-000000000000", turnId: turn.id, effort: "low" }
        const gone = yield* Effect.flip(rpc.request("turn/settings/update", nobody))
        assert.propertyVal(gone, "_tag", "ThreadNotFound")
      })
  )

  real(
    "need a feature of codex, except the environments and the reviewer",
    ({ codex, model, workspace }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(
          ScriptedModel.reply([gate, ScriptedModel.exec("true")]),
          ScriptedModel.exec("pwd"),
          "done"
        )
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll })
        const turn = yield* thread.turn("go")
        yield* gate.reached
        const refused = yield* Effect.flip(turn.updateSettings({ effort: "high", model: otherKnown }))
        assert.instanceOf(refused, CodexError.SettingsNotApplied)
        assert.deepStrictEqual(refused.settings.map(({ setting }) => setting), ["effort", "model"])
        assert.match(refused.message, /features\.step_model_switching/)
        yield* turn.updateSettings({
          approvalsReviewer: "user",
          environments: [{ environmentId: "local", cwd: "/" }]
        })
        yield* gate.release
        yield* turn.result
        const [request] = (yield* model.requests).slice(-1)
        assert.match(request?.toolOutputs.at(-1)?.output ?? "", /\n\/\n/)
        assert.strictEqual((yield* thread.read()).cwd, workspace)
      }),
    { model: known }
  )
})

describe("a granular approval mode", () => {
  const asking = Effect.fnUntraced(function*(mode: ApprovalMode.GranularOptions) {
    const { codex, model, workspace } = yield* services
    const asked: Array<string> = []
    const handlers = {
      "item/commandExecution/requestApproval": () =>
        Effect.sync(() => {
          asked.push("command")
          return { decision: "accept" } as const
        }),
      "item/permissions/requestApproval": () =>
        Effect.sync(() => {
          asked.push("permissions")
          return { permissions: {}, scope: "turn" } as const
        })
    }
    const thread = yield* codex.startThread({
      approvalMode: ApprovalMode.granular(mode),
      config: { "features.request_permissions_tool": true },
      handlers,
      sandbox: Sandbox.readOnly
    })
    yield* model.enqueue(
      ScriptedModel.functionCall("exec_command", {
        cmd: `touch ${workspace}/escalated`,
        sandbox_permissions: "require_escalated",
        justification: "needed"
      }),
      ScriptedModel.functionCall("request_permissions", { reason: "x", permissions: { network: { enabled: true } } }),
      "done"
    )
    yield* thread.run("go")
    const outputs = (yield* model.requests).at(-1)?.toolOutputs.map(({ output }) => output) ?? []
    return { asked, outputs, isWritten: existsSync(`${workspace}/escalated`) }
  })

  const layer = () => ScriptedCodex.layer()

  it.live("asks about the sandbox alone, and refuses the rest", () =>
    Effect.gen(function*() {
      const { asked, isWritten } = yield* asking({ sandbox: true })
      assert.deepStrictEqual(asked, ["command"])
      assert.isTrue(isWritten)
    }).pipe(Effect.scoped, Effect.provide(layer())))

  it.live("asks about permissions alone, and tells the model what is refused", () =>
    Effect.gen(function*() {
      const { asked, isWritten, outputs } = yield* asking({ requestPermissions: true })
      assert.deepStrictEqual(asked, ["permissions"])
      assert.isFalse(isWritten)
      assert.match(outputs[0] ?? "", /approval policy is Granular.* reject command/)
    }).pipe(Effect.scoped, Effect.provide(layer())))

  it.live("is held by the thread, its resume and its fork, and needs a sandbox after a bypass", () =>
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      const thread = yield* codex.startThread({
        approvalMode: ApprovalMode.granular({ sandbox: true, mcpElicitations: true, reviewer: "auto_review" })
      })
      yield* model.enqueue("ok")
      yield* thread.run("go")
      const granular = {
        sandbox_approval: true,
        rules: false,
        skill_approval: false,
        request_permissions: false,
        mcp_elicitations: true
      }
      const heldBy = Effect.fnUntraced(function*(threadId: string) {
        const held = yield* rpc.request("thread/resume", { threadId, excludeTurns: true })
        return [held.approvalPolicy, held.approvalsReviewer]
      })
      assert.deepStrictEqual(yield* heldBy(thread.id), [{ granular }, "auto_review"])
      const approvalMode = ApprovalMode.granular({ rules: true })
      const resumed = yield* codex.resumeThread(thread.id, { approvalMode })
      const changed = [
        { granular: { ...granular, sandbox_approval: false, rules: true, mcp_elicitations: false } },
        "user"
      ]
      assert.deepStrictEqual(yield* heldBy(thread.id), changed)
      const fork = yield* resumed.fork()
      assert.deepStrictEqual(yield* heldBy(fork.id), changed)
      const free = yield* codex.startThread({ approvalMode: ApprovalMode.dangerouslyBypass })
      assert.propertyVal(yield* Effect.flip(free.updateSettings({ approvalMode })), "_tag", "InvalidArgument")
    }).pipe(Effect.scoped, Effect.provide(layer())))
})
