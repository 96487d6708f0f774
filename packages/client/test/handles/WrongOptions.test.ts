/** A program without types that gives an option of another type is told which: as a typed error, never as a defect or not at all. */
import {
  ApprovalMode,
  AppServer,
  AppServerRpc,
  Codex,
  type CodexError,
  DynamicTools,
  Input,
  ServerRequests,
  type Thread,
  Transport
} from "@effect-codex/client"
import { FakeAppServer } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schema, type Scope, Stream } from "effect"
import * as Fake from "../support/fakeServer.ts"

/** What only a program without types can give. */
const wrong = (value: unknown): never => value as never

interface Given {
  readonly codex: Codex.Codex["Service"]
  readonly thread: Thread.Thread
  readonly rpc: AppServerRpc.AppServerRpc["Service"]
}

type Case = readonly [
  name: string,
  argument: string | RegExp,
  call: (given: Given) => Effect.Effect<unknown, CodexError.CodexError, Scope.Scope>
]

const ofThread: ReadonlyArray<readonly [option: string, value: unknown]> = [
  ["handlers", 5],
  ["handlers", { "item/tool/call": "x" }],
  ["tools", [1]],
  ["tools", "x"],
  ["stallTimeout", "x"],
  ["budget", { modelCalls: 5 }],
  ["approvalMode", "foo"],
  ["sandbox", "read-only"],
  ["sandbox", 5],
  ["config", 5],
  ["mcpServers", 5],
  ["cwd", 5],
  ["runtimeWorkspaceRoots", 5],
  ["runtimeWorkspaceRoots", [5]],
  ["model", 5],
  ["serviceTier", {}],
  ["developerInstructions", 5]
]

const ofTurn: ReadonlyArray<readonly [option: string, value: unknown]> = [
  ["handlers", 5],
  ["stallTimeout", "x"],
  ["budget", 5],
  ["approvalMode", "foo"],
  ["sandbox", "read-only"],
  ["cwd", 5],
  ["model", 5],
  ["effort", 5],
  ["summary", "x"],
  ["environments", 5],
  ["environments", [{ cwd: 5 }]],
  ["additionalContext", 5],
  ["additionalContext", { clock: "noon" }],
  ["metadata", 5],
  ["metadata", { trace: 5 }],
  ["messageId", 5],
  ["messageId", ""],
  ["outputSchema", 5],
  ["whenBusy", "x"],
  ["maxUnreadBytes", "x"],
  ["mode", "x"],
  ["mode", null]
]

const calls = (
  what: string,
  options: ReadonlyArray<readonly [option: string, value: unknown]>,
  call: (given: Given, options: never) => Effect.Effect<unknown, CodexError.CodexError, Scope.Scope>
): ReadonlyArray<Case> => [
  [`${what}: 5`, "options", (given) => call(given, wrong(5))],
  [`${what}: "x"`, "options", (given) => call(given, wrong("x"))],
  ...options.map(([name, value]): Case => [
    `${what}: { ${name}: ${JSON.stringify(value)} }`,
    // What is sent is checked with the whole request, whose message names the option.
    new RegExp(`^${name}|^params of `),
    (given) => call(given, wrong({ [name]: value }))
  ])
]

const cases: ReadonlyArray<Case> = [
  ...calls("startThread", ofThread, ({ codex }, options) => codex.startThread(options)),
  ...calls("resumeThread", ofThread, ({ codex, thread }, options) => codex.resumeThread(thread.id, options)),
  ...calls("forkThread", ofThread, ({ codex, thread }, options) => codex.forkThread(thread.id, options)),
  ...calls("fork", ofThread, ({ thread }, options) => thread.fork(options)),
  ...calls("run", ofTurn, ({ thread }, options) => thread.run("go", options)),
  ...calls("turn", ofTurn, ({ thread }, options) => thread.turn("go", options)),
  ...calls(
    "implementPlan",
    [...ofTurn, ["mode", "plan"], ["fresh", 5]],
    ({ thread }, options) => thread.implementPlan("plan", options)
  ),
  ...calls("updateSettings", [["sandbox", "x"], ["approvalMode", 5], ["cwd", 5], ["effort", 5], ["environments", 5]], (
    { thread },
    options
  ) => thread.updateSettings(options)),
  ...calls(
    "review",
    [["whenBusy", "steer"]],
    ({ thread }, options) => thread.review({ type: "uncommittedChanges" }, options)
  ),
  ...calls("compact", [["whenBusy", 5]], ({ thread }, options) => thread.compact(options)),
  ...calls(
    "startGoal",
    [["stallTimeout", "x"], ["tokenBudget", "x"], ["maxUnreadBytes", -1], ["budget", 5]],
    ({ thread }, options) => thread.startGoal("go", options)
  ),
  ...calls("runGoal", [["tokenBudget", 0.5]], ({ thread }, options) => thread.runGoal("go", options)),
  ...calls("resumeGoal", [["stallTimeout", "x"], ["budget", "x"]], ({ thread }, options) => thread.resumeGoal(options)),
  ...calls("read", [["includeTurns", 5]], ({ thread }, options) => thread.read(options)),
  ...calls(
    "turns",
    [["pageSize", "x"], ["sortDirection", "x"]],
    ({ thread }, options) => Stream.runDrain(thread.turns(options))
  ),
  ...calls("items", [["pageSize", "x"]], ({ thread }, options) => Stream.runDrain(thread.items(options))),
  ...calls(
    "listThreads",
    [["pageSize", "x"], ["sortKey", "x"]],
    ({ codex }, options) => Stream.runDrain(codex.listThreads(options))
  ),
  ...calls(
    "searchThreads",
    [["archived", 5]],
    ({ codex }, options) => Stream.runDrain(codex.searchThreads("x", options))
  ),
  [
    "searchThreads: query 5",
    /^params of thread\/search/,
    ({ codex }) => Stream.runDrain(codex.searchThreads(wrong(5), wrong(null)))
  ],
  ...calls("listThreadsPage", [["cursor", 5]], ({ codex }, options) => codex.listThreadsPage(options)),
  ...calls("models", [["includeHidden", 5]], ({ codex }, options) => codex.models(options)),
  ["run: input 5", "input", ({ thread }) => thread.run(wrong(5))],
  ["run: input undefined", "input", ({ thread }) => thread.run(wrong(undefined))],
  ["run: input [5]", "input[0]", ({ thread }) => thread.run([wrong(5)])],
  ["run: input { type: \"text\" }", /^params of turn\/start/, ({ thread }) => thread.run(wrong({ type: "text" }))],
  ["run: an image of 5", "input", ({ thread }) => thread.run(Input.image(wrong(5)))],
  ["run: output 5", "output", ({ thread }) => thread.run("go", { output: wrong(5) })],
  ["run: output null", "output", ({ thread }) => thread.run("go", { output: wrong(null) })],
  ["run: repair \"x\"", "repair", ({ thread }) => thread.run("go", { output: Schema.Struct({}), repair: wrong("x") })],
  ["implementPlan: 5", "plan", ({ thread }) => thread.implementPlan(wrong(5))],
  ["implementPlan: output 5", "output", ({ thread }) => thread.implementPlan("plan", { output: wrong(5) })],
  [
    "implementPlan: fresh { sandbox: 5 }",
    "sandbox",
    ({ thread }) => thread.implementPlan("plan", { fresh: { sandbox: wrong(5) } })
  ],
  ...[5, "model", [], null].map((config): Case => [
    `implementPlan: fresh { config: ${JSON.stringify(config)} }`,
    "config",
    ({ thread }) => thread.implementPlan("plan", { fresh: { config: wrong(config) } })
  ]),
  ...calls(
    "steer",
    [["additionalContext", 5], ["messageId", 5], ["messageId", ""], ["metadata", { trace: 5 }]],
    ({ thread }, options) => Effect.flatMap(thread.turn("go"), (turn) => turn.steer("left", options))
  ),
  ...calls(
    "add",
    [["messageId", 5], ["messageId", ""], ["metadata", 5], ["stallTimeout", "x"]],
    ({ thread }, options) => thread.queue.add("go", options)
  ),
  ["findTurn: 5", "messageId", ({ thread }) => thread.findTurn(wrong(5))],
  ["findTurn: \"\"", "messageId", ({ thread }) => thread.findTurn("")],
  ["review: 5", /^params of review/, ({ thread }) => thread.review(wrong(5))],
  ["startGoal: 5", "objective", ({ thread }) => thread.startGoal(wrong(5))],
  ["setName: 5", /^params of thread\/name/, ({ thread }) => thread.setName(wrong(5))],
  ["inject: 5", "items", ({ thread }) => thread.inject(wrong(5))],
  ["updateSettings: nothing", "options", ({ thread }) => thread.updateSettings(wrong(undefined))],
  ["resumeThread: id 5", /^params of thread\/resume/, ({ codex }) => codex.resumeThread(wrong(5))],
  ["readThread: id undefined", /^params of thread\/read/, ({ codex }) => codex.readThread(wrong(undefined))],
  ["request: timeout \"x\"", "timeout", ({ rpc }) => rpc.request("model/list", {}, { timeout: wrong("x") })],
  ["request: params 5", /^params of/, ({ rpc }) => rpc.request("model/list", wrong(5))],
  ["DynamicTools.make(1)", "tools", () => DynamicTools.make(wrong(1))],
  ["DynamicTools.make({})", "tools", () => DynamicTools.make(wrong({}))],
  [
    "DynamicTools.tool(5, …)",
    "tools",
    () =>
      DynamicTools.make(
        DynamicTools.tool(wrong(5), {
          description: wrong(5),
          input: Schema.Struct({}),
          handler: () => Effect.succeed("")
        })
      )
  ]
]

const invalidOf = (exit: Exit.Exit<unknown, CodexError.CodexError>): CodexError.InvalidArgument => {
  if (Exit.isSuccess(exit)) return assert.fail("it was taken without a word")
  const error: unknown = Cause.squash(exit.cause)
  if (Cause.hasDies(exit.cause)) return assert.fail(`a defect: ${String(error)}`)
  assert.propertyVal(error, "_tag", "InvalidArgument")
  return error as CodexError.InvalidArgument
}

describe("an option of a wrong type", () => {
  for (const [name, argument, call] of cases) {
    it.effect(`${name} is InvalidArgument and names it`, () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const rpc = yield* AppServerRpc.AppServerRpc
        const thread = yield* codex.startThread()
        yield* thread.setName("stored")
        const error = invalidOf(yield* Effect.exit(Effect.scoped(call({ codex, rpc, thread }))))
        if (typeof argument === "string") assert.strictEqual(error.argument, argument)
        else assert.match(error.argument, argument)
        const option = /^\w+: \{ (\w+):/.exec(name)?.[1]
        if (option !== undefined) assert.match(error.message, new RegExp(option === "pageSize" ? "limit" : option))
      }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
  }

  for (
    const [name, value] of [["stopGrace", "x"], ["stallTimeout", "soon"], ["checkLogin", 5], ["budget", 5], [
      "maxLoadedThreads",
      0
    ]] as const
  ) {
    it.effect(`${name} of a client is told by its first thread`, () =>
      Effect.gen(function*() {
        const error = invalidOf(yield* Effect.exit((yield* Codex.Codex).startThread()))
        assert.strictEqual(error.argument, name)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Codex.layer(wrong({ [name]: value })).pipe(Layer.provide(FakeAppServer.layer()))
        )
      ))
  }

  const ofConnection: ReadonlyArray<readonly [string, Parameters<typeof AppServerRpc.layer>[0], Layer.Layer<never>?]> =
    [
      ["maxInFlight", { maxInFlight: wrong("x") }],
      ["initializeTimeout", { initializeTimeout: wrong("x") }],
      ["capabilities", { capabilities: wrong(5) }],
      ["clientInfo", { clientInfo: wrong("x") }],
      ["experimentalApi", { experimentalApi: wrong("yes") }],
      ["restart", wrong({ restart: true })],
      ["handlerTimeout", {}, Layer.succeed(ServerRequests.HandlerTimeout, wrong("x"))],
      ["requestTimeout", {}, Layer.succeed(AppServerRpc.DefaultRequestTimeout, wrong("x"))]
    ]
  for (const [name, options, references = Layer.empty] of ofConnection) {
    it.effect(`${name} of a connection is told by its start`, () =>
      Effect.gen(function*() {
        const server = yield* Fake.make
        const exit = yield* Effect.exit(
          Layer.build(
            AppServerRpc.layer(options).pipe(
              Layer.provide(Layer.succeed(Transport.Transport, server.client)),
              Layer.provide(references)
            )
          )
        )
        const error: unknown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.propertyVal(error, "_tag", "AppServerStartError")
        assert.include(String(error), name)
      }))
  }

  for (
    const options of [
      { args: 5 },
      { env: 5 },
      { env: { A: 5 } },
      { cwd: 5 },
      { shutdownGrace: "x" },
      {
        stderrLines: "x"
      },
      { configOverrides: 5 },
      { executable: 5 }
    ]
  ) {
    it.effect(`${JSON.stringify(options)} of a process is told by its start`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(
          Effect.scoped(AppServer.make({ executable: "/nowhere/codex", ...wrong(options) as object }))
        )
        const error: unknown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.propertyVal(error, "_tag", "AppServerStartError")
        assert.propertyVal(error, "option", Object.keys(options)[0])
      }).pipe(Effect.provide(NodeServices.layer)))
  }

  it("null for the options of a granular approval mode asks for nothing", () =>
    assert.deepStrictEqual(ApprovalMode.granular(wrong(null)), ApprovalMode.granular()))
})
