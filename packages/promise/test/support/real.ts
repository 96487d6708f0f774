/** Tests that are written as the users of this package write: with promises, on the real codex and a scripted model. */
import { Codex, type CodexOptions } from "@effect-codex/promise"
import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import { it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as ChildProcess from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

export interface Model {
  readonly url: string
  readonly enqueue: (...answers: ReadonlyArray<ScriptedModel.Answer>) => Promise<void>
  /** Waits for so many requests. */
  readonly received: (count: number) => Promise<ReadonlyArray<ScriptedModel.ModelRequest>>
  readonly requests: () => Promise<ReadonlyArray<ScriptedModel.ModelRequest>>
  /** How the request ended for codex: `abandoned` when it hung up. */
  readonly outcome: (index: number) => Promise<ScriptedModel.Outcome>
}

export interface Context {
  readonly model: Model
  readonly home: CodexHome.CodexHome["Service"]
  /** The environment of a codex that uses the home and the model. */
  readonly env: Record<string, string>
  /** A client that starts with its first call, and is closed after the test. */
  readonly codex: Codex
  /** Another one. */
  readonly open: (options?: CodexOptions) => Codex
  /** Runs what ends with the test. */
  readonly acquire: <A>(effect: Effect.Effect<A, unknown, CodexHome.CodexHome | Scope.Scope>) => Promise<A>
}

export interface Options {
  readonly home?: CodexHome.Options
  readonly codex?: CodexOptions
  /** Whether it logs in through the browser. */
  readonly browser?: boolean
}

const context = Effect.fnUntraced(function*(options: Options) {
  const model = yield* ScriptedModel.ScriptedModel
  const home = yield* CodexHome.CodexHome
  const services = yield* Effect.context<CodexHome.CodexHome | Scope.Scope>()
  const clients: Array<Codex> = []
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all(clients.map((codex) => codex.close()))))
  const open = (more?: CodexOptions) => {
    const codex = new Codex({
      cwd: home.workspace,
      // What codex warns of depends on the machine.
      onLog: () => {},
      ...options.codex,
      ...more,
      env: { ...home.env, ...options.codex?.env, ...more?.env }
    })
    clients.push(codex)
    return codex
  }
  const merged = { ...process.env, ...home.env }
  return {
    home,
    acquire: (effect) => Effect.runPromise(Effect.provide(effect, services)),
    env: Object.fromEntries(
      Object.entries(merged).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])
    ),
    open,
    codex: open(),
    model: {
      url: model.url,
      enqueue: (...answers) => Effect.runPromise(model.enqueue(...answers)),
      received: (count) => Effect.runPromise(model.received(count)),
      requests: () => Effect.runPromise(model.requests),
      outcome: async (index) => {
        const request = (await Effect.runPromise(model.received(index + 1)))[index]!
        return Effect.runPromise(request.outcome)
      }
    }
  } satisfies Context
})

export const real = (name: string, body: (context: Context) => Promise<void>, options: Options = {}) =>
  it.live(
    name,
    () =>
      Effect.flatMap(context(options), (context) => Effect.promise(() => body(context))).pipe(
        Effect.scoped,
        Effect.provide(CodexHome.layer(options.home).pipe(Layer.provideMerge(ScriptedModel.layer()))),
        Effect.provide(options.browser === true ? BrowserLogin.layerExclusive : Layer.empty)
      )
  )

export const gate = () => Effect.runPromise(ScriptedModel.gate)

export const run = Effect.runPromise

/** What a promise rejects with. */
export const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("expected a rejection")
}

/** A text in the arguments of a codex that no other process has: an override that changes nothing. */
export const newMark = (): string =>
  `project_doc_max_bytes=${1_000_000_000 + Math.floor(Math.random() * 1_000_000_000)}`

/** The processes that have the text in their arguments. */
const marked = (mark: string): ReadonlyArray<number> => {
  if (process.platform !== "linux") {
    const { stdout } = ChildProcess.spawnSync("ps", ["-A", "-ww", "-o", "pid=,stat=,args="], { encoding: "utf8" })
    return stdout.split("\n").filter((line) => !/^\s*\d+\s+Z/.test(line) && line.includes(mark)).map((line) =>
      Number.parseInt(line)
    )
  }
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark)
    } catch {
      // It has ended meanwhile.
      return false
    }
  }).map(Number)
}

export const count = (mark: string): number => marked(mark).length

export const killAll = (mark: string, signal: NodeJS.Signals = "SIGKILL"): void =>
  marked(mark).forEach((pid) => process.kill(pid, signal))

/** Looks again and again, for 20 seconds. */
export const until = (look: () => boolean): Promise<void> =>
  Effect.sync(look).pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: (found) => found }),
    Effect.timeout("20 seconds"),
    Effect.asVoid,
    Effect.runPromise
  )

/** Rejections that nobody awaited, as Node sees them, while `body` runs and a little longer. */
export const unhandled = async (body: () => Promise<void>): Promise<ReadonlyArray<unknown>> => {
  const seen: Array<unknown> = []
  const others = process.listeners("unhandledRejection")
  const listener = (reason: unknown) => void seen.push(reason)
  process.removeAllListeners("unhandledRejection")
  process.on("unhandledRejection", listener)
  try {
    await body()
    // Node tells of them once the microtasks are done.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off("unhandledRejection", listener)
    for (const other of others) process.on("unhandledRejection", other)
  }
  return seen
}

export const collect = async <A>(values: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const value of values) all.push(value)
  return all
}
