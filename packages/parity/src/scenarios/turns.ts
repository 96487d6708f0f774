import { ApprovalMode, Codex, Input, Sandbox } from "@effect-codex/client"
import { ScriptedModel } from "@effect-codex/testing"
import { Effect, Option, Schedule, Stream } from "effect"
import { scenario } from "../scenario.ts"

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

const skill = Buffer.from("---\nname: greet\ndescription: How to greet.\n---\nSay hello.\n").toString("base64")

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false
}

const startThread = Effect.flatMap(Codex.Codex, (codex) => codex.startThread())

/** An answer in two pieces, with a gate between them. */
const halfway = (gate: ScriptedModel.Gate): ScriptedModel.Answer => [ScriptedModel.text(["One, two", gate, ", three."])]

const touch = ScriptedModel.exec("echo written > written.txt", { callId: "call-1" })

export const turns = [
  scenario("inputs", "Text, images, a skill and a mention", {
    files: { "pixel.png": pixel, "SKILL.md": skill }
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      yield* t.run("text", thread, Input.text("Say hello."))
      yield* t.run("all", thread, [
        Input.text("What is this?"),
        Input.image(`data:image/png;base64,${pixel}`),
        Input.localImage(`${t.workspace}/pixel.png`),
        Input.skill("greet", `${t.workspace}/SKILL.md`),
        Input.mention("notes", `${t.workspace}/SKILL.md`)
      ])
    }))),

  scenario("external-message", "A message of another program", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      yield* t.run("text", thread, "The meeting is at noon.")
      yield* t.run("items", thread, "It is at one.")
    }))),

  scenario(
    "structured-output",
    "An answer that matches a schema",
    { answers: () => ["{\"city\":\"Rome\"}"] },
    (t) =>
      t.codex()(Effect.gen(function*() {
        yield* t.run("run", yield* startThread, "Name a city.", { outputSchema: schema })
      }))
  ),

  scenario("no-final-answer", "Turns whose messages have a phase", {
    answers: () => [
      [ScriptedModel.text("Thinking.", { phase: "commentary" })],
      [
        ScriptedModel.text("First.", { phase: "commentary" }),
        ScriptedModel.text("The answer.", { phase: "final_answer" }),
        ScriptedModel.text("Afterthought.")
      ]
    ]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      yield* t.run("commentary", thread, "Think.")
      yield* t.run("phases", thread, "Answer.")
    }))),

  scenario("stream", "The events of a turn", {
    answers: () => [
      [ScriptedModel.reasoning(["I ", "think."]), ScriptedModel.text(["Hel", "lo!"])]
    ]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const turn = yield* (yield* startThread).turn("Say hello.")
      t.result("ids", [turn.threadId, turn.id])
      yield* t.stream("stream", turn)
    }))),

  scenario("stream-of-a-command", "The events of a turn that runs a command", {
    answers: () => [[touch], "Done."]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll, sandbox: Sandbox.fullAccess })
      yield* t.stream("stream", yield* thread.turn("Write a file."))
    }))),

  scenario(
    "result-of-a-handle",
    "The result of a turn with a handle",
    { answers: () => ["{\"city\":\"Rome\"}"] },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const turn = yield* (yield* startThread).turn("Say hello.", {
          approvalMode: ApprovalMode.autoReview,
          cwd: t.workspace,
          effort: "low",
          model: "gpt-5.4",
          outputSchema: schema,
          sandbox: Sandbox.workspaceWrite,
          serviceTier: "flex",
          summary: "auto"
        })
        t.turn("run", yield* turn.result)
      }))
  ),

  scenario("second-reader", "A second reader after the end of a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const turn = yield* (yield* startThread).turn("Say hello.")
      yield* t.stream("first", turn)
      yield* t.fails("second", Stream.runCount(turn.events))
    }))),

  scenario("steer", "Steer a running turn", {
    answers: (gate) => [halfway(gate("steered")), "Until five."]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const turn = yield* (yield* startThread).turn("Count to ten.")
      yield* t.stream("stream", turn, Effect.andThen(turn.steer("Count to five."), t.release("steered")))
    }))),

  scenario("interrupt", "Interrupt a turn, and go on", {
    answers: (gate) => [halfway(gate("never")), "Three."]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      const turn = yield* thread.turn("Count to ten.")
      yield* t.stream("stream", turn, turn.interrupt)
      yield* t.run("after", thread, "Go on.")
    }))),

  scenario("interrupted-result", "The result of an interrupted turn", {
    answers: (gate) => [halfway(gate("counting"))]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const turn = yield* (yield* startThread).turn("Count to ten.")
      yield* t.reached("counting")
      yield* turn.interrupt
      t.turn("run", yield* turn.result)
    }))),

  scenario("two-threads-at-once", "Two threads that run at once", {
    answers: (gate) => [halfway(gate("second")), "At once."]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const one = yield* startThread
      const two = yield* startThread
      const first = yield* one.turn("Wait.")
      yield* t.reached("second")
      const second = yield* two.turn("Do not wait.")
      t.turn("second", yield* second.result)
      yield* t.release("second")
      t.turn("first", yield* first.result)
    }))),

  scenario("busy-thread", "A second turn on a thread that runs one", {
    answers: (gate) => [halfway(gate("busy"))]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      const turn = yield* thread.turn("Count to ten.")
      const second = t.fails("second", Effect.as(Effect.scoped(thread.turn("Count to five.")), undefined))
      yield* t.stream("stream", turn, Effect.andThen(second, t.release("busy")))
    }))),

  scenario("abandoned-turn", "A turn whose reader leaves", {
    answers: (gate) => [halfway(gate("abandoned"))]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      yield* Effect.scoped(Effect.gen(function*() {
        const turn = yield* thread.turn("Count to ten.")
        yield* Stream.runHead(Stream.filter(turn.events, ({ _tag }) => _tag === "item/agentMessage/delta"))
      }))
      yield* t.release("abandoned")
      const read = thread.read({ includeTurns: true })
      const status = yield* Effect.map(read, ({ turns }) => Option.getOrUndefined(lastStatus(turns))).pipe(
        Effect.repeat({ until: (status) => status !== "inProgress", schedule: Schedule.spaced("50 millis") })
      )
      t.result("status", status)
    })))
]

const lastStatus = (turns: ReadonlyArray<{ readonly status?: string | undefined }>): Option.Option<string> =>
  Option.fromUndefinedOr(turns.at(-1)?.status)
