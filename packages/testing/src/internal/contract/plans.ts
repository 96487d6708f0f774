/** Cases about plan mode. */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { asked } from "./asked.ts"
import { type Case, Wire } from "./model.ts"
import { answering, enqueue, equal, fact, mark, refusal, request, runTurn, startThread, told } from "./story.ts"

const collaborationMode = (
  mode: Sent.ModeKind,
  { effort = null, instructions = null }: { readonly effort?: string | null; readonly instructions?: string | null } =
    {}
): Sent.CollaborationMode => ({
  mode,
  settings: { model: "scripted-model", reasoning_effort: effort, developer_instructions: instructions }
})

const planning = { collaborationMode: collaborationMode("plan") }

/** The heads of what the model was told of modes in its last request. */
const modes = Effect.map(
  asked,
  ({ input }) =>
    [...JSON.stringify(input).matchAll(/"text":"<collaboration_mode>(.*?)(?:\\n|<)/g)].map(([, head]) => head)
)

/** Params of notifications since a mark, in order. */
const since = Effect.fnUntraced(function*(start: number, ...methods: ReadonlyArray<string>) {
  const { frames } = yield* Wire
  return (yield* frames).slice(start).flatMap(({ message: { method, params } }) =>
    Predicate.isString(method) && methods.includes(method) && Predicate.isObject(params) ? [{ method, params }] : []
  )
})

export const cases: ReadonlyArray<Case> = [
  fact(
    "plan: the mode holds until another is sent, and is told with the settings",
    Effect.gen(function*() {
      const threadId = yield* startThread({ config: { model_reasoning_effort: "high" } })
      const tell = Effect.fnUntraced(function*(more?: Partial<Sent.TurnStartParams>) {
        const start = yield* mark
        yield* enqueue("done")
        yield* runTurn(threadId, "go", more)
        const updated = yield* since(start, "thread/settings/updated")
        const changes = updated.map(({ params }) => {
          const { collaborationMode: mode, effort } = Object(params["threadSettings"])
          return [mode.mode, mode.settings.reasoning_effort, effort]
        })
        return { changes, modes: yield* modes }
      })
      const plan = "# Plan Mode (Conversational)"
      const act = "# Collaboration Mode: Default"
      yield* equal("none", yield* tell(), { changes: [], modes: [] })
      yield* equal("plan", yield* tell(planning), { changes: [["plan", null, null]], modes: [plan] })
      yield* equal("and on", yield* tell({ effort: "low" }), { changes: [["plan", "low", "low"]], modes: [plan] })
      const own = collaborationMode("plan", { effort: "low", instructions: "Mine." })
      yield* equal("own words", yield* tell({ collaborationMode: own }), {
        changes: [["plan", "low", "low"]],
        modes: [plan, "Mine."]
      })
      const { collaborationMode: held } = yield* request("thread/resume", { threadId, excludeTurns: true })
      yield* equal("resumed", held, own)
      const acting = { collaborationMode: collaborationMode("default") }
      yield* equal("default", yield* tell(acting), {
        changes: [["default", null, null]],
        modes: [plan, "Mine.", act]
      })
      yield* equal("the same", yield* tell(acting), { changes: [], modes: [plan, "Mine.", act] })
    })
  ),

  fact(
    "plan: what stands between the tags is an item of its own",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      const items = Effect.fnUntraced(function*(answer: ScriptedModel.Answer, more: Partial<Sent.TurnStartParams>) {
        const start = yield* mark
        yield* enqueue(answer)
        yield* runTurn(threadId, "go", more)
        const said = yield* since(
          start,
          "item/started",
          "item/completed",
          "item/plan/delta",
          "item/agentMessage/delta"
        )
        return said.flatMap(({ method, params: { delta, item } }) => {
          if (delta !== undefined) return `${method} ${JSON.stringify(delta)}`
          const { text, type } = Object(item)
          return type === "userMessage" ? [] : `${method} ${type} ${JSON.stringify(text)}`
        })
      })
      yield* equal(
        "amid a message",
        yield* items(
          ScriptedModel.text(["I", " say\n<prop", "osed_plan>\n# P", "lan\n- <a>\n</pro", "posed_plan>\n", "Bye"]),
          planning
        ),
        [
          "item/started agentMessage \"\"",
          "item/agentMessage/delta \"I\"",
          "item/agentMessage/delta \" say\\n\"",
          "item/started plan \"\"",
          "item/plan/delta \"# P\"",
          "item/plan/delta \"lan\\n- <a>\\n\"",
          "item/agentMessage/delta \"Bye\"",
          "item/completed plan \"# Plan\\n- <a>\\n\"",
          "item/completed agentMessage \"I say\\nBye\""
        ]
      )
      yield* equal("alone", yield* items("\n  <proposed_plan> \nx\n</proposed_plan>", planning), [
        "item/started plan \"\"",
        "item/plan/delta \"x\\n\"",
        "item/completed plan \"x\\n\""
      ])
      const twice = "<proposed_plan>\none\n</proposed_plan>\n\n<proposed_plan>\ntwo"
      yield* equal("twice, and not closed", yield* items(twice, planning), [
        "item/started plan \"\"",
        "item/plan/delta \"one\\n\"",
        "item/plan/delta \"two\"",
        "item/completed plan \"two\""
      ])
      yield* equal("in no line of their own", yield* items("a <proposed_plan>\nb", planning), [
        "item/started agentMessage \"\"",
        "item/agentMessage/delta \"a <proposed_plan>\\nb\"",
        "item/completed agentMessage \"a <proposed_plan>\\nb\""
      ])
      const text = "<proposed_plan>\nx\n</proposed_plan>"
      yield* equal(
        "not in plan mode",
        yield* items(text, { collaborationMode: collaborationMode("default") }),
        ["item/started agentMessage \"\"", "item/agentMessage/delta ", "item/completed agentMessage "].map((line) =>
          line.endsWith("\"") ? line : `${line}${JSON.stringify(text)}`
        )
      )
    })
  ),

  fact(
    "plan: the agent asks, and needs the answer",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      const asking: Array<unknown> = []
      yield* answering({
        "item/tool/requestUserInput": ({ params }) => {
          asking.push(params.isBlocking)
          return Effect.succeed({ answers: { a: { answers: ["Blue"] } } })
        }
      })
      const ask = ScriptedModel.functionCall("request_user_input", {
        questions: [{ id: "a", header: "A", question: "Which?", options: [{ label: "Blue", description: "cold" }] }]
      })
      yield* enqueue(ask, "done", ask, "done")
      yield* runTurn(threadId)
      yield* equal("in the default mode", [asking, yield* told], [
        [],
        ["request_user_input is unavailable in Default mode"]
      ])
      yield* runTurn(threadId, "go", planning)
      yield* equal("in plan mode", [asking, yield* told], [[true], ["{\"answers\":{\"a\":{\"answers\":[\"Blue\"]}}}"]])
    })
  ),

  fact(
    "plan: an approved one is in the context of what follows",
    Effect.gen(function*() {
      const threadId = yield* startThread({ developerInstructions: "Be brief." })
      const prepare = (markdown: string, id = threadId) =>
        request("thread/prepareApprovedPlan", { threadId: id, markdown })
      yield* equal("the prompt", yield* prepare("# Plan"), { prompt: "Implement the plan." })
      const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"
      yield* equal("refused", [
        yield* refusal(prepare("")),
        yield* refusal(prepare(" \n")),
        yield* refusal(prepare("x", unknown)),
        yield* refusal(prepare("x".repeat(1_048_577)))
      ], [
        "-32600 The approved plan is empty.",
        "-32600 The approved plan is empty.",
        `-32600 thread not found: ${unknown}`,
        "-32602 Input exceeds the maximum length of 1048576 characters."
      ])
      yield* equal("not stored yet", (yield* request("thread/list", {})).data.some(({ id }) => id === threadId), false)
      yield* enqueue("done")
      yield* runTurn(threadId, "Implement the plan.")
      const { input } = yield* asked
      const kinds = input.flatMap(({ name, output, type }) => type === "function_call_output" ? [[name, output]] : [])
      yield* equal("the context", kinds, [["proposed_plan", "# Plan"]])
      const at = (text: string) => input.findIndex((item) => JSON.stringify(item).includes(text))
      yield* equal("its place", at("Be brief.") < at("# Plan") && at("# Plan") < at("Implement the plan."), true)
    })
  )
]
