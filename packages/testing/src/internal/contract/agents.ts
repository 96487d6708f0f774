/** Cases about subagents. Their frames and those of their turn come in no fixed order, so none of them is a story. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, Wire } from "./model.ts"
import { check, ended, enqueue, equal, fact, mark, refusal, request, startThread, startTurn } from "./story.ts"

const { agentIds, spawnAgent, waitAgents } = ScriptedModel

const agents = (name: string, args: ScriptedModel.JsonObject) =>
  ScriptedModel.functionCall(name, args, { namespace: "multi_agent_v1" })

/** Answers so many requests. The prompts tell which agent asks. */
const playing = (times: number, answer: (request: ScriptedModel.ModelRequest) => ScriptedModel.Answer) =>
  enqueue(...Array.from({ length: times }, () => answer))

/** The params of the notifications of a method, in their order. */
const told = (method: string, since: number) =>
  Effect.map(
    Effect.flatMap(Wire, (wire) => wire.frames),
    (frames) =>
      frames.slice(since).flatMap(({ from, message }) =>
        from === "server" && message["method"] === method ? [message["params"]] : []
      )
  )

const at = (u: unknown, ...keys: ReadonlyArray<string>): unknown =>
  keys.reduce<unknown>((u, key) => Predicate.hasProperty(u, key) ? u[key] : undefined, u)

const call = (item: Received.ThreadItem, names: ReadonlyMap<string, string>): unknown => {
  if (item.type !== "collabAgentToolCall") return item.type
  const named = (id: string) => names.get(id) ?? id
  return {
    tool: item.tool,
    status: item.status,
    prompt: item.prompt,
    model: item.model,
    from: named(item.senderThreadId),
    to: item.receiverThreadIds.map(named),
    states: Object.entries(item.agentsStates).map(([id, state]) => [named(id), state?.status, state?.message])
  }
}

/** The items of a thread, with the names of agents in place of their ids. */
const itemsOf = (threadId: string, names: ReadonlyMap<string, string>) =>
  Effect.map(
    request("thread/items/list", { threadId, sortDirection: "asc" }),
    ({ data }) => data.map((entry) => "raw" in entry ? entry : call(entry.item, names))
  )

/** The threads below this one, by their task. */
const below = (threadId: string) =>
  Effect.map(
    request("thread/list", { ancestorThreadId: threadId }),
    ({ data }) => new Map(data.flatMap((thread) => "raw" in thread ? [] : [[thread.preview, thread] as const]))
  )

export const cases: ReadonlyArray<Case> = [
  fact(
    "agents: a turn starts one, waits for it, and sends it more input",
    Effect.gen(function*() {
      const since = yield* mark
      yield* playing(7, (request) => {
        if (request.prompt === "look") return "I looked."
        if (request.prompt === "again") return "Still there."
        switch (request.toolOutputs.length) {
          case 0:
            return spawnAgent("look", { args: { agent_type: "explorer" } })
          case 1:
          case 3:
            return waitAgents(request)
          case 2:
            return agents("send_input", { target: agentIds(request)[0] ?? "", message: "again" })
          default:
            return "done"
        }
      })
      const threadId = yield* startThread()
      const turnId = yield* startTurn(threadId)
      yield* ended(turnId)
      const [agent] = (yield* below(threadId)).values()
      const names = new Map([[threadId, "root"], [agent?.id ?? "", "agent"]])
      const done = (tool: string, prompt: string | null, message: string) => ({
        tool,
        status: "completed",
        prompt,
        model: null,
        from: "root",
        to: ["agent"],
        states: states(message)
      })
      const states = (message: string) => [["agent", "completed", message]]
      yield* equal("the items of the turn", yield* itemsOf(threadId, names), [
        "userMessage",
        {
          tool: "spawnAgent",
          status: "completed",
          prompt: "look",
          model: "scripted-model",
          from: "root",
          to: ["agent"],
          states: [["agent", "pendingInit", null]]
        },
        done("wait", null, "I looked."),
        done("sendInput", "again", "I looked."),
        done("wait", null, "Still there."),
        "agentMessage"
      ])
      const started = (yield* told("turn/started", since)).map((params) => [
        names.get(String(at(params, "threadId"))),
        at(params, "turn", "rootTurnId") === turnId
      ])
      yield* equal("the turns", started, [["root", true], ["agent", true], ["agent", true]])
      yield* equal(
        "the threads that are told to have started",
        (yield* told("thread/started", since)).map((params) => at(params, "thread", "id") === threadId),
        [true]
      )
      yield* equal("the items of the agent", yield* itemsOf(agent?.id ?? "", names), [
        "userMessage",
        "agentMessage",
        "userMessage",
        "agentMessage"
      ])
      const { thread } = yield* request("thread/read", { threadId: agent?.id ?? "" })
      yield* equal(
        "the thread of the agent",
        [thread.parentThreadId === threadId, thread.agentRole, thread.threadSource, thread.status.type],
        [true, "explorer", "subagent", "idle"]
      )
      yield* check("it has a nickname", thread.agentNickname !== null)
      const spawn = at(thread.source, "subAgent", "thread_spawn")
      yield* equal(
        "its source",
        [
          at(spawn, "parent_thread_id") === threadId,
          at(spawn, "depth"),
          at(spawn, "agent_role"),
          at(spawn, "agent_path")
        ],
        [true, 1, "explorer", null]
      )
      const { data } = yield* request("thread/list", {})
      yield* check(
        "it is not listed unless asked for",
        !data.some((thread) => "raw" in thread || thread.id === agent?.id)
      )
    })
  ),

  fact(
    "agents: one starts others as deep as the configuration allows",
    Effect.gen(function*() {
      let offered: boolean | undefined
      yield* playing(8, (request) => {
        if (request.prompt === "deeper") {
          offered = request.tools.some((tool) => tool["name"] === "multi_agent_v1")
          return request.toolOutputs.length === 0 ? spawnAgent("too deep") : request.toolOutputs[0]?.output ?? ""
        }
        const task = request.prompt === "deep" ? "deeper" : "deep"
        if (request.toolOutputs.length === 0) return spawnAgent(task)
        return request.toolOutputs.length === 1 ? waitAgents(request) : "done"
      })
      const threadId = yield* startThread({ config: { "agents.max_depth": 2 } })
      yield* ended(yield* startTurn(threadId))
      const found = yield* below(threadId)
      yield* equal("the agents", [...found.keys()].sort(), ["deep", "deeper"])
      yield* equal("the parent of the deeper", found.get("deeper")?.parentThreadId, found.get("deep")?.id)
      const items = yield* request("thread/items/list", { threadId: found.get("deeper")?.id ?? "" })
      const texts = items.data.flatMap((entry) =>
        "raw" in entry || entry.item.type !== "agentMessage" ? [] : [entry.item.text]
      )
      yield* equal("what the deepest is told", [offered, texts], [
        false,
        ["unsupported call: multi_agent_v1spawn_agent"]
      ])
      const { data } = yield* request("thread/list", { parentThreadId: threadId })
      yield* equal("the agents of the turn itself", data.map((thread) => "raw" in thread ? thread : thread.preview), [
        "deep"
      ])
    })
  ),

  fact(
    "agents: one goes on when its turn has ended, and is interrupted by itself",
    Effect.gen(function*() {
      const held = yield* ScriptedModel.gate
      const since = yield* mark
      yield* playing(3, (request) => {
        if (request.prompt === "look") return ScriptedModel.text(["I ", held, "looked."])
        return request.toolOutputs.length === 0 ? spawnAgent("look") : "done"
      })
      const threadId = yield* startThread()
      yield* ended(yield* startTurn(threadId))
      yield* held.reached
      const agent = (yield* below(threadId)).get("look")
      yield* equal("the agent", agent?.status.type, "active")
      const of = { threadId: agent?.id ?? "", turnId: "" }
      yield* request("turn/interrupt", of)
      const started = (yield* told("turn/started", since)).find((params) => at(params, "threadId") === agent?.id)
      yield* ended(String(at(started, "turn", "id")))
      const statuses = (yield* told("turn/completed", since)).map((params) => at(params, "turn", "status"))
      yield* equal("how the turns end", statuses, ["completed", "interrupted"])
      yield* request("turn/interrupt", of)
      yield* equal(
        "an interrupt by the id of its turn",
        yield* refusal(request("turn/interrupt", { ...of, turnId: String(at(started, "turn", "id")) })),
        "-32600 no active turn to interrupt"
      )
    })
  ),

  fact(
    "agents: what cannot be done with them is told to the model",
    Effect.gen(function*() {
      const unknown = "01a204a7-b198-7230-917e-fb51d9aaf8da"
      let outputs: ReadonlyArray<string> = []
      yield* playing(5, (request) => {
        outputs = request.toolOutputs.map(({ output }) => output)
        return [
          agents("wait_agent", { targets: [unknown], timeout_ms: 30_000 }),
          agents("send_input", { target: unknown, message: "look" }),
          agents("spawn_agent", {}),
          agents("wait_agent", { targets: [] })
        ][outputs.length] ?? "done"
      })
      const threadId = yield* startThread()
      yield* ended(yield* startTurn(threadId))
      yield* equal("what the model is told", outputs, [
        `{"status":{"${unknown}":"not_found"},"timed_out":false}`,
        `agent with id ${unknown} not found`,
        "Provide one of: message or items",
        "agent ids must be non-empty"
      ])
      yield* equal(
        "the items",
        (yield* itemsOf(threadId, new Map())).map((item) => [at(item, "tool"), at(item, "status")]),
        [
          [undefined, undefined],
          ["wait", "failed"],
          ["sendInput", "failed"],
          [undefined, undefined]
        ]
      )
    })
  )
]
