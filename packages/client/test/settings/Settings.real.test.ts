/** What was asked of a thread and what it does, on the real codex binary: commands that write, and what the server holds. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, Sandbox, type Thread } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema, type Scope, Stream } from "effect"
import { existsSync, mkdirSync, symlinkSync } from "node:fs"
import * as LossyCodex from "../support/lossyCodex.ts"
import * as MeddledCodex from "../support/meddledCodex.ts"

const services = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  const rpc = yield* AppServerRpc.AppServerRpc
  const { workspace } = yield* CodexHome.CodexHome
  return {
    model,
    rpc,
    workspace,
    codex: yield* Codex.Codex,
    held: (threadId: string) => rpc.request("thread/resume", { threadId, excludeTurns: true }),
    /** Whether a turn of the thread can write a file into its workspace. */
    writes: Effect.fnUntraced(function*(thread: Thread.Thread, name: string, options?: Thread.TurnOptions) {
      yield* model.enqueue(ScriptedModel.exec(`touch ${workspace}/${name}`), "done")
      yield* thread.run("go", options)
      return existsSync(`${workspace}/${name}`)
    })
  }
})

const real = (
  name: string,
  test: (given: Effect.Success<typeof services>) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live(
    name,
    () =>
      Effect.flatMap(services, test).pipe(
        Effect.scoped,
        Effect.provide(ScriptedCodex.layer({ model: { answer: (request) => `re: ${request.prompt}` } }))
      )
  )

const never = ApprovalMode.denyAll

const notApplied = Effect.fnUntraced(function*<A, R>(call: Effect.Effect<A, CodexError.CodexError, R>) {
  const error = yield* Effect.flip(call)
  assert.instanceOf(error, CodexError.SettingsNotApplied)
  assert.isFalse(error.isRetryable)
  return error
})

describe("a thread that is loaded", () => {
  real(
    "does not write when it is resumed with a read-only sandbox",
    ({ codex, held, writes }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite, approvalMode: never })
        assert.isTrue(yield* writes(thread, "before"))
        const resumed = yield* codex.resumeThread(thread.id, { sandbox: Sandbox.readOnly })
        assert.deepStrictEqual((yield* held(thread.id)).sandbox, { type: "readOnly", networkAccess: false })
        assert.isFalse(yield* writes(resumed, "after"))
      })
  )

  real("asks nobody any more when it is resumed with denyAll", ({ codex, model, workspace }) =>
    Effect.gen(function*() {
      let asked = 0
      const handlers = {
        "item/commandExecution/requestApproval": () =>
          Effect.sync(() => {
            asked++
            return { decision: "accept" } as const
          })
      }
      const escalates = ScriptedModel.functionCall("exec_command", {
        cmd: `touch ${workspace}/escalated`,
        sandbox_permissions: "require_escalated",
        justification: "needed"
      })
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly, handlers })
      yield* model.enqueue("ok")
      yield* thread.run("go")
      const resumed = yield* codex.resumeThread(thread.id, { approvalMode: never, handlers })
      yield* model.enqueue(escalates, "done")
      yield* resumed.run("go")
      assert.deepStrictEqual([asked, existsSync(`${workspace}/escalated`)], [0, false])
      // The handle that asks goes on to ask.
      yield* model.enqueue(escalates, "done")
      yield* thread.run("go")
      assert.deepStrictEqual([asked, existsSync(`${workspace}/escalated`)], [1, true])
    }))

  real(
    "takes a folder, a model, a tier and an effort, which also hold for later turns",
    ({ codex, held, workspace }) =>
      Effect.gen(function*() {
        mkdirSync(`${workspace}/sub`)
        symlinkSync(`${workspace}/sub`, `${workspace}/link`)
        const thread = yield* codex.startThread()
        yield* thread.run("go")
        for (const cwd of [`${workspace}/sub/`, `${workspace}/link`, "sub"]) {
          const options = {
            config: { model_reasoning_effort: "high" },
            cwd,
            model: "another-model",
            serviceTier: "flex"
          }
          const resumed = yield* codex.resumeThread(thread.id, options)
          yield* resumed.run("go")
          const now = yield* held(thread.id)
          assert.deepInclude(now, { model: "another-model", serviceTier: "flex", reasoningEffort: "high" })
          assert.strictEqual(now.cwd, cwd.startsWith("/") ? cwd.replace(/\/$/, "") : `${workspace}/sub`)
        }
      })
  )

  real("says what it cannot take, and takes nothing then", ({ codex, held }) =>
    Effect.gen(function*() {
      const secret = "the developer's secret"
      const begun = { developerInstructions: "be kind", config: { web_search: "disabled" } }
      const thread = yield* codex.startThread({ ...begun, sandbox: Sandbox.workspaceWrite, approvalMode: never })
      yield* thread.run("go")
      const before = yield* held(thread.id)
      for (
        const [setting, options] of [
          ["baseInstructions", { baseInstructions: secret }],
          ["developerInstructions", { developerInstructions: secret }],
          ["config.web_search", { config: { web_search: secret } }],
          ["modelProvider", { modelProvider: "other" }],
          ["runtimeWorkspaceRoots", { runtimeWorkspaceRoots: ["/"] }]
        ] as const
      ) {
        const error = yield* notApplied(codex.resumeThread(thread.id, { ...options, sandbox: Sandbox.readOnly }))
        assert.deepStrictEqual(error.settings.map((one) => one.setting), [setting])
        assert.include(error.message, setting)
        assert.notInclude(JSON.stringify(error) + error.message, secret)
      }
      const { thread: _, ...told } = before
      const { thread: __, ...after } = yield* held(thread.id)
      assert.deepStrictEqual(after, told)
      // What it was started with it has.
      yield* codex.resumeThread(thread.id, begun)
    }))

  real("has the details of a sandbox that is resumed with them", ({ codex, held, writes }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      yield* thread.run("go")
      const sandbox = Sandbox.workspaceWriteWith({ excludeSlashTmp: true, networkAccess: true })
      const resumed = yield* codex.resumeThread(thread.id, { sandbox })
      assert.deepInclude((yield* held(thread.id)).sandbox, { excludeSlashTmp: true, networkAccess: true })
      assert.isTrue(yield* writes(resumed, "written"))
    }))
})

describe("a handle", () => {
  real(
    "keeps to what it was asked when another one changes the thread",
    ({ codex, rpc, writes }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
        yield* thread.run("go")
        const other = yield* codex.resumeThread(thread.id)
        assert.isTrue(yield* writes(other, "other", { sandbox: Sandbox.workspaceWrite }))
        assert.isFalse(yield* writes(thread, "own"))
        assert.isTrue(yield* writes(other, "again"))
        yield* rpc.request("thread/settings/update", {
          threadId: thread.id,
          sandboxPolicy: { type: "dangerFullAccess" }
        })
        assert.isFalse(yield* writes(thread, "still"))
      })
  )

  real(
    "says it before a review and a goal too, whose turns carry no settings",
    ({ codex, held, model, rpc, workspace }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
        yield* thread.run("go")
        const loosen = rpc.request("thread/settings/update", {
          threadId: thread.id,
          sandboxPolicy: { type: "dangerFullAccess" }
        })
        yield* loosen
        yield* model.enqueue(ScriptedModel.exec(`touch ${workspace}/reviewed`), "fine")
        yield* Effect.flatMap(thread.review({ type: "custom", instructions: "look" }), (turn) => turn.result)
        assert.isFalse(existsSync(`${workspace}/reviewed`))
        assert.strictEqual((yield* held(thread.id)).sandbox.type, "readOnly")
        yield* loosen
        yield* model.enqueue(
          ScriptedModel.exec(`touch ${workspace}/aimed`),
          ScriptedModel.functionCall("update_goal", { status: "complete" }),
          "done"
        )
        yield* thread.runGoal("touch it")
        assert.isFalse(existsSync(`${workspace}/aimed`))
      })
  )

  real("keeps what it was given last, by a turn and by updateSettings", ({ codex, writes }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({
        sandbox: Sandbox.workspaceWriteWith({ networkAccess: true }),
        approvalMode: never
      })
      assert.isTrue(yield* writes(thread, "1"))
      assert.isFalse(yield* writes(thread, "2", { sandbox: Sandbox.readOnly }))
      assert.isFalse(yield* writes(thread, "3"))
      yield* thread.updateSettings({ sandbox: Sandbox.workspaceWrite })
      assert.isTrue(yield* writes(thread, "4"))
      yield* thread.updateSettings({ sandbox: Sandbox.readOnly })
      assert.isFalse(yield* writes(thread, "5"))
    }))

  real(
    "changes nothing by saying it again with each turn",
    ({ codex, model, rpc, workspace }) =>
      Effect.gen(function*() {
        const changes: Array<string> = []
        yield* rpc.notifications.pipe(
          Stream.filter(({ _tag }) => _tag === "thread/settings/updated"),
          Stream.runForEach(({ _tag }) => Effect.sync(() => changes.push(_tag))),
          Effect.forkScoped({ startImmediately: true })
        )
        const thread = yield* codex.startThread({
          cwd: workspace,
          sandbox: Sandbox.workspaceWrite,
          approvalMode: never
        })
        yield* thread.run("one")
        const first = (yield* model.requests).at(-1)?.input.length ?? 0
        yield* thread.run("two")
        // The answer and the question are all that the model was told.
        assert.strictEqual((yield* model.requests).at(-1)?.input.length, first + 2)
        assert.deepStrictEqual(changes, [])
      })
  )

  real("of an unarchived thread runs", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      yield* thread.run("one")
      yield* thread.archive
      const unarchived = yield* codex.unarchiveThread(thread.id)
      assert.deepStrictEqual((yield* unarchived.run("two")).status, "completed")
    }))
})

describe("a call that fails", () => {
  real("leaves a loaded thread as it was", ({ codex, held, model, writes }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      yield* model.enqueue("ok")
      yield* thread.run("go")
      const plain = yield* codex.resumeThread(thread.id)
      const asked = { sandbox: Sandbox.fullAccess, serviceTier: "no-such-tier" }
      yield* notApplied(codex.resumeThread(thread.id, asked))
      assert.strictEqual((yield* held(thread.id)).sandbox.type, "readOnly")
      assert.isFalse(yield* writes(plain, "after"))
    }))

  real("leaves a thread that is not loaded as it was stored", ({ codex, model, writes }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      yield* model.enqueue("ok")
      yield* thread.run("go")
      yield* codex.archiveThread(thread.id)
      const plain = yield* codex.unarchiveThread(thread.id)
      const asked = { sandbox: Sandbox.fullAccess, developerInstructions: "other" }
      yield* notApplied(codex.resumeThread(thread.id, asked))
      assert.isFalse(yield* writes(plain, "after"))
    }))
})

const full = { type: "dangerFullAccess" } as const
const home = CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()), Layer.provideMerge(NodeServices.layer))

describe("a turn that the server starts", () => {
  const look = { type: "custom", instructions: "look" } as const
  const loosenBefore = (method: string) => {
    let threadId = ""
    return {
      on: (id: string) => {
        threadId = id
      },
      meddle: (frame: string) =>
        frame.includes(`"${method}"`)
          ? { before: MeddledCodex.frame("thread/settings/update", { threadId, sandboxPolicy: full }) }
          : undefined
    }
  }

  it.live("as a review is stopped when somebody loosens the thread right before it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const loosen = loosenBefore("review/start")
      const { codex } = yield* MeddledCodex.connect(loosen.meddle)
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      loosen.on(thread.id)
      yield* model.enqueue("ok", ScriptedModel.text(["wait", yield* ScriptedModel.gate]))
      yield* thread.run("go")
      const error = yield* notApplied(Effect.flatMap(thread.review(look), (turn) => turn.result))
      assert.strictEqual(
        error.message,
        `Thread ${thread.id} does not hold the requested settings: sandbox (asked {"type":"readOnly","networkAccess":false}, ` +
          "holds {\"type\":\"dangerFullAccess\"}). Somebody else changed the thread right before the turn began, and the " +
          "turn was stopped: look at what it did, then start it again."
      )
      assert.strictEqual((yield* thread.status).type, "idle")
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live("as a review may write to the folder of TMPDIR that the server names", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const { workspace } = yield* CodexHome.CodexHome
      const other = `${workspace}/other`
      mkdirSync(other)
      for (const sandbox of [Sandbox.workspaceWrite, Sandbox.workspaceWriteWith({ networkAccess: true })]) {
        const thread = yield* codex.startThread({ approvalMode: never, runtimeWorkspaceRoots: [other], sandbox })
        const review = Effect.flatMap(thread.review(look), (turn) => turn.result)
        yield* thread.run("go")
        assert.strictEqual((yield* review).status, "completed")
        yield* thread.updateSettings({ sandbox: Sandbox.readOnly })
        yield* thread.updateSettings({ sandbox: Sandbox.workspaceWrite })
        assert.strictEqual((yield* review).status, "completed")
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ codex: { env: { TMPDIR: "/var/tmp" } }, model: { answer: () => "ok" } }))
    ))

  // The client makes the thread stricter again as soon as it hears of it, and may be faster than the server begins the turn.
  it.live("for a goal is stopped when somebody loosens the thread right before it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const loosen = loosenBefore("thread/goal/set")
      let isLoosened = false
      const { codex } = yield* MeddledCodex.connect((frame) => {
        if (isLoosened && frame.includes("\"thread/settings/update\"")) return { isLost: true }
        const loosened = loosen.meddle(frame)
        isLoosened ||= loosened !== undefined
        return loosened
      })
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      loosen.on(thread.id)
      yield* model.enqueue("ok", ScriptedModel.text(["wait", yield* ScriptedModel.gate]))
      yield* thread.run("go")
      yield* notApplied(thread.runGoal("touch it"))
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live(
    "for a goal runs as it was asked to when the thread is made stricter again right before it",
    () =>
      Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        const { workspace } = yield* CodexHome.CodexHome
        const loosen = loosenBefore("thread/goal/set")
        const restored = yield* Deferred.make<void>()
        let isLoosened = false
        const { codex, rpc } = yield* MeddledCodex.connect((frame) => {
          const loosened = isLoosened ? undefined : loosen.meddle(frame)
          if (loosened === undefined) return undefined
          isLoosened = true
          return { ...loosened, until: Deferred.await(restored) }
        })
        yield* rpc.notifications.pipe(
          Stream.filter((told) =>
            told._tag === "thread/settings/updated" && isLoosened &&
            told.params.threadSettings.sandboxPolicy.type === "readOnly"
          ),
          Stream.runForEach(() => Deferred.succeed(restored, undefined)),
          Effect.forkScoped({ startImmediately: true })
        )
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
        loosen.on(thread.id)
        yield* model.enqueue(
          "ok",
          ScriptedModel.exec(`touch ${workspace}/aimed`),
          ScriptedModel.functionCall("update_goal", { status: "complete" }),
          "done"
        )
        yield* thread.run("go")
        assert.strictEqual((yield* thread.runGoal("touch it")).status, "completed")
        assert.isFalse(existsSync(`${workspace}/aimed`))
      }).pipe(Effect.scoped, Effect.provide(home))
  )

  it.live("later for a goal is stopped when the thread could not be made stricter again", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      let isLost = false
      const { codex, rpc } = yield* MeddledCodex.connect((frame) =>
        isLost && frame.includes("\"thread/settings/update\"") && frame.includes("readOnly") ? { isLost } : undefined
      )
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      const [first, second] = [yield* ScriptedModel.gate, yield* ScriptedModel.gate]
      yield* model.enqueue("ok", ScriptedModel.text(["one", first]), ScriptedModel.text(["two", second]))
      yield* thread.run("go")
      const turn = yield* thread.startGoal("touch it")
      yield* first.reached
      isLost = true
      yield* rpc.request("thread/settings/update", { threadId: thread.id, sandboxPolicy: full })
      yield* first.release
      yield* notApplied(turn.result)
    }).pipe(Effect.scoped, Effect.provide(home)))

  real(
    "later for a goal runs as it was asked to, whoever changed the thread meanwhile",
    ({ codex, model, rpc, workspace }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue("ok", ScriptedModel.text(["one", gate]))
        yield* thread.run("go")
        const turn = yield* thread.startGoal("touch it")
        yield* gate.reached
        const restored = yield* rpc.notifications.pipe(
          Stream.filter((told) =>
            told._tag === "thread/settings/updated" && told.params.threadSettings.sandboxPolicy.type === "readOnly"
          ),
          Stream.take(1),
          Stream.runDrain,
          Effect.forkScoped({ startImmediately: true })
        )
        yield* rpc.request("thread/settings/update", { threadId: thread.id, sandboxPolicy: full })
        yield* Fiber.join(restored)
        yield* model.enqueue(
          ScriptedModel.exec(`touch ${workspace}/aimed`),
          ScriptedModel.functionCall("update_goal", { status: "complete" }),
          "done"
        )
        yield* gate.release
        assert.strictEqual((yield* turn.result).status, "completed")
        assert.isFalse(existsSync(`${workspace}/aimed`))
      })
  )

  real(
    "for a goal takes what its own handle asks for meanwhile",
    ({ codex, model, workspace }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(
          ScriptedModel.text(["one", gate]),
          ScriptedModel.exec(`touch ${workspace}/aimed`),
          ScriptedModel.functionCall("update_goal", { status: "complete" }),
          "done"
        )
        const turn = yield* thread.startGoal("touch it")
        yield* gate.reached
        yield* thread.updateSettings({ sandbox: Sandbox.workspaceWrite })
        yield* gate.release
        assert.strictEqual((yield* turn.result).status, "completed")
        assert.isTrue(existsSync(`${workspace}/aimed`))
      })
  )

  real(
    "has the workspace roots that its handle was given",
    ({ codex, held, model, rpc, workspace }) =>
      Effect.gen(function*() {
        const outside = `${workspace}/../outside`
        mkdirSync(outside)
        const thread = yield* codex.startThread({
          approvalMode: never,
          runtimeWorkspaceRoots: [workspace],
          sandbox: Sandbox.workspaceWrite
        })
        yield* model.enqueue("ok")
        yield* thread.run("go")
        yield* rpc.request("thread/settings/update", {
          threadId: thread.id,
          environments: [{ environmentId: "local", cwd: workspace, runtimeWorkspaceRoots: [workspace, outside] }]
        })
        yield* model.enqueue(ScriptedModel.exec(`touch ${workspace}/inside ${outside}/reviewed`), "fine")
        yield* Effect.flatMap(thread.review(look), (turn) => turn.result)
        assert.deepStrictEqual(
          [existsSync(`${workspace}/inside`), existsSync(`${outside}/reviewed`)],
          [true, false]
        )
        assert.deepStrictEqual((yield* held(thread.id)).runtimeWorkspaceRoots, [workspace])
      })
  )
})

describe("updateSettings", () => {
  real("does not overtake a run that was forked before it", ({ codex, model, workspace }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: never })
      yield* model.enqueue(ScriptedModel.exec(`touch ${workspace}/overtaken`), "done")
      const run = yield* Effect.forkChild(thread.run("go", { cwd: workspace }))
      yield* thread.updateSettings({ sandbox: Sandbox.fullAccess })
      yield* Fiber.join(run)
      assert.isFalse(existsSync(`${workspace}/overtaken`))
    }))

  real("does not wait for a run that waits itself", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["wait", gate]), "two")
      const turn = yield* thread.turn("one")
      yield* gate.reached
      const queued = yield* Effect.forkChild(thread.run("two", { whenBusy: "queue" }))
      yield* thread.updateSettings({ sandbox: Sandbox.readOnly })
      yield* gate.release
      yield* turn.result
      assert.strictEqual((yield* Fiber.join(queued)).status, "completed")
    }))

  real(
    "and a turn do not leave a thread without a sandbox unless that is said",
    ({ codex, writes }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.dangerouslyBypass })
        assert.isTrue(yield* writes(thread, "bypassed"))
        for (
          const call of [
            thread.updateSettings({ approvalMode: never }),
            thread.run("go", { approvalMode: ApprovalMode.ask }),
            thread.fork({ approvalMode: never })
          ]
        ) {
          const error = yield* Effect.flip<unknown, CodexError.CodexError, never>(call)
          assert.strictEqual(
            error.message,
            "Invalid sandbox: the thread has ApprovalMode.dangerouslyBypass, which stands for no sandbox. Say with the new " +
              "mode which sandbox holds from now on, such as Sandbox.workspaceWrite, or Sandbox.fullAccess to go on without one."
          )
        }
        yield* thread.updateSettings({ approvalMode: never, sandbox: Sandbox.readOnly })
        assert.isFalse(yield* writes(thread, "denied"))
      })
  )
})

describe("a start that does not end in a handle", () => {
  real("leaves no thread behind when it fails", ({ codex, rpc }) =>
    Effect.gen(function*() {
      yield* notApplied(codex.startThread({ serviceTier: "no-such-tier" }))
      const thread = yield* codex.startThread()
      yield* thread.run("go")
      yield* notApplied(codex.forkThread(thread.id, { serviceTier: "no-such-tier" }))
      assert.deepStrictEqual((yield* rpc.request("thread/loaded/list", {})).data, [thread.id])
    }))

  it.live("leaves no thread behind when it is interrupted", () =>
    Effect.gen(function*() {
      const sent = yield* Deferred.make<void>()
      const { codex, rpc } = yield* MeddledCodex.connect((frame) => {
        if (frame.includes("\"thread/start\"")) Deferred.doneUnsafe(sent, Effect.void)
        return undefined
      })
      const starting = yield* Effect.forkChild(codex.startThread())
      yield* Deferred.await(sent)
      yield* Fiber.interrupt(starting)
      assert.deepStrictEqual((yield* rpc.request("thread/loaded/list", {})).data, [])
    }).pipe(Effect.scoped, Effect.provide(home)))
})

describe("a reply that is lost", () => {
  const writesOn = Effect.fnUntraced(function*(thread: Thread.Thread, name: string, options?: Thread.TurnOptions) {
    const model = yield* ScriptedModel.ScriptedModel
    const { workspace } = yield* CodexHome.CodexHome
    yield* model.enqueue(ScriptedModel.exec(`touch ${workspace}/${name}`), "done")
    yield* thread.run("go", options)
    return existsSync(`${workspace}/${name}`)
  })
  const open = { sandbox: Sandbox.fullAccess, approvalMode: never }

  it.live("of a turn leaves its stricter sandbox to the turns that follow", () =>
    Effect.gen(function*() {
      const codex = yield* LossyCodex.connect((frame) => /^\{"id":\d+,"result":\{"turn":/.test(frame))
      const thread = yield* codex.startThread(open)
      assert.isFalse(yield* writesOn(thread, "first", { sandbox: Sandbox.readOnly }))
      assert.isFalse(yield* writesOn(thread, "second"))
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live(
    "of updateSettings leaves the stricter sandbox to the turns that follow, and no looser one",
    () =>
      Effect.gen(function*() {
        const codex = yield* LossyCodex.connect((frame) => /^\{"id":\d+,"result":\{\}\}$/.test(frame))
        const thread = yield* codex.startThread(open)
        assert.isTrue(yield* writesOn(thread, "first"))
        const error = yield* Effect.flip(thread.updateSettings({ sandbox: Sandbox.readOnly }))
        assert.strictEqual(error._tag, "AppServerTimeout")
        assert.isFalse(yield* writesOn(thread, "second"))
        yield* Effect.flip(thread.updateSettings({ sandbox: Sandbox.fullAccess }))
        assert.isFalse(yield* writesOn(thread, "third"))
      }).pipe(Effect.scoped, Effect.provide(home))
  )
})

describe("a message that steers a turn", () => {
  real(
    "is refused with settings that the turn has not, and taken with those that it has",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite, approvalMode: never })
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["wait", gate]), "done")
        const turn = yield* thread.turn("go", { model: "another-model" })
        yield* gate.reached
        const error = yield* notApplied(thread.turn("and", { whenBusy: "steer", sandbox: Sandbox.readOnly }))
        assert.deepStrictEqual(error.settings.map(({ setting }) => setting), ["sandbox"])
        yield* thread.turn("and", { whenBusy: "steer", model: "another-model", sandbox: Sandbox.workspaceWrite })
        yield* gate.release
        assert.strictEqual((yield* turn.result).status, "completed")
      })
  )

  real(
    "is refused when the turn of another handle is looser than its own handle was asked to be",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        yield* model.enqueue("ok")
        yield* thread.run("go")
        const other = yield* codex.resumeThread(thread.id)
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["wait", gate]), "done")
        const turn = yield* other.turn("go", { sandbox: Sandbox.fullAccess, approvalMode: never })
        const error = yield* notApplied(thread.turn("and", { whenBusy: "steer" }))
        assert.deepStrictEqual(error.settings, [{
          setting: "sandbox",
          asked: JSON.stringify(Sandbox.readOnly.policy),
          holds: JSON.stringify(full),
          advice:
            "A turn that runs keeps its settings: set `whenBusy` to \"queue\", or steer it with a handle that asks " +
            "for none of them."
        }])
        yield* gate.reached
        yield* gate.release
        yield* turn.result
      })
  )

  real(
    "is taken by the turn of another handle that runs as its own was asked to, whatever the default approval mode",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        yield* model.enqueue("ok")
        yield* thread.run("go")
        const other = yield* codex.resumeThread(thread.id)
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["wait", gate]), "done")
        const turn = yield* other.turn("go", { approvalMode: never })
        yield* thread.turn("and", { whenBusy: "steer" })
        yield* gate.reached
        yield* gate.release
        assert.strictEqual((yield* turn.result).status, "completed")
      })
  )

  real("is refused with an output schema that the turn has not", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["wait", gate]))
      const turn = yield* thread.turn("go")
      const output = Schema.Struct({ lines: Schema.Array(Schema.String) })
      const error = yield* notApplied(thread.run("and", { whenBusy: "steer", output }))
      assert.deepStrictEqual(error.settings.map(({ setting }) => setting), ["outputSchema"])
      yield* gate.reached
      yield* gate.release
      yield* turn.result
    }))
})

describe("a thread that is started or forked", () => {
  real(
    "has the details that the configuration gives to a workspace-write",
    ({ codex, held, writes, workspace }) =>
      Effect.gen(function*() {
        const outside = `${workspace}/../outside`
        mkdirSync(outside)
        const thread = yield* codex.startThread({
          approvalMode: never,
          config: { sandbox_workspace_write: { network_access: true, writable_roots: [outside] } },
          sandbox: Sandbox.workspaceWrite
        })
        assert.isTrue(yield* writes(thread, "../outside/one"))
        assert.isTrue(yield* writes(thread, "../outside/two"))
        assert.deepInclude((yield* held(thread.id)).sandbox, { networkAccess: true })
      })
  )

  real(
    "keeps the developer's instructions of its history, and a fork that asks for others is told",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ developerInstructions: "one" })
        yield* thread.run("go")
        const error = yield* notApplied(thread.fork({ developerInstructions: "two" }))
        assert.include(error.message, "keeps the developer's instructions that it began with")
        yield* thread.fork({ developerInstructions: "one" })
        yield* thread.fork({ baseInstructions: "other" })
      })
  )
})
