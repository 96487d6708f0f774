/** Cases about threads and their history. */
import * as Codex from "@effect-codex/client/Codex"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { asked, folder } from "./asked.ts"
import { type Case, Wire } from "./model.ts"
import {
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

/** Resumes a thread without a goal, which is the last that is told of it, and comes after the reply. */
const resume = Effect.fnUntraced(function*(params: Sent.ThreadResumeParams) {
  const since = yield* mark
  const reply = yield* request("thread/resume", params)
  yield* Effect.flatMap(Wire, (wire) => wire.until(({ method }) => method === "thread/goal/cleared", since))
  return reply
})

/** A thread with two turns. */
const talked = Effect.gen(function*() {
  yield* enqueue(ScriptedModel.reply(["one"], { usage: { input: 3, output: 1 } }), "two")
  const threadId = yield* startThread({ model: "a-model" })
  const first = yield* runTurn(threadId, "first")
  const second = yield* runTurn(threadId, "second")
  return { threadId, first, second }
})

const shape = (turns: ReadonlyArray<{ readonly items?: ReadonlyArray<{ readonly type: string }> | undefined }>) =>
  turns.map(({ items }) => items?.map(({ type }) => type).join("+"))

const hitsOf = (reply: { readonly data?: unknown }): ReadonlyArray<ReadonlyArray<unknown>> =>
  (Array.isArray(reply.data) ? reply.data : []).map((hit: unknown) => [
    Predicate.hasProperty(hit, "thread") && Predicate.hasProperty(hit.thread, "id") ? hit.thread.id : undefined,
    Predicate.hasProperty(hit, "snippet") ? hit.snippet : undefined
  ])

/** Threads in which a word was said, each with what a search shows of it, and one that has it for a name. */
const quokkas = Effect.gen(function*() {
  // Cases share a server.
  const { data } = yield* request("thread/search", { searchTerm: "quokka" })
  for (const { thread } of data) if (thread !== undefined) yield* request("thread/delete", { threadId: thread.id })
  const old = yield* request("thread/search", { searchTerm: "quokka", archived: true })
  for (const { thread } of old.data) if (thread !== undefined) yield* request("thread/delete", { threadId: thread.id })
  const talk = Effect.fnUntraced(function*(prompt: string, answer: string) {
    yield* enqueue(answer)
    const threadId = yield* startThread()
    yield* runTurn(threadId, prompt)
    return threadId
  })
  const words = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `word${String(from + i).padStart(2, "0")}`).join(" ")
  const asked = yield* talk("Paint  a Quokka", "one")
  yield* request("thread/name/set", { threadId: yield* talk("go", "two"), name: "quokka" })
  const told = yield* talk("go on", `${words(0, 20)} the quokka ${words(20, 40)}`)
  const archived = yield* talk("a quokka of old", "three")
  yield* request("thread/archive", { threadId: archived })
  return {
    asked: [asked, "Paint a Quokka"],
    told: [told, `... 13 ${words(14, 20)} the quokka ${words(20, 33)} word ...`],
    archived: [archived, "a quokka of old"]
  }
})

export const cases: ReadonlyArray<Case> = [
  fact(
    "thread: starts with the settings of the server and those that were given",
    Effect.gen(function*() {
      const { approvalPolicy, approvalsReviewer, model, sandbox, thread } = yield* request("thread/start", {})
      yield* equal("the defaults", { approvalPolicy, approvalsReviewer, model, sandbox }, {
        approvalPolicy: "on-request",
        approvalsReviewer: "user",
        model: "scripted-model",
        sandbox: { type: "readOnly", networkAccess: false }
      })
      yield* equal("the thread", [thread.status, thread.preview, thread.name, thread.turns, thread.ephemeral], [
        { type: "idle" },
        "",
        null,
        [],
        false
      ])
      const given = yield* request("thread/start", { model: "m", sandbox: "workspace-write", approvalPolicy: "never" })
      yield* equal("what was given", [given.model, given.sandbox.type, given.approvalPolicy], [
        "m",
        "workspaceWrite",
        "never"
      ])
    })
  ),

  fact(
    "thread: a fresh one has no history, and says so",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      yield* equal("its turns", (yield* request("thread/read", { threadId })).thread.turns, [])
      yield* equal(
        "resuming",
        yield* refusal(request("thread/resume", { threadId, excludeTurns: true })),
        `-32600 no rollout found for thread id ${threadId}`
      )
      yield* equal(
        "forking",
        yield* refusal(request("thread/fork", { threadId, excludeTurns: true })),
        `-32600 no rollout found for thread id ${threadId}`
      )
      yield* equal(
        "listing turns",
        yield* refusal(request("thread/turns/list", { threadId })),
        `-32600 thread ${threadId} is not materialized yet; thread/turns/list is unavailable before first user message`
      )
      yield* equal(
        "listing items",
        yield* refusal(request("thread/items/list", { threadId })),
        "-32601 thread/items/list is not supported yet"
      )
      yield* equal(
        "reading with turns",
        yield* refusal(request("thread/read", { threadId, includeTurns: true })),
        "-32601 list_turns is not supported yet"
      )
      yield* equal(
        "listing turns after that",
        yield* refusal(request("thread/turns/list", { threadId })),
        "-32601 list_turns is not supported yet"
      )
    })
  ),

  story(
    "thread: is resumed while it is loaded, with its turns if that is asked for",
    Effect.gen(function*() {
      const { threadId } = yield* talked
      yield* resume({ threadId, excludeTurns: true })
      const { model, thread } = yield* resume({ threadId, model: "ignored" })
      yield* equal("the turns", shape(thread.turns), ["userMessage+agentMessage", "userMessage+agentMessage"])
      yield* equal("the model", model, "a-model")
    })
  ),

  fact(
    "thread: turns and items are listed page by page",
    Effect.gen(function*() {
      const { first, second, threadId } = yield* talked
      const newest = yield* request("thread/turns/list", { threadId })
      yield* equal("turns", newest.data.map(({ id }) => id), [second, first])
      yield* equal("their view", newest.data.map(({ itemsView }) => itemsView), ["summary", "summary"])
      yield* equal("their items", shape(newest.data), ["userMessage+agentMessage", "userMessage+agentMessage"])
      const page = yield* request("thread/turns/list", { threadId, limit: 1, sortDirection: "asc", itemsView: "full" })
      yield* equal("the first page", page.data.map(({ id }) => id), [first])
      const rest = yield* request("thread/turns/list", { threadId, sortDirection: "asc", cursor: page.nextCursor })
      yield* equal("the second page", [rest.data.map(({ id }) => id), rest.nextCursor], [[second], null])
      const bare = yield* request("thread/turns/list", { threadId, itemsView: "notLoaded" })
      yield* equal("without items", shape(bare.data), ["", ""])
      const items = yield* request("thread/items/list", { threadId })
      yield* equal("items", items.data.map(({ item, turnId }) => [item?.type, turnId]), [
        ["userMessage", first],
        ["agentMessage", first],
        ["userMessage", second],
        ["agentMessage", second]
      ])
      const last = yield* request("thread/items/list", { threadId, turnId: first, sortDirection: "desc" })
      yield* equal("those of a turn", last.data.map(({ item }) => item?.type), ["agentMessage", "userMessage"])
      const one = yield* request("thread/items/list", { threadId, limit: 1 })
      const others = yield* request("thread/items/list", { threadId, cursor: one.nextCursor })
      yield* equal("the pages of items", [one.data.length, others.data.length], [1, 3])
      for (
        const list of [
          request("thread/turns/list", { threadId, cursor: "bogus" }),
          request("thread/items/list", { threadId, cursor: "bogus" })
        ]
      ) yield* equal("a cursor that is none", yield* refusal(list), "-32600 invalid cursor: bogus")
    })
  ),

  fact(
    "thread: its history has everything, in short the first and the last message",
    Effect.gen(function*() {
      yield* enqueue(
        [
          ScriptedModel.reasoning("hm"),
          ScriptedModel.text("look", { phase: "commentary" }),
          ScriptedModel.exec("echo kept")
        ],
        "done"
      )
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      const { data } = yield* request("thread/turns/list", { threadId, itemsView: "full" })
      yield* equal("all", shape(data), ["userMessage+reasoning+agentMessage+commandExecution+agentMessage"])
      const summary = yield* request("thread/turns/list", { threadId })
      yield* equal("in short", shape(summary.data), ["userMessage+agentMessage"])
    })
  ),

  fact(
    "thread: its settings are changed for what follows, and told if they are others",
    Effect.gen(function*() {
      const { cwd, thread } = yield* request("thread/start", {})
      const threadId = thread.id
      const { frames } = yield* Wire
      const change = Effect.fnUntraced(function*(params: Omit<Sent.ThreadSettingsUpdateParams, "threadId">) {
        const since = yield* mark
        yield* request("thread/settings/update", { threadId, ...params })
        // Its notifications may come after the reply. This request flushes them.
        yield* request("thread/read", { threadId })
        return (yield* frames).slice(since).flatMap(({ message: { method, params } }) =>
          method === "thread/settings/updated" && Predicate.hasProperty(params, "threadSettings")
            ? [params.threadSettings]
            : []
        )
      })
      const settings = (given: { readonly [key: string]: unknown }) => ({
        disabledPluginIds: [],
        cwd,
        environments: [{ environmentId: "local", cwd, runtimeWorkspaceRoots: [cwd] }],
        approvalPolicy: "never",
        approvalsReviewer: "user",
        sandboxPolicy: { type: "readOnly", networkAccess: false },
        activePermissionProfile: { id: ":read-only", extends: null },
        model: "another-model",
        modelProvider: "scripted",
        serviceTier: null,
        effort: "high",
        summary: null,
        collaborationMode: {
          mode: "default",
          settings: { model: "another-model", reasoning_effort: "high", developer_instructions: null }
        },
        multiAgentMode: "explicitRequestOnly",
        personality: null,
        ...given
      })
      yield* equal("nothing", yield* change({}), [])
      const others = { model: "another-model", effort: "high", approvalPolicy: "never" } as const
      yield* equal("others", yield* change(others), [settings({})])
      yield* equal("the same", yield* change(others), [])
      const full = { type: "dangerFullAccess" } as const
      yield* equal("a sandbox, which is none of the profiles", yield* change({ sandboxPolicy: full }), [
        settings({ sandboxPolicy: full, activePermissionProfile: null })
      ])
      yield* enqueue("done")
      yield* runTurn(threadId)
      yield* equal("the next turn", (yield* asked).model, "another-model")
    })
  ),

  fact(
    "thread: a list is of a folder, a text, a provider or a kind",
    Effect.gen(function*() {
      const [one, other] = [yield* folder, yield* folder]
      const start = Effect.fnUntraced(function*(cwd: string, prompt: string, name?: string) {
        const threadId = yield* startThread({ cwd })
        yield* enqueue("reply")
        yield* runTurn(threadId, prompt)
        if (name !== undefined) yield* request("thread/name/set", { threadId, name })
        return threadId
      })
      const names = new Map([
        [yield* start(one, "Fix the Parser"), "a"],
        [yield* start(other, "write docs", "About parsers"), "b"],
        [yield* start(one, "parser parser", "Something else"), "c"]
      ])
      const listed = (params: Sent.ThreadListParams) =>
        Effect.map(
          request("thread/list", { cwd: [one, other], ...params }),
          ({ data }) => data.map(({ id }) => names.get(id)).join("")
        )
      yield* equal("of folders", yield* Effect.forEach([one, [other], [one, other], []], (cwd) => listed({ cwd })), [
        "ca",
        "b",
        "cba",
        ""
      ])
      const terms = ["parser", "Parser", "PARSER", "docs", "else", "reply", ""]
      yield* equal("of texts", yield* Effect.forEach(terms, (searchTerm) => listed({ searchTerm })), [
        "cb",
        "a",
        "",
        "b",
        "c",
        "",
        "cba"
      ])
      const providers = [["scripted"], ["scripted", "none"], ["none"], []]
      yield* equal(
        "of providers",
        yield* Effect.forEach(providers, (modelProviders) => listed({ modelProviders })),
        ["cba", "cba", "", "cba"]
      )
      const kinds: ReadonlyArray<ReadonlyArray<Sent.ThreadSourceKind>> = [["vscode"], ["cli"], []]
      yield* equal("of kinds", yield* Effect.forEach(kinds, (sourceKinds) => listed({ sourceKinds })), [
        "cba",
        "",
        "cba"
      ])
    })
  ),

  fact(
    "thread: a list is sorted by the beginning or the last use, either way, also page by page",
    Effect.gen(function*() {
      const cwd = yield* folder
      const ids: Array<string> = []
      for (const prompt of ["a", "b", "c"]) {
        yield* enqueue("reply")
        const threadId = yield* startThread({ cwd })
        yield* runTurn(threadId, prompt)
        ids.push(threadId)
      }
      yield* enqueue("reply")
      yield* runTurn(ids[0] ?? "", "again")
      const named = (data: ReadonlyArray<{ readonly id: string }>) =>
        data.map(({ id }) => "abc"[ids.indexOf(id)]).join("")
      const listed = (params: Sent.ThreadListParams) =>
        Effect.map(request("thread/list", { cwd, ...params }), ({ data }) => named(data))
      const both = (sortKey: Sent.ThreadSortKey) =>
        Effect.all([listed({ sortKey }), listed({ sortKey, sortDirection: "asc" })])
      yield* equal("by the beginning", yield* both("created_at"), ["cba", "abc"])
      yield* equal("by the last use", yield* both("updated_at"), ["acb", "bca"])
      yield* equal("by recency", yield* both("recency_at"), ["acb", "bca"])
      yield* equal("by itself", yield* listed({}), "cba")
      const order = { cwd, limit: 2, sortKey: "updated_at", sortDirection: "asc" } as const
      const first = yield* request("thread/list", order)
      const second = yield* request("thread/list", { ...order, cursor: first.nextCursor })
      yield* equal("the pages", [named(first.data), named(second.data), second.nextCursor], ["bc", "a", null])
    })
  ),

  fact(
    "thread: is found by what was said in it, in any case, and shown with the words around it",
    Effect.gen(function*() {
      const { archived, asked, told } = yield* quokkas
      const search = (params: Omit<Sent.ThreadSearchParams, "searchTerm">, searchTerm = "qUOKKA") =>
        Effect.map(request("thread/search", { searchTerm, ...params }), hitsOf)
      yield* equal("the hits", yield* search({}, " quokka "), [told, asked])
      yield* equal("of older ones first", yield* search({ sortDirection: "asc" }), [asked, told])
      yield* equal("of archived ones", yield* search({ archived: true }), [archived])
      yield* equal("of another kind", yield* search({ sourceKinds: ["cli"] }), [])
      yield* equal("of several words", yield* search({}, "a QUOKKA"), [asked])
      yield* equal("of what nobody said", yield* search({}, "quokka quokka"), [])
      const page = yield* request("thread/search", { searchTerm: "quokka", limit: 1 })
      yield* equal("a page", [hitsOf(page), page.nextCursor === null], [[told], false])
      yield* equal(
        "no term",
        yield* refusal(request("thread/search", { searchTerm: " " })),
        "-32600 thread/search requires a non-empty searchTerm"
      )
      yield* equal(
        "a cursor that is none",
        yield* refusal(request("thread/search", { searchTerm: "quokka", cursor: "bogus" })),
        "-32600 invalid cursor: bogus"
      )
    })
  ),

  fact(
    "thread: a search that is streamed tells some hits on its way, and all of them at the end",
    Effect.gen(function*() {
      const { asked, told } = yield* quokkas
      const since = yield* mark
      yield* equal("the hits", hitsOf(yield* request("thread/search/stream", { searchTerm: "quokka" })), [told, asked])
      const { frames } = yield* Wire
      const messages = (yield* frames).slice(since).map(({ message }) => message)
      const id = messages.find(({ method }) => method === "thread/search/stream")?.["id"]
      const partials = messages.filter(({ method }) => method === "thread/search/partial")
      // Which of them are told, if any, is not said.
      yield* equal(
        "what is told of no hit, or of another search",
        partials.filter(({ params }) =>
          !Predicate.hasProperty(params, "requestId") || params.requestId !== id ||
          !Predicate.hasProperty(params, "data") ||
          !hitsOf(params).every((hit) => [told, asked].some((other) => other.join() === hit.join()))
        ),
        []
      )
      yield* equal(
        "no term",
        yield* refusal(request("thread/search/stream", { searchTerm: " " })),
        "-32600 thread/search requires a non-empty searchTerm"
      )
      yield* equal(
        "a cursor that is none",
        yield* refusal(request("thread/search/stream", { searchTerm: "quokka", cursor: "bogus" })),
        "-32602 invalid cursor: bogus"
      )
      yield* equal(
        "a term that is too long",
        yield* refusal(request("thread/search/stream", { searchTerm: "quokka ".repeat(10_000) })),
        "-32602 thread/search/stream searchTerm exceeds 65536 UTF-8 bytes"
      )
      // It is over, and so says nothing else.
      yield* equal("ending it", yield* request("thread/search/stream/cancel", { requestId: Number(id) }), {})
    })
  ),

  fact(
    "models: are listed page by page, the default one first, and hidden ones if that is asked for",
    Effect.gen(function*() {
      const { data: [first, ...others] } = yield* request("model/list", {})
      // The list of models depends on the version.
      yield* equal(
        "the default",
        [
          first?.isDefault,
          first?.supportedReasoningEfforts?.some(({ reasoningEffort }) =>
            reasoningEffort === first.defaultReasoningEffort
          ),
          first?.inputModalities,
          others.some(({ isDefault }) => isDefault)
        ],
        [true, true, ["text", "image"], false]
      )
      const page = yield* request("model/list", { limit: 1 })
      const next = yield* request("model/list", { limit: 1, cursor: page.nextCursor })
      yield* equal("the pages", [page, next].map(({ data }) => data.map(({ id }) => id)), [
        [first?.id],
        [others[0]?.id]
      ])
      const hidden = (includeHidden: boolean) =>
        Effect.map(
          request("model/list", { includeHidden, limit: 100 }),
          ({ data }) => data.some(({ hidden }) => hidden)
        )
      yield* equal("hidden ones", [yield* hidden(false), yield* hidden(true)], [false, true])
      yield* equal(
        "a cursor that is none",
        yield* refusal(request("model/list", { cursor: "bogus" })),
        "-32600 invalid cursor: bogus"
      )
    })
  ),

  story(
    "thread: has a name, without the spaces around it",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      yield* request("thread/name/set", { threadId, name: "  My name " })
      yield* equal(
        "no name",
        yield* refusal(request("thread/name/set", { threadId, name: " " })),
        "-32600 thread name must not be empty"
      )
      const { thread } = yield* request("thread/read", { threadId, includeTurns: true })
      yield* equal("the name", [thread.name, thread.turns], ["My name", []])
    })
  ),

  story(
    "thread: a fork has the history up to a turn, and goes its own way",
    Effect.gen(function*() {
      const { first, second, threadId } = yield* talked
      const all = yield* request("thread/fork", { threadId, excludeTurns: true })
      const upTo = yield* request("thread/fork", { threadId, excludeTurns: true, lastTurnId: first })
      const before = yield* request("thread/fork", { threadId, excludeTurns: true, beforeTurnId: second })
      const turnsOf = (threadId: string) =>
        Effect.map(request("thread/turns/list", { threadId }), ({ data }) => data.length)
      yield* equal(
        "their turns",
        yield* Effect.forEach([all, upTo, before], ({ thread }) => turnsOf(thread.id)),
        [2, 1, 1]
      )
      yield* equal("the model", [all.model, all.thread.forkedFromId === threadId, all.thread.preview], [
        "scripted-model",
        true,
        "first"
      ])
      yield* enqueue("three")
      yield* runTurn(upTo.thread.id, "third")
      const { requests } = yield* ScriptedModel.ScriptedModel
      const said = (yield* requests).at(-1)?.userTexts ?? []
      yield* equal("what the model sees", said.filter((text) => /^(?:first|second|third)$/.test(text)), [
        "first",
        "third"
      ])
      yield* equal("the source", yield* turnsOf(threadId), 2)
      yield* equal(
        "no such turn",
        yield* refusal(request("thread/fork", { threadId, excludeTurns: true, lastTurnId: "nonsense" })),
        "-32600 turn not found: nonsense"
      )
      yield* equal(
        "ephemeral",
        yield* refusal(request("thread/fork", { threadId, ephemeral: true })),
        "-32600 ephemeral paginated thread/fork requires `excludeTurns: true`"
      )
    })
  ),

  fact(
    "thread: injected items are what the model sees between the instructions and the next turn",
    Effect.gen(function*() {
      const threadId = yield* startThread({ developerInstructions: "of-the-thread" })
      const said = { type: "message", role: "user", content: [{ type: "input_text", text: "was-said" }] }
      const call = { type: "function_call", call_id: "c", name: "lookup", arguments: "{}" }
      const output = { type: "function_call_output", call_id: "c", output: "found" }
      yield* equal("the answer", yield* request("thread/inject_items", { threadId, items: [said, call, output] }), {})
      yield* equal(
        "no items",
        yield* refusal(request("thread/inject_items", { threadId, items: [] })),
        "-32600 items must not be empty"
      )
      const { data } = yield* request("thread/turns/list", { threadId })
      yield* equal("its turns", data, [])
      yield* enqueue("one")
      yield* runTurn(threadId, "is-said")
      const { requests } = yield* ScriptedModel.ScriptedModel
      const { input } = (yield* requests).at(-1)!
      const kinds = input.map(({ output, role, type, ...item }) =>
        type === "message" ? `${role}: ${JSON.stringify(item["content"])}` : `${type}: ${output ?? item["name"]}`
      )
      const at = (part: string) => kinds.findIndex((kind) => kind.includes(part))
      const order = ["of-the-thread", "was-said", "function_call: lookup", "function_call_output: found", "is-said"]
        .map(at)
      yield* equal("all are there", order.filter((index) => index < 0), [])
      yield* equal("their order", order, [...order].sort((a, b) => a - b))
    })
  ),

  fact(
    "thread: a fork of a running one shows the turn as interrupted, and does not end it",
    Effect.gen(function*() {
      yield* enqueue("one")
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["wor", gate, "king"]))
      const { turn } = yield* request("turn/start", { threadId, input: text("two") })
      yield* gate.reached
      const { thread } = yield* request("thread/fork", { threadId, excludeTurns: true })
      const { data } = yield* request("thread/turns/list", { threadId: thread.id })
      yield* equal("the turns", data.map(({ status }) => status), ["interrupted", "completed"])
      yield* request("turn/interrupt", { threadId, turnId: turn.id })
      yield* ended(turn.id)
    })
  ),

  story(
    "thread: archive unloads it, and unarchive does not load it",
    Effect.gen(function*() {
      const { threadId } = yield* talked
      yield* request("thread/archive", { threadId })
      yield* equal(
        "what is refused",
        yield* Effect.all([
          refusal(request("thread/archive", { threadId })),
          refusal(request("thread/resume", { threadId, excludeTurns: true })),
          refusal(request("thread/fork", { threadId, excludeTurns: true })),
          refusal(request("thread/name/set", { threadId, name: "x" })),
          refusal(request("turn/start", { threadId, input: [] }))
        ]),
        [
          `-32600 no rollout found for thread id ${threadId}`,
          `-32600 session ${threadId} is archived. Run \`codex unarchive ${threadId}\` to unarchive it first.`,
          `-32600 session ${threadId} is archived. Run \`codex unarchive ${threadId}\` to unarchive it first.`,
          `-32600 no rollout found for thread id ${threadId}`,
          `-32600 thread not found: ${threadId}`
        ]
      )
      yield* equal("its status", (yield* request("thread/read", { threadId })).thread.status, { type: "notLoaded" })
      yield* request("thread/unarchive", { threadId })
      yield* equal(
        "unarchive again",
        yield* refusal(request("thread/unarchive", { threadId })),
        `-32600 no archived rollout found for thread id ${threadId}`
      )
      yield* equal(
        "a turn before it is resumed",
        yield* refusal(request("turn/start", { threadId, input: [] })),
        `-32600 thread not found: ${threadId}`
      )
      yield* resume({ threadId, excludeTurns: true })
      yield* enqueue("after")
      yield* runTurn(threadId, "after")
    })
  ),

  story(
    "thread: archive interrupts a running turn",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["work", gate]))
      const threadId = yield* startThread()
      const since = yield* mark
      yield* request("turn/start", { threadId, input: text("go") })
      yield* gate.reached
      yield* heard("work", since)
      yield* request("thread/archive", { threadId })
      // The notification comes after the reply.
      yield* Effect.flatMap(Wire, (wire) => wire.until(({ method }) => method === "thread/archived", since))
    })
  ),

  fact(
    "thread: is listed once it was talked to, until it is archived or deleted",
    Effect.gen(function*() {
      const fresh = yield* startThread()
      const { threadId } = yield* talked
      const listed = (archived: boolean) =>
        Effect.map(
          request("thread/list", { archived, limit: 100 }),
          ({ data }) => [fresh, threadId].map((id) => data.some((thread) => thread.id === id))
        )
      yield* equal("a fresh one is not", yield* listed(false), [false, true])
      yield* request("thread/archive", { threadId })
      yield* equal("the archived", [yield* listed(false), yield* listed(true)], [[false, false], [false, true]])
      yield* request("thread/unarchive", { threadId })
      yield* request("thread/delete", { threadId })
      yield* equal("the deleted", [yield* listed(false), yield* listed(true)], [[false, false], [false, false]])
      yield* equal(
        "reading it",
        yield* refusal(request("thread/read", { threadId })),
        `-32600 thread not loaded: ${threadId}`
      )
      yield* equal(
        "a cursor that is none",
        yield* refusal(request("thread/list", { cursor: "bogus" })),
        "-32600 invalid cursor: bogus"
      )
    })
  ),

  fact(
    "thread: is not deleted while the history of a fork needs it",
    Effect.gen(function*() {
      const { threadId } = yield* talked
      const { thread: fork } = yield* request("thread/fork", { threadId, excludeTurns: true })
      yield* equal(
        "the source",
        yield* refusal(request("thread/delete", { threadId })),
        `-32600 cannot delete thread ${threadId}: forked history still references it`
      )
      yield* request("thread/delete", { threadId: fork.id })
      yield* request("thread/delete", { threadId })
    })
  ),

  fact(
    "thread: resumed, it has lost a workspace-write and kept a full access, its model and its policy",
    Effect.gen(function*() {
      for (
        const [sandbox, type] of [["danger-full-access", "dangerFullAccess"], ["workspace-write", "readOnly"]] as const
      ) {
        yield* enqueue("ok")
        const threadId = yield* startThread({ sandbox, model: "another-model", approvalPolicy: "never" })
        yield* runTurn(threadId)
        const fork = yield* request("thread/fork", { threadId, excludeTurns: true })
        yield* equal("the fork", [fork.sandbox.type, fork.approvalPolicy, fork.model], [
          type,
          "never",
          "scripted-model"
        ])
        yield* request("thread/archive", { threadId })
        yield* request("thread/unarchive", { threadId })
        const resumed = yield* request("thread/resume", { threadId, excludeTurns: true })
        yield* equal("the resumed", [resumed.sandbox.type, resumed.approvalPolicy, resumed.model], [
          type,
          "never",
          "another-model"
        ])
      }
    })
  ),

  fact(
    "thread: loaded, it takes nothing from being resumed, and all but its roots and instructions from an update",
    Effect.gen(function*() {
      yield* enqueue("ok", "ok", "ok")
      const started = yield* request("thread/start", {
        approvalPolicy: "on-request",
        approvalsReviewer: "user",
        sandbox: "workspace-write",
        developerInstructions: "FIRST"
      })
      const threadId = started.thread.id
      yield* runTurn(threadId)
      const told = (reply: {
        readonly model: string
        readonly cwd: string
        readonly runtimeWorkspaceRoots: ReadonlyArray<string>
        readonly approvalPolicy: unknown
        readonly approvalsReviewer: string
        readonly sandbox: { readonly type: string }
        readonly activePermissionProfile: { readonly id: string } | null
        readonly serviceTier: string | null
        readonly reasoningEffort: string | null
      }) => [
        reply.model,
        reply.cwd,
        reply.runtimeWorkspaceRoots,
        reply.approvalPolicy,
        reply.approvalsReviewer,
        reply.sandbox.type,
        reply.activePermissionProfile?.id ?? null,
        reply.serviceTier,
        reply.reasoningEffort
      ]
      const resumed = (more: Partial<Sent.ThreadResumeParams> = {}) =>
        Effect.map(request("thread/resume", { threadId, excludeTurns: true, ...more }), told)
      yield* equal(
        "resumed while it is loaded",
        yield* resumed({
          approvalPolicy: "never",
          approvalsReviewer: "auto_review",
          config: { model_reasoning_effort: "high" },
          cwd: "/",
          developerInstructions: "SECOND",
          model: "another-model",
          runtimeWorkspaceRoots: ["/"],
          sandbox: "read-only",
          serviceTier: "flex"
        }),
        told(started)
      )
      yield* request("thread/settings/update", {
        threadId,
        approvalPolicy: "never",
        approvalsReviewer: "auto_review",
        cwd: "/",
        effort: "high",
        model: "another-model",
        sandboxPolicy: { type: "readOnly", networkAccess: false },
        serviceTier: "flex"
      })
      const updated = ["another-model", "/", ["/"], "never", "auto_review", "readOnly", null, "flex", "high"]
      yield* equal("updated", yield* resumed(), updated)
      yield* request("thread/settings/update", { threadId, permissions: ":workspace" })
      yield* equal("a profile", yield* resumed(), [
        ...updated.slice(0, 5),
        "workspaceWrite",
        ":workspace",
        "flex",
        "high"
      ])
      // Settings that it already has change nothing.
      yield* runTurn(threadId, "go", {
        approvalPolicy: "never",
        approvalsReviewer: "auto_review",
        permissions: ":workspace"
      })
      yield* equal("said again", yield* resumed(), [
        ...updated.slice(0, 5),
        "workspaceWrite",
        ":workspace",
        "flex",
        "high"
      ])
      const { thread: fork } = yield* request("thread/fork", {
        threadId,
        excludeTurns: true,
        developerInstructions: "SECOND"
      })
      yield* runTurn(fork.id)
      const model = yield* ScriptedModel.ScriptedModel
      const asked = JSON.stringify((yield* model.requests).at(-1)?.input)
      yield* equal("the instructions of a fork", [asked.includes("FIRST"), asked.includes("SECOND")], [true, false])
    })
  ),

  fact(
    "thread: is unsubscribed once, and heard of again when it is resumed",
    Effect.gen(function*() {
      const { threadId } = yield* talked
      yield* equal("first", yield* request("thread/unsubscribe", { threadId }), { status: "unsubscribed" })
      yield* equal("again", yield* request("thread/unsubscribe", { threadId }), { status: "notSubscribed" })
      yield* request("thread/resume", { threadId, excludeTurns: true })
      yield* enqueue("heard")
      yield* runTurn(threadId)
    })
  ),

  fact(
    "thread: is unloaded once nobody hears of it for as long as its configuration says",
    Effect.gen(function*() {
      const wire = yield* Wire
      yield* enqueue("ok")
      const threadId = yield* startThread({ config: { thread_unload_delay_secs: 0 } })
      yield* runTurn(threadId)
      const since = yield* mark
      yield* request("thread/unsubscribe", { threadId })
      const isOf = (method: string) => (message: { readonly [key: string]: unknown }) =>
        message["method"] === method && Predicate.hasProperty(message["params"], "threadId") &&
        message["params"].threadId === threadId
      // A request right after this may come before codex has released the thread.
      yield* wire.until(isOf("thread/closed"), since)
    })
  ),

  fact(
    "thread: a list has at most 100 entries a page, and 25 unless more are asked for",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      yield* enqueue(...Array.from({ length: 51 }, () => "ok"))
      for (let turn = 0; turn < 51; turn++) yield* runTurn(threadId)
      const sizes = yield* Effect.forEach([undefined, 10, 1000], (limit) =>
        Effect.map(
          request("thread/items/list", { threadId, ...limit === undefined ? {} : { limit } }),
          ({ data }) => data.length
        ))
      yield* equal("the pages", sizes, [25, 10, 100])
    })
  ),

  fact(
    "thread: works in any folder, also in one that is not there, from the working directory of the server",
    Effect.gen(function*() {
      const { cwd: base } = yield* request("thread/start", {})
      const folders = yield* Effect.forEach(
        [".", "", "none", "/nowhere/at/all"],
        (cwd) => Effect.map(request("thread/start", { cwd }), ({ cwd }) => cwd)
      )
      yield* equal("the folders", folders, [base, base, `${base}/none`, "/nowhere/at/all"])
    })
  ),

  fact(
    "thread: takes absolute folders alone to write in and as its workspace",
    Effect.gen(function*() {
      const refused = "-32600 Invalid request: AbsolutePathBuf deserialized without a base path"
      yield* equal("workspace", yield* refusal(request("thread/start", { runtimeWorkspaceRoots: ["x"] })), refused)
      const threadId = yield* startThread()
      const sandboxPolicy = {
        type: "workspaceWrite",
        writableRoots: ["x"],
        networkAccess: false,
        excludeTmpdirEnvVar: false,
        excludeSlashTmp: false
      } as const
      yield* equal("to write", yield* refusal(startTurn(threadId, "go", { sandboxPolicy })), refused)
    })
  ),

  fact(
    "thread: an ephemeral one is not stored",
    Effect.gen(function*() {
      yield* enqueue("ok")
      const threadId = yield* startThread({ ephemeral: true })
      yield* runTurn(threadId)
      const { data } = yield* request("thread/list", { limit: 100 })
      yield* equal("listed", data.some(({ id }) => id === threadId), false)
      yield* equal(
        "resuming",
        yield* refusal(request("thread/resume", { threadId, excludeTurns: true })),
        `-32600 no rollout found for thread id ${threadId}`
      )
      yield* equal(
        "deleting",
        yield* refusal(request("thread/delete", { threadId })),
        `-32600 thread is not persisted and cannot be deleted: ${threadId}`
      )
    })
  ),

  fact(
    "client: lists, reads, names, forks and archives",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("one", "two")
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      yield* thread.setName("named")
      const fork = yield* thread.fork()
      yield* fork.run("second")
      yield* equal("the name", (yield* fork.read()).name, "named")
      yield* equal("the turns of the fork", (yield* Stream.runCollect(fork.turns({ pageSize: 1 }))).length, 2)
      yield* equal("the items of the source", (yield* Stream.runCollect(thread.items({ pageSize: 1 }))).length, 2)
      const ids = new Set((yield* Stream.runCollect(codex.listThreads())).map(({ id }) => id))
      yield* equal("both are listed", [ids.has(thread.id), ids.has(fork.id)], [true, true])
      yield* fork.archive
      const refused = yield* Effect.flip(codex.resumeThread(fork.id))
      yield* equal("resuming", refused._tag === "RpcError" && refused.reason, "invalidRequest")
      const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"
      yield* equal("unknown", (yield* Effect.flip(codex.readThread(unknown)))._tag, "ThreadNotFound")
      yield* equal("not stored", (yield* Effect.flip(codex.resumeThread(unknown)))._tag, "ThreadNotPersisted")
    })
  ),

  fact(
    "thread: metadata is changed part by part, and text is found with its place in the message",
    Effect.gen(function*() {
      yield* enqueue("a Quokka")
      const { thread: { id: threadId } } = yield* request("thread/start", {})
      const search = (searchTerm: string) => request("thread/searchOccurrences", { threadId, searchTerm })
      const early = yield* refusal(search("quokka"))
      yield* equal("before the first turn", early, "-32601 thread/searchOccurrences is not supported yet")
      yield* runTurn(threadId, "a quokka, quokka")
      const { data } = yield* search("quOkka")
      yield* equal(
        "the places",
        data.map((hit) =>
          "snippet" in hit ? [hit.snippet, hit.snippetMatchRange?.start, hit.snippetMatchRange?.end] : []
        ),
        [["a quokka, quokka", 2, 8], ["a quokka, quokka", 10, 16], ["a Quokka", 2, 8]]
      )
      yield* equal(
        "an empty text",
        yield* refusal(search("")),
        "-32600 thread/searchOccurrences requires a non-empty searchTerm"
      )
      const update = (gitInfo: { readonly branch?: string | null; readonly sha?: string | null }, id = threadId) =>
        request("thread/metadata/update", { threadId: id, gitInfo })
      yield* update({ branch: "main" })
      const { thread } = yield* update({ branch: null, sha: "abc" })
      yield* equal("the metadata", [thread.gitInfo?.branch, thread.gitInfo?.sha], [null, "abc"])
      yield* equal("an empty sha", yield* refusal(update({ sha: " " })), "-32600 gitInfo.sha must not be empty")
      const none = "00000000-0000-7000-8000-000000000000"
      yield* equal(
        "an unknown thread",
        yield* refusal(update({ sha: "a" }, none)),
        `-32600 no rollout found for thread id ${none}`
      )
    })
  )
]
