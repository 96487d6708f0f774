/** Toolkits with handlers, and codex's own tools as parts, on the real codex with a scripted model. */
import { CodexLanguageModel, CodexTool } from "@effect-codex/ai"
import { ApprovalMode, Sandbox } from "@effect-codex/client"
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Ref, Schema, Stream } from "effect"
import { AiError, LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { enqueue, lastRequest, layer, real, requests } from "./support/real.ts"

class Prices extends Context.Service<Prices, { readonly find: (id: string) => Effect.Effect<number, string> }>()(
  "Prices"
) {}

const PricesLive = Layer.succeed(Prices, {
  find: (id) => id === "bad" ? Effect.fail("no such article") : Effect.succeed(id.length)
})

const options = {
  description: "Looks a price up.",
  parameters: Schema.Struct({ id: Schema.String.check(Schema.isNonEmpty()) }),
  success: Schema.Struct({ price: Schema.Number, at: Schema.DateTimeUtcFromString }),
  failure: Schema.String
}

const Lookup = Tool.make("Lookup", { ...options, failureMode: "return" })

const at = "2026-01-01T00:00:00.000Z"

const handler = ({ id }: { readonly id: string }) =>
  Effect.flatMap(Prices, (prices) => prices.find(id)).pipe(
    Effect.map((price) => ({ price, at: Schema.decodeSync(Schema.DateTimeUtcFromString)(at) })),
    Effect.provide(PricesLive)
  )

const outputs = Effect.map(lastRequest, ({ toolOutputs }) => toolOutputs.map(({ output }) => output))

const call = (name: string, args: ScriptedModel.JsonObject, callId?: string) =>
  ScriptedModel.functionCall(name, args, { callId })

/** The calls and results of an answer. */
const toolParts = (content: ReadonlyArray<{ readonly type: string }>) =>
  content.filter(({ type }) => type === "tool-call" || type === "tool-result")

describe("a toolkit", () => {
  const kit = Toolkit.make(Lookup)

  real(
    "is called while the turn runs, with decoded arguments, and its results are parts of the answer",
    Effect.gen(function*() {
      yield* enqueue(call("Lookup", { id: "abc" }, "c1"), call("Lookup", { id: "bad" }, "c2"), "It costs 3.")
      const response = yield* LanguageModel.generateText({ prompt: "How much?", toolkit: kit })
      assert.strictEqual(response.text, "It costs 3.")
      assert.deepStrictEqual(response.toolCalls.map(({ id, name, params }) => [id, name, params]), [
        ["c1", "Lookup", { id: "abc" }],
        ["c2", "Lookup", { id: "bad" }]
      ])
      const [found, missed] = response.toolResults
      assert.deepStrictEqual(found!.encodedResult, { price: 3, at })
      assert.deepStrictEqual([missed!.isFailure, missed!.result], [true, "no such article"])
      assert.deepStrictEqual(yield* outputs, [`{"price":3,"at":"${at}"}`, "no such article"])
    }).pipe(Effect.provide(kit.toLayer({ Lookup: handler })))
  )

  real(
    "tells the model of arguments that do not fit, and the answer goes on without them",
    Effect.gen(function*() {
      yield* enqueue(call("Lookup", { id: "" }), call("Lookup", { id: 3 }), call("Lookup", { id: "ab" }), "It costs 2.")
      const response = yield* LanguageModel.generateText({ prompt: "How much?", toolkit: kit })
      assert.strictEqual(response.text, "It costs 2.")
      assert.lengthOf(response.toolCalls, 1)
      const [empty, number] = yield* outputs
      assert.include(empty, "Invalid parameters for tool 'Lookup'")
      assert.include(number, "Expected string")
    }).pipe(Effect.provide(kit.toLayer({ Lookup: handler })))
  )

  real(
    "streams what its handlers report, before the answer that is made of it",
    Effect.gen(function*() {
      const Slow = Toolkit.make(Tool.make("Slow", { success: Schema.String }))
      yield* enqueue(call("Slow", {}, "c1"), "Done.")
      const parts = yield* LanguageModel.streamText({ prompt: "x", toolkit: Slow }).pipe(
        Stream.runCollect,
        Effect.provide(Slow.toLayer({
          Slow: (_, { preliminary }) => Effect.as(Effect.andThen(preliminary("10 %"), preliminary("90 %")), "all")
        }))
      )
      const told = parts.flatMap((part) =>
        part.type === "tool-result"
          ? [`${String(part.result)} ${part.preliminary}`]
          : part.type === "tool-call" || part.type === "text-delta" || part.type === "finish"
          ? [part.type]
          : []
      )
      assert.deepStrictEqual(told, [
        "tool-call",
        "10 % true",
        "90 % true",
        "all false",
        "text-delta",
        "finish"
      ])
    })
  )

  // Their JSON Schema is one of anything but null.
  real(
    "has tools without parameters, and tools that are known by their JSON Schema",
    Effect.gen(function*() {
      const Tools = Toolkit.make(
        Tool.make("bare"),
        Tool.make("empty", { parameters: Schema.Struct({}), success: Schema.String }),
        Tool.dynamic("dynamic", {
          parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
          success: Schema.String
        })
      )
      yield* enqueue(call("bare", {}), call("empty", {}), call("dynamic", { city: "Bern" }), "Done.")
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
        Effect.provide(Tools.toLayer({
          bare: () => Effect.void,
          empty: () => Effect.succeed("nothing"),
          dynamic: (params) => Effect.succeed(JSON.stringify(params))
        }))
      )
      assert.lengthOf(response.toolResults, 3)
      assert.deepStrictEqual(yield* outputs, ["Done.", "nothing", `{"city":"Bern"}`])
      const given = (yield* lastRequest).tools.find(({ name }) => name === "bare")
      assert.deepStrictEqual(given?.["parameters"], { type: "object", properties: {}, additionalProperties: false })
    })
  )

  real(
    "tells the model what a tool makes of its result for it",
    Effect.gen(function*() {
      const Tools = Toolkit.make(Tool.make("Read", {
        success: Schema.Struct({ lines: Schema.Array(Schema.String) }),
        toModelOutput: ({ lines }) => [Prompt.textPart({ text: lines.join("\n") })]
      }))
      yield* enqueue(call("Read", {}), "Done.")
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
        Effect.provide(Tools.toLayer({ Read: () => Effect.succeed({ lines: ["a", "b"] }) }))
      )
      assert.deepStrictEqual(yield* outputs, ["a\nb"])
      assert.deepStrictEqual(response.toolResults[0]?.modelOutput?.map((part) => part.type === "text" && part.text), [
        "a\nb"
      ])
    })
  )

  real(
    "has tools with recursive parameters",
    Effect.gen(function*() {
      interface Tree {
        readonly name: string
        readonly children: ReadonlyArray<Tree>
      }
      const Tree = Schema.Struct({
        name: Schema.String,
        children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
      }).annotate({ identifier: "Tree" })
      const depth = ({ children }: Tree): number => 1 + Math.max(0, ...children.map(depth))
      const Tools = Toolkit.make(Tool.make("Depth", { parameters: Tree, success: Schema.Int }))
      yield* enqueue(
        call("Depth", { name: "a", children: [{ name: "b", children: [] }] }),
        call("Depth", { name: "a", children: [{ name: 1 }] }),
        "Done."
      )
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
        Effect.provide(Tools.toLayer({ Depth: (tree) => Effect.succeed(depth(tree)) }))
      )
      assert.deepStrictEqual(toolResults.map(({ result }) => result), [2])
      const given = (yield* lastRequest).tools.find(({ name }) => name === "Depth")
      assert.nestedProperty(given, "parameters.$defs.Tree")
    })
  )

  // codex cuts what the model reads of a result.
  real(
    "gives the program the whole of a result that is too large for the model",
    Effect.gen(function*() {
      const Tools = Toolkit.make(Tool.make("Dump", { success: Schema.String }))
      const dump = "0123456789".repeat(500_000)
      yield* enqueue(call("Dump", {}), "Done.")
      const { text, toolResults } = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
        Effect.provide(Tools.toLayer({ Dump: () => Effect.succeed(dump) }))
      )
      assert.strictEqual(text, "Done.")
      assert.strictEqual(toolResults[0]?.result, dump)
      assert.isBelow((yield* outputs)[0]!.length, 100_000)
    })
  )

  real(
    "with a name that codex has itself, or reserves, is refused before a turn is run",
    Effect.gen(function*() {
      for (const name of ["exec_command", "apply_patch", "view_image", "mcp__files__read", "no spaces"]) {
        const Tools = Toolkit.make(Tool.make(name))
        const error = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
          Effect.provide(Tools.toLayer({ [name]: () => Effect.void })),
          Effect.flip
        )
        assert.isTrue(AiError.isAiError(error) && error.reason._tag === "InvalidRequestError")
        assert.include(error.message, name)
      }
      assert.lengthOf(yield* requests, 0)
    })
  )

  real(
    "runs as many handlers at once as the call allows",
    Effect.gen(function*() {
      const Tools = Toolkit.make(Tool.make("Count", { success: Schema.Int }))
      const running = yield* Ref.make(0)
      const most = yield* Ref.make(0)
      const count = Effect.gen(function*() {
        const now = yield* Ref.updateAndGet(running, (n) => n + 1)
        yield* Ref.update(most, (n) => Math.max(n, now))
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        yield* Ref.update(running, (n) => n - 1)
        return now
      })
      yield* enqueue([call("Count", {}), call("Count", {}), call("Count", {})], "Done.")
      const ask = (concurrency: number) =>
        LanguageModel.generateText({ prompt: "x", toolkit: Tools, concurrency }).pipe(
          Effect.provide(Tools.toLayer({ Count: () => count }))
        )
      yield* ask(1)
      assert.deepStrictEqual([yield* outputs, yield* Ref.get(most)], [["1", "1", "1"], 1])
      // With none at once, the agent would wait for the handlers for ever.
      yield* enqueue(call("Count", {}), "Done.")
      yield* ask(0)
      assert.deepStrictEqual(yield* outputs, ["1"])
    })
  )

  real(
    "interrupts its handlers with the call",
    Effect.gen(function*() {
      const Tools = Toolkit.make(Tool.make("Wait"))
      const began = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      yield* enqueue(call("Wait", {}))
      const fiber = yield* LanguageModel.generateText({ prompt: "x", toolkit: Tools }).pipe(
        Effect.provide(Tools.toLayer({
          Wait: () =>
            Effect.andThen(Deferred.succeed(began, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
            )
        })),
        Effect.forkChild
      )
      yield* Deferred.await(began)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(ended)
      assert.lengthOf(yield* requests, 1)
    })
  )
})

describe("a call is stopped", () => {
  const Wait = Toolkit.make(Tool.make("Wait", { success: Schema.String, needsApproval: true }))

  real(
    "when its stream is left while a handler runs",
    Effect.gen(function*() {
      const Slow = Toolkit.make(Tool.make("Slow", { success: Schema.String }))
      const ended = yield* Deferred.make<void>()
      yield* enqueue(call("Slow", {}))
      const first = yield* LanguageModel.streamText({ prompt: "x", toolkit: Slow }).pipe(
        Stream.filter((part) => part.type === "tool-result"),
        Stream.runHead,
        Effect.provide(Slow.toLayer({
          Slow: (_, { preliminary }) =>
            Effect.andThen(preliminary("10 %"), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
            )
        }))
      )
      assert.strictEqual(Option.getOrUndefined(first)?.result, "10 %")
      yield* Deferred.await(ended)
      assert.lengthOf(yield* requests, 1)
    })
  )

  real(
    "while an approval is waited for, which ends with it",
    Effect.gen(function*() {
      const began = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      yield* enqueue(call("Wait", {}))
      const approveTool = () =>
        Effect.andThen(Deferred.succeed(began, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
        )
      const fiber = yield* LanguageModel.generateText({ prompt: "x", toolkit: Wait }).pipe(
        Effect.provide(Wait.toLayer({ Wait: () => Effect.succeed("done") })),
        CodexLanguageModel.withConfigOverride({ approveTool }),
        Effect.forkChild
      )
      yield* Deferred.await(began)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(ended)
      assert.lengthOf(yield* requests, 1)
    })
  )

  real(
    "while its object is being repaired",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue("no", ScriptedModel.text(["{", gate]))
      const fiber = yield* LanguageModel.generateObject({ prompt: "x", schema: Schema.Struct({ a: Schema.Int }) }).pipe(
        CodexLanguageModel.withConfigOverride({ repair: 1 }),
        Effect.forkChild
      )
      yield* gate.reached
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* (yield* lastRequest).outcome, "abandoned")
    })
  )
})

describe("a handler that fails", () => {
  class Broken extends Schema.TaggedError<Broken>()("Broken", { what: Schema.String }) {}
  const Strict = Toolkit.make(Tool.make("Strict", { failure: Broken, failureMode: "error" }))

  real(
    "fails the call with its error when its tool's failures are errors, and the agent is stopped",
    Effect.gen(function*() {
      yield* enqueue(call("Strict", {}), "Never said.")
      const error = yield* LanguageModel.generateText({ prompt: "x", toolkit: Strict }).pipe(
        Effect.provide(Strict.toLayer({ Strict: () => Effect.fail(new Broken({ what: "door" })) })),
        Effect.flip
      )
      assert.instanceOf(error, Broken)
      assert.lengthOf(yield* requests, 1)
    })
  )

  real(
    "fails the stream, too",
    Effect.gen(function*() {
      yield* enqueue(call("Strict", {}), "Never said.")
      const error = yield* LanguageModel.streamText({ prompt: "x", toolkit: Strict }).pipe(
        Stream.runDrain,
        Effect.provide(Strict.toLayer({ Strict: () => Effect.fail(new Broken({ what: "door" })) })),
        Effect.flip
      )
      assert.instanceOf(error, Broken)
      assert.lengthOf(yield* requests, 1)
    })
  )

  real(
    "by dying makes the call and the stream die, and the agent is stopped",
    Effect.gen(function*() {
      const Broke = Toolkit.make(Tool.make("Broke", { failure: Broken, failureMode: "return" }))
      yield* enqueue(call("Broke", {}), call("Broke", {}))
      const live = Broke.toLayer({ Broke: () => Effect.die("a defect") })
      for (
        const run of [
          Effect.asVoid(LanguageModel.generateText({ prompt: "x", toolkit: Broke })),
          Stream.runDrain(LanguageModel.streamText({ prompt: "x", toolkit: Broke }))
        ]
      ) {
        const exit = yield* Effect.exit(Effect.provide(run, live))
        assert.isTrue(Exit.hasDies(exit))
        assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), "a defect")
      }
      assert.lengthOf(yield* requests, 2)
    })
  )

  // The turn may have done something before, so nobody is told that the call can be repeated.
  real(
    "with an error of effect/ai that is retryable does not make the call retryable",
    Effect.gen(function*() {
      const Limited = Toolkit.make(Tool.make("Limited"))
      yield* enqueue(call("Limited", {}), call("Limited", {}))
      const error = yield* LanguageModel.generateText({ prompt: "x", toolkit: Limited }).pipe(
        Effect.provide(Limited.toLayer({ Limited: () => Effect.fail(new AiError.RateLimitError({})) })),
        Effect.flip
      )
      assert.isTrue(AiError.isAiError(error))
      assert.isFalse(error.isRetryable)
      assert.include(error.message, "Rate limit exceeded")
      const streamed = yield* Stream.runDrain(LanguageModel.streamText({ prompt: "x", toolkit: Limited })).pipe(
        Effect.provide(Limited.toLayer({ Limited: () => Effect.fail(new AiError.RateLimitError({})) })),
        Effect.flip
      )
      assert.isFalse(streamed.isRetryable)
    })
  )
})

describe("a tool that needs an approval", () => {
  const ran: Array<string> = []
  const Guarded = Toolkit.make(Tool.make("Delete", {
    parameters: Schema.Struct({ path: Schema.String }),
    success: Schema.String,
    needsApproval: ({ path }) => path.startsWith("/")
  }))
  const GuardedLive = Guarded.toLayer({ Delete: ({ path }) => Effect.sync(() => (ran.push(path), "deleted")) })

  real(
    "is denied without anybody to approve it, and the model is told",
    Effect.gen(function*() {
      ran.length = 0
      yield* enqueue([call("Delete", { path: "/etc" }, "c1"), call("Delete", { path: "tmp" }, "c2")], "Well.")
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Guarded })
      assert.deepStrictEqual(ran, ["tmp"])
      const denied = response.toolResults.find(({ id }) => id === "c1")
      assert.deepInclude(denied?.result, { type: "execution-denied" })
      assert.isTrue((yield* outputs).some((output) => output.includes("nobody is there to approve it")))
    }).pipe(Effect.provide(GuardedLive))
  )

  real(
    "runs when it is approved",
    Effect.gen(function*() {
      ran.length = 0
      yield* enqueue(call("Delete", { path: "/tmp/a" }), call("Delete", { path: "/etc" }), "Well.")
      yield* LanguageModel.generateText({ prompt: "x", toolkit: Guarded })
      assert.deepStrictEqual(ran, ["/tmp/a"])
      assert.include((yield* outputs)[1], "not that one")
    }).pipe(Effect.provide(GuardedLive)),
    layer({
      config: {
        approveTool: ({ params }) =>
          Effect.succeed(JSON.stringify(params).includes("/tmp") ? true : { denied: "not that one" })
      }
    })
  )
})

describe("toolChoice", () => {
  const kit = Toolkit.make(Lookup, Tool.make("Other", { success: Schema.String }))
  const live = kit.toLayer({ Lookup: handler, Other: () => Effect.succeed("other") })

  real(
    "none and oneOf keep tools from being run",
    Effect.gen(function*() {
      yield* enqueue(call("Other", {}), "One.", call("Other", {}), call("Lookup", { id: "a" }), "Two.")
      const none = yield* LanguageModel.generateText({ prompt: "x", toolkit: kit, toolChoice: "none" })
      assert.deepStrictEqual(yield* outputs, ["The tool Other may not be used in this turn."])
      assert.lengthOf(none.toolCalls, 0)
      const one = yield* LanguageModel.generateText({ prompt: "x", toolkit: kit, toolChoice: { oneOf: ["Lookup"] } })
      assert.deepStrictEqual(one.toolCalls.map(({ name }) => name), ["Lookup"])
    }).pipe(Effect.provide(live))
  )

  // A turn cannot be made to call a tool.
  for (const toolChoice of ["required", { tool: "Other" }, { mode: "required", oneOf: ["Other"] }] as const) {
    real(
      `${JSON.stringify(toolChoice)} is refused`,
      Effect.gen(function*() {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "x", toolkit: kit, toolChoice }))
        assert.isTrue(AiError.isAiError(error) && error.reason._tag === "InvalidRequestError")
        assert.lengthOf(yield* requests, 0)
      }).pipe(Effect.provide(live))
    )
  }

  real(
    "and the tools of another provider, and calls that are left to the program, are refused",
    Effect.gen(function*() {
      const Foreign = Toolkit.make(
        Tool.providerDefined({
          id: "openai.web_search",
          customName: "OpenAiWebSearch",
          providerName: "web_search"
        })(undefined)
      )
      const foreign = yield* Effect.flip(LanguageModel.generateText({ prompt: "x", toolkit: Foreign }))
      assert.strictEqual(foreign.reason._tag, "ToolConfigurationError")
      const unresolved = yield* LanguageModel.generateText({
        prompt: "x",
        toolkit: kit,
        disableToolCallResolution: true
      }).pipe(Effect.flip)
      assert.strictEqual(unresolved.reason._tag, "InvalidRequestError")
      assert.lengthOf(yield* requests, 0)
    })
  )
})

describe("what codex does itself", () => {
  const patch = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch"
  const answers = [
    ScriptedModel.exec("echo hi", { callId: "c1" }),
    ScriptedModel.exec(`apply_patch <<'EOF'\n${patch}\nEOF`, { callId: "c2" }),
    "Done."
  ]
  const config = { config: { sandbox: Sandbox.workspaceWrite, approvalMode: ApprovalMode.denyAll } }

  real(
    "is a part of the answer when the toolkit has its tool",
    Effect.gen(function*() {
      yield* enqueue(...answers)
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: CodexTool.toolkit })
      assert.deepStrictEqual(response.toolCalls.map(({ name, providerExecuted }) => [name, providerExecuted]), [
        ["CodexShell", true],
        ["CodexPatch", true]
      ])
      const [command, change] = response.toolResults
      assert.deepStrictEqual(command?.result, { exitCode: 0, output: "hi\n" })
      assert.deepStrictEqual(change?.result, { status: "completed" })
    }),
    layer(config)
  )

  // A part of a tool that the toolkit lacks fails to decode.
  real(
    "is left out when it has not",
    Effect.gen(function*() {
      yield* enqueue(...answers, ...answers)
      const bare = yield* LanguageModel.generateText({ prompt: "x" })
      assert.lengthOf(toolParts(bare.content), 0)
      const some = yield* LanguageModel.generateText({ prompt: "x", toolkit: Toolkit.make(CodexTool.shell) })
      assert.deepStrictEqual(some.toolCalls.map(({ name }) => name), ["CodexShell"])
    }),
    layer(config)
  )

  real(
    "is not taken for a tool of the program that has the same name",
    Effect.gen(function*() {
      const Own = Toolkit.make(Tool.make("CodexShell", { success: Schema.String }))
      yield* enqueue(ScriptedModel.exec("echo hi"), call("CodexShell", {}, "c2"), "Done.")
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Own }).pipe(
        Effect.provide(Own.toLayer({ CodexShell: () => Effect.succeed("mine") }))
      )
      assert.deepStrictEqual(response.toolResults.map(({ result }) => result), ["mine"])
    }),
    layer(config)
  )

  real(
    "streams, and a command that is declined is a failure",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("false", { callId: "c1" }), "Done.")
      const parts = yield* Stream.runCollect(
        LanguageModel.streamText({ prompt: "x", toolkit: CodexTool.toolkit })
      )
      const result = parts.find((part) => part.type === "tool-result")
      assert.deepInclude(result?.result, { exitCode: 1 })
      assert.isTrue(result?.isFailure)
    }),
    layer(config)
  )

  const asker = {
    command: process.execPath,
    args: [mcpServer],
    required: true
  }

  real(
    "with the tools of its MCP servers is told with their structured results",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.functionCall("heard", {}, { namespace: "mcp__asker" }), "Done.")
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Toolkit.make(CodexTool.mcp) })
      assert.deepStrictEqual(response.toolCalls.map(({ params }) => params), [
        { server: "asker", tool: "heard", arguments: {} }
      ])
      assert.isFalse(response.toolResults[0]?.isFailure)
      assert.property(response.toolResults[0]?.result, "structuredContent")
    }),
    layer(undefined, { home: { config: { mcp_servers: { asker } } } })
  )

  real(
    "on the web is a search, and a page that was opened is a source",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply([
          ScriptedModel.item({
            type: "web_search_call",
            id: "ws1",
            status: "completed",
            action: { type: "search", query: "effect" }
          }),
          ScriptedModel.item({
            type: "web_search_call",
            id: "ws2",
            status: "completed",
            action: { type: "open_page", url: "https://effect.website/docs" }
          }),
          "Found."
        ])
      )
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: Toolkit.make(CodexTool.webSearch) })
      assert.deepStrictEqual(response.toolCalls.map(({ name }) => name), ["CodexWebSearch", "CodexWebSearch"])
      const sources = response.content.flatMap((part) => part.type === "source" ? [part] : [])
      assert.deepStrictEqual(sources.map((source) => source.sourceType === "url" && source.url.href), [
        "https://effect.website/docs"
      ])
    })
  )
})
