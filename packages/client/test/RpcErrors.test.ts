import { assert, describe, it } from "@effect/vitest"
import { fromReply } from "../src/internal/rpcErrors.ts"

// Texts as codex 0.169.0 sends them; `contract.test.ts` meets the common ones on the real binary.
const cases: ReadonlyArray<readonly [error: unknown, expected: Record<string, unknown>]> = [
  [{ code: -32001, message: "Server overloaded; retry later." }, { _tag: "ServerOverloaded", isRetryable: true }],
  [{ code: -32000, message: "busy", data: "server_overloaded" }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "busy", data: { codexErrorInfo: "serverOverloaded" } }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "busy", data: { errorInfo: { kind: "server_overloaded" } } }, { _tag: "ServerOverloaded" }],
  [{ code: -32050, message: "odd", data: { codexErrorInfo: "other" } }, { _tag: "UnexpectedRpcError", code: -32050 }],
  [{ code: -32600, message: "thread not found: 01a2" }, { _tag: "ThreadNotFound" }],
  [{ code: -32600, message: "thread not loaded: 01a2" }, { _tag: "ThreadNotFound" }],
  [{ code: -32600, message: "no rollout found for thread id 01a2" }, { _tag: "ThreadNotPersisted" }],
  [{ code: -32600, message: "no archived rollout found for thread id 01a2" }, { _tag: "ThreadNotPersisted" }],
  [{ code: -32600, message: "thread 01a2 is not materialized yet; …" }, { _tag: "ThreadNotPersisted" }],
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
  [{ code: -32600, message: "invalid thread id: nope" }, { _tag: "InvalidRequest", detail: "invalid thread id: nope" }],
  [{ code: -32601, message: "list_turns is not supported yet" }, { _tag: "MethodNotFound" }],
  [{ code: -32602, message: "bad" }, { _tag: "InvalidParams" }],
  [{ code: -32603, message: "disk" }, { _tag: "InternalServerError" }],
  [{ code: -32700, message: "syntax" }, { _tag: "ParseError" }],
  [{ code: 7, message: "odd", data: [1] }, { _tag: "UnexpectedRpcError", code: 7, data: [1] }],
  [{}, { _tag: "UnexpectedRpcError", code: 0 }],
  ["no object", { _tag: "UnexpectedRpcError", code: 0 }],
  [{ code: "x", message: 3 }, { _tag: "UnexpectedRpcError", code: 0 }]
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
