/** The client with promises, on the real codex binary with a scripted model. */
import * as CodexError from "@effect-codex/client/CodexError"
import {
  ApprovalMode,
  Codex,
  type Handlers,
  Input,
  isCodexError,
  partialResult,
  resetsAt,
  RpcError,
  Sandbox,
  type Thread,
  tool,
  toolImage,
  toolNamespace,
  type ToolResult,
  TransportError,
  TurnFailed,
  TurnInterrupted
} from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Schema } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { collect, count, gate, newMark, real, rejection, run, unhandled } from "./support/real.ts"

const { exec, failed, functionCall, httpFailure, reasoning, reply, text } = ScriptedModel

const escalated = exec("touch touched", {
  args: { sandbox_permissions: "require_escalated", justification: "why not" }
})

const pngStart = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10])

const commandStatus = async (thread: Thread, options?: Parameters<Thread["run"]>[1]) => {
  const { items } = await thread.run("Do it.", options)
  return items.flatMap((item) => item.type === "commandExecution" ? [item.status] : [])
}

describe("a turn", () => {
  real("is run to its end, and its result is plain", async ({ codex, model }) => {
    await model.enqueue(reply(["Hello!"], { usage: { input: 10, output: 2 } }))
    const thread = await codex.startThread()
    const result = await thread.run("Say hello.")
    assert.strictEqual(result.finalResponse, "Hello!")
    assert.strictEqual(result.status, "completed")
    assert.strictEqual(result.error, undefined)
    assert.instanceOf(result.startedAt, Date)
    assert.isAtLeast(result.duration ?? -1, 0)
    assert.strictEqual(result.usage?.turn.totalTokens, 12)
    assert.isNumber(result.usage?.modelContextWindow)
    assert.deepStrictEqual(result.items.map(({ type }) => type), ["userMessage", "agentMessage"])
  })

  real("with what codex could not use is refused, and nothing is sent", async ({ codex, home, model }) => {
    const thread = await codex.startThread()
    const refused = async (call: Promise<unknown>, argument: string) => {
      const error = await rejection(call)
      assert.instanceOf(error, CodexError.InvalidArgument)
      assert.strictEqual(error instanceof CodexError.InvalidArgument ? error.argument : "", argument)
    }
    await refused(thread.run(["Look.", Input.image("/tmp/x.png")]), "input[1]")
    await refused(thread.turn(["Look.", Input.localImage(join(home.workspace, "none.png"))]), "input[1]")
    await refused(thread.run("Go.", { cwd: join(home.workspace, "none") }), "cwd")
    await refused(codex.startThread({ cwd: join(home.workspace, "none") }), "cwd")
    assert.deepStrictEqual(await model.requests(), [])
  })

  real("has the configuration of an object", async ({ model, open }) => {
    await using codex = open({
      configOverrides: { model: "a \"model\"", shell_environment_policy: { set: { "A.B": "C:\\x" } } }
    })
    const { config } = await codex.request("config/read", {})
    assert.strictEqual(config.model, "a \"model\"")
    assert.deepInclude(config.shell_environment_policy, { set: { "A.B": "C:\\x" } })
    await model.enqueue("Hello!")
    await (await codex.startThread()).run("Say hello.")
    assert.strictEqual((await model.requests())[0]?.model, "a \"model\"")
  })

  real("sends requests that it does not know, and ends their work by their id", async ({ codex, model }) => {
    assert.deepStrictEqual(await codex.requestRaw("thread/loaded/list", {}), { data: [], nextCursor: null })
    const error: unknown = await codex.requestRaw("thread/dream", { depth: 3 }).catch((error: unknown) => error)
    assert.instanceOf(error, CodexError.RpcError)
    await model.enqueue("Hello!", text(["on ", await gate()]))
    const thread = await codex.startThread()
    const { id } = await thread.run("Say hello.")
    const controller = new AbortController()
    const ids = new Set<number>()
    const sample = codex.requestRaw("thread/sample", {
      threadId: thread.id,
      expectedTurnId: id,
      prompt: "and now?"
    }, {
      signal: controller.signal,
      onSent: (id) => ids.add(id),
      cancel: (requestId) => {
        ids.add(requestId)
        return { method: "thread/sample/cancel", params: { requestId } }
      }
    })
    await model.received(2)
    controller.abort(new Error("enough"))
    const reason: unknown = await sample.catch((error: unknown) => error)
    assert.strictEqual(String(reason), "Error: enough")
    assert.strictEqual(await model.outcome(1), "abandoned")
    assert.strictEqual(ids.size, 1)
  })

  real("is streamed to several readers, at any time", async ({ codex, model }) => {
    await model.enqueue([reasoning(["I ", "think."]), text(["Hel", "lo!"])])
    const thread = await codex.startThread()
    await using turn = await thread.turn("Say hello.")
    const [pieces, thoughts, items] = await Promise.all([
      collect(turn.text),
      collect(turn.reasoning),
      collect(turn.items)
    ])
    assert.deepStrictEqual(pieces, ["Hel", "lo!"])
    assert.strictEqual(thoughts.join(""), "I think.")
    assert.includeMembers(items.map(({ type }) => type), ["userMessage", "agentMessage"])
    assert.strictEqual((await turn.result()).finalResponse, "Hello!")
    // The turn is over and has let go of everything; what it told can still be read.
    const tags = (await collect(turn.events)).map(({ _tag }) => _tag)
    assert.strictEqual(tags[0], "turn/started")
    assert.strictEqual(tags.at(-1), "turn/completed")
  })

  real("goes on when a reader leaves", async ({ codex, model }) => {
    const hold = await gate()
    await model.enqueue([text(["one ", hold, "two"])])
    const thread = await codex.startThread()
    const turn = await thread.turn("Count.")
    for await (const piece of turn.text) {
      assert.strictEqual(piece, "one ")
      break
    }
    await run(hold.release)
    const result = await turn.result()
    assert.strictEqual(result.status, "completed")
    assert.strictEqual(result.finalResponse, "one two")
  })

  real("is steered, and interrupted", async ({ codex, model }) => {
    const hold = await gate()
    await model.enqueue([text(["1 "]), hold], [text(["2 "]), await gate()])
    const thread = await codex.startThread()
    const turn = await thread.turn("Count.")
    await model.received(1)
    await turn.steer("Only even numbers.", {
      additionalContext: { clock: { kind: "application", value: "It is noon." } },
      messageId: "even",
      signal: AbortSignal.timeout(30_000)
    })
    await run(hold.release)
    const [, second] = await model.received(2)
    assert.include(second?.userTexts.join() ?? "", "Only even numbers.")
    assert.include(JSON.stringify(second?.input), "<clock>It is noon.</clock>")
    assert.strictEqual((await thread.findTurn("even"))?.id, turn.id)
    await turn.interrupt()
    assert.strictEqual((await turn.result()).status, "interrupted")
    assert.strictEqual(await model.outcome(1), "abandoned")
    const error = await rejection(turn.steer("More."))
    assert.instanceOf(error, CodexError.NoActiveTurn)
    await turn.interrupt()
  })

  real("is interrupted when its handle is disposed of", async ({ codex, model }) => {
    await model.enqueue([text(["1 "]), await gate()])
    const thread = await codex.startThread()
    {
      await using turn = await thread.turn("Count.")
      for await (const _ of turn.text) break
    }
    assert.strictEqual(await model.outcome(0), "abandoned")
    const turns = await collect(thread.turns())
    assert.deepStrictEqual(turns.map(({ status }) => status), ["interrupted"])
    await model.enqueue("Free.")
    assert.strictEqual((await thread.run("Again.")).finalResponse, "Free.")
  })

  real("that fails throws the same class, with what it did", async ({ codex, model }) => {
    await model.enqueue([exec("true")], failed("server_error", "boom"))
    const thread = await codex.startThread()
    const error = await rejection(thread.run("Fail."))
    if (!(error instanceof TurnFailed)) return assert.fail(String(error))
    assert.strictEqual(error._tag, "TurnFailed")
    assert.instanceOf(error, CodexError.TurnFailed)
    assert.isTrue(isCodexError(error))
    assert.include(error.message, "boom")
    const partial = partialResult(error)
    assert.strictEqual(partial?.status, "failed")
    assert.include(partial?.error?.message ?? "", "boom")
    assert.includeMembers(partial?.items.map(({ type }) => type) ?? [], ["commandExecution"])
    assert.deepStrictEqual([error.reason, error.isRetryable, resetsAt(error)], ["streamBroken", true, undefined])
  })

  real("that runs into a limit tells as a date when it is reset", async ({ codex, model }) => {
    const reset = Math.floor(Date.now() / 1000) + 3600
    const limit = { error: { type: "usage_limit_reached", resets_at: reset } }
    const headers = { "x-codex-primary-used-percent": "100", "x-codex-primary-reset-at": String(reset) }
    await model.enqueue(httpFailure(429, limit, { headers }))
    const error = await rejection((await codex.startThread()).run("Fail."))
    if (!(error instanceof TurnFailed)) return assert.fail(String(error))
    assert.deepStrictEqual([error.reason, resetsAt(error)], ["usageLimit", new Date(reset * 1000)])
  })

  real("answers in a shape: JSON Schema with a decoder, Standard Schema, Effect Schema", async ({ codex, model }) => {
    const thread = await codex.startThread()
    const jsonSchema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] }
    const isAnswer = (u: unknown): u is { n: number } =>
      typeof u === "object" && u !== null && "n" in u && typeof u.n === "number"

    await model.enqueue(`{"n":"x"}`, `{"n":7}`)
    const first = await thread.run("How many?", {
      output: {
        jsonSchema,
        decode: (value) => isAnswer(value) ? { ok: true, value } : { ok: false, issue: "n is no number" }
      },
      repair: 1
    })
    assert.deepStrictEqual(first.output satisfies { n: number }, { n: 7 })
    assert.isDefined((await model.requests())[0]?.outputSchema)

    await model.enqueue(`{"n":8}`)
    const second = await thread.run("How many?", {
      output: {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: async (value) => isAnswer(value) ? { value } : { issues: [{ message: "no" }] },
          jsonSchema: { input: () => jsonSchema, output: () => jsonSchema }
        }
      }
    })
    assert.strictEqual(second.output.n, 8)

    await model.enqueue(`{"n":9}`, `{"n":"ten"}`)
    const output = Schema.Struct({ n: Schema.Int })
    assert.strictEqual((await thread.run("How many?", { output })).output.n, 9)
    assert.instanceOf(await rejection(thread.run("How many?", { output })), CodexError.OutputInvalid)
  })
})

describe("a signal", () => {
  real("interrupts the turn, and run rejects with its reason afterwards", async ({ codex, model }) => {
    await model.enqueue([text(["1 "]), await gate()])
    const thread = await codex.startThread()
    const controller = new AbortController()
    const running = thread.run("Count.", { signal: controller.signal })
    await model.received(1)
    const reason = new Error("enough")
    controller.abort(reason)
    assert.strictEqual(await rejection(running), reason)
    // No waiting: it is over when the promise rejects.
    const turns = await collect(thread.turns())
    assert.deepStrictEqual(turns.map(({ status }) => status), ["interrupted"])
    assert.strictEqual(await model.outcome(0), "abandoned")
  })

  real("that has aborted sends nothing", async ({ codex, model }) => {
    const thread = await codex.startThread()
    const error = await rejection(thread.run("Count.", { signal: AbortSignal.abort() }))
    assert.strictEqual(error instanceof DOMException && error.name, "AbortError")
    assert.strictEqual((await model.requests()).length, 0)
  })

  real("closes the handle that was started with it", async ({ codex, model }) => {
    await model.enqueue([text(["1 "]), await gate()])
    const thread = await codex.startThread()
    const controller = new AbortController()
    const turn = await thread.turn("Count.", { signal: controller.signal })
    await model.received(1)
    controller.abort()
    assert.strictEqual((await turn.result()).status, "interrupted")
    assert.strictEqual((await collect(turn.events)).at(-1)?._tag, "turn/completed")
  })

  real("ends a reading, and not the turn", async ({ codex, model }) => {
    const hold = await gate()
    await model.enqueue([text(["1 "]), hold])
    const thread = await codex.startThread()
    const turn = await thread.turn("Count.")
    const controller = new AbortController()
    const seen: Array<string> = []
    const error = await rejection((async () => {
      for await (const piece of turn.text.withSignal(controller.signal)) {
        seen.push(piece)
        setImmediate(() => controller.abort("read enough"))
      }
    })())
    assert.strictEqual(error, "read enough")
    assert.deepStrictEqual(seen, ["1 "])
    await run(hold.release)
    assert.strictEqual((await turn.result()).status, "completed")
  })

  real("ends the waiting for a result, and not the turn", async ({ codex, model }) => {
    const hold = await gate()
    await model.enqueue([text(["1"]), hold])
    const thread = await codex.startThread()
    const turn = await thread.turn("Count.")
    const error = await rejection(turn.result({ signal: AbortSignal.timeout(10) }))
    assert.strictEqual(error instanceof DOMException && error.name, "TimeoutError")
    await run(hold.release)
    assert.strictEqual((await turn.result()).finalResponse, "1")
  })
})

describe("an iterator", () => {
  real("is ended by return, even while it waits", async ({ codex, model }) => {
    await model.enqueue([text(["1 "]), await gate()])
    const thread = await codex.startThread()
    await using turn = await thread.turn("Count.")
    const iterator = turn.text[Symbol.asyncIterator]()
    assert.deepStrictEqual(await iterator.next(), { done: false, value: "1 " })
    const waiting = iterator.next()
    await iterator.return?.()
    assert.deepStrictEqual(await waiting, { done: true, value: undefined })
    assert.deepStrictEqual(await iterator.next(), { done: true, value: undefined })
  })

  real("gives concurrent calls of next their values in order", async ({ codex, model }) => {
    await model.enqueue([text(["a", "b", "c"])])
    const thread = await codex.startThread()
    const turn = await thread.turn("Spell.")
    const iterator = turn.text[Symbol.asyncIterator]()
    const steps = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()])
    assert.deepStrictEqual(steps.map(({ value }) => value), ["a", "b", "c", undefined])
  })

  real("of a list goes through all pages", async ({ codex, home, model }) => {
    await model.enqueue("a", "b", "c")
    const ids: Array<string> = []
    for (const name of ["a", "b", "c"]) {
      const thread = await codex.startThread()
      await thread.run(name)
      ids.unshift(thread.id)
    }
    const listed = await collect(codex.listThreads({ cwd: home.workspace, pageSize: 1 }))
    assert.sameMembers(listed.map(({ id }) => id), ids)
    const page = await codex.listThreadsPage({ cwd: home.workspace, pageSize: 2 })
    assert.strictEqual(page.data.length, 2)
    assert.isString(page.nextCursor)
    const last = await codex.listThreadsPage({ cwd: home.workspace, pageSize: 2, cursor: page.nextCursor })
    assert.strictEqual(last.data.length, 1)
    assert.strictEqual(last.nextCursor, undefined)
    const [first, , third] = ids
    const chosen = await collect(codex.listThreads({ includedThreadIds: [first!, third!] }))
    assert.sameMembers(chosen.map(({ id }) => id), [first, third])
  })

  real("of a search ends with the hits in order, and the search ends with its loop", async ({ codex, model }) => {
    await model.enqueue("a", "b", "c")
    const ids: Array<string> = []
    for (const fruit of ["red pear", "green plum", "red plum"]) {
      const thread = await codex.startThread()
      await thread.run(`paint a ${fruit}`)
      ids.push(thread.id)
    }
    const [pear, , plum] = ids
    const events = await collect(codex.searchThreads("red"))
    const last = events.at(-1)
    assert(last?._tag === "Completed")
    assert.deepStrictEqual(last.hits.map(({ thread }) => thread?.id), [plum, pear])
    assert.strictEqual(last.nextCursor, undefined)
    // The client is as good as before.
    for await (const _ of codex.searchThreads("red")) break
    assert.strictEqual((await collect(codex.searchThreads("green"))).at(-1)?.hits.length, 1)
    assert.instanceOf(await rejection(collect(codex.searchThreads(" "))), RpcError)
  })
})

describe("handlers", () => {
  real("decide with async functions, the nearest first", async ({ home, model, open }) => {
    const asked: Array<string> = []
    const codex = open({
      handlers: {
        approvals: {
          command: async (request, { signal }) => {
            assert.instanceOf(signal, AbortSignal)
            asked.push(`client ${request.reason}`)
            return "decline"
          }
        }
      }
    })
    const thread = await codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.workspaceWrite })
    await model.enqueue([escalated], "no", [escalated], "yes", [escalated], "thrown")
    assert.deepStrictEqual(await commandStatus(thread), ["declined"])
    assert.deepStrictEqual(asked, ["client why not"])
    assert.deepStrictEqual(
      await commandStatus(thread, { handlers: { approvals: async (request) => request._tag === "Command" } }),
      [
        "completed"
      ]
    )
    assert.isTrue(existsSync(join(home.workspace, "touched")))
    const throws = () => Promise.reject(new Error("broken"))
    assert.deepStrictEqual(await commandStatus(thread, { handlers: { approvals: throws } }), ["declined"])
    assert.deepStrictEqual(asked, ["client why not"])
  })

  real("grant nothing with an answer that is none, and say so", async ({ home, model, open }) => {
    // What a program without types may give. None of it is consent.
    const nonsense = (answer: string): never => JSON.parse(answer) as never
    const logged: Array<string> = []
    const codex = open({ onLog: ({ message }) => logged.push(message) })
    const thread = await codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.workspaceWrite })
    const cases: ReadonlyArray<readonly [Handlers, string]> = [
      [{ approvals: async () => nonsense(`"decline"`) }, `it gave "decline" where true or false is expected`],
      [{ approvals: async () => nonsense("{}") }, "it gave an object where true or false is expected"],
      [{ approvals: { command: async () => nonsense("true") } }, "it gave true where one of accept, acceptForSession"],
      [{ approvals: { command: async () => nonsense(`"yes"`) } }, `it gave "yes" where one of accept`]
    ]
    for (const [handlers, words] of cases) {
      await model.enqueue([escalated], "no")
      assert.deepStrictEqual(await commandStatus(thread, { handlers }), ["declined"])
      const line = logged.splice(0).find((line) => line.includes("the handler of"))
      assert.include(line, "the handler of item/commandExecution/requestApproval failed; the default answers instead.")
      assert.include(line, words)
    }
    assert.isFalse(existsSync(join(home.workspace, "touched")))

    for (
      const handlers of [
        { approvals: nonsense(`"acept"`) },
        { approvals: { command: nonsense(`"accept"`) } },
        { questions: nonsense(`"first"`) }
      ]
    ) {
      const error = await rejection(thread.run("Do it.", { handlers }))
      assert.instanceOf(error, CodexError.InvalidArgument)
      assert.match(
        String(error),
        /must be ".+" or a function|must be "accept", "decline", a function or functions|must be a function/
      )
    }
  })

  real("of a turn that ends are told by their signal, and what they give then is dropped", async ({ codex, model }) => {
    await model.enqueue([escalated])
    const asked = Promise.withResolvers<AbortSignal>()
    const thread = await codex.startThread({
      approvalMode: ApprovalMode.ask,
      handlers: {
        approvals: {
          command: async (_, { signal }) => {
            asked.resolve(signal)
            await new Promise((resolve) => signal.addEventListener("abort", resolve))
            throw new Error("too late")
          }
        }
      }
    })
    const seen = await unhandled(async () => {
      const turn = await thread.turn("Do it.")
      const signal = await asked.promise
      assert.isFalse(signal.aborted)
      await turn.close()
      assert.isTrue(signal.aborted)
    })
    assert.deepStrictEqual(seen, [])
  })

  real("answer questions and any other request", async ({ codex, model }) => {
    await model.enqueue(
      functionCall("request_user_input", {
        questions: [{
          id: "colour",
          header: "Colour",
          question: "Which?",
          options: [{ label: "Blue", description: "As the sky." }, { label: "Red", description: "As a rose." }]
        }]
      }),
      "Red."
    )
    const thread = await codex.startThread({
      config: { features: { default_mode_request_user_input: true } },
      handlers: { questions: async ({ questions }) => ({ [questions[0]!.id]: "Red" }) }
    })
    await thread.run("Paint.")
    const [, second] = await model.requests()
    assert.include(JSON.stringify(second?.toolOutputs), "Red")

    await model.enqueue([escalated], "no")
    const methods: Array<string> = []
    const statuses = await commandStatus(thread, {
      approvalMode: ApprovalMode.ask,
      handlers: {
        requests: {
          "item/commandExecution/requestApproval": async ({ method }) => {
            methods.push(method)
            return { decision: "decline" }
          }
        }
      }
    })
    assert.deepStrictEqual(methods, ["item/commandExecution/requestApproval"])
    assert.deepStrictEqual(statuses, ["declined"])
  })
})

describe("tools", () => {
  const jsonSchema = {
    type: "object",
    properties: { id: { type: "string", description: "Such as T-17." } },
    required: ["id"]
  }
  const outputs = async (model: { requests: () => Promise<ReadonlyArray<ScriptedModel.ModelRequest>> }) =>
    JSON.stringify((await model.requests()).at(-1)?.toolOutputs)

  real("are async functions, with a JSON Schema for their input", async ({ codex, model }) => {
    const seen: Array<unknown> = []
    const lookup = tool("lookup", {
      description: "Looks a ticket up.",
      input: {
        jsonSchema,
        decode: (value) =>
          typeof value === "object" && value !== null && "id" in value && value.id !== "T-0"
            ? { ok: true, value: { id: String(value.id) } }
            : { ok: false, issue: "there is no T-0" }
      },
      handler: async ({ id }, { callId, signal, threadId }) => {
        seen.push(id, typeof callId, signal.aborted, threadId)
        if (id === "T-13") throw new Error("unlucky")
        return `${id} is open.`
      }
    })
    const thread = await codex.startThread({ tools: [lookup] })
    await model.enqueue(functionCall("lookup", { id: "T-17" }), "Open.")
    await thread.run("Is T-17 open?")
    assert.deepStrictEqual(seen, ["T-17", "string", false, thread.id])
    assert.include(await outputs(model), "T-17 is open.")
    assert.include(JSON.stringify((await model.requests())[0]?.tools), "Such as T-17.")

    await model.enqueue(functionCall("lookup", { id: "T-13" }), "Oh.")
    await thread.run("And T-13?")
    assert.include(await outputs(model), "unlucky")
    await model.enqueue(functionCall("lookup", { id: "T-0" }), "Oh.")
    await thread.run("And T-0?")
    assert.include(await outputs(model), "there is no T-0")
    await model.enqueue(functionCall("lookup", { id: 3 }), "Oh.")
    await thread.run("And 3?")
    assert.include(await outputs(model), "do not fit")
    assert.strictEqual(seen.length, 8)
  })

  real("may give anything, and have run when what they give cannot be told", async ({ model, open }) => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const results: ReadonlyArray<readonly [ToolResult, string]> = [
      [{ open: true, id: 17n, seen: new Date(0) }, `{"open":true,"id":"17","seen":"1970-01-01T00:00:00.000Z"}`],
      [undefined, "done"],
      [null, "null"],
      [0, "0"],
      ["", ""],
      [[], "[]"],
      [[{ id: 1 }, "two"], `[{"id":1},"two"]`],
      [new Map([["T-17", new Set(["open"])]]), `{"T-17":["open"]}`],
      [cycle, "The tool has run, but its result cannot be sent because it is not JSON."],
      [() => "late", "The tool has run, but its result cannot be sent because it is not JSON."]
    ]
    const logged: Array<string> = []
    const codex = open({ onLog: ({ message }) => logged.push(message) })
    let calls = 0
    const work = tool("work", {
      description: "Works.",
      input: Schema.Struct({}),
      handler: async () => results[calls++]?.[0]
    })
    const thread = await codex.startThread({ tools: [work] })
    for (const [, expected] of results) {
      await model.enqueue(functionCall("work", {}), "Done.")
      const { items } = await thread.run("Work.")
      assert.deepStrictEqual(
        items.flatMap((item) => item.type === "dynamicToolCall" ? [item.success, item.contentItems] : []),
        [true, [{ type: "inputText", text: expected }]]
      )
      assert.strictEqual((await model.requests()).at(-1)?.toolOutputs.at(-1)?.output, expected)
    }
    assert.strictEqual(calls, results.length)
    assert.lengthOf(logged.filter((line) => line.includes("the result of the tool work cannot be sent")), 2)
  })

  real("take an Effect Schema or a Standard Schema, in a namespace, and show images", async ({ codex, model }) => {
    const thread = await codex.startThread({
      tools: [
        tool("look", {
          description: "Shows a ticket.",
          input: Schema.Struct({ n: Schema.Int }),
          handler: ({ n }) => [`ticket ${n}`, toolImage({ bytes: pngStart, mediaType: "image/png" })]
        }),
        toolNamespace("tickets", "The tracker.", [
          tool("close", {
            description: "Closes a ticket.",
            input: {
              "~standard": {
                version: 1,
                vendor: "test",
                validate: (value) => ({ value: value as { id: string } }),
                jsonSchema: { input: () => jsonSchema, output: () => jsonSchema }
              }
            },
            handler: async ({ id }) => `${id} is closed.`
          })
        ])
      ]
    })
    await model.enqueue(functionCall("look", { n: 17 }), "Seen.")
    const { items } = await thread.run("Look.")
    const call = items.find((item) => item.type === "dynamicToolCall")
    assert.deepStrictEqual(call?.contentItems, [
      { type: "inputText", text: "ticket 17" },
      { type: "inputImage", imageUrl: "data:image/png;base64,iVBORw0KGgo=" }
    ])
    await model.enqueue(functionCall("close", { id: "T-17" }, { namespace: "tickets" }), "Closed.")
    await thread.run("Close.")
    assert.include(await outputs(model), "T-17 is closed.")
  })

  real("that are none are refused before anything is sent", async ({ codex }) => {
    const homemade = { type: "tool", name: "x", description: "y" } as const
    assert.instanceOf(await rejection(codex.startThread({ tools: [homemade] })), CodexError.InvalidArgument)
    const badName = tool("no spaces", { description: "", input: Schema.Struct({}), handler: () => "" })
    assert.instanceOf(await rejection(codex.startThread({ tools: [badName] })), CodexError.InvalidArgument)
    const badSchema = tool("list", {
      description: "",
      input: { jsonSchema: { type: "array" }, decode: (value) => ({ ok: true, value }) },
      handler: () => ""
    })
    assert.instanceOf(await rejection(codex.startThread({ tools: [badSchema] })), CodexError.InvalidArgument)
  })
})

describe("threads", () => {
  real("are resumed, forked, renamed, archived, reverted and deleted", async ({ codex, model }) => {
    await model.enqueue("One.", "Two.", "Other.", "Three.")
    const thread = await codex.startThread()
    await thread.run("1")
    await thread.setName("counting")
    assert.strictEqual((await thread.read()).name, "counting")
    assert.strictEqual((await thread.status()).type, "idle")
    assert.strictEqual((await thread.updateMetadata({ gitInfo: { branch: "main" } })).gitInfo?.branch, "main")
    assert.strictEqual((await collect(thread.search("ONE"))).length, 1)
    assert.deepStrictEqual(await codex.loadedThreads(), [thread.id])
    await thread.moveToSection((await codex.threadSections())[0]!.id)
    assert.strictEqual((await thread.read()).section?.name, "Pinned")
    const again = await codex.resumeThread(thread.id)
    const second = await again.run("2")
    await again.inject([{ type: "message", role: "user", content: [{ type: "input_text", text: "injected" }] }])
    await again.updateSettings({ effort: "low" })
    const other = await again.run("Other.")
    const { body, input } = (await model.requests())[2]!
    assert.include(JSON.stringify(input), "injected")
    assert.deepInclude(body["reasoning"], { effort: "low" })
    await again.revert(other.id)
    assert.strictEqual((await collect(again.turns())).length, 2)
    await again.revert(second.id)
    assert.strictEqual((await collect(again.turns())).length, 1)
    assert.includeMembers(
      (await collect(again.items())).map(({ item }) => item?.type),
      ["userMessage", "agentMessage"]
    )
    const fork = await thread.fork()
    const another = await codex.forkThread(thread.id)
    assert.notStrictEqual(fork.id, thread.id)
    assert.strictEqual((await fork.run("3")).finalResponse, "Three.")
    await codex.deleteThread(another.id)
    assert.instanceOf(await rejection(codex.readThread(another.id)), CodexError.ThreadNotFound)
    await fork.archive()
    const unarchived = await codex.unarchiveThread(fork.id)
    assert.strictEqual(unarchived.id, fork.id)
    await model.enqueue("Four.")
    assert.strictEqual((await unarchived.run("4")).finalResponse, "Four.")
    assert.instanceOf(
      await rejection(codex.resumeThread(fork.id, { baseInstructions: "Be brief." })),
      CodexError.SettingsNotApplied
    )
    await codex.archiveThread(fork.id)
    assert.strictEqual(await thread.unsubscribe(), "unsubscribed")
    assert.strictEqual(await thread.unsubscribe(), "notSubscribed")
    assert.instanceOf(
      await rejection(codex.resumeThread("0199a213-81c0-7800-8aa1-bbab2a035a53")),
      CodexError.ThreadNotPersisted
    )
    const models = await codex.models()
    assert.strictEqual(models.filter(({ isDefault }) => isDefault).length, 1)
    const hidden = await codex.models({ includeHidden: true })
    assert.isAbove(hidden.length, models.length)
  })

  real("are reviewed and compacted", async ({ codex, model }) => {
    const thread = await codex.startThread()
    await model.enqueue("Fine.", "Nothing to say.", "Summary.")
    await thread.run("Begin.")
    const review = await thread.review({ type: "custom", instructions: "Look." })
    assert.strictEqual((await review.result()).status, "completed")
    const compaction = await thread.compact()
    assert.strictEqual((await compaction.result()).status, "completed")
  })

  real("follow a goal", async ({ codex, model }) => {
    const thread = await codex.startThread()
    await model.enqueue(functionCall("update_goal", { status: "complete" }), "Done.")
    const result = await thread.runGoal("Do it.", { tokenBudget: 1000 })
    assert.strictEqual(result.status, "completed")
    const goal = await thread.goal()
    assert.strictEqual(goal?.status, "complete")
    assert.strictEqual(goal?.tokenBudget, 1000)
    assert.isNumber(goal?.timeUsed)
    assert.instanceOf(goal?.createdAt, Date)
    assert.isTrue(await thread.clearGoal())
    assert.strictEqual(await thread.goal(), undefined)
  })

  real("tell what happens to them, and so does the server", async ({ codex, model }) => {
    const hold = await gate()
    await model.enqueue([hold, text(["One."])])
    const thread = await codex.startThread()
    const events = thread.events[Symbol.asyncIterator]()
    const all = codex.notifications[Symbol.asyncIterator]()
    const [first, second] = [events.next(), all.next()]
    const running = thread.run("1")
    await run(hold.release)
    assert.isString((await first).value?._tag)
    assert.isString((await second).value?._tag)
    await running
    await events.return?.()
    await all.return?.()
  })
})

describe("accounts", () => {
  const config = { model_providers: { scripted: { requires_openai_auth: true } } }

  real("log in with a key, which is sent to the model, and out", async ({ home, model, open }) => {
    const codex = open({ credentialsStore: "file" })
    const changes = codex.auth.changes[Symbol.asyncIterator]()
    const change = changes.next()
    assert.strictEqual((await codex.auth.account()).account, null)
    await codex.auth.loginApiKey(" sk-promise ")
    assert.strictEqual((await codex.auth.account()).account?.type, "apiKey")
    assert.match((await change).value?._tag ?? "", /^account\//)
    await model.enqueue("Hello.")
    await (await codex.startThread()).run("Hello.")
    assert.include(readFileSync(join(home.path, "auth.json"), "utf8"), "sk-promise")
    assert.instanceOf(await rejection(codex.auth.rateLimits()), CodexError.LoginRequired)
    assert.instanceOf(await rejection(codex.auth.usage()), CodexError.LoginRequired)
    await codex.auth.logout()
    assert.strictEqual((await codex.auth.account()).account, null)
    assert.instanceOf(await rejection(codex.auth.loginApiKey("  ")), CodexError.InvalidArgument)
  }, { home: { config } })

  real("take a key of the client, which is kept in memory", async ({ home, open }) => {
    const codex = open({ apiKey: "sk-memory" })
    assert.strictEqual((await codex.auth.account()).account?.type, "apiKey")
    assert.isFalse(existsSync(join(home.path, "auth.json")))
  }, { home: { config } })

  real("take tokens of an async function", async ({ open }) => {
    const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")
    const accessToken = `${part({ alg: "none" })}.${part({ email: "a@example.com" })}.${part({})}`
    const reasons: Array<string> = []
    const codex = open({
      chatgptTokens: async ({ reason }) => {
        reasons.push(reason)
        return { accessToken, accountId: "ws-1", planType: "pro" }
      }
    })
    await codex.serverInfo()
    assert.deepStrictEqual(reasons, ["login"])
    // They are in force: others are refused.
    assert.instanceOf(await rejection(codex.auth.loginApiKey("sk")), CodexError.LoginFailed)
    await codex.auth.logout()
    await codex.auth.loginApiKey("sk")
    const failing = open({ chatgptTokens: () => Promise.reject(new Error("no vault")) })
    assert.strictEqual(String(await rejection(failing.auth.account())), "Error: no vault")
    const both = open({ apiKey: "sk", chatgptTokens: async () => ({ accessToken, accountId: "ws-1" }) })
    assert.instanceOf(await rejection(both.serverInfo()), CodexError.InvalidArgument)
  }, { home: { config } })

  real("say how a login with a code failed", async ({ codex }) => {
    assert.instanceOf(await rejection(codex.auth.loginDeviceCode()), CodexError.LoginFailed)
  }, { home: { config } })
})

/** The process ends while it runs this, so the answer is the end of the connection. */
const kill = (codex: Codex) =>
  rejection(
    codex.request("command/exec", {
      command: ["/bin/sh", "-c", "kill -9 $PPID"],
      sandboxPolicy: { type: "dangerFullAccess" }
    })
  )

describe("the life of a client", () => {
  real("begins with its first call and ends with close", async ({ model, open }) => {
    const mark = newMark()
    const codex = open({ configOverrides: [mark] })
    assert.strictEqual(count(mark), 0)
    assert.match((await codex.serverInfo()).version, /^\d/)
    assert.strictEqual(count(mark), 1)
    await model.enqueue("Hello.")
    const thread = await codex.startThread()
    await thread.run("Hello.")
    await codex.close()
    await codex.close()
    assert.strictEqual(count(mark), 0)
    for (const call of [codex.startThread(), thread.run("Again."), thread.read(), codex.models()]) {
      const error = await rejection(call)
      if (!(error instanceof TransportError)) return assert.fail(String(error))
      assert.strictEqual(error.reason, "closed")
    }
    assert.instanceOf(await rejection(collect(thread.events)), TransportError)
    assert.instanceOf(await rejection(collect(codex.listThreads())), TransportError)
  })

  real("ends in the middle of everything, without an unhandled rejection", async ({ model, open }) => {
    const mark = newMark()
    const codex = open({ configOverrides: [mark] })
    await model.enqueue([text(["1 "]), await gate()], [text(["1 "]), await gate()])
    const one = await codex.startThread()
    const two = await codex.startThread()
    let left: Promise<unknown> | undefined
    const seen = await unhandled(async () => {
      void one.run("Count.")
      left = one.run("Busy.")
      const turn = await two.turn("Count.")
      void turn.result()
      void turn.steer("x")
      const reading = collect(two.events)
      void (async () => {
        for await (const _ of codex.notifications) await Promise.resolve()
      })()
      await model.received(2)
      void turn.interrupt()
      void turn.interruptWithTerminals()
      await codex.close()
      assert.isArray(await reading)
      assert.strictEqual((await collect(turn.events).catch((error) => [error])).length, 1)
    })
    assert.deepStrictEqual(seen, [])
    assert.instanceOf(await rejection(left!), CodexError.ThreadBusy)
    assert.strictEqual(count(mark), 0)
    assert.deepStrictEqual([await model.outcome(0), await model.outcome(1)], ["abandoned", "abandoned"])
  })

  real(
    "that is closed rejects what runs with the same class, and the stored turn is interrupted",
    async ({ model, open }) => {
      await model.enqueue([text(["1 "]), await gate()])
      const codex = open()
      const thread = await codex.startThread()
      const running = thread.run("Count.")
      await model.received(1)
      await codex.close()
      const error = await rejection(running)
      assert.strictEqual(error instanceof TransportError && error.reason, "closed")
      const again = await open().readThread(thread.id, { includeTurns: true })
      assert.deepStrictEqual(again.turns.map(({ status }) => status), ["interrupted"])
    }
  )

  real("ends with a process that dies, typed", async ({ model, open }) => {
    const codex = open()
    await model.enqueue([text(["1 "]), await gate()])
    const thread = await codex.startThread()
    const turn = await thread.turn("Count.")
    const running = turn.result()
    const reading = (async () => {
      const pieces: Array<string> = []
      for await (const piece of turn.text) pieces.push(piece)
      return pieces
    })()
    await model.received(1)
    await kill(codex)
    assert.instanceOf(await rejection(running), CodexError.AppServerExited)
    assert.instanceOf(await rejection(reading), CodexError.AppServerExited)
    assert.instanceOf(await rejection(codex.models()), CodexError.AppServerExited)
  })

  real("that does not start leaves nothing behind, and tries again", async ({ env }) => {
    const mark = newMark()
    const options = { executable: "/bin/false", configOverrides: [mark], env }
    const error = await rejection(Codex.start(options))
    assert.instanceOf(error, CodexError.AppServerStartError)
    assert.strictEqual(count(mark), 0)
    assert.instanceOf(
      await rejection(Codex.start({ executable: "/nowhere/codex" })),
      CodexError.CodexExecutableNotFound
    )
    const codex = new Codex(options)
    const first = await rejection(codex.serverInfo())
    const second = await rejection(codex.serverInfo())
    assert.instanceOf(second, CodexError.AppServerStartError)
    assert.notStrictEqual(first, second)
    await codex.close()
  })

  real("can be started eagerly, with a signal", async ({ env, home }) => {
    const mark = newMark()
    const options = { env, cwd: home.workspace, configOverrides: [mark], onLog: () => {} }
    const reason = new Error("not now")
    assert.strictEqual(await rejection(Codex.start({ ...options, signal: AbortSignal.abort(reason) })), reason)
    const controller = new AbortController()
    const starting = Codex.start({ ...options, signal: controller.signal })
    controller.abort(reason)
    assert.strictEqual(await rejection(starting), reason)
    assert.strictEqual(count(mark), 0)
    {
      await using codex = await Codex.start(options)
      assert.isString((await codex.serverInfo()).codexHome)
      assert.strictEqual(count(mark), 1)
    }
    assert.strictEqual(count(mark), 0)
  })

  real("logs to a function", async ({ model, open }) => {
    const lines: Array<string> = []
    const codex = open({
      onLog: ({ date, level, message }) => lines.push(`${date instanceof Date} ${level} ${message}`)
    })
    const thread = await codex.startThread({
      approvalMode: ApprovalMode.ask,
      handlers: { approvals: () => Promise.reject(new Error("broken handler")) }
    })
    await model.enqueue([escalated], httpFailure(400))
    await rejection(thread.run("Do it."))
    assert.match(lines.join("\n"), /true Warn .*/)
    assert.include(lines.join("\n"), "broken handler")
  })

  real("logs once what nobody decides, and that nobody is logged in", async ({ model, open }) => {
    const lines: Array<string> = []
    const codex = open({ onLog: ({ message }) => lines.push(message) })
    const warned = (async () => {
      for await (const { _tag } of codex.diagnostics) if (_tag === "NotLoggedIn") return
    })()
    const thread = await codex.startThread({ approvalMode: ApprovalMode.ask })
    await model.enqueue([escalated], [escalated], "Done.")
    assert.strictEqual((await thread.run("Do it.")).model, "scripted-model")
    await warned
    await codex.close()
    assert.lengthOf(lines.filter((line) => line.includes("no handler decides it, so it was declined")), 1)
    assert.lengthOf(lines.filter((line) => line.includes("nobody is logged in to codex")), 1)
  }, { home: { config: { model_providers: { scripted: { requires_openai_auth: true } } } } })

  real("is started again when its process dies", async ({ model, open }) => {
    const codex = open({ restart: { firstPause: 10 } })
    await model.enqueue("One.", "Two.")
    const thread = await codex.startThread()
    await thread.run("1")
    await kill(codex)
    assert.strictEqual((await thread.run("2")).finalResponse, "Two.")
  })

  real("a turn that was interrupted elsewhere rejects run", async ({ codex, model }) => {
    // Steering makes codex ask the model again.
    await model.enqueue([text(["1 "]), await gate()], [text(["2 "]), await gate()])
    const thread = await codex.startThread()
    const running = thread.run("Count.")
    await model.received(1)
    const other = await thread.turn("x", { whenBusy: "steer" })
    await other.interrupt()
    assert.instanceOf(await rejection(running), TurnInterrupted)
  })
})
