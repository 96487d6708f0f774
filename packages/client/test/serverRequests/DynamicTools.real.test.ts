/** Tools of this client, called by the agent of the real codex binary with a scripted model. */
import { AppServerRpc, Codex, CodexError, DynamicTools } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Logger, Option, Schema, type Scope, Stream } from "effect"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

/** A test on a codex of its own. It ends before its home is removed. */
const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  layer: Layer.Layer<Services, unknown> = ScriptedCodex.layer()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(layer)))

const startThread = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.startThread(options))

const enqueue = (...answers: ReadonlyArray<ScriptedModel.Answer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers))

/** What the model was given in its last request. */
const lastRequest = Effect.flatMap(
  ScriptedModel.ScriptedModel,
  (model) => Effect.map(model.requests, (requests) => requests.at(-1)!)
)

const outputs = Effect.map(lastRequest, ({ toolOutputs }) => toolOutputs.map(({ output }) => output))

const offered = Effect.map(lastRequest, ({ tools }) => tools.map(({ name }) => name))

const input = Schema.Struct({ id: Schema.String })

const callOf = (name: string, args: ScriptedModel.JsonObject | string = { id: "A" }) =>
  ScriptedModel.functionCall(name, args)

const says = (name: string, text: string) =>
  DynamicTools.tool(name, { description: "d", input, handler: ({ id }) => Effect.succeed(`${text} ${id}`) })

const logging = () => {
  const logged: Array<string> = []
  const logger = Logger.make(({ cause, logLevel, message }) => {
    if (logLevel === "Warn") logged.push([message, cause].flat().map(String).join(" "))
  })
  return { logged, layer: Logger.layer([logger]) }
}

describe("a call", () => {
  real(
    "has its arguments decoded, and the model is given the JSON of the result",
    Effect.gen(function*() {
      class Ticket extends Schema.Class<Ticket>("Ticket")({ id: Schema.String, due: Schema.Date }) {}
      const seen: Array<unknown> = []
      const tools = yield* DynamicTools.make(DynamicTools.tool("postpone", {
        description: "Postpones a ticket.",
        input: Schema.Struct({
          ticket: Ticket,
          days: Schema.Int.check(Schema.isGreaterThan(0)),
          note: Schema.optionalKey(Schema.String.annotate({ description: "For the log." }))
        }),
        output: Ticket,
        handler: ({ days, ticket }, call) => {
          seen.push(ticket instanceof Ticket, call)
          return Effect.succeed(new Ticket({ id: ticket.id, due: new Date(ticket.due.getTime() + days * 86_400_000) }))
        }
      }))
      yield* enqueue(callOf("postpone", { ticket: { id: "T-1", due: "2026-01-01T00:00:00.000Z" }, days: 2 }), "done")
      const thread = yield* startThread({ tools })
      const result = yield* thread.run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
      const item = result.items.find((item) => item.type === "dynamicToolCall")
      assert.deepInclude(item, { tool: "postpone", success: true, status: "completed" })
      assert.deepStrictEqual(seen, [true, { threadId: thread.id, turnId: result.id, callId: item?.id }])
      assert.deepStrictEqual(yield* outputs, [`{"id":"T-1","due":"2026-01-03T00:00:00.000Z"}`])
      // What the server leaves of the schema.
      const { tools: given } = yield* lastRequest
      assert.deepStrictEqual(given.find(({ name }) => name === "postpone"), {
        type: "function",
        name: "postpone",
        description: "Postpones a ticket.",
        strict: false,
        parameters: {
          type: "object",
          properties: {
            ticket: { $ref: "#/$defs/TicketEncoded" },
            days: { type: "integer", description: "a value greater than 0" },
            note: { type: "string", description: "For the log." }
          },
          required: ["ticket", "days"],
          additionalProperties: false,
          $defs: {
            TicketEncoded: {
              type: "object",
              properties: {
                id: { type: "string" },
                due: { type: "string", description: "a string that will be decoded as a Date" }
              },
              required: ["id", "due"],
              additionalProperties: false
            }
          }
        }
      })
    })
  )

  real(
    "with arguments that do not fit tells the model why, and it may call again",
    Effect.gen(function*() {
      const tools = yield* DynamicTools.make(says("lookup", "ticket"))
      yield* enqueue(callOf("lookup", { id: 3 }), callOf("lookup", "{"), callOf("lookup"), "done")
      const result = yield* (yield* startThread({ tools })).run("go")
      const [misfit, broken, found] = yield* outputs
      assert.include(misfit, "do not fit the tool lookup: at id: Expected string")
      // The server itself answers what is no JSON.
      assert.include(broken, "failed to parse function arguments")
      assert.strictEqual(found, "ticket A")
      const calls = result.items.filter((item) => item.type === "dynamicToolCall")
      assert.deepStrictEqual(calls.map(({ success }) => success), [false, true])
    })
  )

  real(
    "of a tool without parameters is offered and made, however its input says that",
    Effect.gen(function*() {
      const description = "d"
      const handler = () => Effect.succeed("ran")
      const ofJsonSchema = (name: string, jsonSchema: Schema.JsonObject) =>
        DynamicTools.tool(name, {
          description,
          input: { jsonSchema, decode: (value) => ({ ok: true, value }) },
          handler
        })
      const tools = yield* DynamicTools.make(
        DynamicTools.tool("bare", { description, handler }),
        DynamicTools.tool("void", { description, input: Schema.Void, handler }),
        ofJsonSchema("object", { type: "object" }),
        ofJsonSchema("effect", { not: { type: "null" } })
      )
      const names = ["bare", "void", "object", "effect"]
      yield* enqueue(...names.map((name) => callOf(name, {})), "done")
      yield* (yield* startThread({ tools })).run("go")
      assert.includeMembers([...yield* offered], names)
      assert.deepStrictEqual(yield* outputs, names.map(() => "ran"))
    })
  )

  real(
    "whose input is a JSON Schema is checked by that",
    Effect.gen(function*() {
      const jsonSchema = { type: "object", properties: { id: { type: "string" } }, required: ["id"] }
      const tools = yield* DynamicTools.make(DynamicTools.tool("lookup", {
        description: "d",
        input: { jsonSchema, decode: (value) => ({ ok: true, value }) },
        handler: () => Effect.succeed("ran")
      }))
      yield* enqueue(callOf("lookup", { id: 3 }), callOf("lookup"), "done")
      yield* (yield* startThread({ tools })).run("go")
      const [misfit, ran] = yield* outputs
      assert.include(misfit, "do not fit the tool lookup: at id: Expected string")
      assert.strictEqual(ran, "ran")
    })
  )

  real(
    "that fails or dies has a result too, and the turn goes on",
    Effect.gen(function*() {
      const { layer, logged } = logging()
      const tools = yield* Effect.provide(
        DynamicTools.make(
          DynamicTools.tool("fail", { description: "d", input, handler: () => Effect.fail(new Error("tracker down")) }),
          DynamicTools.tool("die", { description: "d", input, handler: () => Effect.die(new Error("for the log")) })
        ),
        layer
      )
      yield* enqueue(callOf("fail"), callOf("die"), "done")
      const result = yield* (yield* startThread({ tools })).run("go")
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(yield* outputs, [
        "The tool fail failed: tracker down",
        "The tool die failed unexpectedly."
      ])
      assert.strictEqual(logged.length, 1)
      assert.include(logged[0], "for the log")
    })
  )

  real(
    "can show the model an image",
    Effect.gen(function*() {
      const bytes = Uint8Array.from(
        atob(
          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
        ),
        (char) => char.charCodeAt(0)
      )
      const tools = yield* DynamicTools.make(DynamicTools.tool("screenshot", {
        description: "d",
        input: Schema.Struct({}),
        handler: () => Effect.succeed(["the screen:", DynamicTools.image({ bytes, mediaType: "image/png" })])
      }))
      yield* enqueue(callOf("screenshot", {}), "done")
      yield* (yield* startThread({ tools })).run("go")
      const [output = "[]"] = yield* outputs
      const [text, image] = JSON.parse(output)
      assert.deepStrictEqual(text, { type: "input_text", text: "the screen:" })
      assert.strictEqual(image.type, "input_image")
      assert.match(image.image_url, /^data:image\/png;base64,iVBOR/)
    })
  )

  real(
    "may use the client while the turn waits for it",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const tools = yield* DynamicTools.make(DynamicTools.tool("ask", {
        description: "d",
        input: Schema.Struct({ question: Schema.String }),
        handler: Effect.fnUntraced(function*({ question }, { threadId }) {
          const { status } = yield* codex.readThread(threadId)
          const other = yield* codex.startThread({ ephemeral: true })
          const { finalResponse } = yield* other.run(question)
          return `${status.type}: ${Option.getOrElse(finalResponse, () => "")}`
        })
      }))
      yield* enqueue(callOf("ask", { question: "why?" }), "because", "done")
      const result = yield* (yield* startThread({ tools })).run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
      assert.deepStrictEqual(yield* outputs, ["active: because"])
    })
  )

  real(
    "is answered when it is the last that the model does, however late the answer comes",
    Effect.gen(function*() {
      const answer = yield* Deferred.make<string>()
      const called = yield* Deferred.make<void>()
      const tools = yield* DynamicTools.make(DynamicTools.tool("wait", {
        description: "d",
        input,
        handler: () => Effect.andThen(Deferred.succeed(called, undefined), Deferred.await(answer))
      }))
      // Its response is over: nothing comes from the model until the tool has answered.
      yield* enqueue(["I wait.", callOf("wait")], "done")
      const turn = yield* (yield* startThread({ tools })).turn("go")
      yield* Deferred.await(called)
      const { outcome } = yield* lastRequest
      assert.strictEqual(yield* outcome, "answered")
      yield* Deferred.succeed(answer, "late")
      const result = yield* turn.result
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
      assert.deepStrictEqual(yield* outputs, ["late"])
      // The item was completed before the turn.
      const types = yield* turn.events.pipe(Stream.map((event) => event._tag), Stream.runCollect)
      assert.strictEqual(types.at(-1), "turn/completed")
      assert.deepInclude(result.items.find((item) => item.type === "dynamicToolCall"), { success: true })
    })
  )

  real(
    "is interrupted with its turn",
    Effect.gen(function*() {
      const called = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const tools = yield* DynamicTools.make(DynamicTools.tool("wait", {
        description: "d",
        input,
        handler: () =>
          Effect.andThen(Deferred.succeed(called, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          )
      }))
      yield* enqueue(callOf("wait"), "not reached")
      const thread = yield* startThread({ tools })
      const turn = yield* thread.turn("go")
      yield* Deferred.await(called)
      yield* turn.interrupt
      yield* Deferred.await(stopped)
      assert.strictEqual((yield* turn.result).status, "interrupted")
      yield* Effect.flatMap(
        ScriptedModel.ScriptedModel,
        ({ requests }) => Effect.map(requests, ({ length }) => assert.strictEqual(length, 1))
      )
    })
  )
})

describe("tools", () => {
  real(
    "of two threads may have the same name",
    Effect.gen(function*() {
      const one = yield* startThread({ tools: yield* DynamicTools.make(says("lookup", "one")) })
      const two = yield* startThread({ tools: yield* DynamicTools.make(says("lookup", "two")) })
      yield* enqueue(callOf("lookup"), "done")
      yield* one.run("go")
      assert.deepStrictEqual(yield* outputs, ["one A"])
      yield* enqueue(callOf("lookup"), "done")
      yield* two.run("go")
      assert.deepStrictEqual(yield* outputs, ["two A"])
    })
  )

  real(
    "stand back for a turn that answers the calls itself",
    Effect.gen(function*() {
      const thread = yield* startThread({ tools: yield* DynamicTools.make(says("lookup", "thread")) })
      yield* enqueue(callOf("lookup"), "done")
      yield* thread.run("go", {
        handlers: {
          "item/tool/call": () => Effect.succeed({ success: true, contentItems: [DynamicTools.text("turn")] })
        }
      })
      assert.deepStrictEqual(yield* outputs, ["turn"])
      yield* enqueue(callOf("lookup"), "done")
      yield* thread.run("go")
      assert.deepStrictEqual(yield* outputs, ["thread A"])
    })
  )

  real(
    "have the services of where they were made",
    Effect.gen(function*() {
      class Tickets extends Context.Service<Tickets, { readonly title: (id: string) => string }>()("Tickets") {}
      const lookup = DynamicTools.tool("lookup", {
        description: "d",
        input,
        handler: ({ id }) => Effect.map(Tickets, (tickets) => tickets.title(id))
      })
      const tools = yield* Effect.provideService(DynamicTools.make(lookup), Tickets, {
        title: (id) => `title of ${id}`
      })
      yield* enqueue(callOf("lookup"), "done")
      yield* (yield* startThread({ tools })).run("go")
      assert.deepStrictEqual(yield* outputs, ["title of A"])
    })
  )

  real(
    "of a namespace are called by both names, and deferred ones are not shown to a model that cannot search",
    Effect.gen(function*() {
      const later = DynamicTools.tool("later", {
        description: "d",
        input,
        deferLoading: true,
        handler: () => Effect.succeed("deferred")
      })
      const tools = yield* DynamicTools.make(
        says("open", "alone"),
        DynamicTools.namespace("tickets", "The tracker.", [says("open", "of tickets"), later])
      )
      yield* enqueue(
        ScriptedModel.functionCall("open", { id: "A" }, { namespace: "tickets" }),
        callOf("open"),
        ScriptedModel.functionCall("later", { id: "A" }, { namespace: "tickets" }),
        "done"
      )
      yield* (yield* startThread({ tools })).run("go")
      assert.deepStrictEqual(yield* outputs, ["of tickets A", "alone A", "deferred"])
      const { tools: given } = yield* lastRequest
      const group = given.find(({ name }) => name === "tickets")
      assert.strictEqual(group?.description, "The tracker.")
      const names = Array.isArray(group?.tools) ? group.tools.map(({ name }: { readonly name: string }) => name) : []
      assert.deepStrictEqual(names, ["open"])
    })
  )

  real(
    "need the experimental protocol",
    Effect.gen(function*() {
      const tools = yield* DynamicTools.make(says("lookup", ""))
      assert.instanceOf(yield* Effect.flip(startThread({ tools })), CodexError.ExperimentalRequired)
      yield* startThread({ tools: yield* DynamicTools.make() })
    }),
    ScriptedCodex.layer({ codex: { experimentalApi: false } })
  )

  real(
    "have the names that the server takes, and no others",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const agree = Effect.fnUntraced(
        function*(what: string, entries: ReadonlyArray<DynamicTools.Tool | DynamicTools.Namespace>) {
          const asSent = (tool: DynamicTools.Tool) => ({
            type: "function" as const,
            name: tool.name,
            description: tool.description,
            inputSchema: { type: "object" },
            deferLoading: tool.deferLoading
          })
          const dynamicTools = entries.map((entry) =>
            "tools" in entry
              ? {
                type: "namespace" as const,
                name: entry.name,
                description: entry.description,
                tools: entry.tools.map(asSent)
              }
              : asSent(entry)
          )
          const server = yield* Effect.exit(rpc.request("thread/start", { dynamicTools, ephemeral: true }))
          const client = yield* Effect.exit(DynamicTools.make(entries))
          assert.strictEqual(client._tag, server._tag, `${what}: the server says ${String(server)}`)
        }
      )
      const lone = (name: string) => [says(name, "")]
      const names = ["a", "A-1_", "-", "", "a b", "a.b", "é", "a".repeat(128), "a".repeat(129)]
      for (
        const name of [...names, "mcp", "mcp_", "mcpx", "mcp__", "mcp__x", "functions", "exec", "shell", "update_plan"]
      ) {
        yield* agree(`tool ${name}`, lone(name))
      }
      const common = ["a".repeat(64), "a".repeat(65), "mcp", "mcp_", "mcp__x", "exec_command", "multi_agent_v1"]
      const ofTheApi =
        ("api_tool browser computer container file_search functions image_gen multi_tool_use python python_user_visible " +
          "submodel_delegator terminal tool_search web web_search shell Functions memory").split(" ")
      for (const name of [...names.slice(0, 7), ...common, ...ofTheApi]) {
        yield* agree(`namespace ${name}`, [DynamicTools.namespace(name, "", [says("a", "")])])
      }
      yield* agree("twice", [says("a", ""), says("a", "")])
      yield* agree("cases", [says("a", ""), says("A", "")])
      const t = DynamicTools.namespace("t", "", [says("a", "")])
      yield* agree("both", [says("a", ""), says("t", ""), t])
      yield* agree("two namespaces", [t, t])
      yield* agree("twice in one", [DynamicTools.namespace("t", "", [says("a", ""), says("a", "")])])
      yield* agree("none in one", [DynamicTools.namespace("t", "", [])])
      yield* agree("1024", [DynamicTools.namespace("t", "x".repeat(1024), [says("a", "")])])
      yield* agree("1025", [DynamicTools.namespace("t", "x".repeat(1025), [says("a", "")])])
      const deferred = DynamicTools.tool("a", {
        description: "d",
        input,
        deferLoading: true,
        handler: () => Effect.succeed("")
      })
      yield* agree("deferred", [deferred])
      yield* agree("deferred in one", [DynamicTools.namespace("t", "", [deferred])])
    })
  )

  real(
    "of the name of one of codex's own are never offered, which is why they are refused",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const rpc = yield* AppServerRpc.AppServerRpc
      const names =
        "apply_patch create_goal exec_command get_goal request_user_input tool_search update_goal view_image "
          .concat("write_stdin").split(" ")
      for (const name of names) yield* Effect.flip(DynamicTools.make(says(name, "")))
      const dynamicTools = [...names, "mine"].map((name) => ({
        type: "function" as const,
        name,
        description: "not codex's own",
        inputSchema: { type: "object" }
      }))
      // Those before the multi-agent ones have the most tools of codex's own: it knows them to patch and to search.
      const model = (yield* codex.models()).find(({ multiAgentVersion }) => multiAgentVersion === null)
      assert(model !== undefined)
      const { thread: { id: threadId } } = yield* rpc.request("thread/start", { dynamicTools, model: model.id })
      yield* rpc.request("thread/name/set", { threadId, name: "stored" })
      yield* enqueue("done")
      yield* (yield* codex.resumeThread(threadId)).run("go")
      const { tools } = yield* lastRequest
      const mine = tools.filter(({ description }) => description === "not codex's own")
      assert.deepStrictEqual(mine.map(({ name }) => name), ["mine"])
    })
  )
})

describe("the tools of a stored thread", () => {
  const stored = Effect.gen(function*() {
    const thread = yield* startThread({ tools: yield* DynamicTools.make(says("lookup", "first")) })
    yield* enqueue("stored")
    yield* thread.run("go")
    return thread
  })

  const calls = Effect.fnUntraced(function*(thread: Effect.Success<typeof stored>) {
    yield* enqueue(callOf("lookup"), "done")
    yield* thread.run("go")
    assert.include(yield* offered, "lookup")
    return (yield* outputs)[0] ?? ""
  })

  real(
    "are offered again when it is resumed, and their calls come to the handle that has them",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* stored
      const again = yield* codex.resumeThread(thread.id, { tools: yield* DynamicTools.make(says("lookup", "second")) })
      assert.strictEqual(yield* calls(again), "second A")
      assert.strictEqual(yield* calls(thread), "first A")
    })
  )

  const home = CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()))

  it.live("are offered again in another process", () =>
    Effect.gen(function*() {
      const { env, workspace } = yield* CodexHome.CodexHome
      const node = () => Layer.fresh(CodexNode.layer({ env, cwd: workspace }))
      const threadId = yield* Effect.provide(Effect.map(stored, ({ id }) => id), node())
      yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const tools = yield* DynamicTools.make(says("lookup", "here"), says("new", "never offered"))
        assert.strictEqual(yield* calls(yield* codex.resumeThread(threadId, { tools })), "here A")
        assert.notInclude(yield* offered, "new")
        assert.strictEqual(yield* calls(yield* codex.forkThread(threadId, { tools })), "here A")
      }).pipe(Effect.provide(node()))
    }).pipe(Effect.scoped, Effect.provide(home)))

  real(
    "are offered to a fork, and a handle hands its own on",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* stored
      assert.strictEqual(yield* calls(yield* thread.fork()), "first A")
      const tools = yield* DynamicTools.make(says("lookup", "of the fork"))
      assert.strictEqual(yield* calls(yield* thread.fork({ tools })), "of the fork A")
      assert.strictEqual(yield* calls(yield* codex.forkThread(thread.id, { tools })), "of the fork A")
    })
  )

  const { layer, logged } = logging()

  real(
    "that are not here are told to the model and to the log",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const { id } = yield* stored
      const answer = yield* calls(yield* codex.resumeThread(id))
      assert.include(answer, "This client has no tool named lookup")
      const warning = logged.find((text) => text.includes(id))
      assert.include(warning, "called its tool lookup, which this client does not have: give `tools` to resumeThread")
    }),
    ScriptedCodex.layer().pipe(Layer.provide(layer))
  )

  real(
    "are not those of its subagents",
    Effect.gen(function*() {
      const { receivedWhere } = yield* ScriptedModel.ScriptedModel
      const thread = yield* stored
      yield* enqueue(ScriptedModel.functionCall("spawn_agent", { message: "sub" }, { namespace: "multi_agent_v1" }))
      yield* enqueue("done", "done", "done")
      yield* thread.run("spawn")
      const { tools } = yield* receivedWhere(({ prompt }) => prompt === "sub")
      assert.notInclude(tools.map(({ name }) => name), "lookup")
    })
  )
})

describe("an integer beyond 2^53", () => {
  real(
    "reaches a tool rounded, which codex does not do, and whole as a string",
    Effect.gen(function*() {
      const exact = "9007199254740993"
      const tools = yield* DynamicTools.make([
        DynamicTools.tool("look_up", {
          description: "d",
          input: Schema.Struct({ number: Schema.Number, text: Schema.String }),
          handler: ({ number, text }) => Effect.succeed(`${BigInt(number)} ${BigInt(text)}`)
        })
      ])
      const model = yield* ScriptedModel.ScriptedModel
      yield* enqueue(callOf("look_up", `{"number":${exact},"text":"${exact}"}`), "done")
      const thread = yield* startThread({ tools })
      yield* thread.run("go")
      assert.deepStrictEqual(yield* outputs, [`9007199254740992 ${exact}`])
      // What codex itself keeps of the call.
      const { body } = (yield* model.requests).at(-1)!
      assert.include(JSON.stringify(body), `{\\"number\\":${exact},`)
    })
  )
})
