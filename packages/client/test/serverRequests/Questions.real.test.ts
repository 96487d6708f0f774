/** The agent's questions on the real codex binary, with a scripted model that asks them. */
import { ApprovalMode, AppServerRpc, Codex, Questions, Sandbox, ServerRequests } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Logger, Option, Redacted, References, type Schema, type Scope } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const services = Effect.all({
  codex: Codex.Codex,
  home: CodexHome.CodexHome,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc
})

interface Services extends Effect.Success<typeof services> {
  /** What the client has logged, at any level. */
  readonly log: ReadonlyArray<string>
}

const real = (name: string, test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => {
    const log: Array<string> = []
    const logger = Logger.make((options) => void log.push(JSON.stringify(Logger.formatStructured.log(options))))
    return Effect.flatMap(services, (services) => test({ ...services, log })).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer()),
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
  })

const settings = { approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly }

/** Lets the agent ask in the default mode. */
const config = { features: { default_mode_request_user_input: true } }

const question = (id: string, more: Schema.JsonObject = {}) => ({
  id,
  header: "Colour",
  question: "Which colour?",
  options: [{ label: "Red (Recommended)", description: "warm" }, { label: "Blue", description: "cold" }],
  ...more
})

const ask = (...questions: ReadonlyArray<Schema.JsonObject>) =>
  ScriptedModel.functionCall("request_user_input", { questions })

/** What the model was told by its tool in the last request. */
const told = ({ model }: Services) =>
  Effect.map(model.requests, (requests) => requests.at(-1)?.toolOutputs.map(({ output }) => output)[0])

/** Handlers that always answer the same, and keep what they are asked. */
const always = Effect.fnUntraced(function*(answers: Questions.Answers) {
  const requests: Array<Questions.Request> = []
  const handlers = yield* Questions.make((request) =>
    Effect.sync(() => {
      requests.push(request)
      return answers
    })
  )
  return { handlers, requests }
})

describe("questions", () => {
  real("are not to be asked in the default mode unless that is switched on", (services) =>
    Effect.gen(function*() {
      const { codex, model } = services
      yield* model.enqueue(ask(question("a")), "done")
      const thread = yield* codex.startThread({ ...settings, handlers: Questions.firstOption })
      yield* thread.run("go")
      assert.strictEqual(yield* told(services), "request_user_input is unavailable in Default mode")
    }))

  real(
    "come in the default mode with the switch, and the model gets the answers",
    (services) =>
      Effect.gen(function*() {
        const { codex, model } = services
        const { handlers, requests } = yield* always({ a: "Blue", b: ["Green", "or so"] })
        const thread = yield* codex.startThread({ ...settings, config, handlers })
        yield* model.enqueue(ask(question("a"), question("b")), "done")
        const result = yield* thread.run("go")
        assert.deepStrictEqual(result.finalResponse, Option.some("done"))
        // In no particular order.
        assert.deepStrictEqual<unknown>(JSON.parse((yield* told(services)) ?? ""), {
          answers: { a: { answers: ["Blue"] }, b: { answers: ["Green", "or so"] } }
        })
        const asked = {
          header: "Colour",
          question: "Which colour?",
          options: [{ label: "Red (Recommended)", description: "warm" }, { label: "Blue", description: "cold" }],
          allowsOther: true,
          isSecret: false
        }
        assert.strictEqual(requests.length, 1)
        const { itemId, ...request } = requests[0]!
        assert.deepStrictEqual(request, {
          threadId: thread.id,
          turnId: result.id,
          isBlocking: false,
          questions: [{ id: "a", ...asked }, { id: "b", ...asked }]
        })
        assert.isFalse(result.items.some(({ id }) => id === itemId))
      })
  )

  real("come in plan mode without it, and are blocking there", (services) =>
    Effect.gen(function*() {
      const { codex, model } = services
      const { handlers, requests } = yield* always({ a: "Blue" })
      const thread = yield* codex.startThread({ ...settings, handlers })
      yield* model.enqueue(ask(question("a")), "done")
      yield* thread.run("go", { mode: "plan" })
      assert.strictEqual(yield* told(services), `{"answers":{"a":{"answers":["Blue"]}}}`)
      assert.deepStrictEqual(requests.map(({ isBlocking }) => isBlocking), [true])
    }))

  real("come with every approval mode", (services) =>
    Effect.gen(function*() {
      const { codex, model } = services
      const { autoReview, dangerouslyBypass, denyAll, untrusted } = ApprovalMode
      for (const approvalMode of [denyAll, autoReview, untrusted, dangerouslyBypass]) {
        const thread = yield* codex.startThread({ approvalMode, config, handlers: Questions.firstOption })
        yield* model.enqueue(ask(question("a")), "done")
        yield* thread.run("go")
        assert.strictEqual(
          yield* told(services),
          `{"answers":{"a":{"answers":["Red (Recommended)"]}}}`,
          approvalMode.name
        )
      }
    }))

  real(
    "get no answer without a handler, from one that fails and for answers that do not fit",
    (services) =>
      Effect.gen(function*() {
        const { codex, log, model } = services
        const thread = yield* codex.startThread({ ...settings, config })
        yield* model.enqueue(ask(question("a")), "done")
        yield* thread.run("go")
        assert.strictEqual(yield* told(services), `{"answers":{}}`)
        yield* model.enqueue(ask(question("a")), "done")
        yield* thread.run("go", { handlers: yield* Questions.make(() => Effect.fail(new Error("nobody is here"))) })
        assert.strictEqual(yield* told(services), `{"answers":{}}`)
        yield* model.enqueue(ask(question("a")), "done")
        const { handlers } = yield* always({ a: "Blue", z: "Green" })
        const result = yield* thread.run("go", { handlers })
        assert.strictEqual(yield* told(services), `{"answers":{}}`)
        assert.deepStrictEqual(result.finalResponse, Option.some("done"))
        assert.include(log.join(), "nobody is here")
        assert.include(log.join(), "z: expected no answer")
      })
  )

  real("that are refused do not end the turn", (services) =>
    Effect.gen(function*() {
      const { codex, model } = services
      const handlers = yield* Questions.make(() => Effect.fail(new ServerRequests.Refusal({ message: "not now" })))
      const thread = yield* codex.startThread({ ...settings, config, handlers })
      yield* model.enqueue(ask(question("a")), "done")
      assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("done"))
      assert.strictEqual(yield* told(services), `{"answers":{}}`)
    }))

  real(
    "for a secret are answered to the model and to the history on disk, and to no log of ours",
    (services) =>
      Effect.gen(function*() {
        const { codex, home, log, model } = services
        const { handlers, requests } = yield* always({ a: Redacted.make("hunter2") })
        const thread = yield* codex.startThread({ ...settings, config, handlers })
        yield* model.enqueue(ask(question("a", { isSecret: true })), "done")
        const result = yield* thread.run("go")
        assert.deepStrictEqual(requests.map(({ questions }) => questions[0]?.isSecret), [true])
        assert.strictEqual(yield* told(services), `{"answers":{"a":{"answers":["hunter2"]}}}`)
        assert.notInclude(log.join() + JSON.stringify(result), "hunter2")
        const history = readdirSync(join(home.path, "sessions"), { recursive: true, encoding: "utf8" })
          .filter((file) => file.endsWith(".jsonl"))
          .map((file) => readFileSync(join(home.path, "sessions", file), "utf8"))
        assert.include(history.join(), "hunter2")
      })
  )

  real("end with their turn when it is interrupted while they wait", (services) =>
    Effect.gen(function*() {
      const { codex, model } = services
      const asked = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<Exit.Exit<never>>()
      const handlers = yield* Questions.make(() =>
        Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onExit((exit) => Deferred.succeed(ended, exit))
        )
      )
      const thread = yield* codex.startThread({ ...settings, config, handlers })
      yield* model.enqueue(ask(question("a")))
      const turn = yield* thread.turn("go")
      yield* Deferred.await(asked)
      assert.deepStrictEqual(yield* thread.status, { type: "active", activeFlags: ["waitingOnUserInput"] })
      yield* turn.interrupt
      assert.strictEqual((yield* turn.result).status, "interrupted")
      assert.isTrue(Exit.hasInterrupts(yield* Deferred.await(ended)))
      yield* model.enqueue("next")
      assert.deepStrictEqual((yield* thread.run("again")).finalResponse, Option.some("next"))
    }))
})
