/** Questions of the agent as a handler sees them, and what of its answers goes over the wire, in memory. */
import { Questions, ServerRequests } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Fake from "../support/fakeServer.ts"

const question = (id: string, changed: object = {}) => ({
  id,
  header: "Colour",
  question: "Which colour?",
  isOther: true,
  isSecret: false,
  options: [{ label: "Red (Recommended)", description: "warm" }, { label: "Blue", description: "cold" }],
  ...changed
})

const request = (...questions: ReadonlyArray<object>) => Fake.ask("item/tool/requestUserInput", 7, { questions })

const answer = (answers: Questions.Answers) => Questions.make(() => Effect.succeed(answers))

class Oracle extends Context.Service<Oracle, { readonly says: string }>()("test/Oracle") {}

describe("a request", () => {
  it.effect("has the questions, their options, and an empty list of those for free text", () =>
    Effect.gen(function*() {
      const seen: Array<Questions.Request> = []
      const handlers = yield* Questions.make((request) => Effect.sync(() => (seen.push(request), {})))
      yield* Fake.answered(
        handlers,
        request(question("a"), question("b", { isOther: false, isSecret: true, options: null }))
      )
      assert.deepStrictEqual(seen, [{
        threadId: Fake.threadId,
        turnId: "turn-1",
        itemId: "call-1",
        isBlocking: true,
        questions: [
          {
            id: "a",
            header: "Colour",
            question: "Which colour?",
            options: [{ label: "Red (Recommended)", description: "warm" }, { label: "Blue", description: "cold" }],
            allowsOther: true,
            isSecret: false
          },
          {
            id: "b",
            header: "Colour",
            question: "Which colour?",
            options: [],
            allowsOther: false,
            isSecret: true
          }
        ]
      }])
    }))
})

describe("answers", () => {
  it.effect("of one text, of several and of none", () =>
    Effect.gen(function*() {
      const handlers = yield* answer({ a: "Green", b: ["Red (Recommended)", "Blue"], c: undefined })
      const { log, result } = yield* Fake.answered(
        handlers,
        request(question("a"), question("b", { isOther: false }), question("c"), question("d"))
      )
      assert.deepStrictEqual(result, {
        answers: { a: { answers: ["Green"] }, b: { answers: ["Red (Recommended)", "Blue"] } }
      })
      assert.strictEqual(log, "")
    }))

  it.effect("that are redacted reach the server and no log", () =>
    Effect.gen(function*() {
      const handlers = yield* answer({ a: Redacted.make("hunter2") })
      const { log, result } = yield* Fake.answered(handlers, request(question("a", { isSecret: true, options: null })))
      assert.deepStrictEqual(result, { answers: { a: { answers: ["hunter2"] } } })
      assert.notInclude(log, "hunter2")
    }))

  it.effect("that are redacted are not in the report either when another one does not fit", () =>
    Effect.gen(function*() {
      const handlers = yield* answer({ a: Redacted.make("hunter2"), b: Redacted.make("swordfish"), z: "xyzzy" })
      const { log, reply, result } = yield* Fake.answered(
        handlers,
        request(question("a"), question("b", { isOther: false }))
      )
      assert.deepStrictEqual(result, { answers: {} })
      assert.include(log, "b: expected one of")
      assert.include(log, "Blue")
      assert.include(log, "z: expected no answer, because it was not asked")
      for (const secret of ["hunter2", "swordfish", "xyzzy"]) assert.notInclude(log + Fake.frame(reply), secret)
    }))

  it.effect("are checked as a program can check them before", () =>
    Effect.gen(function*() {
      const asked: Questions.Request = {
        threadId: "t",
        turnId: "t",
        itemId: "i",
        isBlocking: true,
        questions: [
          {
            id: "a",
            header: "",
            question: "",
            options: [{ label: "x", description: "" }],
            allowsOther: false,
            isSecret: true
          },
          { id: "b", header: "", question: "", options: [], allowsOther: false, isSecret: false }
        ]
      }
      yield* Questions.check(asked, {})
      yield* Questions.check(asked, { a: ["x"], b: "anything", c: undefined })
      const error = yield* Effect.flip(Questions.check(asked, { a: Redacted.make("y"), c: "z" }))
      assert.instanceOf(error, Questions.AnswersInvalid)
      assert.deepStrictEqual(error.issues, [
        { questionId: "a", expected: `one of "x"` },
        { questionId: "c", expected: "no answer, because it was not asked" }
      ])
      yield* Effect.flip(Questions.check(asked, { a: ["x", "y"] }))
    }))

  it.effect("are none, and reported, when the handler fails", () =>
    Effect.gen(function*() {
      const handlers = yield* Questions.make(() => Effect.fail(new Error("nobody is here")))
      const { log, result } = yield* Fake.answered(handlers, request(question("a")))
      assert.deepStrictEqual(result, { answers: {} })
      assert.include(log, "nobody is here")
    }))

  it.effect("are an error when the handler refuses", () =>
    Effect.gen(function*() {
      const handlers = yield* Questions.make(() => Effect.fail(new ServerRequests.Refusal({ message: "not now" })))
      const { reply } = yield* Fake.answered(handlers, request(question("a")))
      assert.deepStrictEqual(reply.error, { code: -32603, message: "not now" })
    }))
})

describe("a handler", () => {
  const ask = Questions.make(({ questions }) =>
    Effect.map(Oracle, ({ says }) => Object.fromEntries(questions.map(({ id }) => [id, says])))
  )

  it.effect("has the services of where it was made", () =>
    Effect.gen(function*() {
      const handlers = yield* Effect.provideService(ask, Oracle, { says: "42" })
      assert.deepStrictEqual((yield* Fake.answered(handlers, request(question("a")))).result, {
        answers: { a: { answers: ["42"] } }
      })
    }))

  it.effect("of a layer has those of the layer, and is the client's", () =>
    Effect.gen(function*() {
      const layer = Questions.layer(() => Effect.map(Oracle, ({ says }) => ({ q1: says }))).pipe(
        Layer.provide(Layer.succeed(Oracle, { says: "43" }))
      )
      const handlers = yield* Effect.provide(ServerRequests.current, layer)
      assert.deepStrictEqual((yield* Fake.answered(handlers, Fake.ask("item/tool/requestUserInput", 7))).result, {
        answers: { q1: { answers: ["43"] } }
      })
    }))

  it.effect("of the first option leaves secrets and free text without an answer", () =>
    Effect.gen(function*() {
      const questions = [
        question("a"),
        question("b", { isSecret: true }),
        question("c", { options: null }),
        question("d", { isOther: false })
      ]
      const expected = { answers: { a: { answers: ["Red (Recommended)"] }, d: { answers: ["Red (Recommended)"] } } }
      assert.deepStrictEqual((yield* Fake.answered(Questions.firstOption, request(...questions))).result, expected)
      const handlers = yield* Effect.provide(ServerRequests.current, Questions.layerFirstOption)
      assert.deepStrictEqual((yield* Fake.answered(handlers, request(...questions))).result, expected)
    }))
})
