/** Cases about what a turn carries beside its message, changes of a running turn, and granular approvals. */
import * as Codex from "@effect-codex/client/Codex"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ScriptedModel from "../../ScriptedModel.ts"
import type { Case } from "./model.ts"
import {
  check,
  ended,
  enqueue,
  equal,
  fact,
  refusal,
  request,
  runTurn,
  startThread,
  startTurn,
  text,
  told
} from "./story.ts"

const requests = Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)

/** codex knows these models. It changes only between models that it knows. */
const [one, another] = ["gpt-5.5", "gpt-5.6-sol"] as const

const switching = { model: one, config: { "features.step_model_switching": true } }

const update = (threadId: string, turnId: string, settings: { readonly model?: string; readonly effort?: string }) =>
  request("turn/settings/update", { threadId, turnId, ...settings })

/** The items of the last request that are context. */
const context = Effect.map(requests, (all) =>
  (all.at(-1)?.input ?? []).flatMap((item) => {
    if (item["namespace"] === "agent") return [`${String(item["name"])} returned ${String(item["output"])}`]
    const text = /<clock>.*<\/clock>/.exec(JSON.stringify(item))?.[0]
    return text === undefined ? [] : [`${String(item["role"])}: ${text}`]
  }))

const clock = (value: string) => ({ additionalContext: { clock: { kind: "application", value } } } as const)

const granular = {
  sandbox_approval: false,
  rules: false,
  skill_approval: false,
  request_permissions: false,
  mcp_elicitations: false
}

export const cases: ReadonlyArray<Case> = [
  fact(
    "turn settings: change with the next call of the model, and not those of the thread",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([gate, "never"], "done", "again")
      const threadId = yield* startThread(switching)
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      const { status } = yield* update(threadId, turnId, { model: another })
      // Makes codex ask the model again.
      yield* request("turn/steer", { threadId, expectedTurnId: turnId, input: text("more") })
      yield* gate.release
      yield* ended(turnId)
      yield* runTurn(threadId)
      yield* equal("the reply", status, "applied")
      yield* equal("the models", (yield* requests).slice(-3).map(({ model }) => model), [one, another, one])
    })
  ),

  fact(
    "turn settings: are refused without the feature, for an unknown model, and for a turn that does not run",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([gate, "never"])
      const without = yield* startThread({ model: one })
      const refused = yield* refusal(update(without, "none", { effort: "high" }))
      const threadId = yield* startThread(switching)
      const turnId = yield* startTurn(threadId)
      yield* gate.reached
      const unknown = yield* refusal(update(threadId, turnId, { model: "no-such-model" }))
      yield* gate.release
      yield* ended(turnId)
      const over = yield* update(threadId, turnId, { effort: "high" })
      yield* equal("the refusals", [refused, unknown, over.status], [
        "-32600 turn settings updates require the step_model_switching feature",
        "-32600 the destination model has only fallback metadata",
        "targetUnavailable"
      ])
    })
  ),

  fact(
    "turn: additional context comes before the message, and again only when it has changed",
    Effect.gen(function*() {
      yield* enqueue("one", "two", "three", "four", "five")
      const threadId = yield* startThread()
      yield* runTurn(threadId, "go", {
        additionalContext: {
          "the page!": { kind: "untrusted", value: "Welcome." },
          clock: { kind: "application", value: "noon" },
          x: { kind: "untrusted", value: "x", name: "named" }
        }
      })
      const first = ["developer: <clock>noon</clock>", "the_page returned Welcome.", "named returned x"]
      yield* equal("at first", yield* context, first)
      yield* runTurn(threadId, "go", clock("noon"))
      yield* equal("unchanged", yield* context, first)
      yield* runTurn(threadId, "go", clock("one"))
      yield* runTurn(threadId)
      yield* runTurn(threadId, "go", clock("one"))
      const changed = "developer: <clock>one</clock>"
      yield* equal("changed, and after a turn without", yield* context, [...first, changed, changed])
    })
  ),

  fact(
    "client: what a handle steers with reaches the model, and its id finds the turn",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue([gate, "never"], "done")
      const thread = yield* (yield* Codex.Codex).startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      yield* turn.steer("more", { ...clock("noon"), messageId: "news", metadata: { trace: "abc" } })
      yield* gate.release
      yield* turn.result
      yield* equal("the context", yield* context, ["developer: <clock>noon</clock>"])
      const headers = (yield* requests).slice(-2).map(({ headers }) => headers["x-codex-turn-metadata"] ?? "")
      yield* equal("the metadata", headers.map((header) => header.includes("\"trace\":\"abc\"")), [false, true])
      const found = yield* thread.findTurn("news")
      yield* equal("the turn", Option.getOrNull(Option.map(found, ({ id }) => id)), turn.id)
    })
  ),

  fact(
    "turn: metadata goes to the provider with the requests of its turn alone",
    Effect.gen(function*() {
      yield* enqueue("one", "two")
      const threadId = yield* startThread()
      yield* runTurn(threadId, "go", { responsesapiClientMetadata: { trace: "abc", thread_id: "another" } })
      yield* runTurn(threadId)
      const headers = (yield* requests).slice(-2).map(({ headers }) => headers["x-codex-turn-metadata"] ?? "")
      yield* equal("the entry", headers.map((header) => header.includes("\"trace\":\"abc\"")), [true, false])
      yield* check("codex's own name", headers.every((header) => header.includes(`"thread_id":"${threadId}"`)))
    })
  ),

  fact(
    "approval: a granular policy refuses what it does not ask about",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.functionCall("exec_command", {
          cmd: "true",
          sandbox_permissions: "require_escalated",
          justification: "needed"
        }),
        "done"
      )
      const threadId = yield* startThread({ approvalPolicy: { granular } })
      yield* runTurn(threadId)
      const policy =
        "Granular(GranularApprovalConfig { sandbox_approval: false, rules: false, skill_approval: false, " +
        "request_permissions: false, mcp_elicitations: false })"
      yield* equal("what the model is told", yield* told, [
        `approval policy is ${policy}; reject command — you cannot ask for escalated permissions if the approval ` +
        `policy is ${policy}`
      ])
    })
  )
]
