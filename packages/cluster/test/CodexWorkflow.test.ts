import { ApprovalMode, Codex, CodexError } from "@effect-codex/client"
import { CodexSession, CodexWorkflow, Decisions, SessionStore } from "@effect-codex/cluster"
import { CodexTest, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema,
  SchemaGetter,
  SchemaIssue
} from "effect"
import { Activity, Workflow, WorkflowEngine } from "effect/workflow"

type Services = Codex.Codex | CodexSession.CodexSession | Decisions.Decisions

const Pipeline = Workflow.make("Pipeline", {
  payload: { id: Schema.String },
  error: CodexWorkflow.CodexFailed,
  idempotencyKey: ({ id }) => id
})

type Steps<A> = Effect.Effect<
  A,
  CodexWorkflow.CodexFailed,
  Services | WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance
>

/** An engine that has stored nothing. */
const engine = (steps: Steps<unknown>) =>
  Layer.provideMerge(Pipeline.toLayer(() => Effect.asVoid(steps)), Layer.fresh(WorkflowEngine.layerMemory))

/** Runs the steps as after a crash before the first of them was stored. */
const execute = <A>(steps: Steps<A>) =>
  Effect.gen(function*() {
    const answer = yield* Deferred.make<A>()
    const kept = Effect.tap(steps, (value) => Deferred.succeed(answer, value))
    yield* Effect.provide(Pipeline.execute({ id: "1" }), engine(kept))
    return yield* Deferred.await(answer)
  })

const test = (
  name: string,
  options: CodexTest.Options,
  program: Effect.Effect<void, unknown, Services | ScriptedModel.ScriptedModel>
) =>
  it.effect(name, () =>
    program.pipe(Effect.provide(
      Layer.mergeAll(CodexTest.layer(options), CodexSession.layerLocal, Decisions.layerMemory)
    )))

const started = Effect.flatMap(Codex.Codex, (codex) =>
  Effect.gen(function*() {
    const thread = yield* codex.startThread()
    yield* thread.setName("of the test")
    return { id: thread.id, settings: {} }
  }))

const prompts = Effect.flatMap(
  ScriptedModel.ScriptedModel,
  ({ requests }) => Effect.map(requests, (requests) => requests.map(({ prompt }) => prompt))
)

const asked = CodexTest.settle.pipe(
  Effect.andThen(Decisions.pending),
  Effect.repeat({ until: (pending) => pending.length > 0 })
)

/** Runs the workflow of an engine, and decides what it asks. */
const person = Effect.fnUntraced(function*(services: Context.Context<WorkflowEngine.WorkflowEngine>) {
  const running = yield* Effect.forkChild(Effect.provideContext(Pipeline.execute({ id: "1" }), services))
  const decide = (id: string, decision: Decisions.Decision) =>
    Effect.provideContext(Decisions.decide(id, decision), services)
  return { running, asked, decide }
})

describe("a workflow", () => {
  test(
    "runs its turns in a thread of its own, with text and typed answers",
    { respond: (input) => input === "Count." ? JSON.stringify({ count: 3 }) : "A plan." },
    Effect.gen(function*() {
      const { counted, plan } = yield* execute(Effect.gen(function*() {
        const thread = yield* CodexWorkflow.thread("worker")
        const plan = yield* CodexWorkflow.turn("plan", { thread, input: "Plan." })
        const output = Schema.Struct({ count: Schema.Number })
        return { plan, counted: yield* CodexWorkflow.turn("count", { thread, input: "Count.", output }) }
      }))
      assert.deepStrictEqual(plan.answer, Option.some("A plan."))
      assert.deepStrictEqual(counted.answer, { count: 3 })
      assert.strictEqual(plan.threadId, counted.threadId)
      assert.isTrue(Option.isSome(plan.tokens))
      const codex = yield* Codex.Codex
      assert.strictEqual((yield* codex.readThread(plan.threadId)).name, "worker")
    })
  )

  test(
    "finds a turn that completed before its result was stored, and decodes its answer",
    { respond: () => JSON.stringify({ at: "2026-01-01T00:00:00.000Z" }) },
    Effect.gen(function*() {
      const thread = yield* started
      const output = Schema.Struct({ at: Schema.DateTimeUtcFromString })
      const steps = CodexWorkflow.turn("when", { thread, input: "When?", output })
      const [first, second] = [yield* execute(steps), yield* execute(steps)] as const
      assert.deepStrictEqual(second.answer, first.answer)
      assert.strictEqual(second.turnId, first.turnId)
      assert.deepStrictEqual(yield* prompts, ["When?"])
    })
  )

  test(
    "repairs an answer that does not fit, also when it finds it after a crash",
    { respond: (input) => input === "Count." ? "three" : JSON.stringify({ count: 3 }) },
    Effect.gen(function*() {
      const thread = yield* started
      const steps = (repair: number) =>
        Effect.map(
          CodexWorkflow.turn("count", {
            thread,
            input: "Count.",
            output: Schema.Struct({ count: Schema.Int }),
            repair
          }),
          ({ answer }) => answer
        )
      // The process that asked had no time to repair.
      assert.strictEqual((yield* Effect.flip(execute(steps(0)))).reason, "OutputInvalid")
      assert.deepStrictEqual(yield* execute(steps(1)), { count: 3 })
      assert.deepStrictEqual(yield* execute(steps(1)), { count: 3 })
      assert.lengthOf(yield* prompts, 2)
    })
  )

  const interrupted = Effect.fnUntraced(function*(onInterrupted: "continue" | "fail") {
    const model = yield* ScriptedModel.ScriptedModel
    const thread = yield* started
    const steps = CodexWorkflow.turn("long", { thread, input: "Do it.", onInterrupted })
    const first = yield* Effect.forkChild(execute(steps))
    yield* model.received(1)
    // Ends the engine, as SIGTERM does: the turn is interrupted, and nothing is stored.
    yield* Fiber.interrupt(first)
    yield* model.enqueue("Done.")
    return steps
  })

  test(
    "goes on in the thread after an interruption, and finds the turn that went on",
    { respond: (input) => input === "Do it." ? ["half", ScriptedModel.delay("1 hour")] : "Done." },
    Effect.gen(function*() {
      const steps = yield* interrupted("continue")
      const answers = [yield* execute(steps), yield* execute(steps)] as const
      assert.deepStrictEqual(answers.map(({ answer }) => answer), [Option.some("Done."), Option.some("Done.")])
      const [first, second, ...others] = yield* prompts
      assert.strictEqual(first, "Do it.")
      assert.include(second, "You were interrupted before you finished")
      assert.deepStrictEqual(others, [])
    })
  )

  test(
    "fails after an interruption if it is asked to",
    { respond: () => ["half", ScriptedModel.delay("1 hour")] },
    Effect.gen(function*() {
      const failure = yield* Effect.flip(execute(yield* interrupted("fail")))
      assert.deepInclude({ ...failure }, {
        _tag: "CodexFailed",
        name: "long",
        reason: "TurnInterrupted",
        isRetryable: false
      })
      assert.isTrue(Option.isSome(failure.turnId))
      assert.lengthOf(yield* prompts, 1)
    })
  )

  test(
    "that is interrupted unsafely interrupts its turn",
    { respond: () => ["half", ScriptedModel.delay("1 hour")] },
    Effect.gen(function*() {
      const thread = yield* started
      const services = yield* Layer.build(engine(CodexWorkflow.turn("long", { thread, input: "Do it." })))
      const executionId = yield* Effect.provideContext(Pipeline.execute({ id: "1" }, { discard: true }), services)
      const [request] = yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.received(1))
      yield* Context.get(services, WorkflowEngine.WorkflowEngine).interruptUnsafe(Pipeline, executionId)
      assert.strictEqual(yield* request!.outcome, "abandoned")
    }).pipe(Effect.scoped)
  )

  test(
    "stores a turn that failed, and runs one more turn for each further attempt",
    {
      respond: (_, { index }) =>
        [ScriptedModel.failed("server_is_overloaded", "busy"), "no JSON", JSON.stringify({ count: 7 })][index] ??
          "no more"
    },
    Effect.gen(function*() {
      const thread = yield* started
      const answer = yield* execute(
        CodexWorkflow.turn("count", { thread, input: "Count.", output: Schema.Struct({ count: Schema.Int }) }).pipe(
          Activity.retry({ times: 3, while: ({ isRetryable, reason }) => isRetryable || reason === "OutputInvalid" }),
          Effect.map(({ answer }) => answer)
        )
      )
      assert.deepStrictEqual(answer, { count: 7 })
      assert.deepStrictEqual(yield* prompts, ["Count.", "Count.", "Count."])
    })
  )

  test(
    "fails as its turn has failed, also when that was not stored before a crash",
    { respond: () => ScriptedModel.failed("server_is_overloaded", "busy") },
    Effect.gen(function*() {
      const thread = yield* started
      const steps = CodexWorkflow.turn("count", { thread, input: "Count." })
      const [first, second] = [yield* Effect.flip(execute(steps)), yield* Effect.flip(execute(steps))] as const
      assert.deepInclude({ ...first }, { reason: "TurnFailed", isRetryable: true })
      assert.deepStrictEqual({ ...second }, { ...first })
      assert.deepStrictEqual(yield* prompts, ["Count."])
    })
  )

  it.effect("that another machine has overtaken leaves its turn, and looks again with the history of the store", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const said: Array<string> = []
      const say = (word: string) => Effect.sync(() => void said.push(word))
      const fenced = new SessionStore.SessionFenced({ threadId: "of the test", file: "a.jsonl", line: 7 })
      const session = CodexSession.CodexSession.of({
        restore: () => Effect.as(say("restore"), true),
        follow: () =>
          Effect.as(say("follow"), {
            flush: say("flush"),
            fenced: said.includes("follow") ? Effect.never : Effect.as(model.received(1), fenced)
          })
      })
      const thread = yield* started
      const running = yield* execute(CodexWorkflow.turn("long", { thread, input: "Do it." })).pipe(
        Effect.provideService(CodexSession.CodexSession, session),
        Effect.forkChild
      )
      // The engine computes digests before, which take real time.
      yield* model.received(1)
      const { answer } = yield* CodexTest.eventually(Fiber.join(running))
      assert.deepStrictEqual(answer, Option.some("Done."))
      assert.deepStrictEqual(said, ["follow", "restore", "follow", "flush"])
      const [first] = yield* model.requests
      assert.strictEqual(yield* first!.outcome, "abandoned")
    }).pipe(Effect.provide(Layer.merge(
      CodexTest.layer({
        respond: (input) => input === "Do it." ? ["half", ScriptedModel.delay("1 hour")] : "Done."
      }),
      Decisions.layerMemory
    ))))

  it.effect("tries again what failed on the way to the turn, for as long as `retry` says", () =>
    Effect.gen(function*() {
      const calls = yield* Ref.make(0)
      const resumeThread = (id: string) =>
        Effect.flatMap(Ref.updateAndGet(calls, (n) => n + 1), (n) =>
          n < 12
            ? new CodexError.ThreadInUse({ method: "thread/resume", code: 0, detail: "in use" })
            : Effect.succeed(CodexTest.thread({
              id,
              findTurn: () => Effect.succeedNone,
              unsubscribe: Effect.succeed("unsubscribed"),
              run: () => Effect.succeed(CodexTest.turnResult("Fine."))
            })))
      const readThread = () => new CodexError.ThreadNotFound({ method: "thread/read", code: 0, detail: "" })
      const services = Layer.mergeAll(
        CodexTest.mockCodex({ resumeThread, readThread }),
        CodexSession.layerLocal,
        Decisions.layerMemory
      )
      const turn = { thread: { id: "thread-1", settings: {} }, input: "Hello." }
      const bounded = yield* execute(CodexWorkflow.turn("bounded", { ...turn, retry: Schedule.recurs(2) })).pipe(
        Effect.provide(services),
        Effect.flip
      )
      assert.deepInclude({ ...bounded }, { reason: "ThreadInUse", isRetryable: true })
      assert.strictEqual(yield* Ref.get(calls), 3)
      const running = yield* execute(Effect.map(CodexWorkflow.turn("default", turn), ({ answer }) => answer)).pipe(
        Effect.provide(services),
        Effect.forkChild
      )
      // The engine computes digests before, which take real time.
      yield* CodexTest.settle.pipe(Effect.andThen(Ref.get(calls)), Effect.repeat({ until: (calls) => calls > 3 }))
      const answer = yield* CodexTest.eventually(Fiber.join(running))
      assert.deepStrictEqual(answer, Option.some("Fine."))
      assert.strictEqual(yield* Ref.get(calls), 12)
    }))

  test(
    "waits for a person between two turns, and the agent may do exactly what was allowed, once",
    {
      respond: (input, { toolOutputs }) =>
        input === "Clean up." || toolOutputs.length === 0 && !input.includes("does not allow")
          ? ScriptedModel.exec("rm -rf build")
          : toolOutputs.length === 1
          ? ScriptedModel.exec("rm -rf build")
          : "Cleaned up."
    },
    Effect.gen(function*() {
      const thread = yield* started
      const options = { approvalMode: ApprovalMode.untrusted }
      const answers = yield* Deferred.make<unknown>()
      const services = yield* Layer.build(engine(Effect.gen(function*() {
        const { answer } = yield* CodexWorkflow.turn("clean", {
          thread,
          input: "Clean up.",
          approvals: "durable",
          options
        })
        const { note } = yield* CodexWorkflow.decision("publish", "publish\u001b[2K it")
        yield* Deferred.succeed(answers, [answer, note])
      })))
      const { asked, decide, running } = yield* person(services)
      const [first] = yield* asked
      assert.deepInclude({ ...first }, { workflow: "Pipeline", name: "clean" })
      assert.include(first?.summary, `run "rm -rf build"`)
      assert.deepInclude({ ...first?.question }, { _tag: "Command", reason: null })
      yield* decide(first!.id, { allow: true })
      assert.deepInclude({ ...yield* Effect.flip(decide(first!.id, { allow: false })) }, { _tag: "DecisionNotFound" })
      // The command was allowed once.
      const [second] = yield* asked
      assert.notStrictEqual(second?.id, first?.id)
      yield* decide(second!.id, { allow: false, note: "Enough." })
      const [third] = yield* asked
      assert.strictEqual(third?.summary, "publish\\u{1b}[2K it")
      yield* decide(third!.id, { allow: true, note: "Friday." })

      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* Deferred.await(answers), [Option.some("Cleaned up."), "Friday."])
      assert.deepStrictEqual(yield* Decisions.pending, [])
      const [, allowed, , declined] = yield* prompts
      assert.include(allowed, "The user allows you to run `rm -rf build`")
      assert.include(declined, "The user does not allow you to run `rm -rf build`")
      assert.include(declined, "The user says: Enough.")
    }).pipe(Effect.scoped)
  )

  test(
    "asks anew for a question of its own that has the name of a turn, or of one of its rounds",
    { respond: (input) => input === "Clean up." ? ScriptedModel.exec("rm -rf build") : "Cleaned up." },
    Effect.gen(function*() {
      const thread = yield* started
      const answers = yield* Deferred.make<unknown>()
      const options = { approvalMode: ApprovalMode.untrusted }
      const services = yield* Layer.build(engine(Effect.gen(function*() {
        yield* CodexWorkflow.turn("clean", { thread, input: "Clean up.", approvals: "durable", options })
        const other = yield* CodexWorkflow.turn("clean/1", { thread, input: "And then?", approvals: "durable" })
        const { allow } = yield* CodexWorkflow.decision("clean", "delete everything")
        yield* Deferred.succeed(answers, [other.answer, allow])
      })))
      const { asked, decide, running } = yield* person(services)
      const [command] = yield* asked
      yield* decide(command!.id, { allow: true })
      const [question] = yield* asked
      assert.strictEqual(question?.summary, "delete everything")
      yield* decide(question!.id, { allow: false })
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* Deferred.await(answers), [Option.some("Cleaned up."), false])
      assert.strictEqual((yield* prompts)[2], "And then?")
    }).pipe(Effect.scoped)
  )

  const failure = <R>(step: Effect.Effect<unknown, CodexWorkflow.CodexFailed, R>) =>
    Effect.matchEffect(step, {
      onSuccess: () => Effect.die("it succeeded"),
      onFailure: ({ detail, isRetryable, reason }) => Effect.succeed({ reason, detail, isRetryable })
    })

  const Answer = Schema.Struct({ count: Schema.String })
  const OneWay = Answer.pipe(
    Schema.decodeTo(Schema.Struct({ count: Schema.Number }), {
      decode: SchemaGetter.transform(({ count }) => ({ count: Number(count) })),
      encode: SchemaGetter.fail(() => new SchemaIssue.InvalidValue())
    })
  )

  test(
    "fails clearly when its code and its stored answers do not fit",
    { respond: () => JSON.stringify({ count: "3" }) },
    Effect.gen(function*() {
      const thread = yield* started
      const results = yield* Deferred.make<unknown>()
      let runs = 0
      const services = yield* Layer.build(engine(Effect.gen(function*() {
        const output: Schema.Codec<unknown> = runs++ === 0 ? Answer : Schema.Struct({ total: Schema.Number })
        const changed = yield* Effect.exit(CodexWorkflow.turn("changed", { thread, input: "Count.", output }))
        yield* CodexWorkflow.decision("go on", "go on")
        yield* CodexWorkflow.decision("go on", "go on")
        const other = yield* Effect.exit(CodexWorkflow.decision("go on", "delete everything"))
        yield* Deferred.succeed(results, [
          yield* failure(changed),
          yield* failure(CodexWorkflow.turn("changed", { thread, input: "Another." })),
          yield* failure(CodexWorkflow.turn("one way", { thread, input: "Count.", output: OneWay })),
          Exit.hasDies(other)
        ])
      })))
      const { asked, decide, running } = yield* person(services)
      const [question] = yield* asked
      yield* decide(question!.id, { allow: true })
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* Deferred.await(results), [
        {
          reason: "OutputInvalid",
          detail: "the answer was stored by other code, and does not fit the schema of `output`: Missing key at " +
            `["turn"]["answer"]["total"]. Restore the schema, or give the turn another name to run it again.`,
          isRetryable: false
        },
        {
          reason: "InvalidArgument",
          detail:
            "the name was used before in this workflow. Give each turn its own; `Activity.retry` tries one again.",
          isRetryable: false
        },
        {
          reason: "OutputInvalid",
          detail:
            "the answer cannot be stored. The schema of `output` must encode what it decodes: Expected a valid value " +
            `at ["turn"]["answer"]`,
          isRetryable: false
        },
        true
      ])
    }).pipe(Effect.scoped)
  )
})
