/** Elicitations of a real MCP server through the real codex binary, with a scripted model that calls its tools. */
import { ApprovalMode, Codex, Elicitation, Sandbox, ServerRequests, type TurnResult } from "@effect-codex/client"
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Option, type Schema, type Scope } from "effect"

const services = Effect.all({ codex: Codex.Codex, model: ScriptedModel.ScriptedModel })

interface Services extends Effect.Success<typeof services> {
  /** What the client has logged. */
  readonly log: ReadonlyArray<string>
}

/** A test on a codex of its own that knows the MCP server `asker`. */
const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  server: { readonly tool_timeout_sec?: number; readonly default_tools_approval_mode?: string } = {}
) => {
  const args = [mcpServer]
  // Of one that is not required codex does without after a second, which it takes to start on a busy machine.
  const asker = { command: process.execPath, args, required: true, ...server }
  const home = { config: { mcp_servers: { asker } } }
  return it.live(name, () => {
    const log: Array<string> = []
    const logger = Logger.make(({ message }) => void log.push(String(message)))
    return Effect.flatMap(services, (services) => test({ ...services, log })).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ home })),
      Effect.provide(Logger.layer([logger], { mergeWithExisting: true }))
    )
  })
}

const call = (tool: string, input: Schema.JsonObject = {}) =>
  ScriptedModel.functionCall(tool, input, { namespace: "mcp__asker" })

const change = call("change", { file: "a.txt" })

const askName = call("ask", {
  message: "Who are you?",
  requestedSchema: {
    type: "object",
    properties: { name: { type: "string", maxLength: 5 }, age: { type: "integer" } },
    required: ["name"]
  }
})

const settings = { approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly }

/** What the calls of tools during a turn gave. */
const given = ({ items }: TurnResult.TurnResult) =>
  items.flatMap((item) => item.type === "mcpToolCall" ? [item.error ?? item.result?.structuredContent] : [])

/** What the MCP server got for its question, in a turn that went on to its end. */
const reply = (result: TurnResult.TurnResult) => {
  assert.strictEqual(result.status, "completed")
  assert.deepStrictEqual(result.finalResponse, Option.some("done"))
  return given(result)[0]
}

/** Handlers that always answer the same, and count. */
const always = Effect.fnUntraced(function*(answer: Elicitation.Answer) {
  const requests: Array<Elicitation.Request> = []
  const handlers = yield* Elicitation.make((request) =>
    Effect.sync(() => {
      requests.push(request)
      return answer
    })
  )
  return { handlers, requests }
})

describe("a form", () => {
  real(
    "is declared to be taken, and comes with its fields; what is accepted reaches the MCP server",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(askName, "done", call("heard"), "done")
        const { handlers, requests } = yield* always(Elicitation.accept({ name: "Ann", age: 61 }))
        const thread = yield* codex.startThread({ ...settings, handlers })
        const result = yield* thread.run("go")
        assert.deepStrictEqual(reply(result), { result: { action: "accept", content: { name: "Ann", age: 61 } } })
        const [request] = requests
        assert(request?._tag === "Form")
        assert.deepInclude(request, {
          threadId: thread.id,
          turnId: result.id,
          serverName: "asker",
          meta: null,
          message: "Who are you?"
        })
        // Codex sorts them.
        assert.deepStrictEqual(request.fields.map(({ _tag, isRequired, name }) => [_tag, name, isRequired]), [
          ["Number", "age", false],
          ["Text", "name", true]
        ])
        const heard = JSON.stringify(given(yield* thread.run("go")))
        assert.include(heard, `"elicitation":{"form":{},"url":{}}`)
        const [told] = (yield* model.requests)[1]!.toolOutputs
        assert.include(told?.output ?? "", "Ann")
      })
  )

  real(
    "is declined without a handler, by one that refuses, and by ApprovalMode.denyAll before it comes",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(askName, "done", askName, "done", askName, "done")
        const declined = { result: { action: "decline" } }
        const thread = yield* codex.startThread(settings)
        assert.deepStrictEqual(reply(yield* thread.run("go")), declined)
        const refusing = yield* Elicitation.make(() => Effect.fail(new ServerRequests.Refusal({ message: "no" })))
        assert.deepStrictEqual(reply(yield* thread.run("go", { handlers: refusing })), declined)
        const { handlers, requests } = yield* always(Elicitation.accept({ name: "Ann" }))
        const silent = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll, handlers })
        assert.deepStrictEqual(reply(yield* silent.run("go")), declined)
        assert.deepStrictEqual(requests, [])
      })
  )

  real("can be cancelled, and the turn goes on", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(askName, "done")
      const { handlers } = yield* always(Elicitation.cancel)
      const thread = yield* codex.startThread({ ...settings, handlers })
      assert.deepStrictEqual(reply(yield* thread.run("go")), { result: { action: "cancel" } })
    }))

  real(
    "whose content does not fit is declined, and reported without the values",
    ({ codex, log, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(askName, "done")
        const { handlers } = yield* always(Elicitation.accept({ name: "Bartholomew", age: "sixty-one" }))
        const thread = yield* codex.startThread({ ...settings, handlers })
        assert.deepStrictEqual(reply(yield* thread.run("go")), { result: { action: "decline" } })
        const logged = log.join("\n")
        assert.include(logged, "age: expected an integer; name: expected text of at most 5 characters")
        assert.notInclude(logged, "Bartholomew")
        assert.notInclude(logged, "sixty-one")
      })
  )

  real("waits for its handler while a turn of another thread runs", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(askName)
      const asked = yield* Deferred.make<void>()
      const decision = yield* Deferred.make<Elicitation.Answer>()
      const handlers = yield* Elicitation.make(() =>
        Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(decision))
      )
      const thread = yield* codex.startThread({ ...settings, handlers })
      const waiting = yield* Effect.forkScoped(thread.run("go"))
      yield* Deferred.await(asked)
      assert.deepStrictEqual(yield* thread.status, { type: "active", activeFlags: ["waitingOnApproval"] })
      yield* model.enqueue(call("heard"), "meanwhile")
      const other = yield* codex.startThread(settings)
      assert.deepStrictEqual((yield* other.run("go")).finalResponse, Option.some("meanwhile"))
      yield* model.enqueue("done")
      yield* Deferred.succeed(decision, Elicitation.accept({ name: "Ann" }))
      assert.deepStrictEqual(reply(yield* Fiber.join(waiting)), {
        result: { action: "accept", content: { name: "Ann" } }
      })
    }))

  real(
    "may take longer than a call of the MCP server's tools",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(askName, "done")
        const handlers = yield* Elicitation.make(() =>
          Effect.delay(Effect.succeed(Elicitation.accept({ name: "Ann" })), "1500 millis")
        )
        const thread = yield* codex.startThread({ ...settings, handlers })
        assert.deepStrictEqual(reply(yield* thread.run("go")), {
          result: { action: "accept", content: { name: "Ann" } }
        })
      }),
    { tool_timeout_sec: 0.5 }
  )

  real("is cancelled, with its handler, when its turn is interrupted", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(askName)
      const asked = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<Exit.Exit<never>>()
      const handlers = yield* Elicitation.make(() =>
        Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onExit((exit) => Deferred.succeed(ended, exit))
        )
      )
      const thread = yield* codex.startThread({ ...settings, handlers })
      const turn = yield* thread.turn("go")
      yield* Deferred.await(asked)
      yield* turn.interrupt
      assert.strictEqual((yield* turn.result).status, "interrupted")
      assert.isTrue(Exit.hasInterrupts(yield* Deferred.await(ended)))
      yield* model.enqueue(call("heard"), "done")
      const heard = JSON.stringify(given(yield* thread.run("go")))
      assert.include(heard, `"method":"notifications/cancelled"`)
      assert.include(heard, `"id":"question-0","result":{"action":"cancel"}`)
    }))
})

describe("a URL", () => {
  real("is accepted", ({ codex, model }) =>
    Effect.gen(function*() {
      const url = "https://example.com/sign-in"
      yield* model.enqueue(call("ask", { mode: "url", message: "Sign in.", url, elicitationId: "e1" }), "done")
      const { handlers, requests } = yield* always(Elicitation.accept())
      const thread = yield* codex.startThread({ ...settings, handlers })
      assert.deepStrictEqual(reply(yield* thread.run("go")), { result: { action: "accept", content: {} } })
      assert.deepInclude(requests[0], { _tag: "Url", message: "Sign in.", url, elicitationId: "e1" })
    }))
})

describe("a tool's approval", () => {
  real(
    "is asked for a tool that is not read-only; accepted it is called, declined and cancelled it is not",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(change, "done", change, "done", change, "done")
        const thread = yield* codex.startThread(settings)
        const accepting = yield* always(Elicitation.accept())
        assert.deepStrictEqual(reply(yield* thread.run("go", { handlers: accepting.handlers })), {
          called: "change",
          input: { file: "a.txt" }
        })
        assert.deepInclude(accepting.requests[0], {
          _tag: "ToolApproval",
          serverName: "asker",
          tool: "change",
          title: "Change it",
          description: "The tool change.",
          arguments: { file: "a.txt" },
          annotations: { readOnlyHint: false, destructiveHint: true },
          persist: ["session", "always"]
        })
        assert.deepStrictEqual(reply(yield* thread.run("go")), { message: "user rejected MCP tool call" })
        const { handlers } = yield* always(Elicitation.cancel)
        assert.deepStrictEqual(reply(yield* thread.run("go", { handlers })), {
          message: "user cancelled MCP tool call"
        })
        const told = (yield* model.requests).flatMap(({ toolOutputs }) => toolOutputs.map(({ output }) => output))
        assert.include(told.join(), "user rejected MCP tool call")
      })
  )

  real(
    "for the session is not asked again on the thread, and for good not on any",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const asked = Effect.fnUntraced(function*(answer: Elicitation.Answer, turns: number) {
          const { handlers, requests } = yield* always(answer)
          const thread = yield* codex.startThread({ ...settings, handlers })
          for (let turn = 0; turn < turns; turn++) {
            yield* model.enqueue(call("change", { turn }), "done")
            assert.deepStrictEqual(reply(yield* thread.run("go")), { called: "change", input: { turn } })
          }
          return requests.length
        })
        assert.strictEqual(yield* asked(Elicitation.accept(), 2), 2)
        assert.strictEqual(yield* asked(Elicitation.acceptForSession, 2), 1)
        assert.strictEqual(yield* asked(Elicitation.acceptAlways, 2), 1)
        assert.strictEqual(yield* asked(Elicitation.decline, 2), 0)
      })
  )

  real(
    "that cannot be given for longer is given once",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(call("heard"), "done", call("heard"), "done")
        const { handlers, requests } = yield* always(Elicitation.acceptForSession)
        const thread = yield* codex.startThread({ ...settings, handlers })
        reply(yield* thread.run("go"))
        reply(yield* thread.run("go"))
        assert.deepStrictEqual(
          requests.map((request) => request._tag === "ToolApproval" && request.persist),
          [[], []]
        )
      }),
    { default_tools_approval_mode: "prompt" }
  )

  real(
    "is refused by denyAll, given by dangerouslyBypass and by the reviewer of autoReview",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const { handlers, requests } = yield* always(Elicitation.decline)
        const run = (approvalMode: ApprovalMode.ApprovalMode) =>
          Effect.flatMap(
            codex.startThread({ approvalMode, handlers }),
            (thread) => Effect.map(thread.run("go"), reply)
          )
        const called = { called: "change", input: { file: "a.txt" } }
        yield* model.enqueue(change, "done")
        assert.deepStrictEqual(yield* run(ApprovalMode.denyAll), {
          message: "MCP tool call requires approval, but approval policy is never"
        })
        yield* model.enqueue(change, "done")
        assert.deepStrictEqual(yield* run(ApprovalMode.dangerouslyBypass), called)
        const verdict = { risk_level: "low", user_authorization: "high", outcome: "allow", rationale: "fine" }
        yield* model.enqueue(change, JSON.stringify(verdict), "done")
        assert.deepStrictEqual(yield* run(ApprovalMode.autoReview), called)
        assert.deepStrictEqual(requests, [])
      })
  )
})
