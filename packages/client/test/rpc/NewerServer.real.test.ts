/**
 * The real codex, some of whose frames are changed as a newer one may send them, lost, late or doubled: what a call does not
 * use is no reason to fail it, and what is not known to be over goes on.
 */
import { ApprovalMode, Approvals, AppServerRpc, Codex, Sandbox, type ServerRequests } from "@effect-codex/client"
import { Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schema, type Scope, Stream } from "effect"
import { faulty } from "../support/faultyCodex.ts"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

type Json = { [key: string]: unknown }

const isReply = (method: string) => (frame: Faults.Frame) => frame.kind === "reply" && frame.method === method

/** A frame of the server as another version would send it. */
const change = (which: Faults.Which, by: (part: Json) => void, times = 1): Faults.Rule =>
  Faults.corrupt(which, {
    times,
    corrupt: (text) => {
      const message = JSON.parse(text) as { readonly params?: Json; readonly result?: Json }
      by(message.params ?? message.result ?? {})
      return JSON.stringify(message)
    }
  })

const at = (part: unknown, ...path: ReadonlyArray<string | number>): Json =>
  path.reduce<unknown>((value, key) => (value as Json)[key], part) as Json

const answerCompleted = ({ method, text }: Faults.Frame) =>
  method === "item/completed" && text.includes("\"agentMessage\"")

const real = (
  name: string,
  rules: ReadonlyArray<Faults.Rule>,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  heard?: (frame: string) => ReadonlyArray<string>
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(faulty(rules, heard))))

const services = Effect.all({ codex: Codex.Codex, model: ScriptedModel.ScriptedModel })

/** With an `AgentMessageDisplay` that no codex has yet. */
const moderation = { moderated: true, display: { mode: "show", version: 1, trustedContacts: 5 } }

describe("the final answer", () => {
  const finds = Effect.gen(function*() {
    const { codex, model } = yield* services
    yield* model.enqueue("{\"n\":1}", "{\"n\":2}")
    const thread = yield* codex.startThread()
    const result = yield* thread.run("go", { output: Schema.Struct({ n: Schema.Number }) })
    assert.deepStrictEqual(result.output, { n: 1 })
    assert.deepStrictEqual(result.finalResponse, Option.some("{\"n\":1}"))
    assert.lengthOf(result.items, 2)
    return result
  })

  real(
    "is found in an item of which another part has changed, and the item is given as it came",
    [
      change(answerCompleted, (params) => Object.assign(at(params, "item"), { moderation })),
      change("turn/completed", (params) => Object.assign(at(params, "turn", "items", 0), { moderation }))
    ],
    Effect.gen(function*() {
      const { items } = yield* finds
      const item = items[1]
      assert(item?.type === "undecodable")
      assert.deepInclude(item.raw, { type: "agentMessage", text: "{\"n\":1}", moderation })
    })
  )

  real("is found in the end of the turn when its item was lost", [Faults.drop(answerCompleted)], Effect.asVoid(finds))

  real(
    "is there once when its item comes twice",
    [Faults.duplicate("item/completed", { times: 99 })],
    Effect.asVoid(finds)
  )
})

describe("a status that is not known", () => {
  const waiting = { type: "waitingOnApproval" }
  real(
    "does not end a turn that waits for a person",
    [
      change("thread/status/changed", (params) => params["status"] = waiting, 99),
      change(isReply("thread/read"), (result) => at(result, "thread")["status"] = waiting, 99),
      change(isReply("thread/turns/list"), (result) => at(result, "data", 0)["status"] = "waitingOnApproval", 99)
    ],
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue(ScriptedModel.exec("touch a.txt"), "done")
      // A person, who takes longer than the client waits for an end.
      const person = Effect.as(Effect.sleep("4 seconds"), "accept" as const)
      const handlers = yield* Approvals.make({ command: () => person })
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.untrusted, handlers })
      const result = yield* thread.run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
    })
  )
})

describe("a thread", () => {
  real(
    "is started, resumed and forked by replies that have its id and nothing else",
    ["thread/start", "thread/resume", "thread/fork"].map((method) =>
      change(isReply(method), (result) => {
        // A refusal has no thread.
        if (result["thread"] === undefined) return
        const { id } = at(result, "thread")
        for (const key of Object.keys(result)) delete result[key]
        result["thread"] = { id }
      }, 9)
    ),
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue("one", "two", "three")
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
      assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("one"))
      const resumed = yield* codex.resumeThread(thread.id)
      assert.deepStrictEqual((yield* resumed.run("go")).finalResponse, Option.some("two"))
      const fork = yield* codex.forkThread(thread.id)
      assert.notStrictEqual(fork.id, thread.id)
      assert.deepStrictEqual((yield* fork.run("go")).finalResponse, Option.some("three"))
    })
  )

  real(
    "that does not fit hides none of the others in a list, and has its id",
    [change(isReply("thread/list"), (result) => at(result, "data", 0)["preview"] = 7)],
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue("one", "two")
      const threads = [yield* codex.startThread(), yield* codex.startThread()]
      for (const thread of threads) yield* thread.run("go")
      const listed = yield* Stream.runCollect(codex.listThreads())
      assert.sameMembers(listed.map(({ id }) => id), threads.map(({ id }) => id))
      assert.deepStrictEqual(listed.map((thread) => "raw" in thread), [true, false])
      const rpc = yield* AppServerRpc.AppServerRpc
      assert.strictEqual((yield* rpc.diagnostics).undecodable, 1)
    })
  )
})

describe("a server that says little of itself", () => {
  real(
    "is used",
    [change(isReply("initialize"), (result) => {
      for (const key of ["userAgent", "codexHome", "platformFamily"]) delete result[key]
    })],
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue("one")
      assert.deepStrictEqual((yield* (yield* codex.startThread()).run("go")).finalResponse, Option.some("one"))
      assert.deepStrictEqual(codex.serverInfo, {
        version: "",
        userAgent: "",
        codexHome: "",
        platformFamily: "",
        platformOs: codex.serverInfo.platformOs
      })
    })
  )
})

describe("an approval", () => {
  const asked = "item/commandExecution/requestApproval"

  /** A turn that needs an approval: how its command ended, and what the handler saw. */
  const approved = Effect.fnUntraced(function*(raw = false) {
    const { codex, model } = yield* services
    yield* model.enqueue(ScriptedModel.exec("touch a.txt"), "done")
    const seen: Array<ServerRequests.RawRequest> = []
    const accept = (request: ServerRequests.RawRequest) =>
      Effect.sync(() => {
        seen.push(request)
        return { decision: "accept" as const }
      })
    const handlers = raw ? { raw: { [asked]: accept } } : { [asked]: accept }
    const thread = yield* codex.startThread({
      approvalMode: ApprovalMode.untrusted,
      sandbox: Sandbox.workspaceWrite,
      handlers
    })
    const { finalResponse, items } = yield* thread.run("go")
    assert.deepStrictEqual(finalResponse, Option.some("done"))
    const rpc = yield* AppServerRpc.AppServerRpc
    const { undecodable } = yield* rpc.diagnostics
    const command = items.find((item) => item.type === "commandExecution")
    return { seen, undecodable, status: command?.status }
  })

  const commandActions = { steps: [] }

  real(
    "reaches its handler, and its command runs, when parts that it is not decided by have changed",
    [change(asked, (params) => {
      delete params["startedAtMs"]
      Object.assign(params, { commandActions, availableDecisions: "any", reason: { text: "?" } })
    })],
    Effect.gen(function*() {
      const { seen, status, undecodable } = yield* approved()
      assert.strictEqual(status, "completed")
      assert.strictEqual(undecodable, 1)
      assert.deepStrictEqual(at(seen[0], "undecodable"), {
        startedAtMs: undefined,
        commandActions,
        availableDecisions: "any",
        reason: { text: "?" }
      })
      const told = at(seen[0], "params")
      assert.include(String(told["command"]), "touch a.txt")
      assert.notProperty(told, "commandActions")
    })
  )

  const grantsMore = change(asked, (params) => params["additionalPermissions"] = "all")

  real(
    "is refused unseen when it asks for more in a form that is not known, and its turn goes on",
    [grantsMore],
    Effect.gen(function*() {
      const { seen, status, undecodable } = yield* approved()
      assert.deepStrictEqual(seen, [])
      assert.notStrictEqual(status, "completed")
      assert.strictEqual(undecodable, 1)
    })
  )

  real(
    "has a raw handler for that",
    [grantsMore],
    Effect.gen(function*() {
      const { seen, status } = yield* approved(true)
      assert.deepInclude(at(seen[0], "params"), { additionalPermissions: "all" })
      assert.strictEqual(status, "completed")
    })
  )
})

describe("the beginning of a turn", () => {
  const twice = Effect.gen(function*() {
    const { codex, model } = yield* services
    yield* model.enqueue("one", "two")
    const thread = yield* codex.startThread()
    // Holds what the client knows of the thread.
    const first = yield* thread.turn("go")
    const next = yield* Effect.forkScoped(thread.run("next", { whenBusy: "queue" }))
    assert.deepStrictEqual((yield* first.result).finalResponse, Option.some("one"))
    assert.deepStrictEqual((yield* Fiber.join(next)).finalResponse, Option.some("two"))
  })

  real("may be lost", [Faults.drop("turn/started", { times: 9 })], twice)

  real(
    "may have another name",
    [Faults.corrupt("turn/started", { times: 9, corrupt: (text) => text.replace("turn/started", "turn/begun") })],
    twice
  )

  let started = ""
  real("may be told once more when the turn is over", [], twice, (frame) => {
    if (frame.includes("\"turn/started\"")) started = frame
    return frame.includes("\"turn/completed\"") ? [frame, started] : [frame]
  })

  real(
    "may be told late",
    [],
    twice,
    (frame) => {
      if (frame.includes("\"turn/started\"")) {
        started = frame
        return []
      }
      return frame.includes("\"turn/completed\"") ? [frame, started] : [frame]
    }
  )

  real(
    "may be answered under an id that is a string",
    [Faults.corrupt(isReply("turn/start"), {
      times: 9,
      corrupt: (text) => text.replace(/"id":(\d+)/, "\"id\":\"$1\"")
    })],
    twice
  )
})
