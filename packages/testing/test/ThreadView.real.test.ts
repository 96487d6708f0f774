/** One session of the real codex, seen live, as the server stores it, in a cassette and in codex's own files. */
import {
  ApprovalMode,
  Approvals,
  AppServerRpc,
  Codex,
  DynamicTools,
  McpServer,
  type Received,
  Sandbox,
  ThreadView
} from "@effect-codex/client"
import { Cassette, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Option, Schema, Stream } from "effect"
import { basename, join } from "node:path"

const { exec, functionCall, reasoning, reply, spawnAgent, text, waitAgents } = ScriptedModel

const patch = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.txt\n+hello\n+there\n*** End Patch\nEOF"
const change =
  "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: old.txt\n*** Move to: new name.txt\n@@\n-one\n+1\n two\n" +
  "*** Delete File: gone.txt\n*** End Patch\nEOF"
const mcpServer = join(import.meta.dirname, "..", "..", "test-support", "src", "mcpServer.ts")
const plan = [{ step: "look", status: "completed" }, { step: "write", status: "in_progress" }]

const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const answers: { readonly [prompt: string]: ReadonlyArray<ScriptedModel.Answer> } = {
    "Do it.": [
      reply([reasoning("I look."), text("Looking.", { phase: "commentary" }), exec("echo hello; exit 3")], {
        usage: { input: 100, output: 10 }
      }),
      reply([functionCall("update_plan", { plan, explanation: "because" })], { usage: { input: 110, output: 10 } }),
      reply([exec(patch)], { usage: { input: 120, output: 10 } }),
      reply([text(["Do", "ne."], { phase: "final_answer" })], { usage: { input: 130, output: 10 } })
    ],
    "Let somebody count.": [
      reply([spawnAgent("child")], { usage: { input: 140, output: 1 } }),
      reply([waitAgents(request)], { usage: { input: 150, output: 2 } }),
      reply(["All done."], { usage: { input: 160, output: 3 } })
    ],
    child: [reply(["42"], { usage: { input: 5, output: 1 } })],
    "Fail.": [ScriptedModel.failed("context_length_exceeded", "too long")]
  }
  return answers[request.prompt]?.[request.toolOutputs.length] ?? "?"
}

/** The view when so many turns have ended. */
const watch = (threadId: string, turns: number) =>
  ThreadView.changes(threadId).pipe(
    Stream.takeUntil(({ turns: seen }) => seen.length === turns && seen.at(-1)?.endedAt !== undefined),
    Stream.runLast,
    Effect.map(Option.getOrThrow),
    Effect.forkScoped({ startImmediately: true })
  )

/** Everything that a session is seen in. */
const session = Effect.fnUntraced(function*() {
  const codex = yield* Codex.Codex
  const rpc = yield* AppServerRpc.AppServerRpc
  const fs = yield* FileSystem.FileSystem
  const thread = yield* codex.startThread({
    approvalMode: ApprovalMode.untrusted,
    sandbox: Sandbox.workspaceWrite,
    config: { tools: { update_plan: { enabled: true } } },
    handlers: yield* Approvals.make({
      command: () => Effect.succeed("accept" as const),
      fileChange: () => Effect.succeed("accept" as const)
    })
  })
  const watching = yield* watch(thread.id, 3)
  yield* thread.run("Do it.")
  yield* thread.run("Let somebody count.")
  yield* Effect.flip(thread.run("Fail."))
  const read = (threadId: string): Effect.Effect<Received.Thread, unknown> =>
    Effect.map(rpc.request("thread/read", { threadId, includeTurns: true }), ({ thread }) => thread)
  const live = yield* Fiber.join(watching)
  const root = yield* read(thread.id)
  const child = yield* read(live.subagents.at(0)?.threadId ?? "")
  const rollout = yield* ThreadView.rollout
  const files = yield* Effect.forEach([root, child], ({ path }) => fs.readFileString(path ?? ""))
  return {
    live,
    read: ThreadView.applyAll(
      ThreadView.empty,
      [root, child].map((thread) => ({ event: { _tag: "StoredThread", thread }, at: undefined }))
    ),
    rollout: ThreadView.applyAll(
      ThreadView.empty,
      files.flatMap((text) => [...rollout(text.split("\n"))])
    )
  }
})

const agents = (view: ThreadView.ThreadView): ReadonlyArray<ThreadView.AgentView> => [view, ...view.subagents]

/** What all of them know, to the ids and the milliseconds. What was abandoned is known only live. */
const known = (view: ThreadView.ThreadView) =>
  agents(view).map((agent) => ({
    threadId: agent.threadId,
    turns: [...agent.turns].map(({ durationMs, endedAt, error, id, items, rootTurnId, startedAt, status }) => ({
      id,
      rootTurnId,
      status,
      startedAt,
      endedAt,
      durationMs,
      error: error && [error.message, error.reason, error.advice],
      items: [...items].flatMap(({ endedAt, files, id, item, startedAt, state }) => {
        const { completedAtMs: _, startedAtMs: __, ...rest } = item
        return state === "abandoned" ? [] : [{ id, state, startedAt, endedAt, files, item: rest }]
      })
    }))
  }))

const family = (view: ThreadView.ThreadView) =>
  [...view.subagents].map(({ agentMessage, agentStatus, parentThreadId, prompt }) => ({
    parentThreadId,
    prompt,
    agentStatus,
    agentMessage
  }))

/** What is seen live and in codex's files, but not stored by the server. */
const spent = (view: ThreadView.ThreadView) =>
  agents(view).map(({ contextLeft, model, turns, usage }) => ({
    model,
    usage,
    contextLeft,
    turns: [...turns].map(({ calls, model, plan, usage }) => ({
      model,
      plan,
      usage,
      calls: [...calls].map(({ model, usage }) => [model, usage])
    }))
  }))

/** A cassette also has what concerns all threads, which no thread's events have. */
const ofConnection: ReadonlySet<string> = new Set(["configWarning", "deprecationNotice"])

/** Of a recording, without ids, times and folders: it replaces them. */
const told = (view: ThreadView.ThreadView) => ({
  spent: spent(view),
  prompts: [...view.subagents].map(({ agentMessage, agentStatus, prompt }) => [prompt, agentStatus, agentMessage]),
  agents: agents(view).map(({ asks, notices, turns, waiting }) => ({
    asks: [...asks].map(({ answer, by, kind, state }) => [kind, state, by, answer]),
    waiting,
    notices: [...notices].flatMap(({ kind, method }) => ofConnection.has(method) ? [] : [[kind, method]]),
    turns: [...turns].map(({ error, errors, items, status }) => ({
      status,
      error: error?.reason,
      errors: [...errors].map(({ reason, willRetry }) => [reason, willRetry]),
      items: [...items].map(({ files, item, state }) => [
        item.type,
        state,
        files.map(({ added, path, removed }) => [basename(path), added, removed]),
        item.type === "agentMessage" || item.type === "plan" ? item.text : undefined,
        item.type === "commandExecution" ? [item.command, item.aggregatedOutput, item.exitCode] : undefined
      ])
    }))
  }))
})

const spans = (view: ThreadView.ThreadView) => ThreadView.timeline(view).map(({ kind, label }) => [kind, label])

describe("a view", () => {
  it.live("of a session is the same live, from the store, from a cassette and from codex's files", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = join(yield* fs.makeTempDirectoryScoped(), "session.jsonl")
      const server = ScriptedCodex.layerTransport({ model: { answer } })
      const { live, read, rollout } = yield* session().pipe(
        Effect.scoped,
        Effect.provide(Cassette.layer(path, { mode: "record", server: Layer.orDie(server) }))
      )
      const recorded = yield* Cassette.read(path)
      const [threadId = ""] = Cassette.threadIds(recorded)
      const replayed = ThreadView.applyAll(ThreadView.make(threadId), yield* Cassette.events(recorded))

      assert.deepStrictEqual(
        agents(live).map(({ turns }) => [...turns].map(({ items }) => [...items].map(({ item }) => item.type))),
        [
          [
            ["userMessage", "reasoning", "agentMessage", "commandExecution", "fileChange", "agentMessage"],
            ["userMessage", "collabAgentToolCall", "collabAgentToolCall", "agentMessage"],
            ["userMessage"]
          ],
          [["userMessage", "agentMessage"]]
        ]
      )
      assert.deepStrictEqual(known(read), known(live))
      assert.deepStrictEqual(known(rollout), known(live))
      assert.deepStrictEqual(family(read), family(live))
      assert.deepStrictEqual(family(rollout), family(live))
      assert.deepStrictEqual(spent(rollout), spent(live))
      assert.deepStrictEqual(told(replayed), told(live))

      // The times of a cassette count from its beginning, and tell as much as those that were seen live.
      assert.deepStrictEqual(
        [...spans(replayed)].sort().map(([kind]) => kind),
        [...spans(live)].sort().map(([kind]) => kind)
      )
      const [first] = ThreadView.timeline(replayed)
      assert.isBelow(first?.startedAt ?? Infinity, 60_000)
      assert.deepStrictEqual(
        [...live.asks].map(({ answer, by, kind, state }) => [kind, state, by, answer]),
        [
          ["command", "answered", "client", { result: { decision: "accept" } }],
          ["fileChange", "answered", "client", { result: { decision: "accept" } }]
        ]
      )
      assert.strictEqual(ThreadView.tokens(live)?.totalTokens, 110 + 120 + 130 + 140 + 141 + 152 + 163 + 6)
      assert.deepStrictEqual(
        ThreadView.cost(live, (_, { totalTokens }) => Option.some(totalTokens)),
        Option.some(110 + 120 + 130 + 140 + 141 + 152 + 163 + 6)
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("of other kinds of items is the same live, from the store and from codex's files", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const search = { type: "search", query: "effect" }
      const others: { readonly [prompt: string]: ReadonlyArray<ScriptedModel.Answer> } = {
        "Write.": [exec("printf 'one\\ntwo\\n' > old.txt; printf 'x' > gone.txt"), "Written."],
        "Change.": [exec(change), "Changed."],
        "Call.": [
          functionCall("weather", { town: "Linz" }),
          functionCall("heard", {}, { namespace: "mcp__mine" }),
          functionCall("change", { to: 1 }, { namespace: "mcp__mine" }),
          "Called."
        ],
        "Search.": [
          [ScriptedModel.item({ type: "web_search_call", id: "ws_1", status: "completed", action: search }), "Found."]
        ],
        "Plan.": ["<proposed_plan>\nPaint it.\n</proposed_plan>"],
        "Count.": [text(["1 ", gate, "2"])]
      }
      yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const rpc = yield* AppServerRpc.AppServerRpc
        const fs = yield* FileSystem.FileSystem
        const weather = DynamicTools.tool("weather", {
          description: "The weather in a town.",
          input: Schema.Struct({ town: Schema.String }),
          output: Schema.Struct({ celsius: Schema.Number }),
          handler: () => Effect.succeed({ celsius: 20 })
        })
        const thread = yield* codex.startThread({
          sandbox: Sandbox.workspaceWrite,
          tools: yield* DynamicTools.make(weather),
          mcpServers: { mine: McpServer.stdio({ command: process.execPath, args: [mcpServer], required: true }) },
          handlers: Approvals.acceptAll,
          approvalMode: ApprovalMode.untrusted
        })
        const watching = yield* watch(thread.id, 7)
        yield* thread.run("Write.")
        yield* thread.run("Change.")
        yield* thread.run("Call.")
        yield* thread.run("Search.")
        yield* thread.run("Plan.", { mode: "plan" })
        yield* (yield* thread.compact()).result
        const turn = yield* thread.turn("Count.")
        yield* gate.reached
        yield* turn.interrupt
        yield* turn.result
        const live = yield* Fiber.join(watching)
        const { thread: stored } = yield* rpc.request("thread/read", { threadId: thread.id, includeTurns: true })
        const rollout = yield* ThreadView.rollout
        const text = yield* fs.readFileString(stored.path ?? "")
        const read = ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread: stored })
        const kept = ThreadView.applyAll(ThreadView.empty, rollout(text.split("\n")))
        assert.deepStrictEqual(
          [...live.turns].flatMap(({ items }) => [...items].map(({ item }) => item.type)).filter((type) =>
            type !== "userMessage" && type !== "agentMessage"
          ),
          [
            "commandExecution",
            "fileChange",
            "dynamicToolCall",
            "mcpToolCall",
            "mcpToolCall",
            "webSearch",
            "plan",
            "contextCompaction"
          ]
        )
        assert.strictEqual(live.turns.at(-1)?.status, "interrupted")
        assert.deepStrictEqual([...live.asks].map(({ kind }) => kind), ["command", "fileChange", "mcpTool"])
        assert.deepStrictEqual(known(read), known(live))
        assert.deepStrictEqual(known(kept), known(live))
      }).pipe(
        Effect.scoped,
        Effect.provide(ScriptedCodex.layer({
          model: {
            answer: (request) => others[request.prompt]?.[request.toolOutputs.length] ?? "Summary."
          }
        }))
      )
    }).pipe(Effect.provide(NodeServices.layer)))
})
