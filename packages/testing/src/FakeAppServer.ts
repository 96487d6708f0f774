/**
 * An app-server in memory: it speaks the protocol of codex 0.171.0 without a process, a model or a file system. The
 * model's answers are a script of `ScriptedModel`. A test that runs with `ScriptedCodex.layer` on the real binary runs
 * here too, a thousand times faster and on the test's clock.
 *
 * **What it does**
 *
 * The handshake; threads (start, resume, fork, read, list, search, name, archive, unarchive, delete, settings); turns
 * with their items and deltas; steering, interruption and changes of their settings; additional context and metadata;
 * commands and patches with their approvals; dynamic tools; files in memory with their changes; questions to the user
 * and requests for permissions (in threads whose `config` enables `features.default_mode_request_user_input` and
 * `features.request_permissions_tool`); failures of the model; the list of models; logins with a key and in the
 * browser. The cases of `Contract` compare it with the real server: the frames, their order and the error texts are the
 * same. Ids are the same in every run.
 *
 * **What it does not do**
 *
 * The fake refuses an unsupported request as an unknown method, and fails a turn that needs an unsupported feature.
 * Both say so in their message. Test these on the real codex, with `ScriptedCodex`:
 *
 * - threads and turns: reviews, compaction, goals, `Thread.revert`, `Turn.interruptWithTerminals`,
 *   environments, named permissions, forks that stay attached;
 * - approvals: `ApprovalMode.autoReview` beyond the sandbox, rules and skills of granular policies, elicitations;
 * - tools: codex's other tools (`write_stdin`, `view_image`, goals, `close_agent`, `resume_agent`, `multi_agent_v2`,
 *   and the tools of the models that codex knows), and MCP servers that start;
 * - accounts: external tokens, `Auth.usage`, and `Auth.rateLimits` of a ChatGPT login. Device codes are refused as by a
 *   server that does not support them;
 * - commands of the client (`Workspace.run` and `exec`), searches for files, the difference to the remote;
 * - features, and changes of model providers;
 * - MCP servers, apps, plugins and hooks, of which it lists none; projects, sections, and the rest of the protocol.
 *
 * The fake does less than the real codex here, without an error:
 *
 * - Commands do not run: the option `exec` returns their results. The calls of one response run one after another.
 *   Patches that add files are reported and not written; other patches run as commands.
 * - The model sees what the client sends. It does not see what codex adds: its own prompt, the environment,
 *   permissions, skills and `AGENTS.md`. It sees only the names of codex's tools, whatever the model is. Images are not
 *   resized, GIFs are not converted, and the first bytes alone decide whether a file is an image. Headers describe the
 *   client and its thread only; a ChatGPT login sends no `authorization`.
 * - `Configuration` has one layer, a file in memory. Its values are not checked, and threads do not see them.
 * - Skills are the `SKILL.md` below `.agents/skills` of the folder, and below extra roots; changes of these files are
 *   not told.
 * - A search looks at the messages, not at what codex adds to them; `Thread.search` shows the whole message. It ends at
 *   once, and reports its first hit on the way.
 * - The fake reads the two features above, `features.step_model_switching`, `agents.max_depth` and
 *   `thread_unload_delay_secs` from a thread's `config`, and nothing else. It lists two models and a hidden one. It
 *   retries a request to the model only when the stream broke, up to `streamMaxRetries` times.
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
import * as Files from "./internal/fake/files.ts"
import * as Home from "./internal/fake/home.ts"
import * as Login from "./internal/fake/login.ts"
import type { Server } from "./internal/fake/methods.ts"
import * as FakeServer from "./internal/fake/server.ts"
import * as TurnStart from "./internal/fake/turnStart.ts"
import * as Script from "./internal/script.ts"
import * as VirtualTime from "./internal/virtualTime.ts"
import * as ScriptedModel from "./ScriptedModel.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * A message from a client: a request (`id` and `method`), a notification (`method`), or an answer to a request of the
 * server (`id`, and `result` or `error`).
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
  /** The command, as the model wrote it. */
  readonly command: string
  /** The folder that the command would run in. */
  readonly cwd: string
  readonly threadId: string
}

/**
 * The result of a command.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecResult {
  /** The output on stdout and stderr together. Default: none. */
  readonly output?: string | undefined
  /** The exit code. Default: 0. */
  readonly exitCode?: number | undefined
}

/**
 * How the user at the browser ends a login: logged in to an account, or with the text of an error.
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
 * The test's side of a fake: what its clients sent, and control over its processes and logins.
 *
 * **Example** (Inspecting a request, and ending the server)
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
   * Starts a process of the fake and connects to it. The process ends when the scope closes. All processes share their
   * threads and logins, as those of one `CODEX_HOME` do.
   */
  readonly connect: Effect.Effect<Transport.Transport["Service"], never, Scope.Scope>
  /** The messages that clients sent so far, oldest first. Lines that the server drops as unreadable are left out. */
  readonly received: Effect.Effect<ReadonlyArray<ClientMessage>>
  /** The requests and notifications of one method that clients sent so far, oldest first. */
  readonly receivedOf: (method: string) => Effect.Effect<ReadonlyArray<ClientMessage>>
  /** Ends the open connections, as an exiting process does. Default: `{ code: 0, signal: null }`. */
  readonly exit: (exit?: { readonly code: number | null; readonly signal: string | null }) => Effect.Effect<void>
  /** Ends the pending browser login, as the user would. Returns `false` if none is pending. */
  readonly finishLogin: (end: LoginEnd) => Effect.Effect<boolean>
}>()("@effect-codex/testing/FakeAppServer") {}

// =============================================================================
// Options
// =============================================================================

/**
 * Options of a fake: its model, its commands, and the settings that a home would hold. By default the model has no
 * answers, and the first turn fails with a message that says so.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's script. `enqueue` of the `ScriptedModel` service adds answers later. */
  readonly model?: ScriptedModel.Options | undefined
  /** Returns the result of a command that the model runs. Default: every command succeeds without output. */
  readonly exec?: ((request: ExecRequest) => ExecResult | Effect.Effect<ExecResult>) | undefined
  /** The working directory of threads that name none. It need not exist. Default: `/workspace`. */
  readonly cwd?: string | undefined
  /**
   * The files of the server's machine at the beginning, by path, for the requests `fs/*`, the service `Workspace`, and
   * skills. A relative path is below `cwd`. They are in memory: commands and patches of the model do not see or change
   * them. Default: no file.
   */
  readonly files?: { readonly [path: string]: string | Uint8Array } | undefined
  /** The model of threads that name none. Default: `scripted-model`, as in `CodexHome`. */
  readonly defaultModel?: string | undefined
  /** Whether the model requires a login, as `account/read` reports it. Default: `false`, as in `CodexHome`. */
  readonly requiresOpenaiAuth?: boolean | undefined
  /**
   * How often a request to the model is retried whose stream broke. The first retry waits 200 ms, each further one
   * twice as long. Default: 0, as in `CodexHome`.
   */
  readonly streamMaxRetries?: number | undefined
  /** MCP servers that fail to start for a new thread, by name, with the reason to report. Default: none. */
  readonly brokenMcpServers?: { readonly [name: string]: string } | undefined
}

// =============================================================================
// Constructor
// =============================================================================

const url = "http://fake.invalid/v1"

// The client keeps as many lines of a process's stderr.
const maxLogLines = 400

/**
 * Makes a fake and its model, without a connection. {@link layerTransport} also connects.
 *
 * **Example** (Two processes of one home)
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
  Files.init(home, options.files ?? {})
  const exec = (request: ExecRequest): Effect.Effect<ExecResult> =>
    Effect.suspend(() => {
      const result = options.exec?.(request) ?? {}
      return Effect.isEffect(result) ? result : Effect.succeed(result)
    })
  const received: Array<ClientMessage> = []
  const open = new Map<Connection, (cause: ConnectionError) => void>()

  const connect = Effect.gen(function*() {
    // Unbounded, because a script is finite and a client reads as fast as it can, see `Transport.receive`.
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
      startTurn: (thread, message, rootTurnId) => TurnStart.begin(server, thread, message, { rootTurnId }),
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
 * Provides the fake, its model, and a transport to one process of it, without the client.
 *
 * **When to use**
 *
 * For a client of your own, or to put `Faults`, `Mutation` or `Cassette` between the client and the fake.
 *
 * **Example** (A client of your own on the fake)
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
 * Provides the whole client on a fake: one layer for the unit tests of a program that uses effect-codex.
 *
 * **When to use**
 *
 * When the test scripts the model's answers, looks at the client's messages, or ends the server. `CodexTest.layer`
 * takes the model as a function, and `ScriptedCodex.layer` runs the same script on the real binary.
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
 * Serves a new process of the fake over stdin and stdout, one frame a line, until stdin ends: an app-server for clients
 * in any language. The command `effect-codex fake-app-server` does the same. Fails when stdin or stdout fails.
 *
 * **Details**
 *
 * When stdin ends, it still answers the requests it has read, which the real codex drops. It does not wait for running
 * turns.
 *
 * **Example** (A program that stands in for codex)
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
    // How many requests of each id still need an answer.
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
