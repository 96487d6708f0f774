import { CodexHome } from "@effect-codex/testing/CodexHome"
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { vi } from "@effect/vitest"
import { Effect, Layer, Option, Queue, Schema, Stream, SubscriptionRef } from "effect"
import { ChildProcess } from "effect/process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

// A real process may be slow on a busy machine. What a test waits for has a shorter timeout of its own.
vi.setConfig({ testTimeout: 60_000 })

// A minimal client of the real binary, so that these tests do not depend on the client under test.

const targets: Record<string, string> = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
  "win32-x64": "x86_64-pc-windows-msvc",
  "win32-arm64": "aarch64-pc-windows-msvc"
}

const executable = (): string => {
  const platform = `${process.platform}-${process.arch}`
  const codex = createRequire(createRequire(import.meta.url).resolve("@openai/codex/package.json"))
  const root = dirname(codex.resolve(`@openai/codex-${platform}/package.json`))
  return join(root, "vendor", targets[platform] ?? "", "bin", process.platform === "win32" ? "codex.exe" : "codex")
}

const Item = Schema.StructWithRest(
  Schema.Struct({ type: Schema.String, id: Schema.String, text: Schema.optionalKey(Schema.String) }),
  [Schema.Record(Schema.String, Schema.Json)]
)

// All fields that these tests read, of any method.
const Params = Schema.Struct({
  turnId: Schema.optionalKey(Schema.NullOr(Schema.String)),
  delta: Schema.optionalKey(Schema.String),
  item: Schema.optionalKey(Item),
  turn: Schema.optionalKey(Schema.Struct({
    id: Schema.String,
    status: Schema.String,
    error: Schema.NullOr(Schema.Struct({ message: Schema.String, codexErrorInfo: Schema.Json }))
  })),
  tokenUsage: Schema.optionalKey(Schema.Struct({ total: Schema.Json, last: Schema.Json })),
  willRetry: Schema.optionalKey(Schema.Boolean),
  message: Schema.optionalKey(Schema.Json)
})

const Message = Schema.Struct({
  id: Schema.optionalKey(Schema.Number),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Params),
  result: Schema.optionalKey(Schema.Struct({
    thread: Schema.optionalKey(Schema.Struct({ id: Schema.String })),
    turn: Schema.optionalKey(Schema.Struct({ id: Schema.String }))
  })),
  error: Schema.optionalKey(Schema.Struct({ code: Schema.Number, message: Schema.String }))
})
export type Message = typeof Message.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Message))

export const spawner = NodeChildProcessSpawner.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

/** Starts codex with the home in the context, and initializes it. It ends when the scope closes. */
export const start = Effect.fnUntraced(function*(
  options: {
    readonly env?: Record<string, string | undefined> | undefined
    readonly args?: ReadonlyArray<string> | undefined
  } = {}
) {
  const home = yield* CodexHome
  const messages = yield* SubscriptionRef.make<ReadonlyArray<Message>>([])
  const outbox = yield* Queue.unbounded<string>()
  const stderr: Array<string> = []
  const codex = yield* ChildProcess.make(
    executable(),
    [...options.args ?? [], "app-server", "--listen", "stdio://"],
    {
      cwd: home.workspace,
      env: { ...home.env, ...options.env },
      extendEnv: true,
      forceKillAfter: "2 seconds"
    }
  )
  yield* Stream.fromQueue(outbox).pipe(Stream.encodeText, Stream.run(codex.stdin), Effect.forkScoped)
  yield* codex.stderr.pipe(
    Stream.decodeText,
    Stream.runForEach((text) => Effect.sync(() => stderr.push(text))),
    Effect.forkScoped
  )
  yield* codex.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapEffect((line) => decode(line)),
    Stream.runForEach((message) => SubscriptionRef.update(messages, (all) => [...all, message])),
    Effect.forkScoped
  )

  const until = (predicate: (message: Message) => boolean) =>
    SubscriptionRef.changes(messages).pipe(
      Stream.map((all) => all.find(predicate)),
      Stream.filter((message) => message !== undefined),
      Stream.runHead,
      Effect.map(Option.getOrThrow),
      Effect.timeout("20 seconds"),
      Effect.tapError(() =>
        Effect.flatMap(SubscriptionRef.get(messages), (all) =>
          Effect.logError(
            "the expected message did not come",
            all.map((message) => JSON.stringify(message)),
            stderr.join("")
          ))
      )
    )

  let id = 0
  const send = (message: Schema.JsonObject) => Queue.offer(outbox, `${JSON.stringify(message)}\n`)
  const request = Effect.fnUntraced(function*(method: string, params: Schema.JsonObject) {
    const mine = ++id
    yield* send({ id: mine, method, params })
    const reply = yield* until((message) => message.id === mine && message.method === undefined)
    if (reply.error !== undefined) return yield* Effect.die(new Error(`${method}: ${reply.error.message}`))
    return reply.result
  })

  yield* request("initialize", { clientInfo: { name: "testing", version: "0.0.0" } })
  yield* send({ method: "initialized" })

  return {
    pid: codex.pid,
    stderr: Effect.sync(() => stderr.join("")),
    messages: SubscriptionRef.get(messages),
    request,
    until,
    startThread: Effect.fnUntraced(function*(params: Schema.JsonObject = {}) {
      const result = yield* request("thread/start", { cwd: home.workspace, ...params })
      return result?.thread?.id ?? (yield* Effect.die(new Error("no thread")))
    }),
    startTurn: Effect.fnUntraced(function*(threadId: string, text: string) {
      const result = yield* request("turn/start", { threadId, input: [{ type: "text", text }] })
      return result?.turn?.id ?? (yield* Effect.die(new Error("no turn")))
    }),
    turnStarted: (id: string) =>
      until((message) => message.method === "turn/started" && message.params?.turn?.id === id),
    turnCompleted: (turnId: string) =>
      Effect.map(
        until((message) => message.method === "turn/completed" && message.params?.turn?.id === turnId),
        (message) => message.params?.turn
      )
  }
})
