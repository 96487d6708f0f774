import { Approvals, Auth, Codex, CodexError, ServerRequests } from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { CodexTest, Expect, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"

const defectOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), String(exit))
    const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return defect instanceof Error ? defect.message : String(defect)
  })

const ask = Effect.fnUntraced(function*(prompt: string) {
  const thread = yield* (yield* Codex.Codex).startThread()
  return Option.getOrNull((yield* thread.run(prompt)).finalResponse)
})

describe("the client with a model that is a function", () => {
  it.effect("answers the same text to everything", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([yield* ask("one"), yield* ask("two")], ["Fine.", "Fine."])
    }).pipe(Effect.provide(CodexTest.layerText("Fine."))))

  it.effect("answers what was asked, with a command, an Effect, or what came before", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask("echo"), "echo, after ls: a.txt")
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* thread.run("first")
      const { finalResponse } = yield* thread.run("history")
      assert.deepStrictEqual(finalResponse, Option.some("first, history"))
      const { output } = yield* thread.run("number", { output: Schema.Struct({ n: Schema.Int }) })
      assert.deepStrictEqual(output, { n: 1 })
      const waiting = yield* Effect.forkChild(thread.run("wait"))
      yield* Expect.modelRequestWhere("to wait", ({ prompt }) => prompt === "wait")
      assert.strictEqual((yield* Effect.flip(thread.run("again")))._tag, "ThreadBusy")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).finalResponse, Option.some("waited"))
    }).pipe(Effect.provide(CodexTest.layer({
      exec: ({ command }) => ({ output: command === "ls" ? "a.txt" : "?" }),
      respond: (input, { toolOutputs, userTexts }) => {
        switch (input) {
          case "echo":
            return toolOutputs.length === 0
              ? ScriptedModel.exec("ls")
              : `echo, after ls: ${toolOutputs[0]?.output.split("\n").at(-1)}`
          case "history":
            return userTexts.slice(-2).join(", ")
          case "number":
            return `{ "n": 1 }`
          case "wait":
            return Effect.as(Effect.sleep("1 hour"), "waited")
          default:
            return "Fine."
        }
      }
    }))))

  it.effect("fails a turn with what the function died of", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ask("one"))
      assert.strictEqual(error._tag, "TurnFailed")
      assert.include(error.message, "no such question")
    }).pipe(Effect.provide(CodexTest.layer({
      respond: () => {
        throw new Error("no such question")
      }
    }))))
})

describe("mocks of one service", () => {
  it.effect("do what they were given, and end with the name of what they were not", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      assert.strictEqual(codex.serverInfo.version, Methods.codexVersion)
      const thread = yield* codex.startThread()
      assert.strictEqual(Option.getOrNull((yield* thread.run("hi")).finalResponse), "Hello!")
      assert.strictEqual(
        yield* defectOf(codex.models()),
        "Codex.models was used, and the mock does not have it: CodexTest.mockCodex({ models: … })."
      )
      assert.match(yield* defectOf(Stream.runDrain(codex.listThreads())), /^Codex\.listThreads .*mockCodex/)
      assert.match(
        yield* defectOf(Effect.scoped(thread.turn("hi"))),
        /^Thread\.turn .*CodexTest\.thread\(\{ turn: … \}\)/
      )
      assert.match(yield* defectOf(thread.archive), /^Thread\.archive /)
      assert.match(yield* defectOf(Stream.runDrain(thread.events)), /^Thread\.events /)
      assert.match(yield* defectOf(CodexTest.turn({}).interrupt), /^Turn\.interrupt .*CodexTest\.turn\(/)
    }).pipe(Effect.provide(CodexTest.mockCodex({
      startThread: () => Effect.succeed(CodexTest.thread({ run: () => Effect.succeed(CodexTest.turnResult("Hello!")) }))
    }))))

  it.effect("give what the schema of the call makes of the answer, or OutputInvalid", () =>
    Effect.gen(function*() {
      const said = (answer: Schema.Json) =>
        CodexTest.thread({ run: () => Effect.succeed(CodexTest.turnResult(answer)) })
      const output = Schema.Struct({ summary: Schema.String, at: Schema.optionalKey(Schema.DateFromString) })
      const at = "2026-01-01T00:00:00.000Z"
      const decoded = yield* said({ summary: "Fine.", at }).run("Summarize.", { output })
      assert.deepStrictEqual(decoded.output, { summary: "Fine.", at: new Date(at) })
      for (const wrong of [{ summary: 1 }, {}, "Fine."]) {
        const error = yield* Effect.flip(said(wrong).run("Summarize.", { output }))
        assert.strictEqual(error._tag, "OutputInvalid", JSON.stringify(wrong))
      }
      // As JSON of the schema, and as a model is asked for it.
      const list = Schema.Tuple([Schema.String, Schema.Int])
      assert.deepStrictEqual((yield* said(["a", 1]).run("", { output: list })).output, ["a", 1])
      assert.deepStrictEqual((yield* said({ 0: "a", 1: 1 }).run("", { output: list })).output, ["a", 1])
      const count = {
        jsonSchema: { type: "object", properties: { count: { type: "integer" } } },
        decode: (value: unknown) =>
          typeof value === "object" && value !== null && "count" in value && typeof value.count === "number"
            ? { ok: true as const, value: value.count }
            : { ok: false as const, issue: "no count" }
      }
      assert.strictEqual((yield* said({ count: 3 }).run("", { output: count })).output, 3)
      assert.include((yield* Effect.flip(said({}).run("", { output: count }))).message, "no count")
    }))

  it.effect("mock Auth", () =>
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      assert.strictEqual((yield* Effect.flip(auth.logout))._tag, "AppServerTimeout")
      assert.match(yield* defectOf(auth.account()), /^Auth\.account .*CodexTest\.mockAuth\(\{ account: … \}\)/)
      assert.match(yield* defectOf(auth.rateLimits), /^Auth\.rateLimits /)
      assert.match(yield* defectOf(Stream.runDrain(auth.changes)), /^Auth\.changes /)
    }).pipe(Effect.provide(CodexTest.mockAuth({
      logout: Effect.fail(new CodexError.AppServerTimeout({ method: "account/logout", timeout: 1 }))
    }))))

  it("are checked by the compiler", () => {
    // @ts-expect-error there is no such member
    CodexTest.mockCodex({ startThreads: () => Effect.never })
    // @ts-expect-error the output is made by the schema of the call
    CodexTest.thread({ run: () => Effect.succeed({ ...CodexTest.turnResult("Fine."), output: { summary: 1 } }) })
    // @ts-expect-error it gives no thread
    CodexTest.mockCodex({ startThread: () => Effect.succeed("thread") })
    const accept = () => Effect.succeed("accept" as const)
    // @ts-expect-error mcpTool is missing
    CodexTest.mockApprovals({ command: accept, fileChange: accept, permissions: accept })
  })
})

class Policy extends Context.Service<Policy, { readonly allowed: ReadonlyArray<string> }>()("Policy") {}

describe("approvals", () => {
  const readOnly = Approvals.layer({
    command: ({ actions, command, cwd }) =>
      Effect.map(Policy, ({ allowed }) => {
        assert.strictEqual(command, String.raw`/bin/bash -lc 'cat '\''a b'\'''`)
        assert.strictEqual(cwd, "/workspace")
        return actions.every(({ type }) => allowed.includes(type)) ? "accept" : "decline"
      }),
    fileChange: ({ changes }) =>
      Effect.succeed(changes?.[0]?.path === "/workspace/a.txt" ? "acceptForSession" : "cancel")
  }).pipe(Layer.provide(Layer.succeed(Policy, { allowed: ["read"] })))

  it.effect("are asked without a codex", () =>
    Effect.gen(function*() {
      const command = "cat 'a b'"
      assert.strictEqual(yield* CodexTest.askCommand(command), "decline")
      const read = { type: "read", command, name: "a b", path: "/workspace/a b" } as const
      assert.strictEqual(yield* CodexTest.askCommand(command, { actions: [read] }), "accept")
      const change = { kind: { type: "add" }, diff: "hello\n" } as const
      assert.strictEqual(yield* CodexTest.askFileChange([{ ...change, path: "/workspace/a.txt" }]), "acceptForSession")
      assert.strictEqual(yield* CodexTest.askFileChange([{ ...change, path: "/etc/a.txt" }]), "cancel")
    }).pipe(Effect.provide(readOnly)))

  it.effect("are declined where there are no handlers", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* CodexTest.askCommand("ls"), "decline")
      assert.strictEqual(yield* CodexTest.askFileChange([]), "decline")
    }))

  it.effect("have mocks of all kinds", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* CodexTest.askCommand("ls"), "cancel")
      const { "item/permissions/requestApproval": permissions } = yield* ServerRequests.current
      assert.isDefined(permissions)
    }).pipe(Effect.provide(CodexTest.mockApprovals({
      command: () => Effect.succeed("cancel"),
      fileChange: () => Effect.succeed("accept"),
      permissions: () => Effect.succeed("decline"),
      mcpTool: () => Effect.succeed("decline")
    }))))
})
