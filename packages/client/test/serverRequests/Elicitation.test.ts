/** Elicitations as a handler sees them, and what of its answers goes over the wire, in memory. */
import { Elicitation, ServerRequests } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Fake from "../support/fakeServer.ts"

const declined = { action: "decline", content: null, _meta: null }

const ask = (params: object) => Fake.ask("mcpServer/elicitation/request", 7, params)

const form = (properties: object, required: ReadonlyArray<string> = [], more: object = {}) =>
  ask({ mode: "form", message: "Please.", requestedSchema: { type: "object", properties, required }, ...more })

const approval = (meta: object = {}, properties: object = {}) =>
  form(properties, [], {
    _meta: {
      codex_approval_kind: "mcp_tool_call",
      persist: ["session", "always"],
      tool_name: "change",
      tool_title: "Change it",
      tool_annotations: { readOnlyHint: false, destructiveHint: true },
      tool_description: "It changes.",
      tool_params: { file: "a.txt" },
      ...meta
    }
  })

/** What a handler is given for a request of the server. */
const seen = Effect.fnUntraced(function*(frame: string) {
  const requests: Array<Elicitation.Request> = []
  const handlers = yield* Elicitation.make((request) =>
    Effect.sync(() => {
      requests.push(request)
      return Elicitation.decline
    })
  )
  assert.deepStrictEqual((yield* Fake.answered(handlers, frame)).result, declined)
  assert.strictEqual(requests.length, 1)
  return requests[0]!
})

const answer = (answer: Elicitation.Answer, frame: string) =>
  Effect.flatMap(Elicitation.make(() => Effect.succeed(answer)), (handlers) => Fake.answered(handlers, frame))

const asked = { threadId: Fake.threadId, turnId: "turn-1", serverName: "files", environmentId: undefined, meta: null }

const names = { title: undefined, description: undefined, isRequired: false, default: undefined }

// Each with a schema as the real server hands it on, what the handler sees, what fits and what does not.
const kinds: ReadonlyArray<{
  readonly kind: string
  readonly schema: object
  readonly field: object
  readonly good: ReadonlyArray<Elicitation.Content[string]>
  readonly bad: ReadonlyArray<Elicitation.Content[string]>
  readonly expected: string
}> = [
  {
    kind: "a text",
    schema: { type: "string", title: "Name", description: "Yours.", minLength: 2, maxLength: 3, default: "Ann" },
    field: {
      _tag: "Text",
      title: "Name",
      description: "Yours.",
      format: undefined,
      minLength: 2,
      maxLength: 3,
      default: "Ann"
    },
    good: ["ab", "abc", "😀😀😀"],
    bad: ["a", "abcd", "", 12, true, null, ["ab"]],
    expected: "text of 2 to 3 characters"
  },
  {
    kind: "an email address",
    schema: { type: "string", format: "email" },
    field: { _tag: "Text", format: "email", minLength: undefined, maxLength: undefined },
    good: ["ann@example.com"],
    bad: ["ann", "ann@", "@example.com", "a b@example.com"],
    expected: "text in the format email"
  },
  {
    kind: "a URI",
    schema: { type: "string", format: "uri" },
    field: { _tag: "Text", format: "uri", minLength: undefined, maxLength: undefined },
    good: ["https://example.com/a?b", "urn:isbn:0451450523"],
    bad: ["example.com", "/a"],
    expected: "text in the format uri"
  },
  {
    kind: "a date",
    schema: { type: "string", format: "date" },
    field: { _tag: "Text", format: "date", minLength: undefined, maxLength: undefined },
    good: ["2026-11-22", "2024-02-29"],
    bad: ["2026-11-31", "2025-02-29", "22.11.2026", "2026-11-22T00:00:00Z", ""],
    expected: "text in the format date"
  },
  {
    kind: "a date and time",
    schema: { type: "string", format: "date-time" },
    field: { _tag: "Text", format: "date-time", minLength: undefined, maxLength: undefined },
    good: ["2026-11-22T23:28:00Z", "2026-11-22t23:28:00.125+01:00"],
    bad: ["2026-11-22", "2026-11-22T23:28:00", "2026-11-22 23:28:00Z", "2026-13-22T23:28:00Z", "2026-11-22T24:28:00Z"],
    expected: "text in the format date-time"
  },
  {
    kind: "a text of a format that is not known",
    schema: { type: "string", format: "haiku", minLength: null },
    field: { _tag: "Text", format: "haiku", minLength: undefined, maxLength: undefined },
    good: ["anything"],
    bad: [1],
    expected: "text in the format haiku"
  },
  {
    kind: "a number",
    schema: { type: "number", minimum: 0.5, default: 1.5 },
    field: { _tag: "Number", isInteger: false, minimum: 0.5, maximum: undefined, default: 1.5 },
    good: [0.5, 1e9],
    bad: [0.4, "1", NaN, Infinity],
    expected: "a number of at least 0.5"
  },
  {
    kind: "an integer",
    schema: { type: "integer", minimum: 1, maximum: 10 },
    field: { _tag: "Number", isInteger: true, minimum: 1, maximum: 10 },
    good: [1, 10],
    bad: [0, 11, 1.5],
    expected: "an integer of 1 to 10"
  },
  {
    kind: "a yes or no",
    schema: { type: "boolean", default: false },
    field: { _tag: "Boolean", default: false },
    good: [true, false],
    bad: ["true", 1, null],
    expected: "true or false"
  },
  {
    kind: "a choice of values",
    schema: { type: "string", enum: ["a", "b"], default: "a" },
    field: {
      _tag: "SingleChoice",
      choices: [{ value: "a", title: "a" }, { value: "b", title: "b" }],
      default: "a"
    },
    good: ["b"],
    bad: ["c", ["a"], null],
    expected: `one of "a", "b"`
  },
  {
    kind: "a choice of values with names",
    schema: { type: "string", enum: ["a", "b"], enumNames: ["A"] },
    field: { _tag: "SingleChoice", choices: [{ value: "a", title: "A" }, { value: "b", title: "b" }] },
    good: ["a"],
    bad: ["A"],
    expected: `one of "a", "b"`
  },
  {
    kind: "a choice of titled values",
    schema: { type: "string", oneOf: [{ const: "a", title: "A" }] },
    field: { _tag: "SingleChoice", choices: [{ value: "a", title: "A" }] },
    good: ["a"],
    bad: ["A"],
    expected: `one of "a"`
  },
  {
    kind: "several of some values",
    schema: {
      type: "array",
      items: { type: "string", enum: ["a", "b"] },
      minItems: 1,
      maxItems: 2,
      default: ["a"]
    },
    field: {
      _tag: "MultipleChoice",
      choices: [{ value: "a", title: "a" }, { value: "b", title: "b" }],
      minItems: 1,
      maxItems: 2,
      default: ["a"]
    },
    good: [["a"], ["b", "a"]],
    bad: [[], ["a", "b", "a"], ["c"], "a"],
    expected: `an array of 1 to 2 values, each one of "a", "b"`
  },
  {
    kind: "several of titled values",
    schema: { type: "array", items: { anyOf: [{ const: "a", title: "A" }] }, maxItems: 1 },
    field: { _tag: "MultipleChoice", choices: [{ value: "a", title: "A" }], minItems: undefined, maxItems: 1 },
    good: [["a"], []],
    bad: [["A"], ["a", "a"]],
    expected: `an array of at most 1 values, each one of "a"`
  },
  {
    kind: "of a kind that is not known",
    schema: { type: "colour", title: "Colour" },
    field: { _tag: "Unknown", title: "Colour", schema: { type: "colour", title: "Colour" } },
    good: ["red", { r: 255 }, null],
    bad: [],
    expected: ""
  }
]

describe("a field", () => {
  it.effect.each(kinds)("$kind", ({ bad, expected, field, good, schema }) =>
    Effect.gen(function*() {
      const frame = form({ it: schema })
      const request = yield* seen(frame)
      assert(request._tag === "Form")
      const { default: initial, ...others } = { ...names, name: "it", ...field }
      assert.deepStrictEqual<unknown>(request.fields, [
        "schema" in field ? others : { ...others, default: initial }
      ])
      for (const it of good) {
        assert.deepStrictEqual((yield* answer(Elicitation.accept({ it }), frame)).result, {
          action: "accept",
          content: { it },
          _meta: null
        })
      }
      for (const it of bad) {
        const error = yield* Effect.flip(Elicitation.check(request, { it }))
        assert.deepStrictEqual(error.issues, [{ field: "it", expected }], JSON.stringify(it))
      }
    }))
})

describe("a form", () => {
  const frame = form({ age: { type: "integer" }, name: { type: "string" } }, ["name"])

  it.effect("has its fields in the order of the server, and says which are required", () =>
    Effect.gen(function*() {
      const request = yield* seen(frame)
      assert(request._tag === "Form")
      assert.deepInclude(request, { ...asked, message: "Please." })
      assert.deepStrictEqual(request.fields.map(({ isRequired, name }) => [name, isRequired]), [
        ["age", false],
        ["name", true]
      ])
    }))

  it.effect("names the environment whose server asks, where the server of codex does", () =>
    Effect.gen(function*() {
      for (
        const params of [
          { mode: "form", message: "Please.", requestedSchema: { type: "object", properties: {} } },
          { mode: "url", message: "Please.", url: "https://example.com", elicitationId: "e1" },
          { mode: "not-yet-known" }
        ]
      ) {
        for (const [environmentId, told] of [["staging", "staging"], [null, undefined]]) {
          assert.strictEqual((yield* seen(ask({ ...params, environmentId }))).environmentId, told)
        }
      }
    }))

  it.effect("is accepted without the fields that are undefined", () =>
    Effect.gen(function*() {
      const { log, result } = yield* answer(Elicitation.accept({ age: undefined, name: "Ann" }), frame)
      assert.deepStrictEqual(result, { action: "accept", content: { name: "Ann" }, _meta: null })
      assert.strictEqual(log, "")
    }))

  it.effect("whose content does not fit is declined, and reported without the values", () =>
    Effect.gen(function*() {
      const { log, result } = yield* answer(
        Elicitation.accept({ age: "sixty-one", constructor: "secret-of-mine" }),
        frame
      )
      assert.deepStrictEqual(result, declined)
      assert.include(log, "the MCP server files")
      assert.include(log, "age: expected an integer")
      assert.include(log, "name: expected an answer")
      assert.include(log, "constructor: expected nothing, because it was not asked for")
      assert.notInclude(log, "sixty-one")
      assert.notInclude(log, "secret-of-mine")
    }))

  it.effect("without content is not accepted when a field is required", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* answer(Elicitation.accept(), frame)).result, declined)
      assert.deepStrictEqual((yield* answer(Elicitation.accept(), form({}))).result, {
        action: "accept",
        content: null,
        _meta: null
      })
    }))

  it.effect("can be declined and cancelled", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* answer(Elicitation.decline, frame)).result, declined)
      assert.deepStrictEqual((yield* answer(Elicitation.cancel, frame)).result, { ...declined, action: "cancel" })
    }))
})

describe("a tool's approval", () => {
  const allowed = { action: "accept", content: null, _meta: null }

  it.effect("tells what would be called", () =>
    Effect.gen(function*() {
      const request = yield* seen(approval())
      const { meta, ...others } = request
      assert.deepStrictEqual<unknown>(others, {
        _tag: "ToolApproval",
        threadId: Fake.threadId,
        turnId: "turn-1",
        serverName: "files",
        environmentId: undefined,
        message: "Please.",
        tool: "change",
        title: "Change it",
        description: "It changes.",
        arguments: { file: "a.txt" },
        annotations: { readOnlyHint: false, destructiveHint: true },
        persist: ["session", "always"]
      })
      assert.propertyVal(meta, "codex_approval_kind", "mcp_tool_call")
    }))

  it.effect("holds as long as was chosen, if that was offered", () =>
    Effect.gen(function*() {
      const { accept, acceptAlways, acceptForSession, decline } = Elicitation
      assert.deepStrictEqual((yield* answer(accept(), approval())).result, allowed)
      assert.deepStrictEqual((yield* answer(decline, approval())).result, declined)
      for (const [answered, persist] of [[acceptForSession, "session"], [acceptAlways, "always"]] as const) {
        const whole = { ...allowed, _meta: { persist } }
        assert.deepStrictEqual((yield* answer(answered, approval())).result, whole)
        assert.deepStrictEqual((yield* answer(answered, approval({ persist }))).result, whole)
        assert.deepStrictEqual((yield* answer(answered, approval({ persist: undefined }))).result, allowed)
        assert.deepStrictEqual((yield* answer(answered, approval({ persist: ["forever"] }))).result, allowed)
        assert.deepStrictEqual((yield* answer(answered, form({}))).result, allowed)
      }
    }))

  it.effect("takes no content", () =>
    Effect.gen(function*() {
      const { log, result } = yield* answer(Elicitation.accept({ file: "b.txt" }), approval())
      assert.deepStrictEqual(result, declined)
      assert.include(log, "file: expected nothing")
    }))

  it.effect("is a form if it has fields or is of another kind, and an older server does not name the tool", () =>
    Effect.gen(function*() {
      for (
        const frame of [
          approval({}, { name: { type: "string" } }),
          approval({ codex_approval_kind: "tool_suggestion" })
        ]
      ) assert.strictEqual((yield* seen(frame))._tag, "Form")
      assert.deepInclude(yield* seen(approval({ tool_name: 5 })), { _tag: "ToolApproval", tool: "" })
    }))
})

describe("the other modes", () => {
  it.effect("a URL takes no content", () =>
    Effect.gen(function*() {
      const frame = ask({})
      assert.deepStrictEqual<unknown>(yield* seen(frame), {
        _tag: "Url",
        ...asked,
        message: "Please sign in.",
        url: "https://example.com/sign-in",
        elicitationId: "e1"
      })
      assert.deepInclude((yield* answer(Elicitation.accept(), frame)).result, { action: "accept", content: null })
      assert.deepStrictEqual((yield* answer(Elicitation.accept({ a: 1 }), frame)).result, declined)
    }))

  it.effect.each(["openai/form", "openaiForm"])(
    "%s has a schema of any kind and takes any content",
    (mode) =>
      Effect.gen(function*() {
        const requestedSchema = { type: "object", properties: { a: { type: "object" } } }
        const frame = ask({ mode, message: "Please.", requestedSchema, turnId: null })
        assert.deepStrictEqual<unknown>(yield* seen(frame), {
          _tag: "OpaqueForm",
          ...asked,
          turnId: undefined,
          message: "Please.",
          requestedSchema
        })
        const content = { a: { b: [1, null] } }
        assert.deepStrictEqual((yield* answer(Elicitation.accept(content), frame)).result, {
          action: "accept",
          content,
          _meta: null
        })
      })
  )

  it.effect("a user verification", () =>
    Effect.gen(function*() {
      const params = { title: "You?", description: "Prove it.", challenge: "Y2hhbGxlbmdl" }
      const frame = ask({ mode: "openai/userVerification", ...params })
      assert.deepStrictEqual<unknown>(yield* seen(frame), { _tag: "UserVerification", ...asked, ...params })
      assert.deepInclude((yield* answer(Elicitation.accept({ proof: "p" }), frame)).result, { content: { proof: "p" } })
    }))

  it.effect("one that is not known comes as it is, and is declined by default", () =>
    Effect.gen(function*() {
      const frame = ask({ mode: "telepathy", thought: [1] })
      const request = yield* seen(frame)
      assert(request._tag === "Unknown")
      assert.deepInclude(request, { ...asked, mode: "telepathy" })
      assert.deepStrictEqual(request.params.thought, [1])
      assert.deepStrictEqual((yield* Fake.answered({}, frame)).result, declined)
      assert.deepInclude((yield* answer(Elicitation.accept({ a: 1 }), frame)).result, { content: { a: 1 } })
    }))
})

describe("a handler", () => {
  class Consent extends Context.Service<Consent, { readonly given: boolean }>()("test/Consent") {}

  const handler = () => Effect.map(Consent, ({ given }) => given ? Elicitation.accept() : Elicitation.cancel)

  it.effect("has the services of where it was made, or of its layer", () =>
    Effect.gen(function*() {
      const made = yield* Effect.provideService(Elicitation.make(handler), Consent, { given: true })
      assert.deepInclude((yield* Fake.answered(made, ask({}))).result, { action: "accept" })
      const layer = Elicitation.layer(handler).pipe(Layer.provide(Layer.succeed(Consent, { given: false })))
      const ofLayer = yield* Effect.provide(ServerRequests.current, layer)
      assert.deepInclude((yield* Fake.answered(ofLayer, ask({}))).result, { action: "cancel" })
    }))

  it.effect("that fails is reported and declines", () =>
    Effect.gen(function*() {
      const handlers = yield* Elicitation.make(() => Effect.fail(new Error("nobody is here")))
      const { log, result } = yield* Fake.answered(handlers, ask({}))
      assert.deepStrictEqual(result, declined)
      assert.include(log, "nobody is here")
    }))
})
