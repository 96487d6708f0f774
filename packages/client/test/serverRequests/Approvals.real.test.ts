/** Approvals on the real codex binary: what each decision does, and that a parked one holds up nothing else. */
import {
  ApprovalMode,
  ApprovalQueue,
  Approvals,
  AppServerRpc,
  Codex,
  Sandbox,
  ServerRequests,
  type Thread
} from "@effect-codex/client"
import { mcpServer } from "@effect-codex/test-support/files"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem, Layer, type Scope, Stream } from "effect"

const services = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  const { workspace } = yield* CodexHome.CodexHome
  const fs = yield* FileSystem.FileSystem
  return {
    model,
    codex: yield* Codex.Codex,
    rpc: yield* AppServerRpc.AppServerRpc,
    exists: (name: string) => fs.exists(`${workspace}/${name}`),
    /** What the model was told of its last call. */
    told: Effect.map(model.requests, (requests) => requests.at(-1)?.toolOutputs.at(-1)?.output ?? "")
  }
})

const real = (
  name: string,
  test: (given: Effect.Success<typeof services>) => Effect.Effect<void, unknown, Scope.Scope>,
  options?: ScriptedCodex.Options & { readonly handlers?: Layer.Layer<never> | undefined }
) =>
  it.live(name, () =>
    Effect.flatMap(services, test).pipe(
      Effect.scoped,
      Effect.provide([
        ScriptedCodex.layer(options).pipe(Layer.provide(options?.handlers ?? Layer.empty)),
        NodeFileSystem.layer
      ])
    ))

const asking: Codex.StartThreadOptions = { approvalMode: ApprovalMode.untrusted, sandbox: Sandbox.workspaceWrite }

const touch = ScriptedModel.exec("touch probe.txt && echo hi")

const patch = (name: string) =>
  ScriptedModel.exec(`apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: ${name}\n+hello\n*** End Patch\nEOF`)

const statusOf = (result: { readonly items: ReadonlyArray<{ readonly type: string; readonly status?: unknown }> }) =>
  result.items.find(({ type }) => type === "commandExecution" || type === "fileChange")?.status

describe("a command", () => {
  const decided = (
    decision: Approvals.CommandDecision,
    expected: { readonly ran: boolean; readonly status: string; readonly told: string }
  ) =>
    real(
      `${JSON.stringify(decision)}: ${expected.status}, and the model is told`,
      ({ codex, exists, model, told }) =>
        Effect.gen(function*() {
          const handlers = yield* Approvals.make({ command: () => Effect.succeed(decision) })
          const thread = yield* codex.startThread({ ...asking, handlers })
          yield* model.enqueue(touch, "done")
          const result = yield* thread.run("go")
          assert.strictEqual(statusOf(result), expected.status)
          assert.strictEqual(yield* exists("probe.txt"), expected.ran)
          assert.include(yield* told, expected.told)
        })
    )

  decided("accept", { ran: true, status: "completed", told: "hi" })
  decided("acceptForSession", { ran: true, status: "completed", told: "hi" })
  decided("decline", { ran: false, status: "declined", told: "rejected by user" })

  real("that is cancelled is declined and its turn interrupted", ({ codex, exists, model }) =>
    Effect.gen(function*() {
      const handlers = yield* Approvals.make({ command: () => Effect.succeed("cancel") })
      const thread = yield* codex.startThread({ ...asking, handlers })
      yield* model.enqueue(touch, "done")
      const error = yield* Effect.flip(thread.run("go"))
      assert.strictEqual(error._tag, "TurnInterrupted")
      if (error._tag === "TurnInterrupted") assert.strictEqual(statusOf(error.result), "declined")
      assert.isFalse(yield* exists("probe.txt"))
      assert.lengthOf(yield* model.requests, 1)
    }))

  real(
    "that nobody handles is declined, nothing is written, and the turn goes on",
    ({ codex, exists, model, told }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread(asking)
        yield* model.enqueue(touch, "done")
        assert.strictEqual(statusOf(yield* thread.run("go")), "declined")
        assert.isFalse(yield* exists("probe.txt"))
        assert.include(yield* told, "rejected by user")
      })
  )

  real(
    "whose handler refuses has failed, and the model is told",
    ({ codex, exists, model, told }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({
          ...asking,
          handlers: {
            "item/commandExecution/requestApproval": () => Effect.fail(new ServerRequests.Refusal({ message: "no" }))
          }
        })
        yield* model.enqueue(touch, "done")
        assert.strictEqual(statusOf(yield* thread.run("go")), "failed")
        assert.isFalse(yield* exists("probe.txt"))
        assert.include(yield* told, "approval request failed")
      })
  )

  for (const [how, handler] of [["fails", Effect.fail("away")], ["dies", Effect.die("away")]] as const) {
    real(`whose handler ${how} is declined, and the turn goes on`, ({ codex, model, told }) =>
      Effect.gen(function*() {
        const handlers = yield* Approvals.make({ command: () => handler })
        const thread = yield* codex.startThread({ ...asking, handlers })
        yield* model.enqueue(touch, "done")
        assert.strictEqual(statusOf(yield* thread.run("go")), "declined")
        assert.include(yield* told, "rejected by user")
      }))
  }

  real(
    "that was accepted for the session is not asked for again, another one is",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const asked: Array<string | undefined> = []
        const handlers = yield* Approvals.make({
          command: ({ command }) => Effect.as(Effect.sync(() => asked.push(command)), "acceptForSession")
        })
        const thread = yield* codex.startThread({ ...asking, handlers })
        for (const command of ["touch a", "touch a", "touch b"]) {
          yield* model.enqueue(ScriptedModel.exec(command), "done")
          assert.strictEqual(statusOf(yield* thread.run("go")), "completed")
        }
        assert.deepStrictEqual(asked, ["/bin/bash -lc 'touch a'", "/bin/bash -lc 'touch b'"])
      })
  )

  real(
    "whose prefix was allowed for good is not asked for in any thread",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const asked: Array<string | undefined> = []
        const handlers = yield* Approvals.make({
          command: ({ command, proposedExecPolicyAmendment }) =>
            Effect.as(
              Effect.sync(() => asked.push(command)),
              Approvals.acceptWithExecPolicyAmendment(proposedExecPolicyAmendment ?? [])
            )
        })
        for (const command of ["touch a", "touch a b"]) {
          const thread = yield* codex.startThread({ ...asking, handlers })
          yield* model.enqueue(ScriptedModel.exec(command), "done")
          assert.strictEqual(statusOf(yield* thread.run("go")), "completed")
        }
        assert.deepStrictEqual(asked, ["/bin/bash -lc 'touch a'"])
      })
  )

  real("that wants out of the sandbox says why", ({ codex, model }) =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<Approvals.CommandRequest>()
      const handlers = yield* Approvals.make({
        command: (request) => Effect.as(Deferred.succeed(asked, request), "decline")
      })
      const thread = yield* codex.startThread({ ...asking, approvalMode: ApprovalMode.ask, handlers })
      yield* model.enqueue(
        ScriptedModel.exec("touch x", {
          args: { sandbox_permissions: "require_escalated", justification: "Shall I write it?" }
        }),
        "done"
      )
      yield* thread.run("go")
      assert.deepInclude(yield* Deferred.await(asked), { threadId: thread.id, reason: "Shall I write it?" })
    }))
})

describe("a change of files", () => {
  const decided = (
    decision: Approvals.FileChangeDecision,
    expected: { readonly written: boolean; readonly status: string; readonly told: string }
  ) =>
    real(
      `${decision}: ${expected.status}, with the diff in the request`,
      ({ codex, exists, model, told }) =>
        Effect.gen(function*() {
          const asked = yield* Deferred.make<Approvals.FileChangeRequest>()
          const handlers = yield* Approvals.make({
            fileChange: (request) => Effect.as(Deferred.succeed(asked, request), decision)
          })
          const thread = yield* codex.startThread({ ...asking, handlers })
          yield* model.enqueue(patch("new.txt"), "done")
          assert.strictEqual(statusOf(yield* thread.run("go")), expected.status)
          const [change] = (yield* Deferred.await(asked)).changes ?? []
          assert.deepInclude(change, { kind: { type: "add" }, diff: "hello\n" })
          assert.strictEqual(yield* exists("new.txt"), expected.written)
          assert.include(yield* told, expected.told)
        })
    )

  decided("accept", { written: true, status: "completed", told: "Success" })
  decided("acceptForSession", { written: true, status: "completed", told: "Success" })
  decided("decline", { written: false, status: "declined", told: "patch rejected by user" })

  real(
    "that is cancelled interrupts the turn, and without a handler it is declined",
    ({ codex, exists, model }) =>
      Effect.gen(function*() {
        const handlers = yield* Approvals.make({ fileChange: () => Effect.succeed("cancel") })
        const thread = yield* codex.startThread(asking)
        yield* model.enqueue(patch("one.txt"))
        assert.strictEqual((yield* Effect.flip(thread.run("go", { handlers })))._tag, "TurnInterrupted")
        yield* model.enqueue(patch("two.txt"), "done")
        assert.strictEqual(statusOf(yield* thread.run("go")), "declined")
        assert.isFalse(yield* exists("one.txt"))
        assert.isFalse(yield* exists("two.txt"))
      })
  )
})

describe("permissions", () => {
  const granting = (decision: Approvals.PermissionsDecision | undefined, expected: string) =>
    real(
      `${JSON.stringify(decision) ?? "without a handler"}: the model is told what it was granted`,
      ({ codex, model, told }) =>
        Effect.gen(function*() {
          const handlers = decision === undefined
            ? undefined
            : yield* Approvals.make({ permissions: () => Effect.succeed(decision) })
          const thread = yield* codex.startThread({ ...asking, approvalMode: ApprovalMode.ask, handlers })
          yield* model.enqueue(
            ScriptedModel.functionCall("request_permissions", {
              reason: "to fetch",
              permissions: { network: { enabled: true } }
            }),
            "done"
          )
          yield* thread.run("go")
          assert.strictEqual(yield* told, expected)
        }),
      { home: { config: { features: { request_permissions_tool: true } } } }
    )

  const nothing = "{\"permissions\":{\"network\":null,\"file_system\":null},\"scope\":\"turn\"}"
  granting(undefined, nothing)
  granting("decline", nothing)
  granting("accept", "{\"permissions\":{\"network\":{\"enabled\":true},\"file_system\":null},\"scope\":\"turn\"}")
  granting(
    "acceptForSession",
    "{\"permissions\":{\"network\":{\"enabled\":true},\"file_system\":null},\"scope\":\"session\"}"
  )
})

describe("a call of an MCP server's tool", () => {
  const args = [mcpServer]
  // Of one that is not required codex does without after a second, which it takes to start on a busy machine.
  const home = { config: { mcp_servers: { asker: { command: process.execPath, args, required: true } } } }
  const call = ScriptedModel.functionCall("change", { file: "a.txt" }, { namespace: "mcp__asker" })

  real(
    "is approved together with the rest, and declined without a handler",
    ({ codex, model, told }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly })
        yield* model.enqueue(call, "done")
        yield* thread.run("go")
        assert.include(yield* told, "user rejected MCP tool call")
        yield* model.enqueue(call, "done")
        yield* thread.run("go", { handlers: Approvals.acceptAll })
        assert.include(yield* told, "called")
      }),
    { home }
  )
})

/** A handler that says when it was asked and interrupted, and never answers. */
const parked = Effect.gen(function*() {
  const asked = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const handlers = yield* Approvals.make({
    command: () =>
      Effect.andThen(
        Deferred.succeed(asked, undefined),
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      )
  })
  return { asked: Deferred.await(asked), interrupted: Deferred.await(interrupted), handlers }
})

describe("a parked approval", () => {
  real(
    "holds up no other thread and no request, and its turn goes on when it is decided",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const decision = yield* Deferred.make<"accept">()
        const asked = yield* Deferred.make<void>()
        const handlers = yield* Approvals.make({
          command: () => Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(decision))
        })
        const waiting = yield* codex.startThread({ ...asking, handlers })
        yield* model.enqueue(touch)
        const run = yield* Effect.forkScoped(waiting.run("go"))
        yield* Deferred.await(asked)
        const other = yield* codex.startThread(asking)
        yield* model.enqueue("the other is done")
        const turn = yield* other.turn("go")
        assert.strictEqual((yield* Stream.runCollect(turn.text)).join(""), "the other is done")
        assert.deepStrictEqual(yield* waiting.status, { type: "active", activeFlags: ["waitingOnApproval"] })
        yield* model.enqueue("this one too")
        yield* Deferred.succeed(decision, "accept")
        assert.strictEqual(statusOf(yield* Fiber.join(run)), "completed")
      })
  )

  real(
    "does not keep its turn from being interrupted, and its handler ends with it",
    ({ codex, exists, model }) =>
      Effect.gen(function*() {
        const { asked, handlers, interrupted } = yield* parked
        const thread = yield* codex.startThread({ ...asking, handlers })
        yield* model.enqueue(touch, "next")
        const run = yield* Effect.forkScoped(thread.run("go"))
        yield* asked
        yield* Fiber.interrupt(run)
        yield* interrupted
        assert.isFalse(yield* exists("probe.txt"))
        assert.strictEqual((yield* thread.run("again")).status, "completed")
      })
  )

  it.live("does not keep the client from closing", () =>
    Effect.gen(function*() {
      const { asked, handlers, interrupted } = yield* parked
      yield* Effect.gen(function*() {
        const { codex, model } = yield* services
        const thread = yield* codex.startThread({ ...asking, handlers })
        yield* model.enqueue(touch)
        yield* Effect.forkScoped(thread.run("go"))
        yield* asked
      }).pipe(Effect.scoped, Effect.provide([ScriptedCodex.layer(), NodeFileSystem.layer]))
      yield* interrupted
    }))

  real(
    "that is sent again to whoever resumes the thread is not asked twice",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const decision = yield* Deferred.make<"accept">()
        const asked = yield* Deferred.make<void>()
        let times = 0
        const handlers = yield* Approvals.make({
          command: () =>
            Effect.sync(() => times++).pipe(
              Effect.andThen(Deferred.succeed(asked, undefined)),
              Effect.andThen(Deferred.await(decision))
            )
        })
        const thread = yield* codex.startThread({ ...asking, handlers })
        yield* model.enqueue(touch, "done")
        const run = yield* Effect.forkScoped(thread.run("go"))
        yield* Deferred.await(asked)
        yield* rpc.request("thread/resume", { threadId: thread.id, excludeTurns: true })
        // The server sends the request again before it answers this.
        yield* thread.status
        yield* Deferred.succeed(decision, "accept")
        assert.strictEqual(statusOf(yield* Fiber.join(run)), "completed")
        assert.strictEqual(times, 1)
      })
  )
})

describe("a handler", () => {
  real("may use the client, also the thread that waits for it", ({ codex, model }) =>
    Effect.gen(function*() {
      let waiting: Thread.Thread | undefined
      const handlers = yield* Approvals.make({
        command: Effect.fnUntraced(function*() {
          yield* model.enqueue("accept")
          const adviser = yield* codex.startThread({ sandbox: Sandbox.readOnly })
          const { finalResponse } = yield* adviser.run("May it?")
          const status = yield* waiting!.status
          assert.strictEqual(status.type, "active")
          yield* model.enqueue("done")
          return finalResponse._tag === "Some" && finalResponse.value === "accept" ? "accept" : "decline"
        })
      })
      waiting = yield* codex.startThread({ ...asking, handlers })
      yield* model.enqueue(touch)
      assert.strictEqual(statusOf(yield* waiting.run("go")), "completed")
    }))

  let asks = 0
  real(
    "of a turn answers for the agents that work for it",
    ({ codex, exists }) =>
      Effect.gen(function*() {
        const handlers = yield* Approvals.make({ command: () => Effect.succeed("accept") })
        const thread = yield* codex.startThread(asking)
        yield* thread.run("parent", { handlers })
        assert.isTrue(yield* exists("child.txt"))
      }),
    {
      model: {
        answer: ({ prompt, toolOutputs }) => {
          if (prompt === "child") return toolOutputs.length === 0 ? ScriptedModel.exec("touch child.txt") : "child done"
          asks++
          const agents = { namespace: "multi_agent_v1" }
          if (asks === 1) return ScriptedModel.functionCall("spawn_agent", { message: "child" }, agents)
          if (asks > 2) return "parent done"
          const { agent_id } = JSON.parse(toolOutputs.at(-1)?.output ?? "{}") as { readonly agent_id: string }
          return ScriptedModel.functionCall("wait_agent", { targets: [agent_id], timeout_ms: 30_000 }, agents)
        }
      }
    }
  )

  real(
    "of the client answers for every thread",
    ({ codex, exists, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread(asking)
        yield* model.enqueue(touch, "done")
        assert.strictEqual(statusOf(yield* thread.run("go")), "completed")
        assert.isTrue(yield* exists("probe.txt"))
        // The turn's is nearer.
        yield* model.enqueue(ScriptedModel.exec("touch other.txt"), "done")
        assert.strictEqual(statusOf(yield* thread.run("go", { handlers: Approvals.declineAll })), "declined")
      }),
    { handlers: Approvals.layerAcceptAll }
  )
})

describe("the queue", () => {
  it.live("holds 50 approvals of 50 threads, and each is decided by itself", () =>
    Effect.gen(function*() {
      const { codex } = yield* services
      const queue = yield* ApprovalQueue.ApprovalQueue
      const runs = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, n) => n),
        (n) => Effect.flatMap(codex.startThread(asking), (thread) => Effect.forkScoped(thread.run(`number ${n}`))),
        { concurrency: 8 }
      )
      yield* queue.changes.pipe(Stream.filter((open) => open.length === 50), Stream.take(1), Stream.runDrain)
      yield* queue.requests.pipe(
        Stream.take(50),
        Stream.runForEach(({ request, respond }) =>
          respond(request._tag === "Command" && request.command?.includes("even") === true ? "accept" : "decline")
        )
      )
      const results = yield* Effect.forEach(runs, Fiber.join)
      assert.deepStrictEqual(
        results.map(statusOf),
        results.map((_, n) => n % 2 === 0 ? "completed" : "declined")
      )
    }).pipe(
      Effect.scoped,
      Effect.provide([
        ScriptedCodex.layer({
          model: {
            answer: ({ prompt, toolOutputs }) => {
              const n = Number(prompt.split(" ").at(-1))
              return toolOutputs.length > 0 ? "done" : ScriptedModel.exec(`echo ${n % 2 === 0 ? "even" : "odd"} > ${n}`)
            }
          }
        }).pipe(Layer.provideMerge(ApprovalQueue.layer)),
        NodeFileSystem.layer
      ])
    ), 120_000)

  real("closes what another client has decided", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const queue = yield* ApprovalQueue.make
      const thread = yield* codex.startThread({ ...asking, handlers: queue.handlers })
      yield* model.enqueue(touch)
      const turn = yield* thread.turn("go")
      const [open] = yield* Stream.runCollect(Stream.take(queue.requests, 1))
      yield* rpc.request("turn/interrupt", { threadId: thread.id, turnId: turn.id })
      yield* open!.closed
      assert.isFalse(yield* open!.respond("accept"))
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))

  real(
    "describes a command as the model gave it, and takes the short decisions",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const queue = yield* ApprovalQueue.make
        const thread = yield* codex.startThread({ ...asking, handlers: queue.handlers })
        const commands = [`echo "it's $((1 + 1))" 'a b' > x`, "true", `printf '%s\\n' "\`ls\`"`]
        yield* model.enqueue(...commands.map((command) => ScriptedModel.exec(command)), "done")
        const running = yield* Effect.forkScoped(thread.run("go"))
        const told = yield* queue.requests.pipe(
          Stream.take(commands.length),
          Stream.tap(({ accept, decline, request }) =>
            request._tag === "Command" && request.command?.includes("true") === true ? accept : decline
          ),
          Stream.map(({ request }) => Approvals.describe(request)),
          Stream.runCollect
        )
        for (const [index, command] of commands.entries()) assert.include(told[index], `run "${command}" in /`)
        const { items } = yield* Fiber.join(running)
        assert.deepStrictEqual(
          items.flatMap((item) => item.type === "commandExecution" ? [item.status] : []),
          ["declined", "completed", "declined"]
        )
      })
  )
})
