/** What a provider says of the key that it refuses does not get into errors, logs and events; all else it says does. */
import { AppServerRpc, Codex, CodexError } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Option, Stream } from "effect"
import { inspect } from "node:util"

const error = (detail: string, data?: unknown) =>
  new CodexError.RpcError({ method: "x", code: -32600, detail, ...data !== undefined && { data } })

const keys: ReadonlyArray<readonly [text: string, secret: string]> = [
  ["Incorrect API key provided: sk-proj-Ab12cd34Ef56_gh78-ij. You can find it there.", "Ab12"],
  ["Incorrect API key provided: sk-abcd****************wxyz.", "wxyz"],
  ["Incorrect API key provided: 4f0c2a97d1b84b5e.", "4f0c"],
  ["header Authorization: Bearer abc.def-123456 was refused", "123456"],
  ["{\"authorization\":\"Basic dXNlcjpwYXNzMQ==\"}", "dXNl"],
  ["token eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln is expired", "eyJ"],
  ["OPENAI_API_KEY=abcdefgh12345678 is wrong", "12345678"],
  ["api-key: 0123456789abcdef0123456789abcdef", "0123"],
  ["ghp_0123456789abcdefghij0123456789abcdef", "0123"],
  ["at https://me:pass1word@example.com/v1", "pass1word"],
  ["at https://me:pass@1word:x@example.com/v1", "1word"],
  [JSON.stringify({ body: JSON.stringify({ api_key: "4f0c2a97d1b84b5e" }) }), "4f0c"]
]

describe("a key in what others say of an error", () => {
  it.each(keys)("is not in the error: %s", (text, secret) => {
    const shown = error(text, { nested: [text] })
    for (const told of [shown.message, shown.stack, inspect(shown), JSON.stringify(shown), shown.detail]) {
      assert.notInclude(told, secret)
    }
    assert.include(shown.message, "<redacted>")
  })

  it("is not in the names of its data", () => {
    assert.deepStrictEqual(error("x", { nested: { "sk-proj-Ab12cd34Ef56gh78": 1 } }).data, {
      nested: { "<redacted>": 1 }
    })
  })

  it("leaves a dot, a quote and what follows", () => {
    assert.include(error(keys[0]![0]).message, "Incorrect API key provided: <redacted>. You can find it there.")
  })
})

describe("text that has no key", () => {
  it.each([
    "unexpected status 401 Unauthorized: Missing bearer or basic authentication in header",
    "You didn't provide an API key. Provide it in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    "api_key: expected a string, found a number at line 3",
    "The task-2026-11-28-12345678 of disk-0123456789 in sk-learn failed; basic configuration",
    "password: required. access_token is missing",
    "open /home/me/sk-project-2024/main.ts",
    "basic test_123.py failed, Basic python3.11 features",
    "const apiKey = process.env.API_KEY_2",
    "thread 01a204a7-b198-7230-917e-fb51d9aaf8da, request req_0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "at https://example.com:8080/v1/responses?stream=1, mail me@example.com"
  ])("stays as it is: %s", (text) => {
    const data = { text }
    const shown = error(text, data)
    assert.strictEqual(shown.detail, text)
    assert.strictEqual(shown.data, data)
    assert.include(shown.message, text)
  })

  it("is looked through in a time that grows as its length does", () => {
    for (
      const part of [
        "sk-",
        "sk-a",
        "Bearer ",
        "api_key=",
        "api_key",
        "://a:",
        "eyJabcdefgh",
        "eyJ-",
        "eyJ.",

        "Basic a1",
        "a.",
        "\u001b\ufe0f"
      ]
    ) {
      const text = part.repeat(200_000)
      assert.include(error(text).detail, part)
    }
  })
})

describe("a key that the provider quotes", () => {
  const log: Array<string> = []
  it.live(
    "is in no error, event, notification and line of the log",
    () =>
      Effect.gen(function*() {
        const secret = "sk-proj-Ab12cd34Ef56gh78"
        const model = yield* ScriptedModel.ScriptedModel
        const rpc = yield* AppServerRpc.AppServerRpc
        const body = { error: { message: `Incorrect API key provided: ${secret}.` } }
        yield* model.enqueue(ScriptedModel.httpFailure(401, body))
        const all = yield* Effect.forkScoped(
          Stream.runCollect(Stream.takeUntil(rpc.notifications, ({ _tag }) => _tag === "turn/completed")),
          { startImmediately: true }
        )
        const thread = yield* (yield* Codex.Codex).startThread()
        const turn = yield* thread.turn("go")
        const failed = yield* Effect.flip(turn.result)
        assert.strictEqual(failed._tag, "TurnFailed")
        assert.include(failed.message, "Incorrect API key provided: <redacted>")
        const events = yield* Stream.runCollect(turn.events)
        const stored = yield* Stream.runCollect(thread.turns())
        for (const told of [failed, JSON.stringify(failed), events, yield* Fiber.join(all), log]) {
          assert.notInclude(inspect(told, { depth: 12 }), secret)
        }
        assert.strictEqual(Option.getOrThrow(Option.fromUndefinedOr(stored[0])).status, "failed")
      }).pipe(
        Effect.scoped,
        Effect.provide(ScriptedCodex.layer()),
        Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]))
      )
  )
})
