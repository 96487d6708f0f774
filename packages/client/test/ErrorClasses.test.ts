import * as Client from "@effect-codex/client"
import { Checkpoints, CodexError, Elicitation, Questions, ServerRequests, type TurnResult } from "@effect-codex/client"
import * as Testing from "@effect-codex/testing"
import { Cassette, Contract, Expect } from "@effect-codex/testing"
import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Option, Predicate, Schema } from "effect"
import { Console } from "node:console"
import { readFileSync } from "node:fs"
import { PassThrough } from "node:stream"
import { inspect } from "node:util"

const of = { threadId: "thread-1", turnId: "turn-1" }
const result: TurnResult.TurnResult = {
  id: "turn-1",
  threadId: "thread-1",
  status: "failed",
  error: Option.none(),
  startedAt: Option.none(),
  completedAt: Option.none(),
  duration: Option.none(),
  timing: Option.none(),
  model: Option.none(),
  finalResponse: Option.none(),
  plan: Option.none(),
  items: [],
  usage: Option.none(),
  cost: Option.none(),
  output: undefined
}
const rpc = { method: "turn/start", code: -32600, detail: "it said so.", data: { why: "this" } }
const cycle: Record<string, unknown> = {}
cycle["itself"] = cycle

/** One of each class, by the name under which it is exported. */
const samples = {
  CheckpointError: new Checkpoints.CheckpointError({ reason: "conflict", detail: "It changed.", paths: ["a.txt"] }),
  CodexExecutableNotFound: new CodexError.CodexExecutableNotFound({
    tried: [{ place: "CODEX_BIN", problem: "unset" }]
  }),
  AppServerStartError: new CodexError.AppServerStartError({
    phase: "spawn",
    executable: "/bin/codex",
    detail: "It is not there.",
    stderr: ["one line"],
    cause: cycle
  }),
  AppServerConnectError: new CodexError.AppServerConnectError({
    reason: "refused",
    address: "ws://127.0.0.1:1",
    detail: "HTTP 503.",
    status: 503
  }),
  AppServerExited: new CodexError.AppServerExited({ code: 1, signal: null, stderr: ["Error: gone"] }),
  TransportError: new CodexError.TransportError({ reason: "read", detail: "gone.", cause: new Error("EPIPE") }),
  AppServerTimeout: new CodexError.AppServerTimeout({ method: "turn/start", timeout: 60_000 }),
  ServerOverloaded: new CodexError.ServerOverloaded(rpc),
  RpcError: new CodexError.RpcError(rpc),
  ThreadNotFound: new CodexError.ThreadNotFound(rpc),
  ThreadNotPersisted: new CodexError.ThreadNotPersisted(rpc),
  ThreadInUse: new CodexError.ThreadInUse(rpc),
  QueuedMessageNotFound: new CodexError.QueuedMessageNotFound(rpc),
  NoActiveTurn: new CodexError.NoActiveTurn(rpc),
  TurnMismatch: new CodexError.TurnMismatch({ ...rpc, expected: "a", actual: "b" }),
  ExperimentalRequired: new CodexError.ExperimentalRequired(rpc),
  InputTooLarge: new CodexError.InputTooLarge({ ...rpc, maximum: 1, actual: 2 }),
  LoginRequired: new CodexError.LoginRequired(rpc),
  InvalidArgument: new CodexError.InvalidArgument({ argument: "model", detail: "It is empty." }),
  DecodeError: new CodexError.DecodeError({ method: "turn/start", issue: "no id", raw: [1] }),
  LoginFailed: new CodexError.LoginFailed({ reason: "offline", detail: "Nobody there.", loginId: null }),
  McpLoginFailed: new CodexError.McpLoginFailed({
    reason: "refused",
    server: "docs",
    loginId: null,
    detail: "OAuth provider returned `access_denied`"
  }),
  TurnFailed: new CodexError.TurnFailed({ ...of, detail: "It failed.", info: "other", result }),
  TurnInterrupted: new CodexError.TurnInterrupted({ ...of, result }),
  TurnStalled: new CodexError.TurnStalled({
    ...of,
    stallTimeout: 1,
    lastEvent: null,
    lastRetry: null,
    runningItems: [],
    startingMcpServers: [],
    result
  }),
  TurnOutcomeUnknown: new CodexError.TurnOutcomeUnknown({ ...of, detail: "It is gone.", result }),
  BudgetExceeded: new CodexError.BudgetExceeded({
    ...of,
    limit: "modelCalls",
    allowed: 2,
    spent: 2,
    result
  }),
  PriceUnknown: new CodexError.PriceUnknown({ ...of, model: "new", result }),
  ThreadBusy: new CodexError.ThreadBusy({ threadId: "thread-1", activeTurnId: "", delivered: false }),
  SettingsNotApplied: new CodexError.SettingsNotApplied({
    threadId: "thread-1",
    settings: [{ setting: "sandbox", asked: "read-only", holds: "workspace-write", advice: "Ask for what holds." }]
  }),
  OutputInvalid: new CodexError.OutputInvalid({ ...of, text: null, issue: "There is none.", result }),
  AskFailed: new CodexError.AskFailed({ threadId: "t", detail: "sample failed: context window exceeded" }),
  EventsOverflow: new CodexError.EventsOverflow({ ...of, unreadBytes: 1 }),
  FileError: new CodexError.FileError({ reason: "notFound", method: "fs/readFile", path: "/a", detail: "No." }),
  ConfigurationError: new CodexError.ConfigurationError({
    reason: "conflict",
    method: "config/batchWrite",
    code: "configVersionConflict",
    detail: "No."
  }),
  CommandError: new CodexError.CommandError({ reason: "ended", program: "cat", detail: "It has ended." }),
  Refusal: new ServerRequests.Refusal({ message: "No." }),
  ContentInvalid: new Elicitation.ContentInvalid({ serverName: "s", issues: [{ field: "f", expected: "a number" }] }),
  AnswersInvalid: new Questions.AnswersInvalid({ issues: [{ questionId: "q", expected: "an option" }] }),
  CassetteUnreadable: new Cassette.CassetteUnreadable({ path: "a.jsonl", line: 1, detail: "No." }),
  CassetteMismatch: new Cassette.CassetteMismatch({
    path: "a.jsonl",
    line: 1,
    expected: { a: 1 },
    received: undefined
  }),
  ExpectationFailed: new Expect.ExpectationFailed({ expected: "It came.", picture: ["nothing"] }),
  ContractFailure: new Contract.ContractFailure({ what: "It", contract: ["a"], server: ["b"] })
}

const isErrorClass = (u: unknown): u is new(...args: ReadonlyArray<never>) => Error =>
  Predicate.isFunction(u) && u.prototype instanceof Error

const exportsOf = (barrel: object): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.values(barrel).flatMap((module: object) => Object.entries(module))

const classes = [...exportsOf(Client), ...exportsOf(Testing)].filter(([, value]) => isErrorClass(value))

const printed = (error: Error): string => {
  const stream = new PassThrough()
  new Console({ stdout: stream, colorMode: false }).log(error)
  return String(stream.read())
}

describe("the classes of errors", () => {
  it("have a sample each in this file", () => {
    assert.deepStrictEqual(classes.map(([name]) => name).sort(), Object.keys(samples).sort())
  })

  it("are recognised by an identifier in our namespace, and not by their tag", () => {
    for (const error of Object.values(samples)) {
      const { constructor } = error
      assert(isErrorClass(constructor) && "identifier" in constructor && Schema.isSchema(constructor))
      assert.match(String(constructor.identifier), /^@effect-codex\/(?:client|testing)\/[A-Z]\w+\/[A-Z]\w+$/)
      const is: (u: unknown) => boolean = Schema.is(constructor)
      assert.isTrue(is(error))
      class Foreign extends Schema.TaggedError<Foreign>()(error._tag, {}) {}
      assert.isFalse(is(new Foreign()))
      assert.isFalse(is({ ...error }))
      assert.isFalse(CodexError.isCodexError(new Foreign()))
      assert.strictEqual(CodexError.isCodexError(error), constructor.name in CodexError)
    }
  })

  it("have the errors of another copy of the library as instances", async () => {
    vi.resetModules()
    const copy = await import("@effect-codex/client")
    assert.notStrictEqual<unknown>(copy.CodexError.RpcError, CodexError.RpcError)
    const error = new copy.CodexError.RpcError(rpc)
    assert.instanceOf(error, CodexError.RpcError)
    assert.instanceOf(samples.RpcError, copy.CodexError.RpcError)
    assert.notInstanceOf(error, CodexError.AppServerExited)
    assert.notInstanceOf({ ...error }, CodexError.RpcError)
  })

  it("have tags that no error of Effect has which stands in an error channel by itself", async () => {
    // Errors of Effect that are only ever the reason of another one.
    const reasons = new Set(["HttpClientError", "GraphQLClientError", "McpClientError", "CryptoError"])
    const manifest: { exports: Record<string, unknown> } = JSON.parse(
      readFileSync(new URL(import.meta.resolve("effect/package.json")), "utf8")
    )
    const barrels = Object.entries(manifest.exports)
      .filter(([key, target]) => target !== null && !key.includes("*") && !key.endsWith(".json"))
      .map(([key]) => key)
    const theirs = new Set<string>()
    for (const barrel of barrels) {
      for (const [module, value] of Object.entries<object>(await import(`effect${barrel.slice(1)}`))) {
        if (!Predicate.isObject(value)) continue
        for (const [name, exported] of Object.entries(value)) {
          if (!isErrorClass(exported) || (reasons.has(module) && name !== module)) continue
          theirs.add(name).add(exported.prototype.name)
        }
      }
    }
    assert.includeMembers([...theirs], ["RequestTimeout", "InternalServerError", "InvalidRequest", "TimeoutError"])
    for (const { _tag } of Object.values(samples)) assert.isFalse(theirs.has(_tag), _tag)
  }, 60_000)
})

describe("each error", () => {
  for (const [name, error] of Object.entries(samples)) {
    const { _tag: tag, message } = error
    it(`${name} prints its message, its stack and its fields`, () => {
      assert.isNotEmpty(message)
      const text = printed(error)
      assert.isTrue(text.startsWith(`${tag}: ${message}`), text)
      assert.include(text, "ErrorClasses.test.ts:")
      assert.include(text, `_tag: '${tag}'`)
      assert.isTrue(error.stack?.startsWith(`${tag}: ${message}`))
      assert.include(inspect({ error }), "ErrorClasses.test.ts:")
      assert.strictEqual(String(error), `${tag}: ${message}`)
    })

    it(`${name} keeps its message and its stack in a clone`, () => {
      const clone = structuredClone(error)
      assert.instanceOf(clone, Error)
      assert.deepStrictEqual([clone.message, clone.stack], [message, error.stack])
      assert.notProperty(clone, "_tag")
    })

    it(`${name} keeps its tag, its message and its fields in a clone of its JSON`, () => {
      const clone: unknown = structuredClone(JSON.parse(JSON.stringify(error)))
      assert.deepInclude(clone, { _tag: tag, message })
      const fields = Object.entries(error).flatMap(([field, value]) => value === undefined ? [] : [field])
      assert.includeMembers(Object.keys(Object(clone)), fields)
    })

    it(`${name} is JSON with its tag, its message and its fields`, () => {
      const json: unknown = JSON.parse(JSON.stringify(error))
      assert.deepInclude(json, { _tag: tag, message })
      assert.notInclude(JSON.stringify(error), "~@effect-codex")
    })

    it(`${name} is shown by Cause.pretty`, () => {
      assert.isTrue(Cause.pretty(Cause.fail(error)).startsWith(`${tag}: ${message}`))
    })
  }

  it.effect("can be yielded, decoded and encoded", () =>
    Effect.gen(function*() {
      const error = samples.RpcError
      assert.strictEqual(yield* Effect.flip(Effect.suspend(() => error)), error)
      const encoded = yield* Schema.encodeEffect(CodexError.RpcError)(error)
      assert.deepStrictEqual(encoded, { _tag: "RpcError", ...rpc })
      const decoded = yield* Schema.decodeEffect(CodexError.RpcError)(encoded)
      assert.strictEqual(decoded.message, error.message)
      assert.isTrue(CodexError.isCodexError(decoded))
    }))

  it("shows control characters of others as escapes", () => {
    const { message } = new CodexError.RpcError({ ...rpc, detail: "\u001b[2Jall\u202egone\u0085\r\nnext\tline" })
    assert.include(message, "\\u{1b}[2Jall\\u{202e}gone\\u{85}\\u{d}\nnext\tline")
  })
})
