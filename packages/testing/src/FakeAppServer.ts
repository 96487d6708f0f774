/**
 * An app-server in memory: the protocol as codex 0.171.0 speaks it, without a process, a model or a file system. A script
 * says what the model answers, in the language of {@link ScriptedModel}: what runs with `ScriptedCodex.layer` on the real
 * binary runs here too, a thousand times faster and on the clock of the test.
 *
 * **What it does**
 *
 * The handshake, threads (start, resume, fork, read, list, search, name, archive, unarchive, delete, settings), turns with their
 * items and deltas, steering, interruption, commands and patches with their approvals, dynamic tools, questions to the
 * user and requests for permissions (for threads whose `config` switches on `features.default_mode_request_user_input`
 * and `features.request_permissions_tool`), failures of the model, the list of models, logins with a key and in the
 * browser. {@link Contract} holds it against the real server: the frames, their order and the texts of errors are the
 * same. Ids are the same in each run.
 *
 * **What it does not do**
 *
 * A request for what is not there is refused as a method that is not found, and a turn that needs it fails, both with a
 * message that says so: test it on the real codex, with `ScriptedCodex`. It is
 *
 * - of threads and turns: reviews, compaction, goals, `Thread.revert`, `Turn.interruptWithTerminals`,
 *   collaboration modes, environments, named permissions, forks that stay attached;
 * - of approvals: `ApprovalMode.autoReview` of what goes beyond the sandbox, granular policies, elicitations;
 * - of tools: the other ones of codex (`write_stdin`, `view_image`, goals, agents, and all that a model gets which codex
 *   knows), MCP servers that start;
 * - of accounts: external tokens, `Auth.usage`, `Auth.rateLimits` of a ChatGPT login. Device codes are refused as by a
 *   server that does not have them;
 * - skills, plugins, projects, files, `command/exec`, and what else the protocol has.
 *
 * And this is less than on the real codex, without an error:
 *
 * - Commands are not run: `exec` says what comes of them. The calls of one response are made one after the other. Patches
 *   that add files are shown and not written; other patches are commands.
 * - The model is told what the client says, and not what codex adds: its own prompt, the environment, permissions, skills
 *   and `AGENTS.md`. Of the tools of codex it is told the names, whatever the model is. Images are not made smaller, a GIF
 *   stays one, and the first bytes alone decide whether it is an image. The headers are those that tell of the client and its thread; a
 *   ChatGPT login sends no `authorization`.
 * - A search looks at what was said, and not at what codex adds to it. It is over at once, and tells its first hit on the way.
 * - Of a thread's `config` the two switches above and `thread_unload_delay_secs` are read. Two models and a hidden one are
 *   listed. Of failed requests to the model those are repeated whose stream broke, if `streamMaxRetries` says so.
 *
 * @since 0.1.0
 */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, ConnectionError } from "@effect-codex/client/CodexError"
import { AppServerExited } from "@effect-codex/client/CodexError"
import * as Transport from "@effect-codex/client/Transport"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Connection } from "./internal/fake/connection.ts"
import * as Home from "./internal/fake/home.ts"
import * as Login from "./internal/fake/login.ts"
import type { Server } from "./internal/fake/methods.ts"
import * as FakeServer from "./internal/fake/server.ts"
import * as Script from "./internal/script.ts"
import * as VirtualTime from "./internal/virtualTime.ts"
import * as ScriptedModel from "./ScriptedModel.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * A message that the client sent: a request (`id` and `method`), a notification (`method`), or an answer to a request of
 * the server (`id`, and `result` or `error`).
 *
 * @category models
 * @since 0.1.0
 */
export type ClientMessage = FakeServer.ClientMessage

/**
 * A command that the model wants to run.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecRequest {
  /** As the model gave it. */
  readonly command: string
  readonly cwd: string
  readonly threadId: string
}

/**
 * What came of a command.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecResult {
  /** What it wrote, to stdout and stderr. Default: nothing. */
  readonly output?: string | undefined
  /** Default: 0. */
  readonly exitCode?: number | undefined
}

/**
 * How the person at the browser ends a login: logged in, or with the text of an error.
 *
 * @category models
 * @since 0.1.0
 */
export type LoginEnd =
  | { readonly email: string; readonly planType: "free" | "plus" | "pro" | "team" | "business" | "enterprise" }
  | { readonly error: string }

// =============================================================================
// Service
// =============================================================================

/**
 * The fake, from the side of the test.
 *
 * **Example** (What the program asked for, and the end of the server)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { FakeAppServer } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const { exit, receivedOf } = yield* FakeAppServer.FakeAppServer
 *   const codex = yield* Codex.Codex
 *   yield* codex.startThread({ model: "gpt-5.4" })
 *   const [started] = yield* receivedOf("thread/start") // its params have the model
 *   yield* exit({ code: null, signal: "SIGKILL" })
 *   return [started, yield* Effect.flip(codex.startThread())] // AppServerExited
 * }).pipe(Effect.provide(FakeAppServer.layer()))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class FakeAppServer extends Context.Service<FakeAppServer, {
  /**
   * Connects to a new process of the fake, which ends with the scope. All processes work on the same threads and logins,
   * as those of one `CODEX_HOME` do.
   */
  readonly connect: Effect.Effect<Transport.Transport["Service"], never, Scope.Scope>
  /** What the clients sent so far, oldest first. Lines that are no message are left out, as the server does it. */
  readonly received: Effect.Effect<ReadonlyArray<ClientMessage>>
  /** What the clients asked for so far: `received` of one method. */
  readonly receivedOf: (method: string) => Effect.Effect<ReadonlyArray<ClientMessage>>
  /** Ends the open connections as a process that exits does. Default: `{ code: 0, signal: null }`. */
  readonly exit: (exit?: { readonly code: number | null; readonly signal: string | null }) => Effect.Effect<void>
  /** Ends the login in the browser that is open, as the person there would. `false` when none is open. */
  readonly finishLogin: (end: LoginEnd) => Effect.Effect<boolean>
}>()("@effect-codex/testing/FakeAppServer") {}

// =============================================================================
// Options
// =============================================================================

/**
 * What the fake is: its model, its commands, and what a home would say. Without any it is a server whose model answers
 * nothing: the first turn fails and says so.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's script. It can be extended later, with `ScriptedModel.enqueue`. */
  readonly model?: ScriptedModel.Options | undefined
  /** What comes of the commands that the model runs. Default: each succeeds and writes nothing. */
  readonly exec?: ((request: ExecRequest) => ExecResult | Effect.Effect<ExecResult>) | undefined
  /** The folder that threads work in unless they say another. Default: `/workspace`. Nothing has to be there. */
  readonly cwd?: string | undefined
  /** The model of threads that say none. Default: `scripted-model`, as in `CodexHome`. */
  readonly defaultModel?: string | undefined
  /** Whether the model wants a login, which decides what `account/read` tells. Default: `false`, as in `CodexHome`. */
  readonly requiresOpenaiAuth?: boolean | undefined
  /**
   * How often a request to the model is repeated whose stream broke, after 200 ms and twice as long each time. Default: 0, as
   * in `CodexHome`.
   */
  readonly streamMaxRetries?: number | undefined
  /** MCP servers that do not start for a new thread, by name, with the reason that codex gives. Default: none. */
  readonly brokenMcpServers?: { readonly [name: string]: string } | undefined
}

// =============================================================================
// Constructor
// =============================================================================

const url = "http://fake.invalid/v1"

/** As many as the client keeps of a process. */
const maxLogLines = 400

/**
 * Makes a fake and its model. Nothing is connected yet.
 *
 * **Example** (Two clients of one home)
 *
 * ```ts
 * import { FakeAppServer } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const transports = Effect.gen(function*() {
 *   const { server } = yield* FakeAppServer.make({ model: { answer: () => "Hello!" } })
 *   return [yield* server.connect, yield* server.connect]
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<{
  readonly server: FakeAppServer["Service"]
  readonly model: ScriptedModel.ScriptedModel["Service"]
}> {
  const clock = yield* Clock.Clock
  // oxlint-disable-next-line no-restricted-properties -- dates of threads, turns and items
  const now = () => clock.currentTimeMillisUnsafe()
  const script = yield* Script.make(options.model ?? {})
  const home = Home.make({
    cwd: options.cwd ?? "/workspace",
    model: options.defaultModel ?? "scripted-model",
    requiresOpenaiAuth: options.requiresOpenaiAuth ?? false
  })
  const exec = (request: ExecRequest): Effect.Effect<ExecResult> =>
    Effect.suspend(() => {
      const result = options.exec?.(request) ?? {}
      return Effect.isEffect(result) ? result : Effect.succeed(result)
    })
  const received: Array<ClientMessage> = []
  const open = new Map<Connection, (cause: ConnectionError) => void>()

  const connect = Effect.gen(function*() {
    // Unbounded, because a script is finite and a client reads as fast as it can: see `Transport.receive`.
    const toClient = yield* Queue.unbounded<string, ConnectionError>()
    const toServer = yield* Queue.unbounded<string>()
    const connection = new Connection(home, now, (frame) => {
      VirtualTime.framePassed()
      Queue.offerUnsafe(toClient, frame)
    })
    const process = yield* Scope.fork(yield* Effect.scope)
    const server: Server = {
      connection,
      script,
      exec,
      url,
      streamMaxRetries: options.streamMaxRetries ?? 0,
      brokenMcpServers: options.brokenMcpServers ?? {},
      scope: process
    }
    const close = (): void => {
      open.delete(connection)
      for (const threadId of connection.loaded.keys()) home.writers.delete(threadId)
    }
    const end = (cause: ConnectionError): void => {
      close()
      Queue.failCauseUnsafe(toClient, Cause.fail(cause))
    }
    open.set(connection, end)
    const lines: Array<string> = []
    const watchers = new Set<(line: string) => void>()
    const log = (text: string): void => {
      const line = `${new Date(now()).toISOString()} ERROR codex_app_server_transport::transport: ${text}`
      if (lines.push(line) > maxLogLines) lines.shift()
      for (const watcher of watchers) watcher(line)
    }
    yield* Scope.addFinalizer(process, Effect.sync(close))
    yield* Queue.take(toServer).pipe(
      Effect.flatMap((frame) => {
        if (!open.has(connection)) return Effect.void
        const message = FakeServer.inspect(frame)
        if ("dropped" in message) return Effect.sync(() => log(message.dropped))
        received.push(message)
        return FakeServer.onMessage(server, message)
      }),
      Effect.forever,
      Effect.forkIn(process)
    )
    return Transport.Transport.of({
      description: "an app-server in memory",
      log: Effect.sync(() => [...lines]),
      watchLog: (onLine) =>
        Effect.asVoid(Effect.acquireRelease(
          Effect.sync(() => watchers.add(onLine)),
          () => Effect.sync(() => watchers.delete(onLine))
        )),
      send: (frame) =>
        Effect.sync(() => {
          VirtualTime.framePassed()
          Queue.offerUnsafe(toServer, frame)
        }),
      receive: (onFrames) => Queue.takeAll(toClient).pipe(Effect.map(onFrames), Effect.forever)
    })
  })

  return {
    server: FakeAppServer.of({
      connect,
      received: Effect.sync(() => [...received]),
      receivedOf: (method) => Effect.sync(() => received.filter((message) => message.method === method)),
      exit: (exit = { code: 0, signal: null }) =>
        Effect.sync(() => {
          for (const end of open.values()) end(new AppServerExited({ ...exit, stderr: [] }))
        }),
      finishLogin: (end) => Effect.sync(() => [...open.keys()].some((connection) => Login.finish(connection, end)))
    }),
    model: ScriptedModel.ScriptedModel.of({
      url,
      enqueue: script.enqueue,
      remaining: script.remaining,
      requests: script.requests,
      received: script.received,
      receivedWhere: script.receivedWhere
    })
  }
})

// =============================================================================
// Layers
// =============================================================================

/**
 * The fake and its model, and a connection to it.
 *
 * **Example** (A client of one's own on the fake)
 *
 * ```ts
 * import { AppServerRpc } from "@effect-codex/client"
 * import { FakeAppServer } from "@effect-codex/testing"
 * import { Effect, Layer } from "effect"
 *
 * export const test = Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.request("thread/list", {})).pipe(
 *   Effect.provide(Layer.provide(AppServerRpc.layer(), FakeAppServer.layerTransport()))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTransport = (
  options?: Options
): Layer.Layer<FakeAppServer | ScriptedModel.ScriptedModel | Transport.Transport> =>
  Layer.effectContext(Effect.gen(function*() {
    const { model, server } = yield* make(options)
    return Context.make(FakeAppServer, server).pipe(
      Context.add(ScriptedModel.ScriptedModel, model),
      Context.add(Transport.Transport, yield* server.connect)
    )
  }))

/**
 * The whole client on a fake: what a unit test of a program that uses effect-codex needs, in one layer. In place of
 * `ScriptedCodex.layer`, which is the same on the real binary.
 *
 * **Example** (A turn of a program under test)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { FakeAppServer } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   return yield* thread.run("Say hello.")
 * }).pipe(Effect.provide(FakeAppServer.layer({ model: { answers: ["Hello!"] } })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options & AppServerRpc.Options & Codex.Options): Layer.Layer<
  | Codex.Codex
  | Auth.Auth
  | AppServerRpc.AppServerRpc
  | FakeAppServer
  | ScriptedModel.ScriptedModel
  | Transport.Transport,
  AppServerStartError
> =>
  Layer.merge(Codex.layer({ ...options, checkLogin: options?.checkLogin ?? true }), Auth.layer).pipe(
    Layer.provideMerge(AppServerRpc.layer(options)),
    Layer.provideMerge(layerTransport(options))
  )

// =============================================================================
// As a program
// =============================================================================

/**
 * Serves a new process of the fake over stdin and stdout, one frame a line, until stdin ends: an app-server for clients in
 * any language. `effect-codex fake-app-server` is this as a command. What was asked before the end of stdin is answered,
 * where the real codex leaves it; turns that are running then are not waited for. Fails when stdin or stdout does.
 *
 * **Example** (A program that answers in place of codex)
 *
 * ```ts
 * import { FakeAppServer } from "@effect-codex/testing"
 * import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
 * import * as NodeStdio from "@effect/platform-node/NodeStdio"
 * import { Effect } from "effect"
 *
 * FakeAppServer.serveStdio.pipe(
 *   Effect.provide(FakeAppServer.layerTransport({ model: { answer: ({ prompt }) => `You said: ${prompt}` } })),
 *   Effect.provide(NodeStdio.layer),
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const serveStdio: Effect.Effect<void, PlatformError.PlatformError, FakeAppServer | Stdio.Stdio> = Effect.gen(
  function*() {
    const { stdin, stdout } = yield* Stdio.Stdio
    const transport = yield* Effect.flatMap(FakeAppServer, ({ connect }) => connect)
    // Unbounded for the same reason as the connection's own.
    const frames = yield* Queue.unbounded<string, Cause.Done>()
    // Of requests that were read: how many of an id are to be answered.
    const waiting = new Map<string | number, number>()
    let isStdinOver = false
    const wait = (id: string | number | undefined, change: 1 | -1): void => {
      if (id === undefined) return
      const left = (waiting.get(id) ?? 0) + change
      if (left > 0) waiting.set(id, left)
      else waiting.delete(id)
    }
    const endIfAnswered = (): void => {
      if (isStdinOver && waiting.size === 0) Queue.endUnsafe(frames)
    }
    const write = (read: ReadonlyArray<string>): void => {
      Queue.offerAllUnsafe(frames, read)
      for (const frame of read) {
        const message = FakeServer.read(frame)
        if (message?.method === undefined) wait(message?.id, -1)
      }
      endIfAnswered()
    }
    yield* transport.receive(write).pipe(
      Effect.ensuring(Queue.end(frames)),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
    const writing = Stream.fromQueue(frames).pipe(Stream.map((frame) => `${frame}\n`), Stream.run(stdout()))
    const reading = stdin.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.runForEach((line) => {
        const message = FakeServer.read(line)
        if (message?.method !== undefined) wait(message.id, 1)
        return transport.send(line)
      }),
      Effect.andThen(Effect.suspend(() => {
        isStdinOver = true
        endIfAnswered()
        return Effect.never
      }))
    )
    yield* Effect.raceFirst(reading, writing)
  }
).pipe(Effect.scoped)
