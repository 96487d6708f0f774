/**
 * Calls on a real process against the ways in which it can end, with a small program in the place of codex: each ends with
 * its documented outcome, and leaves no process, no descriptor and no fiber. `Endings.test.ts` has all calls, in memory.
 */
import { AppServer, AppServerRpc, Auth, Codex, CodexError, type Thread } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as Processes from "@effect-codex/test-support/processes"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Scope, Stream } from "effect"
import { readdirSync } from "node:fs"
import * as Fake from "../support/fakeServer.ts"
import * as Fibers from "../support/fibers.ts"

// =============================================================================
// The program
// =============================================================================

const id = "the id of the request"

const reply = (result: unknown) => Fake.frame({ id, result })

/** What it answers to requests. Of others it only says that it has heard them. */
const replies = {
  "initialize": [reply(Fake.initialized)],
  "thread/start": [reply(Fake.threadStarted())],
  "turn/start": [
    reply({ turn: Fake.turn("turn-1") }),
    Fake.started("turn-1"),
    Fake.itemStarted("turn-1", Fake.runningCommand),
    Fake.ask("item/commandExecution/requestApproval", 0)
  ],
  "turn/interrupt": [reply({}), Fake.completed("turn-1", "interrupted")],
  "account/login/start": [reply({ type: "chatgpt", loginId: "login-1", authUrl: "https://example.com/" })]
}

/** What ends each of the calls as it should end. */
const answers = [
  Fake.frame({ id, result: { data: [], nextCursor: null } }),
  Fake.completed("turn-1"),
  Fake.notification("account/login/completed", {
    loginId: "login-1",
    success: true,
    error: null,
    onboardingEntrypoint: null
  }),
  Fake.notification("account/updated", { authMode: null, planType: null })
]

/** @param onSignal what it does on SIGUSR2 */
const program = (onSignal: string) => `
  const { closeSync, writeSync } = require("node:fs")
  const replies = ${JSON.stringify(replies)}
  let last
  const say = (frames) => writeSync(1, frames.map((frame) => frame.replace('"${id}"', last) + "\\n").join(""))
  require("node:readline").createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { id, method } = JSON.parse(line)
      if (method === undefined || id === undefined) return
      last = id
      say(replies[method] ?? ['{"method":"tests/heard","params":{}}'])
    })
    .on("close", () => process.stdin.readableEnded && process.exit(0))
  setInterval(() => {}, 1_000_000)
  process.on("SIGUSR2", () => { ${onSignal} })`

// =============================================================================
// Calls
// =============================================================================

interface Env {
  readonly rpc: AppServerRpc.AppServerRpc["Service"]
  readonly auth: Auth.Auth["Service"]
  readonly thread: Thread.Thread
  readonly pid: number
}

/** A call that is under way when this succeeds. */
type Call = (env: Env) => Effect.Effect<Fiber.Fiber<unknown, unknown>, unknown, Scope.Scope>

/** Waits for a notification that the protocol does not have. */
const untold = (rpc: Env["rpc"], method: string) =>
  Effect.forkChild(
    rpc.notifications.pipe(
      Stream.filter((notification) => notification._tag === "Unknown" && notification.method === method),
      Stream.runHead,
      Effect.ignore
    ),
    { startImmediately: true }
  )

const calls: Record<string, Call> = {
  "a request that is never answered": Effect.fnUntraced(function*({ rpc }) {
    const heard = yield* untold(rpc, "tests/heard")
    const fiber = yield* Effect.forkScoped(rpc.request("model/list", {}))
    yield* Fiber.join(heard)
    return fiber
  }),
  "a turn that runs": Effect.fnUntraced(function*({ thread }) {
    const turn = yield* thread.turn("go")
    const fiber = yield* Effect.forkScoped(turn.result)
    yield* Stream.runHead(turn.events)
    return fiber
  }),
  "a run whose approval waits": Effect.fnUntraced(function*({ thread }) {
    const asked = yield* Deferred.make<void>()
    const waits = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
    const fiber = yield* Effect.forkScoped(
      thread.run("go", { handlers: { "item/commandExecution/requestApproval": () => waits } })
    )
    yield* Deferred.await(asked)
    return fiber
  }),
  "a stream of events": ({ rpc }) =>
    Effect.forkScoped(
      rpc.notifications.pipe(Stream.filter(({ _tag }) => _tag === "account/updated"), Stream.runHead),
      { startImmediately: true }
    ),
  "the wait for a login": Effect.fnUntraced(function*({ auth }) {
    const { wait } = yield* auth.loginChatgpt()
    return yield* Effect.forkScoped(wait)
  })
}

// =============================================================================
// Endings
// =============================================================================

interface Ending {
  readonly outcome: string
  readonly bring: (env: Env, fiber: Fiber.Fiber<unknown, unknown>, client: Scope.Closeable) => Effect.Effect<void>
  readonly onSignal?: string
}

const signal = (name: NodeJS.Signals) => ({ pid }: Env) => Effect.sync(() => void process.kill(pid, name))

const endings: Record<string, Ending> = {
  "SIGKILL": { outcome: "AppServerExited", bring: signal("SIGKILL") },
  "SIGTERM": { outcome: "AppServerExited", bring: signal("SIGTERM") },
  "half a frame and its exit": {
    outcome: "AppServerExited",
    bring: signal("SIGUSR2"),
    onSignal: "writeSync(1, '{\"method\":\"turn/comp'); process.exit(0)"
  },
  "the end of its stdout": { outcome: "TransportError", bring: signal("SIGUSR2"), onSignal: "closeSync(1)" },
  "the end of its stdin": {
    outcome: "TransportError",
    // A broken pipe is noticed by who writes.
    bring: Effect.fnUntraced(function*(env) {
      const closed = yield* untold(env.rpc, "tests/closed")
      yield* signal("SIGUSR2")(env)
      yield* Fiber.join(closed)
      yield* Effect.ignore(env.rpc.notify("initialized", undefined))
    }),
    onSignal: `process.stdin.destroy(); closeSync(0); say(['{"method":"tests/closed","params":{}}'])`
  },
  "garbage and then its answer": {
    outcome: "Success",
    bring: signal("SIGUSR2"),
    onSignal: `say(["not json", "{", "[]", "\\u0000\\uFFFD"]); say(${JSON.stringify(answers)})`
  },
  "interruption": {
    outcome: "interrupted",
    bring: (_, fiber) => Fiber.interrupt(fiber)
  },
  "the end of the layer": { outcome: "TransportError", bring: (_, __, client) => Scope.close(client, Exit.void) }
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "Success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return CodexError.isCodexError(error) ? error._tag : `a defect: ${Cause.pretty(exit.cause)}`
}

const descriptors = process.platform === "linux" ? () => readdirSync("/proc/self/fd").length : () => 0

const connect = Effect.fnUntraced(function*(mark: string, onSignal: string) {
  const context = yield* Layer.build(
    Layer.fresh(CodexNode.layer({
      executable: process.execPath,
      args: ["-e", program(onSignal), mark],
      shutdownGrace: "300 millis",
      // The process is to be asked for nothing else than what is looked at here.
      checkLogin: false
    }))
  )
  const { pid } = Context.get(context, AppServer.AppServer)
  const thread = yield* Context.get(context, Codex.Codex).startThread()
  const rpc = Context.get(context, AppServerRpc.AppServerRpc)
  return { rpc, pid, thread, auth: Context.get(context, Auth.Auth) } satisfies Env
})

const check = (call: Call, ending: Ending) =>
  Fibers.counting(Effect.fnUntraced(function*(fibers) {
    const mark = Processes.newMark()
    yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
    const before = { descriptors: descriptors(), fibers: fibers() }
    const client = yield* Scope.make()
    const env = yield* Scope.provide(connect(mark, ending.onSignal ?? ""), client)
    const own = yield* Scope.make()
    const fiber = yield* Scope.provide(call(env), own)
    yield* ending.bring(env, fiber, client)
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), "20 seconds")
    assert.strictEqual(Option.match(exit, { onNone: () => "waiting", onSome: outcomeOf }), ending.outcome)
    yield* Scope.close(own, Exit.void)
    yield* Scope.close(client, Exit.void)
    assert.deepStrictEqual(Processes.marked(mark), [])
    // The platform closes the pipes of a process a moment after its end.
    yield* Processes.until("the descriptors are closed", () => descriptors() <= before.descriptors, descriptors)
    assert.strictEqual(fibers(), before.fibers, "fibers are left")
  }, Effect.scoped)).pipe(Effect.provide(Logger.layer([])))

// What the first process of a program opens stays open.
beforeAll(() => Effect.runPromise(Effect.scoped(Effect.asVoid(connect(Processes.newMark(), "")))))

describe.each(Object.entries(calls))("%s", (_, call) => {
  for (const [name, ending] of Object.entries(endings)) {
    it.live(`ends with ${ending.outcome} by ${name}`, () => check(call, ending))
  }
})
