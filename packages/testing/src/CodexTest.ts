/**
 * The client's services without a codex, for the unit tests of a program that uses them: the client on a fake server,
 * mocks of single services, and control over time.
 *
 * @since 0.1.0
 */
import * as Approvals from "@effect-codex/client/Approvals"
import * as Auth from "@effect-codex/client/Auth"
import * as Checkpoints from "@effect-codex/client/Checkpoints"
import * as Codex from "@effect-codex/client/Codex"
import type { TurnEndError, TurnInterrupted, TurnStartError } from "@effect-codex/client/CodexError"
import { OutputInvalid } from "@effect-codex/client/CodexError"
import * as Configuration from "@effect-codex/client/Configuration"
import * as Extensions from "@effect-codex/client/Extensions"
import type { Input } from "@effect-codex/client/Input"
import { prepare } from "@effect-codex/client/internal/schemas/output"
import type * as Output from "@effect-codex/client/Output"
import type { Queue } from "@effect-codex/client/Queue"
import * as ServerRequests from "@effect-codex/client/ServerRequests"
import type { Subagent } from "@effect-codex/client/Subagent"
import type { StructuredOutput, Thread, TurnOptions } from "@effect-codex/client/Thread"
import type { Turn } from "@effect-codex/client/Turn"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Workspace from "@effect-codex/client/Workspace"
import * as Methods from "@effect-codex/protocol/Methods"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FakeAppServer from "./FakeAppServer.ts"
import * as VirtualTime from "./internal/virtualTime.ts"
import type * as ScriptedModel from "./ScriptedModel.ts"

// =============================================================================
// The client, with a function as the model
// =============================================================================

/**
 * Options of {@link layer}: the model as a function, and the other options of a {@link FakeAppServer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<FakeAppServer.Options, "model"> {
  /**
   * Returns the model's answer to the user's last prompt: a text, or parts of an answer made with `ScriptedModel`.
   * After a tool call the model is asked again, with the tool's output in `context.toolOutputs`.
   */
  readonly respond: (
    input: string,
    context: ScriptedModel.ModelRequest
  ) => ScriptedModel.Answer | Effect.Effect<ScriptedModel.Answer>
}

/**
 * Provides the real client on a {@link FakeAppServer}, with a function as the model.
 *
 * **When to use**
 *
 * In most tests of a program: events, interruption, structured output, approvals, tools and errors behave as they do on
 * codex. No process is started, and time is the test's. {@link mockCodex} replaces the client itself.
 *
 * **Example** (An answer that depends on the question, and a command)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexTest, ScriptedModel } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   return yield* thread.run("What is in this folder?")
 * }).pipe(Effect.provide(CodexTest.layer({
 *   respond: (input, { toolOutputs }) =>
 *     toolOutputs.length === 0 && input.includes("folder") ? ScriptedModel.exec("ls") : "Two files."
 * })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  { respond, ...options }: Options
): ReturnType<typeof FakeAppServer.layer> =>
  FakeAppServer.layer({ ...options, model: { answer: (request) => respond(request.prompt, request) } })

/**
 * {@link layer} with a model that answers every request with this text.
 *
 * **Example** (A program that repeats what codex says)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   return (yield* thread.run("Say hello.")).finalResponse // Some("Hello!")
 * }).pipe(Effect.provide(CodexTest.layerText("Hello!")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerText = (text: string): ReturnType<typeof FakeAppServer.layer> => layer({ respond: () => text })

// =============================================================================
// Time
// =============================================================================

/**
 * Waits until neither the program nor its fake can proceed without the clock.
 *
 * **When to use**
 *
 * Between starting work in the background and calling `TestClock.adjust` or `TestClock.setTime`. {@link advance} and
 * {@link eventually} do it by themselves.
 *
 * **Gotchas**
 *
 * It sees frames and fibers. It does not see what a program waits for outside of Effect, such as a file or another
 * process. It takes a few milliseconds of real time.
 *
 * **Example** (Inspecting a turn that waits)
 *
 * ```ts
 * import type { Thread } from "@effect-codex/client"
 * import { CodexTest, FakeAppServer } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const started = Effect.fn("started")(function*(thread: Thread.Thread) {
 *   yield* Effect.forkScoped(thread.run("Wait for me."))
 *   yield* CodexTest.settle
 *   return yield* (yield* FakeAppServer.FakeAppServer).receivedOf("turn/start")
 * })
 * ```
 *
 * @category time
 * @since 0.1.0
 */
export const settle: Effect.Effect<void> = VirtualTime.settle

/**
 * Moves the `TestClock` by a duration, after running work has done all that it can at the present time.
 *
 * **When to use**
 *
 * In place of `TestClock.adjust` wherever a fake works in the background. `adjust` alone moves the time while the fake
 * is still answering, so every timeout on the way fires, even those of calls that need no time.
 *
 * **Example** (A turn that takes too long)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect, Fiber } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   const running = yield* Effect.forkChild(Effect.timeoutOption(thread.run("Think."), "1 minute"))
 *   yield* CodexTest.advance("2 minutes")
 *   return yield* Fiber.join(running) // None
 * }).pipe(Effect.provide(CodexTest.layer({ respond: () => Effect.as(Effect.sleep("1 hour"), "42") })))
 * ```
 *
 * @category time
 * @since 0.1.0
 */
export const advance = (duration: Duration.Input): Effect.Effect<void> =>
  settle.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settle))

// In real milliseconds. An interrupted effect needs a few to end.
const endWithin = 250

/**
 * Runs an effect and moves the `TestClock` from one sleep to the next until the effect ends. The clock then shows how
 * long the effect would have taken.
 *
 * **When to use**
 *
 * For a program that sleeps, retries or times out, when the test does not need to inspect it in between.
 *
 * **Details**
 *
 * Dies with a description of what was going on if the effect has not ended `within` a span of the test's time (default:
 * one day) or of real time (`realTime`, default: 30 seconds). An effect that polls every millisecond is an example. An
 * effect that cannot be interrupted keeps running in the background.
 *
 * **Example** (A retry after an overload, without waiting)
 *
 * ```ts
 * import { Codex, CodexRetry } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const thread = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   return yield* CodexTest.eventually(Effect.retry(codex.startThread(), CodexRetry.overload))
 * })
 * ```
 *
 * @category time
 * @since 0.1.0
 */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: { readonly within?: Duration.Input | undefined; readonly realTime?: Duration.Input | undefined }
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const within = Duration.fromInputUnsafe(options?.within ?? Duration.days(1))
    const realTime = Duration.fromInputUnsafe(options?.realTime ?? Duration.seconds(30))
    const startedAt = yield* Clock.monotonicTimeNanos
    const framesBefore = VirtualTime.passedFrames()
    // Detached, because a parent would wait forever for a child that cannot be interrupted.
    const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
    const limit = Effect.raceFirst(
      Effect.as(advance(within), `${Duration.format(within)} of the test's time`),
      Effect.as(VirtualTime.realTime(Duration.toMillis(realTime)), `${Duration.format(realTime)} of real time`)
    )
    const first = yield* Effect.raceFirst(Fiber.await(fiber), limit).pipe(
      Effect.onInterrupt(() => Fiber.interrupt(fiber))
    )
    if (typeof first !== "string") return yield* first
    const passed = Duration.format(Duration.nanos((yield* Clock.monotonicTimeNanos) - startedAt))
    const frames = VirtualTime.passedFrames() - framesBefore
    fiber.interruptUnsafe()
    yield* Effect.raceFirst(Fiber.await(fiber), VirtualTime.realTime(endWithin))
    return yield* Effect.die(
      new Error(
        `The effect did not end within ${first}. Meanwhile ${passed} of the test's time and ${frames} frames between the ` +
          "client and the fake passed: it waits for something other than time, repeats something without end, or needs a " +
          `longer \`within\` or \`realTime\`.${
            fiber.pollUnsafe() === undefined ? " It cannot be interrupted either, and is still running." : ""
          }`
      )
    )
  })

// =============================================================================
// Mocks of one service
// =============================================================================

// The records below list every member, so that the compiler, and not a test, notices a new member of a service.
const missing = (name: string, mock: string) => {
  const member = name.slice(name.indexOf(".") + 1)
  const die = Effect.suspend(() =>
    Effect.die(new Error(`${name} was used, and the mock does not have it: CodexTest.${mock}({ ${member}: … }).`))
  )
  return { effect: die, method: () => die, stream: Stream.fromEffect(die), streamMethod: () => Stream.fromEffect(die) }
}

/**
 * Mocks `Codex` with the given members. Using any other member dies with its name.
 *
 * **When to use**
 *
 * When a test needs a few calls with fixed results. {@link thread} makes the threads that `startThread` returns, and
 * {@link layer} is the real client.
 *
 * **Example** (A codex that cannot start threads)
 *
 * ```ts
 * import { CodexError } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const CodexLive = CodexTest.mockCodex({
 *   startThread: () => Effect.fail(new CodexError.AppServerTimeout({ method: "thread/start", timeout: 60_000 }))
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockCodex = (members: Partial<Codex.Codex["Service"]>): Layer.Layer<Codex.Codex> => {
  const no = (name: keyof Codex.Codex["Service"]) => missing(`Codex.${name}`, "mockCodex")
  return Layer.succeed(Codex.Codex, {
    serverInfo: {
      version: Methods.codexVersion,
      userAgent: `effect_codex/${Methods.codexVersion} (Linux 0.0.0; x86_64) terminal (effect_codex; 0.0.0)`,
      codexHome: "/codex-home",
      platformFamily: "unix",
      platformOs: "linux"
    },
    startThread: no("startThread").method,
    resumeThread: no("resumeThread").method,
    forkThread: no("forkThread").method,
    listThreads: no("listThreads").streamMethod,
    listThreadsPage: no("listThreadsPage").method,
    searchThreads: no("searchThreads").streamMethod,
    readThread: no("readThread").method,
    archiveThread: no("archiveThread").method,
    unarchiveThread: no("unarchiveThread").method,
    deleteThread: no("deleteThread").method,
    threadSections: no("threadSections").effect,
    loadedThreads: no("loadedThreads").effect,
    models: no("models").method,
    ...members
  })
}

/**
 * Mocks `Auth` with the given members. Using any other member dies with its name, as in {@link mockCodex}.
 *
 * **Example** (A user who logs out)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const AuthLive = CodexTest.mockAuth({ logout: Effect.void })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockAuth = (members: Partial<Auth.Auth["Service"]>): Layer.Layer<Auth.Auth> => {
  const no = (name: keyof Auth.Auth["Service"]) => missing(`Auth.${name}`, "mockAuth")
  return Layer.succeed(Auth.Auth, {
    account: no("account").method,
    loginApiKey: no("loginApiKey").method,
    loginChatgpt: no("loginChatgpt").method,
    loginDeviceCode: no("loginDeviceCode").effect,
    logout: no("logout").effect,
    rateLimits: no("rateLimits").effect,
    rateLimitChanges: no("rateLimitChanges").stream,
    usage: no("usage").method,
    changes: no("changes").stream,
    ...members
  })
}

/**
 * Mocks `Workspace` with the given members. Using any other member dies with its name, as in {@link mockCodex}. The
 * files of a {@link FakeAppServer} need no mock; it runs no commands, though.
 *
 * **Example** (A command that fails)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const WorkspaceLive = CodexTest.mockWorkspace({
 *   run: () => Effect.succeed({ exitCode: 1, stdout: "", stderr: "2 tests failed\n", isLimitReached: false })
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockWorkspace = (
  members: Partial<Workspace.Workspace["Service"]>
): Layer.Layer<Workspace.Workspace> => {
  const no = (name: keyof Workspace.Workspace["Service"]) => missing(`Workspace.${name}`, "mockWorkspace")
  return Layer.succeed(Workspace.Workspace, {
    readFile: no("readFile").method,
    readText: no("readText").method,
    writeFile: no("writeFile").method,
    stat: no("stat").method,
    list: no("list").method,
    createFolder: no("createFolder").method,
    remove: no("remove").method,
    copy: no("copy").method,
    watch: no("watch").streamMethod,
    searchFiles: no("searchFiles").method,
    searchFilesLive: no("searchFilesLive").method,
    exec: no("exec").method,
    run: no("run").method,
    diffToRemote: no("diffToRemote").method,
    ...members
  })
}

/**
 * Mocks `Checkpoints` with the given members. Using any other member dies with its name, as in {@link mockCodex},
 * except `track`: it runs the effect and takes no snapshot. `Checkpoints.layer` itself works in tests too, with a
 * {@link FakeAppServer} and a temporary folder, if git is installed.
 *
 * **Example** (A turn that changed a file)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const CheckpointsLive = CodexTest.mockCheckpoints({
 *   changes: () =>
 *     Effect.succeed([
 *       { path: "main.ts", kind: "modified", insertions: 2, deletions: 1, binary: false, isStored: true }
 *     ])
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockCheckpoints = (
  members: Partial<Checkpoints.Checkpoints["Service"]>
): Layer.Layer<Checkpoints.Checkpoints> => {
  const no = (name: keyof Checkpoints.Checkpoints["Service"]) => missing(`Checkpoints.${name}`, "mockCheckpoints")
  return Layer.succeed(Checkpoints.Checkpoints, {
    track: () => (effect) => effect,
    list: no("list").method,
    changes: no("changes").method,
    diff: no("diff").method,
    rewind: no("rewind").method,
    forget: no("forget").method,
    ...members
  })
}

/**
 * Mocks `Extensions` with the given members. Using any other member dies with its name, as in {@link mockCodex}. The
 * skills of a {@link FakeAppServer} are its files, and need no mock.
 *
 * **Example** (The answer of a tool)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const ExtensionsLive = CodexTest.mockExtensions({
 *   callTool: () => Effect.succeed({ content: [{ type: "text", text: "42" }] }),
 *   skills: () => Effect.succeed([])
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockExtensions = (
  members: Partial<Extensions.Extensions["Service"]>
): Layer.Layer<Extensions.Extensions> => {
  const no = (name: keyof Extensions.Extensions["Service"]) => missing(`Extensions.${name}`, "mockExtensions")
  return Layer.succeed(Extensions.Extensions, {
    skills: no("skills").method,
    setSkillEnabled: no("setSkillEnabled").method,
    addSkillRoots: no("addSkillRoots").method,
    skillChanges: no("skillChanges").stream,
    mcpServers: no("mcpServers").method,
    reloadMcpServers: no("reloadMcpServers").effect,
    callTool: no("callTool").method,
    readResource: no("readResource").method,
    loginMcpServer: no("loginMcpServer").method,
    apps: no("apps").method,
    installedApps: no("installedApps").method,
    readApps: no("readApps").method,
    plugins: no("plugins").method,
    readPlugin: no("readPlugin").method,
    installPlugin: no("installPlugin").method,
    uninstallPlugin: no("uninstallPlugin").method,
    hooks: no("hooks").method,
    ...members
  })
}

/**
 * Mocks `Configuration` with the given members. Using any other member dies with its name, as in {@link mockCodex}. A
 * {@link FakeAppServer} has a configuration in memory.
 *
 * **Example** (A write that comes too late)
 *
 * ```ts
 * import { CodexError } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 *
 * export const ConfigurationLive = CodexTest.mockConfiguration({
 *   write: () =>
 *     new CodexError.ConfigurationError({
 *       reason: "conflict",
 *       method: "config/batchWrite",
 *       code: "configVersionConflict",
 *       detail: "Configuration was modified since last read."
 *     })
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockConfiguration = (
  members: Partial<Configuration.Configuration["Service"]>
): Layer.Layer<Configuration.Configuration> => {
  const no = (name: keyof Configuration.Configuration["Service"]) =>
    missing(`Configuration.${name}`, "mockConfiguration")
  return Layer.succeed(Configuration.Configuration, {
    read: no("read").method,
    write: no("write").method,
    writeAll: no("writeAll").method,
    requirements: no("requirements").effect,
    features: no("features").method,
    setFeatures: no("setFeatures").method,
    providers: no("providers").effect,
    providerCapabilities: no("providerCapabilities").effect,
    setDefaultProvider: no("setDefaultProvider").method,
    writeProvider: no("writeProvider").method,
    permissionProfiles: no("permissionProfiles").method,
    ...members
  })
}

type RunError = TurnStartError | TurnEndError | TurnInterrupted

/**
 * Stands in for `Thread.run` in {@link thread}. It returns no `output`: the mocked thread decodes the final answer with
 * the schema of the call.
 *
 * @category mocks
 * @since 0.1.0
 */
export type RunMock = (
  input: Input,
  options?: TurnOptions & Partial<StructuredOutput<unknown>>
) => Effect.Effect<TurnResult, RunError>

const isEffectSchema = <A>(output: Output.Output<A>): output is Schema.ConstraintCodec<A, unknown> =>
  Schema.isSchema(output)

/** Decodes a final answer, either from the schema's own JSON or from the form that the model is asked for. */
const outputOf = <A>(output: Output.Output<A>, text: string): Effect.Effect<A, string> => {
  const asAsked = Effect.flatMap(
    Effect.mapError(prepare(output), ({ detail }) => detail),
    ({ decode }) => decode(text)
  )
  return isEffectSchema(output)
    ? Effect.catch(
      Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(output)))(text), String),
      () => asAsked
    )
    : asAsked
}

/**
 * Makes the queue of a thread of the given members. Using any other member dies with its name, as in {@link mockCodex}.
 *
 * **Example** (A queue that takes everything)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const thread = CodexTest.thread({
 *   queue: CodexTest.queue({
 *     add: () => Effect.succeed({ id: "queued-1", clientId: "client-1", input: [], metadata: {} })
 *   })
 * })
 * ```
 *
 * @see {@link thread}
 * @category mocks
 * @since 0.1.0
 */
export const queue = (members: Partial<Queue>): Queue => {
  const no = (name: keyof Queue) => missing(`queue.${name}`, "queue")
  return {
    add: no("add").method,
    list: no("list").effect,
    changes: no("changes").stream,
    update: no("update").method,
    remove: no("remove").method,
    reorder: no("reorder").method,
    start: no("start").method,
    turn: no("turn").method,
    ...members
  }
}

/**
 * Makes a thread of the given members. Using any other member dies with its name, as in {@link mockCodex}. The id
 * defaults to `thread-1`.
 *
 * **Details**
 *
 * `run` receives every call. If a call asks for an `output`, the final answer is decoded with the caller's schema, as
 * on a real thread. An answer that does not match fails with `OutputInvalid`, so that a test cannot pass with a value
 * that the program would never get.
 *
 * **Example** (A thread that always gives the same answer)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const CodexLive = CodexTest.mockCodex({
 *   startThread: () => Effect.succeed(CodexTest.thread({ run: () => Effect.succeed(CodexTest.turnResult("Fine.")) }))
 * })
 * ```
 *
 * **Example** (A typed answer)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect, Schema } from "effect"
 *
 * const thread = CodexTest.thread({ run: () => Effect.succeed(CodexTest.turnResult({ summary: "Fine." })) })
 *
 * export const summary = Effect.map(
 *   thread.run("Summarize.", { output: Schema.Struct({ summary: Schema.String }) }),
 *   ({ output }) => output.summary
 * )
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const thread = (
  members: Partial<Omit<Thread, "run">> & {
    readonly run?: RunMock | undefined
  }
): Thread => {
  const no = (name: keyof Thread) => missing(`Thread.${name}`, "thread")
  const mock = members.run ?? no("run").method
  const runWithOutput = Effect.fnUntraced(function*<A>(input: Input, options: TurnOptions & StructuredOutput<A>) {
    const result = yield* mock(input, options)
    const text = Option.getOrNull(result.finalResponse)
    const output = yield* Effect.mapError(
      text === null ? Effect.fail("there is no final answer.") : outputOf(options.output, text),
      (issue) => new OutputInvalid({ threadId: result.threadId, turnId: result.id, text, issue, result })
    )
    return { ...result, output }
  })
  function run<A>(
    input: Input,
    options: TurnOptions & StructuredOutput<A>
  ): Effect.Effect<TurnResult<A>, RunError | OutputInvalid>
  function run(input: Input, options?: TurnOptions): Effect.Effect<TurnResult, RunError>
  function run(input: Input, options?: TurnOptions & Partial<StructuredOutput<unknown>>) {
    const output = options?.output
    return output === undefined ? mock(input, options) : runWithOutput(input, { ...options, output })
  }
  return {
    id: "thread-1",
    turn: no("turn").method,
    review: no("review").method,
    compact: no("compact").method,
    ask: no("ask").method,
    queue: queue({}),
    read: no("read").method,
    status: no("status").effect,
    turns: no("turns").streamMethod,
    findTurn: no("findTurn").method,
    items: no("items").streamMethod,
    events: no("events").stream,
    setName: no("setName").method,
    updateMetadata: no("updateMetadata").method,
    moveToSection: no("moveToSection").method,
    search: no("search").streamMethod,
    fork: no("fork").method,
    archive: no("archive").effect,
    revert: no("revert").method,
    inject: no("inject").method,
    updateSettings: no("updateSettings").method,
    unsubscribe: no("unsubscribe").effect,
    startGoal: no("startGoal").method,
    runGoal: no("runGoal").method,
    resumeGoal: no("resumeGoal").method,
    goal: no("goal").effect,
    pauseGoal: no("pauseGoal").effect,
    clearGoal: no("clearGoal").effect,
    implementPlan: no("implementPlan").method,
    ...members,
    run
  }
}

/**
 * Makes a turn of the given members. Using any other member dies with its name, as in {@link mockCodex}. The id
 * defaults to `turn-1`, and `threadId` to `thread-1`.
 *
 * **Example** (A turn with two pieces of text)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect, Stream } from "effect"
 *
 * export const turn = CodexTest.turn({
 *   text: Stream.make("Hel", "lo!"),
 *   result: Effect.succeed(CodexTest.turnResult("Hello!"))
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const turn = (members: Partial<Turn>): Turn => {
  const no = (name: keyof Turn) => missing(`Turn.${name}`, "turn")
  return {
    id: "turn-1",
    threadId: "thread-1",
    events: no("events").stream,
    messages: no("messages").stream,
    text: no("text").stream,
    reasoning: no("reasoning").stream,
    items: no("items").stream,
    plan: no("plan").stream,
    proposedPlan: no("proposedPlan").stream,
    diff: no("diff").stream,
    usage: no("usage").stream,
    subagents: no("subagents").stream,
    subagentTree: no("subagentTree").stream,
    result: no("result").effect,
    partialResult: no("partialResult").effect,
    updateSettings: no("updateSettings").method,
    steer: no("steer").method,
    interrupt: no("interrupt").effect,
    interruptWithTerminals: no("interruptWithTerminals").effect,
    ...members
  }
}

/**
 * Makes a subagent of the given members, for `subagents` of a {@link turn}. Using any other stream or effect dies with
 * its name. Works in `thread-2`, below `thread-1`, unless the members say otherwise, and has no names and no prompt.
 *
 * **Example** (A turn with a subagent)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect, Stream } from "effect"
 *
 * export const turn = CodexTest.turn({
 *   subagents: Stream.make(CodexTest.subagent({ result: Effect.succeed(CodexTest.turnResult("Three.")) })),
 *   result: Effect.succeed(CodexTest.turnResult("There are three."))
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const subagent = (members: Partial<Subagent>): Subagent => {
  const no = (name: keyof Subagent) => missing(`Subagent.${name}`, "subagent")
  return {
    threadId: "thread-2",
    parentThreadId: "thread-1",
    depth: 1,
    nickname: Option.none(),
    role: Option.none(),
    path: Option.none(),
    prompt: Option.none(),
    events: no("events").stream,
    messages: no("messages").stream,
    text: no("text").stream,
    reasoning: no("reasoning").stream,
    items: no("items").stream,
    usage: no("usage").stream,
    result: no("result").effect,
    interrupt: no("interrupt").effect,
    history: no("history").streamMethod,
    ...members
  }
}

/**
 * Makes the result of a completed turn with this final answer and no items; `members` overrides its fields. An answer
 * that is not a string becomes JSON text, as a model writes it when it is asked for an `output`.
 *
 * **Example** (The result of an interrupted turn)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 *
 * export const result = CodexTest.turnResult("Half of an ans", { status: "interrupted" })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const turnResult = (answer: Schema.Json, members?: Partial<TurnResult>): TurnResult => ({
  id: "turn-1",
  threadId: "thread-1",
  status: "completed",
  error: Option.none(),
  startedAt: Option.none(),
  completedAt: Option.none(),
  duration: Option.none(),
  timing: Option.none(),
  model: Option.none(),
  finalResponse: Option.some(typeof answer === "string" ? answer : JSON.stringify(answer)),
  plan: Option.none(),
  items: [],
  usage: Option.none(),
  cost: Option.none(),
  output: undefined,
  ...members
})

/**
 * `Approvals.layer` with every handler required, so that no approval of a test is left to a default.
 *
 * **Example** (Accepting commands and nothing else)
 *
 * ```ts
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const ApprovalsLive = CodexTest.mockApprovals({
 *   command: () => Effect.succeed("accept"),
 *   fileChange: () => Effect.succeed("decline"),
 *   permissions: () => Effect.succeed({ permissions: {}, scope: "turn" }),
 *   mcpTool: () => Effect.succeed("decline")
 * })
 * ```
 *
 * @category mocks
 * @since 0.1.0
 */
export const mockApprovals = <const H extends Required<Approvals.Handlers<unknown>>>(
  handlers: H
): Layer.Layer<never, never, ServerRequests.Services<H>> => Approvals.layer(handlers)

// =============================================================================
// Asking for approvals
// =============================================================================

const ofItem = { threadId: "thread-1", turnId: "turn-1", itemId: "item-1", startedAtMs: 0 }

/**
 * Asks the approval handlers in the context whether a command may run, and returns the decision that the server would
 * get.
 *
 * **When to use**
 *
 * To test an approval policy without a codex. `Approvals.layer` and its variants provide the handlers.
 *
 * **Details**
 *
 * The request has the command as codex sends it: wrapped in a call of the shell.
 *
 * **Example** (Testing a policy)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * const Policy = Approvals.layerAcceptWhen((request) =>
 *   Effect.succeed(request._tag === "Command" && request.actions.every((action) => action.type === "read"))
 * )
 *
 * export const test = CodexTest.askCommand("rm -rf .").pipe(Effect.provide(Policy)) // "decline"
 * ```
 *
 * @category approvals
 * @since 0.1.0
 */
export const askCommand = (
  command: string,
  request?: Partial<Omit<Approvals.CommandRequest, "_tag" | "availableDecisions" | "network">>
): Effect.Effect<Approvals.CommandDecision, unknown> =>
  Effect.flatMap(ServerRequests.current, (handlers) =>
    handlers["item/commandExecution/requestApproval"]({
      id: 0,
      method: "item/commandExecution/requestApproval",
      item: undefined,
      params: {
        ...ofItem,
        kind: request?.kind ?? "command",
        threadId: request?.threadId ?? ofItem.threadId,
        turnId: request?.turnId ?? ofItem.turnId,
        itemId: request?.itemId ?? ofItem.itemId,
        environmentId: "local",
        reason: request?.reason ?? null,
        command: `/bin/bash -lc '${command.replaceAll("'", String.raw`'\''`)}'`,
        cwd: request?.cwd ?? "/workspace",
        commandActions: [...request?.actions ?? [{ type: "unknown", command }]],
        proposedExecpolicyAmendment: [...request?.proposedExecPolicyAmendment ?? command.split(" ")]
      }
    })).pipe(Effect.map(({ decision }) => decision))

/**
 * Asks the approval handlers in the context whether these file changes may be made, and returns the decision that the
 * server would get.
 *
 * **Example** (A policy that protects the lock file)
 *
 * ```ts
 * import { Approvals } from "@effect-codex/client"
 * import { CodexTest } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * const Policy = Approvals.layer({
 *   fileChange: ({ changes = [] }) =>
 *     Effect.succeed(changes.some(({ path }) => path.endsWith("package-lock.json")) ? "decline" : "accept")
 * })
 *
 * const change = { path: "package-lock.json", kind: { type: "delete" }, diff: "" } as const
 *
 * export const test = CodexTest.askFileChange([change]).pipe(
 *   Effect.provide(Policy)
 * ) // "decline"
 * ```
 *
 * @see {@link askCommand}
 * @category approvals
 * @since 0.1.0
 */
export const askFileChange = (
  changes: NonNullable<Approvals.FileChangeRequest["changes"]>
): Effect.Effect<Approvals.FileChangeDecision, unknown> =>
  Effect.flatMap(ServerRequests.current, (handlers) =>
    handlers["item/fileChange/requestApproval"]({
      id: 0,
      method: "item/fileChange/requestApproval",
      item: { type: "fileChange", id: ofItem.itemId, status: "inProgress", changes: [...changes] },
      params: { ...ofItem, reason: null, grantRoot: null }
    })).pipe(Effect.map(({ decision }) => decision))
