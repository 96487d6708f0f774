import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import * as Received from "../src/Received.ts"
import { type Frame, frames, inside, jsonSchemas, nameOf, nullableKeys, type Path, replace } from "./support.ts"

// The keys of these objects are data, so that a key nobody knows is checked like any other.
const maps = new Set(["readStates", "origins"])

const isMap = (at: Path): boolean => maps.has(at.join("."))

const explain = (frame: Frame, value: unknown): string => {
  const guard = Schema.is(frame.schema)
  return guard(value) ? "" : frame.name
}

const itemFrames = frames.filter(({ name }) => /item\/(started|completed)$/.test(name))

const suite = (name: string) =>
  describe(name, () => {
    it("accepts every recorded frame and leaves it as it is", () => {
      assert.isAbove(frames.length, 40)
      for (const frame of frames) {
        const before = JSON.stringify(frame.value)
        assert.strictEqual(explain(frame, frame.value), "")
        assert.strictEqual(JSON.stringify(frame.value), before)
      }
    })

    it("accepts an unknown field in every object", () => {
      let count = 0
      for (const frame of frames) {
        for (const { at, value } of inside(frame.value)) {
          if (typeof value !== "object" || value === null || Array.isArray(value) || isMap(at)) continue
          const changed = replace(frame.value, at, { ...value, somethingNew: { a: [1] } })
          assert.strictEqual(explain(frame, changed), "", at.join("."))
          count++
        }
      }
      assert.isAbove(count, 200)
    })

    it("accepts a new string in place of every string: enum values and tags of unions too", () => {
      let count = 0
      for (const frame of frames) {
        for (const { at, value } of inside(frame.value)) {
          if (typeof value !== "string") continue
          assert.strictEqual(explain(frame, replace(frame.value, at, "somethingNew")), "", at.join("."))
          count++
        }
      }
      assert.isAbove(count, 500)
    })

    it("accepts a frame without a key that was null", () => {
      let count = 0
      for (const frame of frames) {
        for (const { at, value } of inside(frame.value)) {
          if (value !== null) continue
          assert.strictEqual(explain(frame, replace(frame.value, at, undefined)), "", at.join("."))
          count++
        }
      }
      assert.isAbove(count, 200)
    })

    it("accepts null for an optional key", () => {
      const skills = frames.filter(({ value }) => JSON.stringify(value).includes(`"brandColor":null`))
      assert.deepStrictEqual(skills.map(({ name }) => name), ["clientRequest skills/list"])
    })

    it("refuses malformed members of known types", () => {
      let count = 0
      for (const frame of itemFrames) {
        for (const { at, value } of inside(frame.value)) {
          if (typeof value !== "string") continue
          assert.notStrictEqual(explain(frame, replace(frame.value, at, 1)), "", at.join("."))
          if (at.at(-1) === "id") {
            assert.notStrictEqual(explain(frame, replace(frame.value, at, undefined)), "", at.join("."))
          }
          count++
        }
      }
      assert.isAbove(count, 40)
    })
  })

describe("every key that codex says to be nullable", () => {
  it("may be missing, also where it was recorded with a value", () => {
    const schemas = jsonSchemas()
    let values = 0
    for (const frame of frames) {
      const name = nameOf(frame)
      if (name === undefined) continue
      assert.property(schemas, name)
      for (const { at, value } of nullableKeys(schemas, name, frame.value)) {
        assert.strictEqual(explain(frame, replace(frame.value, at, undefined)), "", `${frame.name}: ${at.join(".")}`)
        if (value !== null) values++
      }
    }
    assert.isAbove(values, 150)
  }, 60_000)
})

suite("guards, interpreted")
for (const { schema } of frames) SchemaJITCompiler.enable(schema.ast)

describe("guards", () => {
  const is = Schema.is(Received.CodexErrorInfo())

  it("know strings, objects of one key, and those that are new", () => {
    assert.isTrue(is("unauthorized"))
    assert.isTrue(is("somethingNew"))
    assert.isTrue(is({ httpConnectionFailed: { httpStatusCode: 401, somethingNew: 1 } }))
    assert.isTrue(is({ httpConnectionFailed: {} }))
    assert.isTrue(is({ somethingNew: { a: 1 } }))
    assert.isFalse(is({ httpConnectionFailed: { httpStatusCode: "401" } }))
    assert.isFalse(is(null))
    assert.isFalse(is(1))
  })

  it("accept every definition's schema being built", () => {
    for (const [name, schema] of Object.entries(Received)) {
      assert.strictEqual(schema(), schema(), name)
      assert.isTrue(Schema.isSchema(schema()), name)
    }
  })

  it("keep the known keys of a map apart from the others", () => {
    const isApps = Schema.is(Received.AppsConfig())
    const enabled = { enabled: true }
    assert.isTrue(isApps({ _default: null, one: enabled }))
    assert.isTrue(isApps({ one: { ...enabled, somethingNew: 1 } }))
    assert.isFalse(isApps({ one: { enabled: 1 } }))
    assert.isFalse(isApps({ _default: { enabled: 1 } }))
  })

  it("narrow the known members and show the unknown one", () => {
    const describeItem = (item: Received.ThreadItem): string => {
      switch (item.type) {
        case "agentMessage":
          return item.text
        case "commandExecution":
          return `${item.command}: ${item.exitCode ?? "running"}`
        case "imageGeneration":
          return "fileId" in item ? item.fileId : item.result
        case "userMessage":
        case "hookPrompt":
        case "functionCallOutput":
        case "plan":
        case "reasoning":
        case "fileChange":
        case "mcpToolCall":
        case "dynamicToolCall":
        case "collabAgentToolCall":
        case "subAgentActivity":
        case "webSearch":
        case "imageView":
        case "sleep":
        case "enteredReviewMode":
        case "exitedReviewMode":
        case "contextCompaction":
          return item.id
        default: {
          const raw: unknown = item["payload"]
          return `${item.type.toUpperCase()} ${String(raw)}`
        }
      }
    }
    const describeInput = (input: unknown) => Schema.is(Received.ThreadItem())(input) ? describeItem(input) : undefined
    assert.strictEqual(describeInput({ type: "agentMessage", id: "1", text: "hi" }), "hi")
    assert.strictEqual(describeInput({ type: "hologram", payload: 3 }), "HOLOGRAM 3")
    assert.isUndefined(describeInput({ type: "agentMessage", id: "1" }))
  })

  it("read what changed as the newest and as older servers send it", () => {
    const isDisplay = Schema.is(Received.AgentMessageDisplay())
    const older = { action: "hide", blockType: null, cyberTrustedAccess: null, checkTrustedContacts: null }
    for (const display of [{ mode: "show", version: 1, trustedContacts: "skip" }, { mode: "new" }, older]) {
      assert.isTrue(isDisplay(display), JSON.stringify(display))
    }
    assert.isTrue(isDisplay({ mode: "show", version: 2, trustedContacts: "skip" }))
    for (const display of [{ mode: "show", version: "1", trustedContacts: "skip" }, { ...older, action: 1 }, {}]) {
      assert.isFalse(isDisplay(display), JSON.stringify(display))
    }
    const project = { id: "p", name: "p", roots: [], metadata: {}, createdAt: 1, updatedAt: 1, recencyAt: null }
    assert.isTrue(Schema.is(Received.Project())(project))
    assert.isTrue(Schema.is(Received.Project())({ ...project, position: 1 }))
    assert.isFalse(Schema.is(Received.Project())({ ...project, position: "1" }))
  })

  it("narrow variants by key", () => {
    const status = (info: Received.CodexErrorInfo): number | null | undefined =>
      typeof info === "object" && "httpConnectionFailed" in info ? info.httpConnectionFailed.httpStatusCode : undefined
    assert.strictEqual(status({ httpConnectionFailed: { httpStatusCode: 401 } }), 401)
    assert.isUndefined(status("other"))
  })
})

suite("guards, compiled")
