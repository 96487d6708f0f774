/** Cases about the queue of a thread, and about side questions. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, Wire } from "./model.ts"
import { ended, enqueue, equal, fact, mark, refusal, request, runTurn, startThread, startTurn, text } from "./story.ts"

/** The prompts of the model's requests so far. */
const prompts = Effect.map(
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests),
  (requests) => requests.map(({ prompt }) => prompt)
)

const add = (threadId: string, prompt: string, clientUserMessageId = prompt) =>
  Effect.map(
    request("thread/queue/add", { threadId, input: text(prompt), clientUserMessageId }),
    ({ queuedSubmission }) => queuedSubmission.id
  )

const queued = (threadId: string) =>
  Effect.map(
    request("thread/queue/list", { threadId }),
    ({ data }) => data.map((one) => "type" in one ? one.type : one.clientUserMessageId)
  )

/** Waits for the ends of this many turns since then. */
const turnsEnd = (count: number, since: number) =>
  Effect.flatMap(Wire, (wire) => {
    const ids = new Set<unknown>()
    return wire.until(
      ({ method, params }) => method === "turn/completed" && ids.add(JSON.stringify(params)).size === count,
      since
    )
  })

/** A turn that waits for the model. */
const waiting = Effect.fnUntraced(function*(threadId: string) {
  const gate = yield* ScriptedModel.gate
  yield* enqueue(ScriptedModel.text(["one", gate]))
  const turnId = yield* startTurn(threadId, "first")
  yield* gate.reached
  return { gate, turnId }
})

export const cases: ReadonlyArray<Case> = [
  fact(
    "queue: a message on an idle thread starts its turn at once",
    Effect.gen(function*() {
      yield* enqueue("one")
      const threadId = yield* startThread()
      const since = yield* mark
      yield* add(threadId, "now")
      yield* turnsEnd(1, since)
      yield* equal("the queue", yield* queued(threadId), [])
      const wire = yield* Wire
      yield* wire.until(({ method }) => method === "thread/queue/changed", since)
      yield* wire.until(
        ({ method, params }) => method === "item/started" && JSON.stringify(params).includes("\"clientId\":\"now\""),
        since
      )
    })
  ),
  fact(
    "queue: messages wait for the running turn, and follow one another in their order",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      const { gate } = yield* waiting(threadId)
      const since = yield* mark
      const before = (yield* prompts).length
      const a = yield* add(threadId, "a")
      const b = yield* add(threadId, "b")
      const c = yield* add(threadId, "c")
      yield* request("thread/queue/reorder", { threadId, queuedSubmissionIds: [c, b, a] })
      yield* request("thread/queue/update", { threadId, queuedSubmissionId: a, input: text("changed") })
      yield* equal("deleted", yield* request("thread/queue/delete", { threadId, queuedSubmissionId: b }), {
        deleted: true
      })
      yield* equal("again", yield* request("thread/queue/delete", { threadId, queuedSubmissionId: b }), {
        deleted: false
      })
      yield* equal("the queue", yield* queued(threadId), ["c", "a"])
      yield* enqueue("of c", "of a")
      yield* gate.release
      yield* turnsEnd(3, since)
      yield* equal("the turns", (yield* prompts).slice(before), ["c", "changed"])
    })
  ),
  fact(
    "queue: it rests after an interrupted turn, until it is started",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      const { turnId } = yield* waiting(threadId)
      const a = yield* add(threadId, "a")
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
      yield* add(threadId, "b")
      yield* equal("the queue", yield* queued(threadId), ["a", "b"])
      yield* enqueue("of a", "of b")
      const since = yield* mark
      yield* request("thread/queue/start", { threadId, queuedSubmissionId: a })
      yield* turnsEnd(2, since)
      yield* equal("then", yield* queued(threadId), [])
    })
  ),
  fact(
    "queue: what is refused",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      const start = (queuedSubmissionId?: string) =>
        refusal(request("thread/queue/start", { threadId, queuedSubmissionId: queuedSubmissionId ?? null }))
      const empty = yield* start()
      const { turnId } = yield* waiting(threadId)
      const a = yield* add(threadId, "a")
      const ephemeral = yield* startThread({ ephemeral: true })
      const refused = [
        empty,
        yield* start(),
        yield* start("nope"),
        yield* refusal(request("thread/queue/update", { threadId, queuedSubmissionId: "nope", input: text("x") })),
        yield* refusal(request("thread/queue/update", { threadId, queuedSubmissionId: a, input: [] })),
        yield* refusal(request("thread/queue/reorder", { threadId, queuedSubmissionIds: [a, a] })),
        yield* refusal(add(threadId, "x".repeat(1_048_577), "long")),
        (yield* refusal(add(ephemeral, "a"))).replace(ephemeral, "ID")
      ]
      yield* equal("the refusals", refused, [
        "-32600 queue is empty",
        "-32600 thread already has an active or pending turn",
        "-32600 queued submission not found: nope",
        "-32600 queued submission not found: nope",
        "-32600 only user input can be added to the user-message queue",
        "-32600 queue reorder must include every queued submission exactly once",
        "-32602 Input exceeds the maximum length of 1048576 characters.",
        "-32600 ephemeral thread does not support queued submissions: ID"
      ])
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),
  fact(
    "ask: a side question is answered from the history, and leaves none",
    Effect.gen(function*() {
      yield* enqueue(
        "one",
        ScriptedModel.reply(["Yes."], { usage: { input: 7, output: 2 } }),
        ScriptedModel.exec("ls"),
        "two"
      )
      const threadId = yield* startThread()
      const turnId = yield* runTurn(threadId, "first")
      const sample = (prompt: string) => request("thread/sample", { threadId, expectedTurnId: turnId, prompt })
      const { inputTokens, outputTokens, sourceTurnId, text: said } = yield* sample("Is it?")
      yield* equal("the answer", { inputTokens, outputTokens, said }, { inputTokens: 7, outputTokens: 2, said: "Yes." })
      yield* equal("its turn", sourceTurnId, turnId)
      yield* equal("of a tool", (yield* sample("Again?")).text, null)
      yield* runTurn(threadId, "second")
      const requests = yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)
      const [, asked, , next] = requests.slice(-4)
      yield* equal("it was asked", asked?.userTexts.slice(-2), ["first", "Is it?"])
      yield* equal("it is forgotten", next?.userTexts.slice(-2), ["first", "second"])
    })
  ),
  fact(
    "ask: it names the last turn, also a running one where that is allowed",
    Effect.gen(function*() {
      yield* enqueue("one")
      const threadId = yield* startThread()
      const fresh = yield* refusal(request("thread/sample", { threadId, expectedTurnId: "x", prompt: "Well?" }))
      const first = yield* runTurn(threadId, "first")
      const sample = (expectedTurnId: string, prompt: string, allowInProgressTurn = false) =>
        request("thread/sample", { threadId, expectedTurnId, prompt, allowInProgressTurn })
      const wrong = yield* refusal(sample("x", "Well?"))
      const { turnId } = yield* waiting(threadId)
      const refused = [
        fresh.replace(threadId, "ID"),
        wrong,
        yield* refusal(sample(turnId, "Well?")),
        yield* refusal(sample(first, "Well?", true)),
        yield* refusal(sample(turnId, "ä".repeat(2001), true)),
        yield* refusal(sample(turnId, "", true))
      ]
      const badPrompt = "-32600 thread/sample requires expectedTurnId and a prompt of at most 4000 bytes"
      yield* equal("the refusals", refused, [
        "-32600 invalid thread-store request: no rollout found for thread id ID",
        "-32600 sample source turn must be the latest finished turn",
        "-32600 sample source must be idle",
        "-32600 sample source turn must be the latest turn",
        badPrompt,
        badPrompt
      ])
      yield* enqueue("Working.")
      yield* equal("the answer", (yield* sample(turnId, "Well?", true)).text, "Working.")
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),
  fact(
    "ask: it can be cancelled, and other requests do not wait for it",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue("one", ScriptedModel.text(["never ", gate, "said"]))
      const threadId = yield* startThread()
      const turnId = yield* runTurn(threadId, "first")
      const asking = yield* Effect.forkChild(
        request("thread/sample", { threadId, expectedTurnId: turnId, prompt: "Well?" })
      )
      yield* gate.reached
      yield* request("thread/read", { threadId })
      const requests = yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)
      yield* Fiber.interrupt(asking)
      yield* equal("the request to the model", yield* requests.at(-1)?.outcome ?? Effect.void, "abandoned")
    })
  )
]
