/** Conversations and their threads, on the real codex with a scripted model. */
import { CodexChat } from "@effect-codex/ai"
import { Codex } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Option, Ref, Schema, Stream } from "effect"
import { AiError, Chat, LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import * as Persistence from "effect/persistence/Persistence"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { conversation, enqueue, lastRequest, layer, real, requests } from "./support/real.ts"
import { Where } from "./support/where.ts"

const say = (chat: Chat.Chat, prompt: string) => Effect.map(chat.generateText({ prompt }), ({ text }) => text)

const threadOf = (chat: Chat.Chat) => Effect.map(CodexChat.threadId(chat), Option.getOrThrow)

const seen = Effect.map(lastRequest, conversation)

const run = promisify(execFile)

const goOn = fileURLToPath(new URL("./support/goOn.ts", import.meta.url))

/** Goes on with a chat in a process of its own, with a codex of its own on the same home. */
const elsewhere = Effect.fnUntraced(function*(exported: string, prompt: string, ...answer: ReadonlyArray<string>) {
  const { env, workspace } = yield* CodexHome.CodexHome
  const args = ["--conditions=@effect-codex/source", goOn, exported, prompt, ...answer]
  const { stdout } = yield* Effect.promise(() =>
    run(process.execPath, args, { cwd: workspace, env: { ...process.env, ...env } })
  )
  // The log goes there, too.
  return stdout.trim().split("\n").at(-1)!
})

describe("a chat", () => {
  real(
    "goes on with its thread, whichever way it asks",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", `{"three":3}`, "Four.")
      const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
      assert.deepStrictEqual(yield* CodexChat.threadId(chat), Option.none())
      yield* say(chat, "first")
      yield* Stream.runDrain(chat.streamText({ prompt: "second" }))
      yield* chat.generateObject({ prompt: "third", schema: Schema.Struct({ three: Schema.Int }) })
      yield* say(chat, "fourth")
      assert.deepStrictEqual(yield* seen, [
        "developer: Be brief.",
        "user: first",
        "assistant: One.",
        "user: second",
        "assistant: Two.",
        "user: third",
        `assistant: {"three":3}`,
        "user: fourth"
      ])
    })
  )

  real(
    "that was exported goes on with its thread in another process, and back here",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("echo secret of the shell"), "One.", "Two.", "Three.")
      const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
      yield* say(chat, "first")
      const id = yield* threadOf(chat)
      // A thread has one writer at a time. Its codex lets go of it when nobody listens to it any more.
      const codex = yield* Codex.Codex
      yield* (yield* codex.resumeThread(id)).unsubscribe
      const exported = yield* elsewhere(yield* chat.exportJson, "second")
      const back = yield* Chat.fromJson(exported)
      assert.strictEqual(yield* threadOf(back), id)
      yield* say(back, "third")
      assert.strictEqual(yield* threadOf(back), id)
      // The output of codex's own command is nowhere in the prompt: the thread has it.
      assert.notInclude(exported, "secret of the shell")
      const lines = yield* seen
      assert.isTrue(lines.some((line) => line.startsWith("output:") && line.includes("secret of the shell")))
      assert.deepStrictEqual(lines.filter((line) => line.startsWith("user:")), [
        "user: first",
        "user: second",
        "user: third"
      ])
    }),
    layer({ config: { config: { thread_unload_delay_secs: 0 } } })
  )

  real(
    "has its tools in another process, too, and the handlers of that process",
    Effect.gen(function*() {
      const call = ScriptedModel.functionCall("Where", {})
      yield* enqueue(call, "One.", call, "Two.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: Where }).pipe(
        Effect.provide(Where.toLayer({ Where: () => Effect.succeed("here") }))
      )
      const id = yield* threadOf(chat)
      const codex = yield* Codex.Codex
      yield* (yield* codex.resumeThread(id)).unsubscribe
      const exported = yield* elsewhere(yield* chat.exportJson, "second", "elsewhere")
      assert.strictEqual(yield* threadOf(yield* Chat.fromJson(exported)), id)
      assert.deepStrictEqual((yield* seen).filter((line) => line.startsWith("output:")), [
        "output: here",
        "output: elsewhere"
      ])
    }),
    layer({ config: { config: { thread_unload_delay_secs: 0 } } })
  )

  real(
    "that is kept in a store goes on with its thread",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.")
      const persistence = yield* Chat.Persistence
      const first = yield* persistence.getOrCreate("chat")
      yield* say(first, "first")
      const loaded = yield* persistence.get("chat")
      yield* say(loaded, "second")
      assert.strictEqual(yield* threadOf(loaded), yield* threadOf(first))
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
    }).pipe(
      Effect.provide(
        Layer.provide(Chat.layerPersisted({ storeId: "chats" }), Persistence.layerBackingMemory)
      )
    )
  )

  real(
    "takes a fork while another process has its thread",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const exported = yield* elsewhere(yield* chat.exportJson, "second")
      assert.notStrictEqual(yield* threadOf(yield* Chat.fromJson(exported)), yield* threadOf(chat))
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
    })
  )

  real(
    "that goes on from an earlier point takes a fork, and the other branch stays",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", "Two again.", "Three.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const early = yield* Ref.get(chat.history)
      yield* say(chat, "second")
      const branch = yield* Chat.fromPrompt(early)
      yield* say(branch, "second, otherwise")
      assert.notStrictEqual(yield* threadOf(branch), yield* threadOf(chat))
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second, otherwise"])
      yield* say(chat, "third")
      assert.deepStrictEqual((yield* seen).slice(-2), ["assistant: Two.", "user: third"])
    })
  )

  real(
    "that goes on twice at once from the same answer has two threads, also as streams",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", "Two.", "Two.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const history = yield* Ref.get(chat.history)
      const branches = yield* Effect.forEach([1, 2, 3].slice(0, 2), () => Chat.fromPrompt(history))
      yield* Effect.forEach(branches, (branch) => say(branch, "second"), { concurrency: 2 })
      const threads = yield* Effect.forEach(branches, threadOf)
      assert.lengthOf(new Set(threads), 2)
      const streams = yield* Effect.forEach([1, 2], () => Chat.fromPrompt(history))
      yield* Effect.forEach(streams, (branch) => Stream.runDrain(branch.streamText({ prompt: "second" })), {
        concurrency: 2
      })
      assert.lengthOf(new Set(yield* Effect.forEach(streams, threadOf)), 2)
    })
  )

  real(
    "that a program has edited is a new thread with what it says now",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", "Three.")
      const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
      yield* say(chat, "my password is 1234")
      const id = yield* threadOf(chat)
      yield* Ref.update(
        chat.history,
        (prompt) =>
          Prompt.fromMessages(prompt.content.map((message) =>
            message.role === "user"
              ? Prompt.userMessage({ content: [Prompt.textPart({ text: "(removed)" })] })
              : message
          ))
      )
      yield* say(chat, "second")
      assert.notStrictEqual(yield* threadOf(chat), id)
      assert.deepStrictEqual(yield* seen, [
        "developer: Be brief.",
        "user: (removed)",
        "assistant: One.",
        "user: second"
      ])
      yield* Ref.update(chat.history, Prompt.setSystem("Be long."))
      yield* say(chat, "third")
      assert.strictEqual((yield* seen)[0], "developer: Be long.")
    })
  )

  real(
    "stays in a thread that was compacted, and the model has the summary",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("One.", "Two.", "What was said, in short.", "Three.", "Two again.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const early = yield* Ref.get(chat.history)
      yield* say(chat, "second")
      const id = yield* threadOf(chat)
      const thread = yield* codex.resumeThread(id)
      yield* Effect.scoped(Effect.flatMap(thread.compact(), ({ result }) => result))
      yield* say(chat, "third")
      assert.strictEqual(yield* threadOf(chat), id)
      assert.isTrue(JSON.stringify((yield* lastRequest).input).includes("What was said, in short."))
      const branch = yield* Chat.fromPrompt(early)
      yield* say(branch, "second, otherwise")
      assert.notStrictEqual(yield* threadOf(branch), id)
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second, otherwise"])
    })
  )

  real(
    "whose thread is gone is a new thread with what it says",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("One.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      yield* codex.deleteThread(yield* threadOf(chat))
      yield* say(chat, "second")
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
    })
  )

  real(
    "whose thread was archived is a new thread with what it says",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("One.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const id = yield* threadOf(chat)
      yield* (yield* codex.resumeThread(id)).archive
      yield* say(chat, "second")
      assert.notStrictEqual(yield* threadOf(chat), id)
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
    })
  )

  real(
    "whose last turn was reverted is a new thread with what it says",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("One.", "Two.", "Three.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      yield* say(chat, "second")
      const { threadId, turnId } = Option.getOrThrow(yield* CodexChat.marker(chat))
      yield* (yield* codex.resumeThread(threadId)).revert(turnId)
      yield* say(chat, "third")
      assert.notStrictEqual(yield* threadOf(chat), threadId)
      assert.deepStrictEqual(yield* seen, [
        "user: first",
        "assistant: One.",
        "user: second",
        "assistant: Two.",
        "user: third"
      ])
    })
  )

  // A stored history may be damaged, or written by somebody else.
  real(
    "whose metadata names no thread is a new thread with what it says",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", "Two.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const { content } = yield* Ref.get(chat.history)
      const marker = Option.getOrThrow(yield* CodexChat.marker(chat))
      for (const codex of ["x", { ...marker, threadId: "../../etc" }, { ...marker, threadId: "" }]) {
        const damaged = yield* Chat.fromPrompt(content.map((message) =>
          message.role === "assistant"
            ? Prompt.assistantMessage({
              content: message.content.map((part) =>
                part.type === "text" ? Prompt.textPart({ text: part.text, options: { codex } }) : part
              )
            })
            : message
        ))
        yield* say(damaged, "second")
        assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
        assert.notInclude(["", "../../etc"], yield* threadOf(damaged))
      }
    })
  )

  real(
    "says what the system says late to the developer's role",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      yield* chat.generateText({
        prompt: [{ role: "system", content: "From now on in German." }, { role: "user", content: "second" }]
      })
      assert.deepStrictEqual(yield* seen, [
        "user: first",
        "assistant: One.",
        "developer: From now on in German.",
        "user: second"
      ])
    })
  )

  real(
    "keeps nothing with stateless history, and the model is given all that is said",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* enqueue("One.", "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      yield* say(chat, "second")
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
      assert.lengthOf(yield* Stream.runCollect(codex.listThreads()), 0)
    }),
    layer({ config: { history: "stateless" } })
  )

  real(
    "goes on with the turn that was interrupted when its stream was left",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["One ", gate]), "Two.")
      const chat = yield* Chat.empty
      yield* chat.streamText({ prompt: "first" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.runHead
      )
      const id = yield* threadOf(chat)
      yield* say(chat, "second")
      assert.strictEqual(yield* threadOf(chat), id)
      assert.include(yield* seen, "user: second")
    })
  )
})

describe("after a call that failed", () => {
  const failing = [ScriptedModel.exec("echo done"), ScriptedModel.failed("rate_limit_exceeded", "slow down")]

  real(
    "a chat goes on in the same thread, whose model sees what was done",
    Effect.gen(function*() {
      yield* enqueue("One.", ...failing, "Two.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const id = yield* threadOf(chat)
      const error = yield* Effect.flip(say(chat, "second"))
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["UnknownError", false])
      const loaded = yield* Chat.fromJson(yield* chat.exportJson)
      yield* say(loaded, "second")
      assert.strictEqual(yield* threadOf(loaded), id)
      assert.isTrue((yield* seen).some((line) => line.startsWith("output:") && line.includes("done")))
    })
  )

  real(
    "a chat that goes on from before a later answer takes a fork",
    Effect.gen(function*() {
      yield* enqueue("One.", ...failing, "Two.", "Two again.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const early = yield* Ref.get(chat.history)
      yield* Effect.flip(say(chat, "second"))
      yield* say(chat, "second")
      const branch = yield* Chat.fromPrompt(early)
      yield* say(branch, "second")
      assert.notStrictEqual(yield* threadOf(branch), yield* threadOf(chat))
      assert.deepStrictEqual(yield* seen, ["user: first", "assistant: One.", "user: second"])
    })
  )
})

describe("the history of another model", () => {
  const foreign = Prompt.make([
    { role: "system", content: "Be brief." },
    { role: "user", content: "What does it cost?" },
    {
      role: "assistant",
      content: [
        { type: "reasoning", text: "I have to look." },
        { type: "text", text: "I look." },
        { type: "tool-call", id: "c1", name: "Lookup", params: { id: "a" }, providerExecuted: false },
        { type: "tool-call", id: "c2", name: "Lookup", params: { id: "b" }, providerExecuted: false }
      ]
    },
    {
      role: "tool",
      content: [{
        type: "tool-result",
        id: "c1",
        name: "Lookup",
        isFailure: false,
        result: { price: 3 },
        providerExecuted: false
      }]
    },
    { role: "assistant", content: "It costs 3." }
  ])

  real(
    "is given to the model with its calls",
    Effect.gen(function*() {
      yield* enqueue("Still 3.")
      yield* LanguageModel.generateText({ prompt: Prompt.concat(foreign, "And now?") })
      assert.deepStrictEqual(yield* seen, [
        "developer: Be brief.",
        "user: What does it cost?",
        "assistant: I look.",
        `call: Lookup {"id":"a"}`,
        `call: Lookup {"id":"b"}`,
        "output: It was not run.",
        `output: {"price":3}`,
        "assistant: It costs 3.",
        "user: And now?"
      ])
    })
  )

  real(
    "that ends with the result of a tool is gone on with",
    Effect.gen(function*() {
      yield* enqueue("It costs 3.")
      const response = yield* LanguageModel.generateText({ prompt: Prompt.fromMessages(foreign.content.slice(0, 4)) })
      assert.strictEqual(response.text, "It costs 3.")
      assert.strictEqual((yield* seen).at(-1), `output: {"price":3}`)
    })
  )

  const called = (id: string) =>
    Prompt.assistantMessage({
      content: [Prompt.toolCallPart({ id, name: "Lookup", params: { id: "a" }, providerExecuted: false })]
    })
  const found = (id: string, result: string) =>
    Prompt.toolMessage({
      content: [Prompt.toolResultPart({ id, name: "Lookup", isFailure: false, result, providerExecuted: false })]
    })
  const asked = (text: string) => Prompt.userMessage({ content: [Prompt.textPart({ text })] })

  // codex drops a result without a call, and the model's API refuses a call without a result.
  for (
    const [name, messages, expected] of [
      ["whose beginning was cut off keeps the results whose calls are gone", [found("c1", "3"), asked("And?")], [
        "call: Lookup {}",
        "output: 3"
      ]],
      [
        "whose ids are used again has each call with its own result",
        [called("c1"), found("c1", "3"), called("c1"), found("c1", "4"), called("c1"), asked("And?")],
        [
          `call: Lookup {"id":"a"}`,
          "output: 3",
          `call: Lookup {"id":"a"}`,
          "output: 4",
          `call: Lookup {"id":"a"}`,
          "output: It was not run."
        ]
      ],
      [
        "that says a call or a result twice has it once",
        [called("c1"), called("c1"), found("c1", "3"), found("c1", "3"), asked("And?")],
        [`call: Lookup {"id":"a"}`, "output: 3"]
      ]
    ] as const
  ) {
    real(
      name,
      Effect.gen(function*() {
        yield* enqueue("Well.")
        yield* LanguageModel.generateText({ prompt: Prompt.fromMessages([asked("What?"), ...messages]) })
        assert.deepStrictEqual(yield* seen, ["user: What?", ...expected, "user: And?"])
      })
    )
  }

  real(
    "since codex's last answer is put into its thread",
    Effect.gen(function*() {
      yield* enqueue("One.", "Three.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const id = yield* threadOf(chat)
      yield* Ref.update(chat.history, (history) =>
        Prompt.concat(history, [
          { role: "user", content: "second" },
          { role: "assistant", content: "Two, says another." }
        ]))
      yield* say(chat, "third")
      assert.strictEqual(yield* threadOf(chat), id)
      assert.deepStrictEqual(yield* seen, [
        "user: first",
        "assistant: One.",
        "user: second",
        "assistant: Two, says another.",
        "user: third"
      ])
    })
  )

  real(
    "is put there once, however often the call is repeated",
    Effect.gen(function*() {
      const failing = ScriptedModel.httpFailure(500, "try later")
      yield* enqueue("One.", failing, failing, "Three.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      yield* Ref.update(
        chat.history,
        Prompt.concat([
          { role: "user", content: "second" },
          { role: "assistant", content: "Two, says another." }
        ])
      )
      yield* Effect.retry(say(chat, "third"), { while: ({ isRetryable }) => isRetryable, times: 3 })
      const said = (yield* seen).filter((line) => line.includes("says another"))
      assert.lengthOf(said, 1)
    })
  )

  real(
    "is put there once, however many calls go on at once",
    Effect.gen(function*() {
      yield* enqueue("One.", "Three.", "Three.")
      const chat = yield* Chat.empty
      yield* say(chat, "first")
      const prompt = Prompt.concat(yield* Ref.get(chat.history), [
        { role: "user", content: "second" },
        { role: "assistant", content: "Two, says another." },
        { role: "user", content: "third" }
      ])
      const ask = LanguageModel.generateText({ prompt })
      yield* Effect.all([ask, ask], { concurrency: 2 })
      for (const request of (yield* requests).slice(-2)) {
        assert.deepStrictEqual(conversation(request), [
          "user: first",
          "assistant: One.",
          "user: second",
          "assistant: Two, says another.",
          "user: third"
        ])
      }
    })
  )
})

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

describe("files", () => {
  const bytes = Uint8Array.from(Buffer.from(pixel, "base64"))

  const images = Effect.map(lastRequest, ({ input }) =>
    input.flatMap(({ content }) =>
      Array.isArray(content)
        ? (content as ReadonlyArray<Record<string, unknown>>).flatMap((part) =>
          part["type"] === "input_image" ? [part["image_url"]] : []
        )
        : []
    ))

  real(
    "of a prompt are images as bytes, base64, data URLs and paths, and text",
    Effect.gen(function*() {
      const { workspace } = yield* CodexHome.CodexHome
      const path = `${workspace}/pixel.png`
      yield* Effect.promise(() => writeFile(path, bytes))
      yield* enqueue("I see.", "I see.")
      const chat = yield* Chat.empty
      yield* chat.generateText({
        prompt: [{
          role: "user",
          content: [
            { type: "text", text: "Look:" },
            { type: "file", mediaType: "image/png", data: bytes },
            { type: "file", mediaType: "image/png", data: pixel },
            { type: "file", mediaType: "image/png", data: new URL(`data:image/png;base64,${pixel}`) },
            { type: "file", mediaType: "image/png", data: new URL(`file://${path}`) },
            { type: "file", mediaType: "text/csv", fileName: "a.csv", data: new TextEncoder().encode("a;b") }
          ]
        }]
      })
      assert.lengthOf(yield* images, 4)
      assert.include((yield* lastRequest).userTexts, `<file name="a.csv" type="text/csv">\na;b\n</file>`)
      const loaded = yield* Chat.fromJson(yield* chat.exportJson)
      yield* say(loaded, "Again?")
      assert.strictEqual(yield* threadOf(loaded), yield* threadOf(chat))
    })
  )

  real(
    "of another model's history are given to the model, too",
    Effect.gen(function*() {
      yield* enqueue("I see.")
      yield* LanguageModel.generateText({
        prompt: [
          { role: "user", content: [{ type: "file", mediaType: "image/png", data: bytes }] },
          { role: "assistant", content: "A pixel." },
          { role: "user", content: "Which colour?" }
        ]
      })
      assert.deepStrictEqual(yield* images, [`data:image/png;base64,${pixel}`])
    })
  )

  // The model's API would refuse each later request of the thread.
  real(
    "that are no images are refused in a history, as in the input",
    Effect.gen(function*() {
      const file = { type: "file", mediaType: "image/png", data: new TextEncoder().encode("no image") } as const
      for (
        const rest of [[], [{ role: "assistant", content: "A pixel." }, { role: "user", content: "And?" }]] as const
      ) {
        const error = yield* LanguageModel.generateText({ prompt: [{ role: "user", content: [file] }, ...rest] }).pipe(
          Effect.flip
        )
        assert.include(["InvalidRequestError", "InvalidUserInputError"], error.reason._tag)
      }
      assert.lengthOf(yield* requests, 0)
    })
  )

  for (
    const [name, url] of [
      ["that codex would have to fetch", "https://example.com/a.png"],
      ["whose path is no text", "file:///tmp/%E0%A4%A.png"],
      ["of another machine", "file://fileserver/a.png"]
    ] as const
  ) {
    real(
      `${name} are refused`,
      Effect.gen(function*() {
        const error = yield* LanguageModel.generateText({
          prompt: [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: new URL(url) }] }]
        }).pipe(Effect.flip)
        assert.strictEqual(error.reason._tag, "InvalidUserInputError")
        assert.lengthOf(yield* requests, 0)
      })
    )
  }

  real(
    "cannot close the tag that they are told in with their name or type",
    Effect.gen(function*() {
      yield* enqueue("I see.")
      const data = new TextEncoder().encode("a;b")
      yield* LanguageModel.generateText({
        prompt: [{
          role: "user",
          content: [{ type: "file", mediaType: `text/"><b c="`, fileName: `"></file>`, data }]
        }]
      })
      assert.include(
        (yield* lastRequest).userTexts,
        `<file name="\\"\\u003e\\u003c/file\\u003e" type="text/\\"\\u003e\\u003cb c=\\"">\na;b\n</file>`
      )
    })
  )
})

describe("a toolkit that changes in mid-chat", () => {
  const toolkitOf = <const Name extends string>(name: Name) => Toolkit.make(Tool.make(name, { success: Schema.String }))
  const A = toolkitOf("A")
  const B = toolkitOf("B")
  const both = Toolkit.merge(A, B)
  const live = both.toLayer({ A: () => Effect.succeed("a!"), B: () => Effect.succeed("b!") })
  const call = (name: string) => ScriptedModel.functionCall(name, {}, { callId: name })

  real(
    "has its tools and their handlers in a fork, too",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.", call("A"), "Two again.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: A })
      const early = yield* Ref.get(chat.history)
      yield* chat.generateText({ prompt: "second", toolkit: A })
      const branch = yield* Chat.fromPrompt(early)
      const { toolResults } = yield* branch.generateText({ prompt: "second, otherwise", toolkit: A })
      assert.deepStrictEqual(toolResults.map(({ result }) => result), ["a!"])
      assert.notStrictEqual(yield* threadOf(branch), yield* threadOf(chat))
      assert.deepStrictEqual((yield* seen).slice(0, 3), ["user: first", "assistant: One.", "user: second, otherwise"])
    }).pipe(Effect.provide(live))
  )

  // codex fixes the tools of a thread when it starts it.
  real(
    "goes on in a new thread that is given the calls, when a tool is new",
    Effect.gen(function*() {
      yield* enqueue(call("A"), "One.", call("B"), "Two.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: A })
      const id = yield* threadOf(chat)
      yield* chat.generateText({ prompt: "second", toolkit: B })
      assert.notStrictEqual(yield* threadOf(chat), id)
      assert.deepStrictEqual(yield* seen, [
        "user: first",
        "call: A {}",
        "output: a!",
        "assistant: One.",
        "user: second",
        "call: B {}",
        "output: b!"
      ])
    }).pipe(Effect.provide(live))
  )

  real(
    "gives the new thread the images that a tool has shown",
    Effect.gen(function*() {
      const shown = `data:image/png;base64,${pixel}`
      const See = Toolkit.make(Tool.make("See", {
        success: Schema.String,
        toModelOutput: () => [
          Prompt.textPart({ text: "Look:" }),
          Prompt.filePart({ mediaType: "image/png", data: Uint8Array.from(Buffer.from(pixel, "base64")) }),
          Prompt.filePart({ mediaType: "image/png", data: Uint8Array.from(Buffer.from("no image")) })
        ]
      }))
      yield* enqueue(call("See"), "One.", "Two.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: See }).pipe(
        Effect.provide(See.toLayer({ See: () => Effect.succeed("seen") }))
      )
      const loaded = yield* Chat.fromJson(yield* chat.exportJson)
      yield* loaded.generateText({ prompt: "second", toolkit: A })
      assert.notStrictEqual(yield* threadOf(loaded), yield* threadOf(chat))
      const output = (yield* lastRequest).input.find(({ type }) => type === "function_call_output")?.["output"]
      assert.include(JSON.stringify(output), "Look:")
      assert.include(JSON.stringify(output), shown)
      assert.notInclude(JSON.stringify(output), Buffer.from("no image").toString("base64"))
    }).pipe(Effect.provide(live))
  )

  real(
    "goes on with its thread when it needs fewer, and runs none of the others",
    Effect.gen(function*() {
      yield* enqueue("One.", call("B"), call("A"), "Two.", "Three.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: both })
      const id = yield* threadOf(chat)
      yield* chat.generateText({ prompt: "second", toolkit: A })
      assert.deepStrictEqual((yield* lastRequest).toolOutputs.map(({ output }) => output), [
        "The tool B may not be used in this turn.",
        "a!"
      ])
      yield* say(chat, "third")
      assert.strictEqual(yield* threadOf(chat), id)
    }).pipe(Effect.provide(live))
  )

  real(
    "fails when it is told to",
    Effect.gen(function*() {
      yield* enqueue("One.")
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first", toolkit: A })
      const error = yield* Effect.flip(chat.generateText({ prompt: "second", toolkit: B }))
      assert.isTrue(AiError.isAiError(error) && error.reason._tag === "ToolConfigurationError")
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(live)),
    layer({ config: { onToolsChanged: "fail" } })
  )
})
