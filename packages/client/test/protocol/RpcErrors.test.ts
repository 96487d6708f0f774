import { CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { fromLoginEnd, fromLoginStart, fromReply } from "../../src/internal/protocol/rpcErrors.ts"

// Texts as codex sends them; `contract.test.ts` meets the common ones on the real binary.
const cases: ReadonlyArray<readonly [error: unknown, expected: Record<string, unknown>]> = [
  [{ code: -32001, message: "Server overloaded; retry later." }, { _tag: "ServerOverloaded", isRetryable: true }],
  [{ code: -32000, message: "busy", data: "server_overloaded" }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "busy", data: { codexErrorInfo: "serverOverloaded" } }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "busy", data: { errorInfo: { kind: "server_overloaded" } } }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "odd", data: { codexErrorInfo: "other" } }, {
    _tag: "RpcError",
    reason: "unexpected",
    code: -32050
  }],
  [{ code: -32600, message: "thread not found: 01a2" }, { _tag: "ThreadNotFound" }],
  [{ code: -32600, message: "thread not loaded: 01a2" }, { _tag: "ThreadNotFound" }],
  [{ code: -32600, message: "no rollout found for thread id 01a2" }, { _tag: "ThreadNotPersisted" }],
  [{ code: -32600, message: "no archived rollout found for thread id 01a2" }, { _tag: "ThreadNotPersisted" }],
  [{ code: -32600, message: "thread 01a2 is not materialized yet; …" }, { _tag: "ThreadNotPersisted" }],
  [{ code: -32600, message: "thread 01a2 already has an active writer" }, { _tag: "ThreadInUse", isRetryable: true }],
  [{ code: -32600, message: "queued submission not found: q" }, { _tag: "QueuedMessageNotFound" }],
  [{ code: -32600, message: "queue is empty" }, { _tag: "QueuedMessageNotFound" }],
  [{ code: -32600, message: "thread/sample requires a loaded source" }, { _tag: "ThreadNotFound" }],
  [{ code: -32600, message: "no active turn to steer" }, { _tag: "NoActiveTurn" }],
  [{ code: -32600, message: "no active turn to interrupt" }, { _tag: "NoActiveTurn" }],
  [
    { code: -32600, message: "expected active turn id `wrong` but found `01a2`" },
    { _tag: "TurnMismatch", expected: "wrong", actual: "01a2" }
  ],
  [
    { code: -32600, message: "expected active turn id wrong but found 01a2" },
    { _tag: "TurnMismatch", expected: "wrong", actual: "01a2" }
  ],
  [{ code: -32600, message: "process/spawn requires experimentalApi capability" }, { _tag: "ExperimentalRequired" }],
  [
    { code: -32602, message: "…", data: { input_error_code: "input_too_large", max_chars: 10, actual_chars: 11 } },
    { _tag: "InputTooLarge", maximum: 10, actual: 11 }
  ],
  [
    { code: -32600, message: "codex account authentication required to read rate limits" },
    { _tag: "LoginRequired", isRetryable: false }
  ],
  [{ code: -32600, message: "chatgpt authentication required to read token usage" }, { _tag: "LoginRequired" }],
  [{ code: -32600, message: "invalid thread id: nope" }, {
    _tag: "RpcError",
    reason: "invalidRequest",
    detail: "invalid thread id: nope"
  }],
  [{ code: -32601, message: "list_turns is not supported yet" }, { _tag: "RpcError", reason: "methodNotFound" }],
  [
    {
      code: -32600,
      message: "Invalid request: unknown variant `some/method`, expected one of `initialize`, `turn/start`"
    },
    {
      _tag: "RpcError",
      reason: "methodNotFound",
      detail: "Invalid request: unknown variant `some/method`, expected one of `initialize`, `turn/start`",
      message: "codex app-server refused some/method (-32600): the server knows no method some/method. " +
        "The server, or its thread store, does not support it: use another call, or another codex."
    }
  ],
  [
    { code: -32600, message: "Invalid request: unknown variant `some/kind`, expected one of `a`, `b`" },
    { _tag: "RpcError", reason: "invalidRequest" }
  ],
  [{ code: -32602, message: "bad" }, { _tag: "RpcError", reason: "invalidParams" }],
  [{ code: -32603, message: "disk" }, { _tag: "RpcError", reason: "internal" }],
  [{ code: -32700, message: "syntax" }, { _tag: "RpcError", reason: "parse" }],
  [{ code: 7, message: "odd", data: [1] }, { _tag: "RpcError", reason: "unexpected", code: 7, data: [1] }],
  [{}, { _tag: "RpcError", reason: "unexpected", code: 0 }],
  ["no object", { _tag: "RpcError", reason: "unexpected", code: 0 }],
  [{ code: "x", message: 3 }, { _tag: "RpcError", reason: "unexpected", code: 0 }]
]

describe("JSON-RPC errors", () => {
  it.each(cases)("%j", (error, expected) => {
    const mapped = fromReply("some/method", error)
    for (const [key, value] of Object.entries(expected)) {
      assert.deepStrictEqual((mapped as unknown as Record<string, unknown>)[key], value)
    }
    assert.strictEqual(mapped.method, "some/method")
    assert.isNotEmpty(mapped.message)
  })
})

it("a message has the beginning of a long refusal, and the error all of it", () => {
  const error = fromReply("some/method", { code: -32603, message: "no disk ".repeat(1000) })
  assert.match(error.message, /^codex app-server refused some\/method \(-32603\): no disk .*…/)
  assert.isBelow(error.message.length, 800)
  assert.strictEqual(error.detail.length, 8000)
})

describe("a meaning that a method cannot have", () => {
  it("is a coincidence of the text", () => {
    const lost = { code: -32600, message: "thread not found: 01a2" }
    assert.deepInclude(fromReply("model/list", lost), { _tag: "RpcError", reason: "invalidRequest" })
    assert.strictEqual(fromReply("thread/read", lost)._tag, "ThreadNotFound")
    assert.strictEqual(fromReply("some/method", lost)._tag, "ThreadNotFound")
    const login = { code: -32600, message: "chatgpt authentication required to read token usage" }
    assert.strictEqual(fromReply("account/usage/read", login)._tag, "LoginRequired")
    assert.strictEqual(fromReply("account/read", login)._tag, "RpcError")
    const unstored = { code: -32600, message: "no rollout found for thread id 01a2" }
    assert.strictEqual(fromReply("thread/resume", unstored)._tag, "ThreadNotPersisted")
    assert.strictEqual(fromReply("turn/start", unstored)._tag, "RpcError")
    const idle = { code: -32600, message: "no active turn to steer" }
    assert.strictEqual(fromReply("turn/steer", idle)._tag, "NoActiveTurn")
    assert.strictEqual(fromReply("review/start", idle)._tag, "RpcError")
    const inUse = { code: -32600, message: "thread 01a2 already has an active writer" }
    assert.strictEqual(fromReply("thread/resume", inUse)._tag, "ThreadInUse")
    assert.strictEqual(fromReply("thread/fork", inUse)._tag, "RpcError")
    const data = { input_error_code: "input_too_large", max_chars: 1, actual_chars: 2 }
    const long = { code: -32602, message: "Input exceeds the maximum length of 1 characters.", data }
    assert.strictEqual(fromReply("turn/start", long)._tag, "InputTooLarge")
    assert.deepInclude(fromReply("thread/compact/start", long), { _tag: "RpcError", reason: "invalidParams", data })
    const gate = { code: -32600, message: "model/list requires experimentalApi capability" }
    assert.strictEqual(fromReply("model/list", gate)._tag, "ExperimentalRequired")
  })
})

describe("logins", () => {
  const starts: ReadonlyArray<readonly [error: unknown, expected: Record<string, unknown>]> = [
    [
      {
        code: -32603,
        message: "failed to request device code: error sending request for url (https://auth.openai.com/api/…)"
      },
      { _tag: "LoginFailed", reason: "offline", isRetryable: true, loginId: null }
    ],
    [
      { code: -32603, message: "failed to set external auth: invalid ID token format" },
      { _tag: "LoginFailed", reason: "refused", detail: "failed to set external auth: invalid ID token format." }
    ],
    [
      { code: -32600, message: "External auth is active. Use … or account/logout to clear it." },
      {
        _tag: "LoginFailed",
        reason: "refused",
        isRetryable: false,
        detail: "External auth is active. Use … or account/logout to clear it."
      }
    ],
    [
      { code: -32600, message: "ChatGPT login is disabled. Use API key login instead." },
      { _tag: "LoginFailed", reason: "refused" }
    ],
    [{ code: -32603, message: "failed to start login server: port" }, { _tag: "LoginFailed", reason: "failed" }],
    [
      { code: -32600, message: "account/login/start.chatgptAuthTokens requires experimentalApi capability" },
      { _tag: "ExperimentalRequired" }
    ],
    [{ code: -32001, message: "Server overloaded; retry later." }, { _tag: "ServerOverloaded" }]
  ]
  it.each(starts)("start: %j", (error, expected) => {
    assert.deepInclude(fromLoginStart(fromReply("account/login/start", error)), expected)
  })

  const ends: ReadonlyArray<readonly [unknown, isCancelled: boolean, CodexError.LoginFailed["reason"]]> = [
    ["Login server error: Login was not completed", true, "cancelled"],
    ["Login server error: Login was not completed", false, "replaced"],
    ["Login server error: Login cancelled", false, "replaced"],
    ["Login was not completed", false, "replaced"],
    ["device auth timed out after 15 minutes", false, "timedOut"],
    ["workspace routing discovery failed", false, "offline"],
    ["error sending request for url (https://auth.openai.com/oauth/token)", false, "offline"],
    ["device auth failed with status 500", true, "failed"],
    [null, false, "failed"],
    [{ code: 7 }, false, "failed"]
  ]
  it.each(ends)("end: %j (cancelled: %s)", (error, isCancelled, reason) => {
    const failed = fromLoginEnd("login-1", error, isCancelled)
    assert.deepInclude(failed, { _tag: "LoginFailed", loginId: "login-1", reason })
    assert.strictEqual(failed.isRetryable, reason === "offline")
    assert.isAbove(failed.message.length, failed.detail.length + 40)
  })
})

describe("a start that fails", () => {
  it.each([
    ["Error: failed to initialize sqlite state runtime under /home/a/.codex: error code 5: database is locked", true],
    ["Error: failed to initialize state runtime at /home/a/.codex: database is locked", true],
    ["Error: failed to initialize sqlite state runtime: disk I/O error", false],
    [
      "Error: failed to initialize sqlite state runtime under /a/.codex: failed to initialize state runtime at /a/.codex",
      true
    ],
    ["Error: failed to initialize sqlite state runtime under C:\\a: failed to initialize state runtime at C:\\a", true],
    ["Error: failed to initialize state runtime at /a: (code: 14) unable to open database file", false],
    ["warning: the log says that a database is locked", false]
  ])("%s (retryable: %s)", (line, isLocked) => {
    const error = new CodexError.AppServerStartError({
      phase: "initialize",
      executable: "codex",
      detail: "the process ended with exit code 1.",
      stderr: ["first line", line]
    })
    assert.strictEqual(error.isStateDatabaseLocked, isLocked)
    assert.strictEqual(error.isRetryable, isLocked)
    assert.strictEqual(error.message.includes("keeps a database in the CODEX_HOME locked"), isLocked)
    assert.strictEqual(error.message.includes("probably"), isLocked && !line.includes("locked"))
  })
})
