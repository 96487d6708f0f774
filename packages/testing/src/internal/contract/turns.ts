/** Cases about turns: the model's messages, steering, interruption, failure. */
import * as Codex from "@effect-codex/client/Codex"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, Wire } from "./model.ts"
import {
  check,
  ended,
  enqueue,
  equal,
  fact,
  heard,
  mark,
  refusal,
  request,
  runTurn,
  startThread,
  startTurn,
  story,
  text
} from "./story.ts"

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

export const cases: ReadonlyArray<Case> = [
  story(
    "turn: reasoning, a commentary and a final answer, delta by delta",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([
        ScriptedModel.reasoning(["I ", "think."]),
        ScriptedModel.text(["Hel", "lo"], { phase: "commentary" }),
        ScriptedModel.text("Bye", { phase: "final_answer" })
      ], { usage: { input: 10, cached: 4, output: 5, reasoning: 2 } }))
      yield* runTurn(yield* startThread())
    })
  ),

  story(
    "turn: the second one adds to the usage, and its settings stay",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply(["one"], { usage: { input: 3, output: 2 } }),
        ScriptedModel.reply(["two"], { usage: { input: 1, output: 1 } }),
        "three"
      )
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId, "again", { clientUserMessageId: "mine", model: "other-model", effort: "high" })
      yield* runTurn(threadId)
    })
  ),

  story(
    "turn: a response without a text, and reasoning with its content",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([]), ScriptedModel.reasoning("summary", { content: ["ra", "w"] }))
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  story(
    "turn: a text without words, and an item as the model gave it",
    Effect.gen(function*() {
      yield* enqueue(
        [ScriptedModel.text([]), "x"],
        ScriptedModel.item({
          type: "message",
          id: "raw-1",
          role: "assistant",
          content: [{ type: "output_text", text: "raw item" }]
        })
      )
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  story(
    "turn: without input, with a picture and a mention",
    Effect.gen(function*() {
      yield* enqueue("ok", "ok")
      const threadId = yield* startThread()
      yield* runTurn(threadId, "", { input: [] })
      yield* runTurn(threadId, "", {
        input: [
          { type: "text", text: "look", text_elements: [] },
          { type: "image", url: `data:image/png;base64,${pixel}` },
          { type: "mention", name: "app", path: "app://x" }
        ]
      })
    })
  ),

  story(
    "steer: ends the model's stream at once and goes on in the same turn",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["first ", gate, "never"]), "steered")
      const threadId = yield* startThread()
      const since = yield* mark
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* heard("first ", since)
      yield* request("turn/steer", { threadId, expectedTurnId: turnId, input: text("left") })
      yield* ended(turnId)
    })
  ),

  fact(
    "steer: before the model has answered",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([gate, "never"], "steered")
      const threadId = yield* startThread()
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* request("turn/steer", { threadId, expectedTurnId: turnId, input: text("left") })
      // The server hangs up only once it has the head of the response.
      yield* gate.release
      yield* ended(turnId)
      const { requests } = yield* ScriptedModel.ScriptedModel
      const said = (yield* requests).at(-1)?.userTexts ?? []
      yield* equal("what the model sees", said.filter((text) => text === "go" || text === "left"), ["go", "left"])
    })
  ),

  fact(
    "steer: turn/start while a turn runs is steering, and answers with the id of that turn",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["first ", gate, "never"]), "steered")
      const threadId = yield* startThread()
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* equal("the id", yield* startTurn(threadId, "right"), turnId)
      yield* ended(turnId)
      const { requests } = yield* ScriptedModel.ScriptedModel
      yield* check("the model is told", (yield* requests).at(-1)?.userTexts.includes("right") === true)
    })
  ),

  fact(
    "turn: its summary has the first message with its id, and the whole turn those that steered",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["first ", gate, "never"]), "steered")
      const threadId = yield* startThread()
      const turnId = yield* startTurn(threadId, "go", { clientUserMessageId: "mine" })
      yield* gate.reached
      const idsOf = (items: ReadonlyArray<unknown>) =>
        items.map((item) => Predicate.hasProperty(item, "clientId") ? item.clientId : undefined)
      const listed = (itemsView: "summary" | "full") =>
        Effect.map(
          request("thread/turns/list", { threadId, itemsView }),
          ({ data }) => data.map((turn) => [turn.status, idsOf(turn.items ?? [])])
        )
      yield* equal("while it runs", yield* listed("summary"), [["inProgress", ["mine"]]])
      const more = { threadId, expectedTurnId: turnId, input: text("left"), clientUserMessageId: "more" }
      yield* request("turn/steer", more)
      yield* ended(turnId)
      yield* equal("the summary", yield* listed("summary"), [["completed", ["mine", undefined]]])
      yield* equal("the turn", yield* listed("full"), [["completed", ["mine", "more", undefined]]])
      const { data } = yield* request("thread/items/list", { threadId, turnId })
      yield* equal("its items", idsOf(data.map(({ item }) => item)), ["mine", "more", undefined])
    })
  ),

  fact(
    "client: a turn is found by the id of its message, the newest, also once its thread is archived",
    Effect.gen(function*() {
      yield* enqueue("one", "two")
      const thread = yield* (yield* Codex.Codex).startThread()
      const found = Effect.map(
        thread.findTurn("mine"),
        Option.map(({ finalResponse, items, status }) => [status, Option.getOrNull(finalResponse), items.length])
      )
      yield* equal("before the first turn", Option.isNone(yield* found), true)
      yield* thread.run("go", { messageId: "mine" })
      yield* equal("its turn", Option.getOrNull(yield* found), ["completed", "one", 2])
      yield* thread.run("again", { messageId: "mine" })
      yield* thread.archive
      yield* equal("the newest", Option.getOrNull(yield* found), ["completed", "two", 2])
    })
  ),

  fact(
    "steer: is refused without a turn, for another turn, and without an id",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["first ", gate]))
      const threadId = yield* startThread()
      const steer = (expectedTurnId: string) =>
        refusal(request("turn/steer", { threadId, expectedTurnId, input: text("x") }))
      yield* equal("an idle thread", yield* steer("x"), "-32600 no active turn to steer")
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* equal(
        "another turn",
        yield* steer("wrong"),
        `-32600 expected active turn id \`wrong\` but found \`${turnId}\``
      )
      yield* equal("no id", yield* steer(""), "-32600 expectedTurnId must not be empty")
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  story(
    "interrupt: in the middle of a message, which never completes",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([ScriptedModel.reasoning("hm"), ScriptedModel.text(["first ", gate, "never"])])
      const threadId = yield* startThread()
      const since = yield* mark
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* heard("first ", since)
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  story(
    "interrupt: before the model has answered, and the thread goes on",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([gate, "never"], "next")
      const threadId = yield* startThread()
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
      yield* runTurn(threadId)
    })
  ),

  fact(
    "interrupt: is refused without a turn and for another turn, and makes the server hang up",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["first ", gate]))
      const threadId = yield* startThread()
      const interrupt = (turnId: string) => refusal(request("turn/interrupt", { threadId, turnId }))
      yield* equal("an idle thread", yield* interrupt("x"), "-32600 no active turn to interrupt")
      yield* request("turn/interrupt", { threadId, turnId: "" })
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      yield* equal(
        "another turn",
        yield* interrupt("wrong"),
        `-32600 expected active turn id wrong but found ${turnId}`
      )
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
      const { requests } = yield* ScriptedModel.ScriptedModel
      yield* equal("the model's request", yield* (yield* requests).at(-1)!.outcome, "abandoned")
    })
  ),

  fact(
    "turn: warns of a model that the server has no metadata of",
    Effect.gen(function*() {
      yield* enqueue("ok")
      const threadId = yield* startThread({ model: "no-such-model" })
      yield* runTurn(threadId)
      const wire = yield* Wire
      const { params } = yield* wire.until(
        ({ method, params }) => method === "warning" && JSON.stringify(params).includes(threadId),
        0
      )
      yield* equal("the warning", params, {
        threadId,
        message: "Model metadata for `no-such-model` not found. Defaulting to fallback metadata; this can degrade " +
          "performance and cause issues."
      })
    })
  ),

  fact(
    "client: a run has the final answer, the items and the usage",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([
        ScriptedModel.text("wait", { phase: "commentary" }),
        ScriptedModel.text("Hello!", { phase: "final_answer" })
      ], { usage: { input: 7, output: 3 } }))
      const codex = yield* Codex.Codex
      const result = yield* (yield* codex.startThread()).run("Say hello.")
      yield* equal("the answer", Option.getOrNull(result.finalResponse), "Hello!")
      yield* equal("the items", result.items.map(({ type }) => type), ["userMessage", "agentMessage", "agentMessage"])
      yield* equal("the usage", Option.getOrNull(result.usage)?.turn.totalTokens, 10)
    })
  ),

  fact(
    "client: a run that is interrupted ends its turn, a handle can be steered and read",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["on ", gate]))
      const thread = yield* (yield* Codex.Codex).startThread()
      const running = yield* Effect.forkScoped(thread.run("go"))
      yield* gate.reached
      yield* Fiber.interrupt(running)
      const second = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["one ", second]), "two")
      const turn = yield* thread.turn("go")
      yield* second.reached
      yield* Stream.runDrain(Stream.take(turn.text, 1))
      yield* turn.steer("left")
      yield* equal("the text", (yield* Stream.runCollect(turn.text)).join(""), "one \n\ntwo")
      yield* equal("the status", (yield* turn.result).status, "completed")
      yield* equal("late steering", (yield* Effect.flip(turn.steer("late")))._tag, "NoActiveTurn")
    })
  ),

  fact(
    "client: a failed run is TurnFailed, and the thread can be used again",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.httpFailure(401, "bad key"), "fine")
      const thread = yield* (yield* Codex.Codex).startThread()
      const error = yield* Effect.flip(thread.run("go"))
      yield* equal("the error", error._tag, "TurnFailed")
      yield* equal("the status", (yield* thread.status).type, "systemError")
      yield* equal("the answer", Option.getOrNull((yield* thread.run("again")).finalResponse), "fine")
    })
  )
]
