import { type Codex, CodexError, DynamicTools, type Output, ServerRequests } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Fiber, Layer, Logger, Option, Predicate, Redacted, Schema } from "effect"
import { ask, completed, connect, started, threadId, threadStarted, turn } from "../support/fakeServer.ts"

const call: DynamicTools.Call = { threadId, turnId: "turn-1", callId: "call-1" }

const Input = Schema.Struct({ id: Schema.String })

const withHandler = <E, R>(handler: () => Effect.Effect<DynamicTools.Result, E, R>, name = "lookup") =>
  DynamicTools.tool(name, { description: "Looks an id up.", input: Input, handler })

const named = (name: string) => withHandler(() => Effect.succeed(name), name)

const answer = (tool: DynamicTools.Tool, args: unknown = { id: "A" }) => tool.answer(args, call)

const texts = (response: Effect.Success<ReturnType<typeof answer>>) =>
  response.contentItems.map((item) => item.type === "inputText" ? item.text : item.type)

/** The JSON Schema that the model is given of a schema. */
const schemaOf = (input: Schema.ConstraintDecoder<unknown>) =>
  Effect.map(
    DynamicTools.make(DynamicTools.tool("lookup", { description: "d", input, handler: () => Effect.succeed("") })),
    ({ specs }) => specs[0]?.type === "function" ? specs[0].inputSchema : undefined
  )

const property = (schema: Schema.ConstraintDecoder<unknown>) =>
  Effect.map(schemaOf(Schema.Struct({ it: schema })), (json) => {
    assert.deepInclude(json, { type: "object", required: ["it"], additionalProperties: false })
    return (json as { readonly properties: { readonly it: unknown } }).properties.it
  })

/** What was logged as a warning meanwhile. */
const warnings = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const logged: Array<string> = []
    const logger = Logger.make(({ cause, logLevel, message }) => {
      if (logLevel === "Warn") logged.push([message, cause].flat().map(String).join(" "))
    })
    return Effect.map(Effect.provide(effect, Logger.layer([logger])), (value) => ({ value, logged }))
  })

describe("the input that the model is given", () => {
  it.effect("has optional keys, unions, nested objects and descriptions", () =>
    Effect.gen(function*() {
      class Place extends Schema.Class<Place>("Place")({ city: Schema.String }) {}
      assert.deepStrictEqual(
        yield* schemaOf(Schema.Struct({
          place: Place,
          note: Schema.optionalKey(Schema.String.annotate({ description: "For the log." })),
          kind: Schema.Union([Schema.Literals(["a", "b"]), Schema.Null]),
          many: Schema.Array(Schema.Struct({ n: Schema.Int }))
        })),
        {
          type: "object",
          properties: {
            place: { $ref: "#/$defs/PlaceEncoded" },
            note: { type: "string", description: "For the log." },
            kind: { anyOf: [{ type: "string", enum: ["a", "b"] }, { type: "null" }] },
            many: {
              type: "array",
              items: {
                type: "object",
                properties: { n: { type: "integer", minimum: -9007199254740991, maximum: 9007199254740991 } },
                required: ["n"],
                additionalProperties: false
              }
            }
          },
          required: ["place", "kind", "many"],
          additionalProperties: false,
          $defs: {
            PlaceEncoded: {
              type: "object",
              properties: { city: { type: "string" } },
              required: ["city"],
              additionalProperties: false
            }
          }
        }
      )
    }))

  it.effect("has the object at the root, also of a class and of a schema that refers to itself", () =>
    Effect.gen(function*() {
      class Ticket extends Schema.Class<Ticket>("@app/Ticket")({ id: Schema.String }) {}
      assert.deepInclude(yield* schemaOf(Ticket), { type: "object", properties: { id: { type: "string" } } })
      interface Tree {
        readonly children: ReadonlyArray<Tree>
      }
      const Tree = Schema.Struct({
        children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
      }).annotate({ identifier: "a tree/of trees" })
      const children = { type: "array", items: { $ref: "#/$defs/a%20tree~1of%20trees" } }
      const tree = { type: "object", properties: { children }, required: ["children"], additionalProperties: false }
      assert.deepStrictEqual(yield* schemaOf(Tree), { ...tree, $defs: { "a tree/of trees": tree } })
    }))

  it.effect("says in words what the server leaves out", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* property(Schema.String.check(Schema.isPattern(/^T-/))), {
        type: "string",
        description: "a string matching the RegExp ^T-"
      })
      assert.deepInclude(
        yield* property(
          Schema.Int.annotate({ description: "How many." }).check(Schema.isBetween({ minimum: 1, maximum: 5 }))
        ),
        { type: "integer", minimum: 1, maximum: 5, description: "How many.; a value between 1 and 5" }
      )
      assert.deepInclude(yield* property(Schema.Date.annotateKey({ description: "The first day." })), {
        type: "string",
        description: "a string that will be decoded as a Date; The first day."
      })
      assert.deepInclude(yield* property(Schema.Tuple([Schema.String, Schema.Boolean])), {
        type: "array",
        items: { anyOf: [{ type: "string" }, { type: "boolean" }] },
        description: "number of items: 2, in this order"
      })
      assert.deepInclude(yield* property(Schema.NonEmptyArray(Schema.String)), {
        items: { type: "string" },
        description: "number of items: at least 1"
      })
    }))

  it.effect("has numbers as JSON has them, and an empty object for no arguments", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* property(Schema.Number), { type: "number" })
      assert.deepStrictEqual(yield* property(Schema.NullOr(Schema.Number)), {
        anyOf: [{ type: "number" }, { type: "null" }]
      })
      assert.deepStrictEqual(yield* schemaOf(Schema.Struct({})), {
        type: "object",
        properties: {},
        additionalProperties: false
      })
    }))
})

describe("a tool without parameters", () => {
  const decode = (value: unknown) => ({ ok: true as const, value })
  const said = () => Effect.succeed("done")
  const description = "d"
  // As Effect, zod and the servers of MCP write it.
  const schemas: ReadonlyArray<Schema.JsonObject> = [
    { type: "object" },
    { type: "object", properties: {} },
    { type: "object", properties: {}, additionalProperties: false, required: [] },
    { type: "object", additionalProperties: { not: {} } },
    { not: { type: "null" } },
    { $schema: "https://json-schema.org/draft/2020-12/schema", description: "Nothing." },
    { type: "null" }
  ]

  it.effect("is one whose input says so in any way, or is left out", () =>
    Effect.gen(function*() {
      const tools = [
        DynamicTools.tool("bare", { description, handler: (input) => Effect.succeed(String(input)) }),
        DynamicTools.tool("void", {
          description,
          input: Schema.Void,
          handler: (input) => Effect.succeed(String(input))
        }),
        DynamicTools.tool("struct", { description, input: Schema.Struct({}), handler: said }),
        ...schemas.map((jsonSchema, i) =>
          DynamicTools.tool(`json${i}`, { description, input: { jsonSchema, decode }, handler: said })
        )
      ]
      for (const tool of tools) {
        const { specs } = yield* DynamicTools.make(tool)
        assert.nestedPropertyVal(specs[0], "inputSchema.type", "object", tool.name)
        const { success } = yield* answer(tool, {})
        assert.isTrue(success, tool.name)
      }
      assert.deepStrictEqual(texts(yield* answer(tools[0]!, {})), ["undefined"])
      assert.deepStrictEqual(texts(yield* answer(tools[1]!, {})), ["undefined"])
    }))
})

describe("an input that is a JSON Schema", () => {
  const asked: Array<unknown> = []
  const toolOf = (jsonSchema: Schema.JsonObject) =>
    DynamicTools.tool("lookup", {
      description: "d",
      input: {
        jsonSchema,
        decode: (value) => {
          asked.push(value)
          return { ok: true, value }
        }
      },
      handler: () => Effect.succeed("done")
    })

  it.effect("is checked before its decoder is called, and the model is told what does not fit", () =>
    Effect.gen(function*() {
      const tool = toolOf({ type: "object", properties: { id: { type: "string" } }, required: ["id"] })
      assert.deepStrictEqual(texts(yield* answer(tool, { id: 3 })), [
        "The arguments do not fit the tool lookup: at id: Expected string. Nothing was done. Call it again with " +
        "arguments that fit."
      ])
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(texts(yield* answer(tool, { id: "A", more: 1 })), ["done"])
      assert.deepStrictEqual(asked, [{ id: "A", more: 1 }])
    }))

  it.effect("leaves to its decoder what neither Effect nor codex can express", () =>
    Effect.gen(function*() {
      const tool = toolOf({
        type: "object",
        properties: { a: { type: "array", contains: { type: "string" } }, b: { type: "string", not: { const: "x" } } },
        dependentRequired: { a: ["b"] },
        if: { required: ["a"] },
        else: { required: ["b"] },
        unevaluatedProperties: false
      })
      const { specs } = yield* DynamicTools.make(tool)
      assert.nestedPropertyVal(specs[0], "inputSchema.properties.b.type", "string")
      assert.isTrue((yield* answer(tool, { a: [], b: "" })).success)
      assert.isFalse((yield* answer(tool, { a: 1 })).success)
    }))
})

describe("an input of another library", () => {
  const jsonSchema = {
    type: "object",
    properties: {
      id: { type: "string", description: "Such as T-17." },
      days: { type: "integer", minimum: 1 }
    },
    required: ["id"]
  }
  // As a library has it that gives more than it is given.
  const input: Output.JsonSchemaOutput<{ readonly key: string }> = {
    jsonSchema,
    decode: (value) =>
      Predicate.hasProperty(value, "id") && Predicate.isString(value.id)
        ? { ok: true, value: { key: `key of ${value.id}` } }
        : { ok: false, issue: "at id: Expected string" }
  }
  const standard = (offers: boolean): Output.StandardOutput<{ readonly key: string }> => ({
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        const decoded = input.decode(value)
        return Promise.resolve(
          decoded.ok ? { value: decoded.value } : { issues: [{ message: "Expected string", path: ["id"] }] }
        )
      },
      ...offers && { jsonSchema: { input: () => jsonSchema, output: () => jsonSchema } }
    } as Output.StandardOutput<{ readonly key: string }>["~standard"]
  })
  const toolOf = (input: Output.JsonSchemaOutput<{ readonly key: string }> | ReturnType<typeof standard>) =>
    DynamicTools.tool("lookup", { description: "d", input, handler: ({ key }) => Effect.succeed(key) })

  it.effect("is given to the model with the words for what the server leaves out, and decodes the arguments", () =>
    Effect.gen(function*() {
      for (const tool of [toolOf(input), toolOf(standard(true))]) {
        const { specs } = yield* DynamicTools.make(tool)
        assert.deepInclude(specs[0], {
          inputSchema: {
            type: "object",
            properties: {
              id: { type: "string", description: "Such as T-17." },
              days: {
                type: "integer",
                minimum: 1,
                maximum: Number.MAX_SAFE_INTEGER,
                description: "a value greater than or equal to 1"
              }
            },
            required: ["id"],
            additionalProperties: false
          }
        })
        assert.deepStrictEqual(texts(yield* answer(tool)), ["key of A"])
        assert.deepStrictEqual(yield* answer(tool, { id: 1 }), {
          success: false,
          contentItems: [DynamicTools.text(
            "The arguments do not fit the tool lookup: at id: Expected string. Nothing was done. " +
              "Call it again with arguments that fit."
          )]
        })
      }
    }))

  it.effect("is refused where it gives no JSON Schema, or none of an object", () =>
    Effect.gen(function*() {
      const problemOf = (tool: DynamicTools.Tool) =>
        Effect.map(Effect.flip(DynamicTools.make(tool)), ({ message }) => message)
      assert.include(yield* problemOf(toolOf(standard(false))), "does not offer its JSON Schema")
      assert.include(
        yield* problemOf(toolOf({ ...input, jsonSchema: { type: "string" } })),
        "the tool \"lookup\": its input is not an object"
      )
      const hostile = {
        get jsonSchema(): never {
          throw new Error("a date has no JSON Schema")
        },
        decode: input.decode
      }
      assert.include(yield* problemOf(toolOf(hostile)), "a date has no JSON Schema")
    }))
})

describe("make", () => {
  type Entry = DynamicTools.Tool | DynamicTools.Namespace
  const problemOf = (...entries: ReadonlyArray<Entry | ReadonlyArray<Entry>>) =>
    Effect.map(
      Effect.flip(DynamicTools.make(...entries)),
      (error) => {
        assert.instanceOf(error, CodexError.InvalidArgument)
        assert.strictEqual(error.argument, "tools")
        return error.detail
      }
    )
  const ofInput = (input: Schema.ConstraintDecoder<unknown>) =>
    DynamicTools.tool("lookup", { description: "d", input, handler: () => Effect.succeed("") })

  it.effect("refuses names that the server does not take", () =>
    Effect.gen(function*() {
      for (const name of ["", "a b", "a.b", "é", "a\n", "a".repeat(129)]) {
        assert.include(yield* problemOf(named(name)), "1 to 128 letters")
      }
      assert.include(yield* problemOf(named("mcp__files__read")), "reserved")
      assert.include(yield* problemOf(named("view_image")), "codex has a tool of this name")
      assert.include(yield* problemOf(named("a"), [named("b"), named("a")]), `the tool "a": there are two tools`)
      for (const name of ["", "a b", "a".repeat(65)]) {
        assert.include(yield* problemOf(DynamicTools.namespace(name, "", [named("a")])), "1 to 64 letters")
      }
      assert.include(yield* problemOf(DynamicTools.namespace("mcp", "", [named("a")])), "reserved")
      assert.include(yield* problemOf(DynamicTools.namespace("web", "", [named("a")])), "API has a namespace")
      const twice = DynamicTools.namespace("t", "", [named("a"), named("a")])
      assert.include(yield* problemOf(twice), `the tool "a" of t: there are two tools`)
      const t = DynamicTools.namespace("t", "", [named("a")])
      assert.include(yield* problemOf(t, t), "two namespaces")
      assert.include(yield* problemOf(DynamicTools.namespace("t", "", [])), "no tools")
      assert.include(yield* problemOf(DynamicTools.namespace("t", "x".repeat(1025), [named("a")])), "1024 characters")
    }))

  it.effect("refuses a deferred tool outside of a namespace", () =>
    Effect.gen(function*() {
      const deferred = DynamicTools.tool("a", {
        description: "d",
        input: Input,
        deferLoading: true,
        handler: () => Effect.succeed("")
      })
      assert.include(yield* problemOf(deferred), "deferLoading")
      const { specs } = yield* DynamicTools.make(DynamicTools.namespace("t", "", [deferred]))
      assert.deepInclude(specs[0]?.type === "namespace" ? specs[0].tools[0] : undefined, { deferLoading: true })
    }))

  it.effect("refuses an input that is no object", () =>
    Effect.gen(function*() {
      const union = Schema.Union([Input, Schema.Struct({ name: Schema.String })])
      for (const input of [Schema.String, Schema.Array(Input), Schema.Unknown, Schema.Never, union]) {
        assert.include(yield* problemOf(ofInput(input)), "its input is not an object")
      }
      yield* DynamicTools.make(ofInput(Schema.Record(Schema.String, Schema.String)))
    }))

  it.effect("takes the same name in different namespaces, and keeps the calls apart", () =>
    Effect.gen(function*() {
      const tools = yield* DynamicTools.make(
        named("a"),
        DynamicTools.namespace("t", "", [withHandler(() => Effect.succeed("of t"), "a")])
      )
      const answer = (namespace: string | null) =>
        tools.handler()({
          id: 0,
          method: "item/tool/call",
          item: undefined,
          params: { ...call, namespace, tool: "a", arguments: { id: "A" } }
        })
      assert.deepInclude(yield* answer(null), { contentItems: [DynamicTools.text("a")] })
      assert.deepInclude(yield* answer("t"), { contentItems: [DynamicTools.text("of t")] })
      const { value: unknown, logged } = yield* warnings(answer("other"))
      assert.strictEqual(unknown.success, false)
      assert.strictEqual(logged.length, 1)
      assert.include(logged[0], `thread ${threadId} called its tool a`)
      assert.include(logged[0], "give `tools` to resumeThread")
    }))
})

describe("an answer", () => {
  it.effect("is what the handler gives", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* answer(named("a")), { success: true, contentItems: [DynamicTools.text("a")] })
      const bytes = new Uint8Array([1, 2, 3])
      const response = yield* answer(withHandler(() =>
        Effect.succeed(["two:", DynamicTools.image({ bytes, mediaType: "image/png" }), DynamicTools.audio("data:,x")])
      ))
      assert.deepStrictEqual(response, {
        success: true,
        contentItems: [
          { type: "inputText", text: "two:" },
          { type: "inputImage", imageUrl: "data:image/png;base64,AQID" },
          { type: "inputAudio", audioUrl: "data:,x" }
        ]
      })
    }))

  it.effect("is the JSON of the output", () =>
    Effect.gen(function*() {
      const later = DynamicTools.tool("later", {
        description: "d",
        input: Schema.Struct({ at: Schema.Date, days: Schema.optionalKey(Schema.Int) }),
        output: Schema.Struct({ at: Schema.Date, by: Schema.Option(Schema.Int) }),
        handler: ({ at, days = 1 }) =>
          Effect.succeed({
            at: new Date(at.getTime() + days * 86_400_000),
            by: Option.some(days)
          })
      })
      const response = yield* answer(later, { at: "2026-01-01T00:00:00.000Z" })
      assert.deepStrictEqual(texts(response).map((text) => JSON.parse(text)), [{
        at: "2026-01-02T00:00:00.000Z",
        by: { _tag: "Some", value: 1 }
      }])
    }))

  it.effect("says where arguments do not fit, and the handler does not run", () =>
    Effect.gen(function*() {
      let runs = 0
      const tool = DynamicTools.tool("book", {
        description: "d",
        input: Schema.Struct({
          seats: Schema.Array(Schema.Struct({ row: Schema.Int })),
          class: Schema.Literals(["first", "second"])
        }),
        handler: () => Effect.sync(() => String(++runs))
      })
      const response = yield* answer(tool, { seats: [{ row: 1 }, { row: 1.5 }], class: "third" })
      assert.strictEqual(response.success, false)
      const [text = ""] = texts(response)
      assert.include(text, "at seats[1].row: Expected an integer")
      assert.include(text, `at class: Expected "first" | "second"`)
      for (const args of [undefined, null, [], "text", {}]) {
        assert.strictEqual((yield* answer(tool, args)).success, false)
      }
      assert.strictEqual(runs, 0)
    }))

  it.effect("is the message of a failure, without secrets", () =>
    Effect.gen(function*() {
      class Missing extends Data.TaggedError("Missing")<{ readonly id: string; readonly key: Redacted.Redacted }> {}
      class Bare extends Data.TaggedError("Bare")<{}> {}
      const circular: Record<string, unknown> = { _tag: "Circular" }
      circular.self = circular
      const failures: ReadonlyArray<readonly [failure: unknown, words: ReadonlyArray<string>]> = [
        [new Error("the tracker is down"), ["the tracker is down"]],
        ["no such ticket", ["no such ticket"]],
        [{ _tag: "Other", message: "words" }, ["words"]],
        [new Missing({ id: "T-1", key: Redacted.make("hunter2") }), ["Missing", "T-1", "<redacted>"]],
        [new Bare(), ["Bare"]],
        [circular, ["Circular"]],
        [undefined, ["no reason"]]
      ]
      for (const [failure, words] of failures) {
        const { value: response, logged } = yield* warnings(answer(withHandler(() => Effect.fail(failure))))
        assert.strictEqual(response.success, false)
        const [text = ""] = texts(response)
        for (const word of ["The tool lookup failed: ", ...words]) assert.include(text, word)
        assert.notInclude(text, "hunter2")
        assert.deepStrictEqual(logged, [])
      }
    }))

  it.effect("of a defect says nothing but that, and the log has the cause", () =>
    Effect.gen(function*() {
      const defects: ReadonlyArray<readonly [tool: DynamicTools.Tool, logged: string]> = [
        [withHandler(() => Effect.die(new Error("a secret path"))), "a secret path"],
        [
          withHandler(() => {
            throw new Error("thrown")
          }),
          "thrown"
        ],
        [withHandler(() => Effect.interrupt), ""]
      ]
      for (const [tool, words] of defects) {
        const { value: response, logged } = yield* warnings(answer(tool))
        assert.deepStrictEqual(response, {
          success: false,
          contentItems: [DynamicTools.text("The tool lookup failed unexpectedly.")]
        })
        assert.strictEqual(logged.length, 1)
        assert.include(logged[0], `the tool lookup failed unexpectedly in turn turn-1 of thread ${threadId}`)
        assert.include(logged[0], words)
      }
    }))

  it.effect("has run when its result cannot be told, which the model hears and the log explains", () =>
    Effect.gen(function*() {
      const misfits: ReadonlyArray<readonly [DynamicTools.Tool, string]> = [
        // What a program without types may give.
        [withHandler((): Effect.Effect<string> => Effect.succeed(JSON.parse("null"))), "neither a string"],
        [
          DynamicTools.tool("lookup", {
            description: "d",
            input: Input,
            output: Schema.Struct({ n: Schema.Int }),
            handler: () => Effect.succeed({ n: 1.5 })
          }),
          "at n: Expected an integer"
        ]
      ]
      for (const [tool, words] of misfits) {
        const { value: response, logged } = yield* warnings(answer(tool))
        assert.deepStrictEqual(response, {
          success: false,
          contentItems: [DynamicTools.text("The tool lookup has run, but its result could not be sent.")]
        })
        assert.strictEqual(logged.length, 1)
        assert.include(
          logged[0],
          `the tool lookup has run in turn turn-1 of thread ${threadId}, but its result could not`
        )
        assert.include(logged[0], words)
      }
    }))
})

describe("a thread with tools", () => {
  class Tickets extends Context.Service<Tickets, { readonly title: string }>()("Tickets") {}

  const lookup = withHandler(() => Effect.map(Tickets, ({ title }) => title))

  const byName = (text: string): ServerRequests.Handler<"item/tool/call"> => ({ params }) =>
    Effect.succeed({ success: true, contentItems: [DynamicTools.text(`${text}: ${params.tool}`)] })

  /** A thread with the tool `lookup`, and what the server is told when a running turn calls a tool. */
  const connectTools = Effect.fnUntraced(function*(options?: {
    readonly ofThread?: ServerRequests.Overrides
    readonly ofClient?: ServerRequests.Overrides
    readonly ofTurn?: ServerRequests.Overrides
  }) {
    const { codex, server } = yield* connect({ handlers: options?.ofClient ?? {} })
    const tools = yield* Effect.provideService(DynamicTools.make(lookup), Tickets, { title: "it rains in" })
    const starting = yield* Effect.forkScoped(codex.startThread({ tools, handlers: options?.ofThread }))
    const request = yield* server.expect("thread/start")
    yield* server.reply(request, threadStarted())
    const thread = yield* Fiber.join(starting)
    const running = Effect.fnUntraced(
      function*(thread: Effect.Success<ReturnType<Codex.Codex["Service"]["startThread"]>>) {
        const run = yield* Effect.forkScoped(thread.run("go", { handlers: options?.ofTurn }))
        const request = yield* server.expect("turn/start")
        yield* server.reply(request, { turn: turn("turn-1") })
        yield* server.send(started("turn-1", thread.id))
        const end = server.send(completed("turn-1", "completed", {}, thread.id))
        // A turn that is still running when a test fails would be waited for, on a clock that stands still.
        yield* Effect.addFinalizer(() => end)
        let id = 0
        return {
          call: Effect.fnUntraced(function*(tool: string) {
            yield* server.send(ask("item/tool/call", ++id, { tool, threadId: thread.id }))
            const { result } = yield* server.next
            const { contentItems } = result as { readonly contentItems: ReadonlyArray<{ readonly text: string }> }
            return contentItems[0]?.text
          }),
          end: Effect.andThen(end, Fiber.join(run))
        }
      }
    )
    return { codex, server, request, thread, running }
  })

  it.effect("offers them and answers their calls, with the services of where they were made", () =>
    Effect.gen(function*() {
      const { request, running, thread } = yield* connectTools()
      assert.deepStrictEqual(request.params?.dynamicTools, [{
        type: "function",
        name: "lookup",
        description: "Looks an id up.",
        inputSchema: {
          type: "object",
          properties: { id: { type: "string" } },
          required: ["id"],
          additionalProperties: false
        }
      }])
      const { call, end } = yield* running(thread)
      assert.strictEqual(yield* call("lookup"), "it rains in")
      assert.include(yield* call("other"), "no tool named other")
      yield* end
    }))

  it.effect("gives the calls of other tools to the thread's handler, else to the client's", () =>
    Effect.gen(function*() {
      const ofClient = { "item/tool/call": byName("client") }
      const first = yield* Effect.flatMap(
        connectTools({ ofClient, ofThread: { "item/tool/call": byName("thread") } }),
        ({ running, thread }) => running(thread)
      )
      assert.strictEqual(yield* first.call("other"), "thread: other")
      assert.strictEqual(yield* first.call("lookup"), "it rains in")
      yield* first.end
      const second = yield* Effect.flatMap(connectTools({ ofClient }), ({ running, thread }) => running(thread))
      assert.strictEqual(yield* second.call("other"), "client: other")
      assert.strictEqual(yield* second.call("lookup"), "it rains in")
      yield* second.end
    }))

  it.effect("leaves all calls of a turn to the handler of that turn", () =>
    Effect.gen(function*() {
      const { running, thread } = yield* connectTools({ ofTurn: { "item/tool/call": byName("turn") } })
      const { call, end } = yield* running(thread)
      assert.strictEqual(yield* call("lookup"), "turn: lookup")
      yield* end
    }))

  it.effect("sends no specs when there are none, and not to resume or to fork", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      yield* Effect.forkScoped(codex.startThread({ tools: yield* DynamicTools.make() }))
      assert.notProperty((yield* server.expect("thread/start")).params, "dynamicTools")
      const tools = yield* DynamicTools.make(named("lookup"))
      yield* Effect.forkScoped(codex.resumeThread(threadId, { tools }))
      assert.notProperty((yield* server.expect("thread/resume")).params, "dynamicTools")
      yield* Effect.forkScoped(codex.forkThread(threadId, { tools }))
      assert.notProperty((yield* server.expect("thread/fork")).params, "dynamicTools")
    }))

  it.effect("hands them on to its forks, whatever handlers these have", () =>
    Effect.gen(function*() {
      const { running, server, thread } = yield* connectTools()
      const forking = yield* Effect.forkScoped(thread.fork({ handlers: { "item/tool/call": byName("fork") } }))
      const fork = "01a204a7-b198-7230-917e-fb51d9aaf8db"
      yield* Effect.flatMap(server.expect("thread/fork"), (request) => server.reply(request, threadStarted(fork)))
      const { call, end } = yield* running(yield* Fiber.join(forking))
      assert.strictEqual(yield* call("lookup"), "it rains in")
      assert.strictEqual(yield* call("other"), "fork: other")
      yield* end
    }))

  it.effect("has the handler's spans below that of the call", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      let parents: Array<string> = []
      const tools = yield* DynamicTools.make(withHandler(() =>
        Effect.map(Effect.currentSpan, (span) => {
          parents = [span.name, String(span.attributes.get("codex.tool"))]
          return "seen"
        })
      )).pipe(Effect.withSpan("where the tools are made"))
      const starting = yield* Effect.forkScoped(codex.startThread({ tools }))
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, threadStarted()))
      yield* Effect.forkScoped((yield* Fiber.join(starting)).run("go"))
      yield* Effect.flatMap(server.expect("turn/start"), (request) => server.reply(request, { turn: turn("turn-1") }))
      yield* server.send(started("turn-1"), ask("item/tool/call", 1))
      yield* Effect.addFinalizer(() => server.send(completed("turn-1")))
      yield* server.next
      assert.deepStrictEqual(parents, ["ServerRequests.item/tool/call", "lookup"])
    }))

  it.effect("can be had for a whole client", () =>
    Effect.gen(function*() {
      const tools = yield* DynamicTools.make(named("lookup"))
      const layer = ServerRequests.layer({ "item/tool/call": tools.handler() })
      const { "item/tool/call": handler } = yield* Effect.provide(ServerRequests.current, layer)
      const params = { ...call, namespace: null, tool: "lookup", arguments: { id: "A" } }
      assert.deepInclude(yield* handler({ id: 0, method: "item/tool/call", item: undefined, params }), {
        success: true
      })
      assert.isTrue(Layer.isLayer(layer))
    }))
})
