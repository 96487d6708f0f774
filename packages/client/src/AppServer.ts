/**
 * The `codex app-server` process: starting it, its pipes, the tail of its stderr, its end.
 *
 * The process is started directly (no shell, no npm shim) in its own process group through the platform's
 * `ChildProcessSpawner`. Closing the scope ends its stdin, on which the server exits by itself; if it does not within
 * `shutdownGrace` the group gets SIGTERM, and after as long again SIGKILL. stdout and stderr are read until the very end,
 * so that the process can never block on a full pipe.
 *
 * **What ends with it** (measured on codex 0.169.0)
 *
 * A program that dies, however it dies, closes the stdin of its codex, on which codex ends its commands and itself. A
 * command in the sandbox ends with codex even when codex is killed. What can survive was started without a sandbox
 * (`Sandbox.fullAccess`): a process that made itself a session of its own, and, when codex has to be killed, what its
 * running commands have started. codex starts each command in a session of its own, which SIGKILL to the group of codex
 * does not reach, and this module does not look for them: that takes a list of all processes, which each platform gives
 * in another way, an id can pass to another program between the list and the signal, and a process whose parent has ended
 * is not found. It comes to that only when codex reacts neither to the end of its stdin nor to SIGTERM. Where nothing
 * may survive, run commands in a sandbox, or the whole program in a container.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "./CodexError.ts"
import { AppServerExited, AppServerStartError, CodexExecutableNotFound, TransportError } from "./CodexError.ts"
import type * as ConfigOverrides from "./ConfigOverrides.ts"
import * as Launch from "./internal/launch.ts"
import * as OptionKinds from "./internal/options.ts"
import { type Pipes, Spawn } from "./internal/wire/spawn.ts"

/**
 * How the process ended: an exit code, or the signal that ended it.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppServerExit {
  readonly code: number | null
  readonly signal: string | null
}

/**
 * A running app-server process.
 *
 * @category services
 * @since 0.1.0
 */
export class AppServer extends Context.Service<AppServer, {
  /** The executable that was started. */
  readonly executable: string
  /** The process id. */
  readonly pid: number
  /**
   * Hands every chunk of stdout to `onChunk`, as it arrives and in order, and fails with the one cause when the process
   * or a pipe ends. What the process wrote before its end is handed over first. One receiver at a time. `more` says that
   * another chunk follows at once, be it empty. What `onChunk` throws is the defect that it ends with.
   */
  readonly receive: (onChunk: (chunk: Uint8Array, more?: boolean) => void) => Effect.Effect<never, ConnectionError>
  /**
   * Writes to stdin. Waits while the pipe is full. Never fails: a broken pipe ends `receive`.
   */
  readonly send: (text: string) => Effect.Effect<void>
  /** The last lines of stderr, oldest first. */
  readonly stderr: Effect.Effect<ReadonlyArray<string>>
  /** Hands each further line of stderr to `onLine`, which must not throw, until the scope closes. */
  readonly watchStderr?: ((onLine: (line: string) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
  /** Waits for the process to end. */
  readonly exit: Effect.Effect<AppServerExit>
}>()("@effect-codex/client/AppServer") {}

/**
 * How to start the process.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The codex executable: a path, or a name that the system looks up on PATH. */
  readonly executable: string
  /**
   * Overrides of the configuration, each passed as `--config key=value`: an object as `config.toml` has it, or `key=value`
   * texts in TOML. What codex would take for something else is `AppServerStartError`, before anything is started.
   */
  readonly configOverrides?: ConfigOverrides.ConfigOverrides | undefined
  /**
   * Where logins are kept: `file` is `auth.json` in the `CODEX_HOME`, `keyring` is the one of the system, `auto` is the
   * keyring or else the file. With `ephemeral` they are kept in the memory of the process: a stored login is neither used
   * nor touched (measured). The same as the override `cli_auth_credentials_store`. Default: what the configuration says,
   * else `file`.
   */
  readonly credentialsStore?: "ephemeral" | "file" | "keyring" | "auto" | undefined
  /** Replaces the whole argument list, `configOverrides` and `credentialsStore` included. */
  readonly args?: ReadonlyArray<string> | undefined
  /** The working directory of the process. Default: that of this process. */
  readonly cwd?: string | undefined
  /** Merged over this process' environment; `undefined` removes a variable. */
  readonly env?: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
  /** How long each step of the shutdown may take. Default: 2 seconds. */
  readonly shutdownGrace?: Duration.Input | undefined
  /** How many lines of stderr are kept for errors. Default: 400. */
  readonly stderrLines?: number | undefined
}

// The value is not quoted: it may be a secret.
const overrideError = (options: Options): AppServerStartError | undefined => {
  const problem = Launch.overrideProblem(options)
  if (problem === undefined) return undefined
  const { detail, index, path } = problem
  return notSpawned(options, path === "" ? detail : `the override of ${path}: ${detail}`, {
    option: index === undefined ? "configOverrides" : `configOverrides[${index}]`
  })
}

// codex colours its log whether or not it writes to a terminal.
const withoutColors = (line: string): string => line.replaceAll(/\u001B\[[\d;]*m/g, "")

// The spawner tells the signal of a killed process only in the text of its error.
const exitOfError = (error: PlatformError.PlatformError): AppServerExit => {
  const text = `${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`
  return { code: null, signal: /signal: '(\w+)'/.exec(text)?.[1] ?? "an unknown signal" }
}

const notSpawned = (
  { executable }: Options,
  detail: string,
  more: { readonly option?: string; readonly cause?: unknown }
) => new AppServerStartError({ phase: "spawn", executable: String(executable), detail, stderr: [], ...more })

const wrongFolder = (options: Options, problem: string, cause: unknown) =>
  notSpawned(options, `the folder ${options.cwd} ${problem}`, { option: "cwd", cause })

const startError = (options: Options) => (error: PlatformError.PlatformError) => {
  const { _tag, method } = error.reason
  if (_tag !== "NotFound") return notSpawned(options, error.message, { cause: error })
  return options.cwd === undefined || method === "spawn"
    ? new CodexExecutableNotFound({
      tried: [{ place: options.executable, problem: "the file, or an interpreter or loader that it names, is missing" }]
    })
    // The spawner looks for the folder first.
    : wrongFolder(options, "does not exist.", error)
}

// Node throws what the system does not commonly say of an executable.
const thrownError = (options: Options) => (cause: unknown) =>
  Effect.fail(
    options.cwd !== undefined && Predicate.hasProperty(cause, "code") && cause.code === "ENOTDIR"
      ? wrongFolder(options, "is a file.", cause)
      : notSpawned(options, cause instanceof Error ? cause.message : String(cause), { cause })
  )

const streamPipes = Effect.fnUntraced(function*(
  { stdin, stdout }: ChildProcessSpawner.ChildProcessHandle,
  scope: Scope.Scope
): Effect.fn.Return<Pipes> {
  const failure = Deferred.makeUnsafe<PlatformError.PlatformError>()
  const encoder = new TextEncoder()
  // Bounded: a server that does not read suspends its writers.
  const outbox = yield* Queue.bounded<string, Cause.Done>(1024)
  yield* Stream.fromQueue(outbox).pipe(
    Stream.mapArray((texts) => [encoder.encode(texts.join(""))]),
    Stream.run(stdin),
    Effect.catch((error) => Queue.shutdown(outbox).pipe(Effect.andThen(Deferred.succeed(failure, error)))),
    Effect.forkIn(scope)
  )
  return {
    read: (onChunk) =>
      Stream.runForEachArray(stdout, (chunks) =>
        Effect.sync(() => {
          for (let i = 0; i < chunks.length; i++) onChunk(chunks[i]!, i < chunks.length - 1)
        })),
    write: (text) => Effect.asVoid(Queue.offer(outbox, text)),
    end: Effect.asVoid(Queue.end(outbox)),
    writeFailure: Deferred.await(failure)
  }
})

/**
 * Starts the process. It ends when the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  AppServer["Service"],
  CodexExecutableNotFound | AppServerStartError,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> {
  const problem = OptionKinds.problemOf(options, OptionKinds.ofProcess)
  if (problem !== undefined) {
    return yield* notSpawned(options, problem.message, { option: problem.argument, cause: problem })
  }
  const grace = Duration.fromInputUnsafe(options.shutdownGrace ?? Duration.seconds(2))
  const stderrLines = options.stderrLines ?? 400
  const wrongOverride = overrideError(options)
  if (wrongOverride !== undefined) return yield* wrongOverride

  // Closed after the process is gone: until then somebody has to read its pipes.
  const pipesScope = yield* Effect.acquireRelease(Scope.make("parallel"), (scope, exit) => Scope.close(scope, exit))
  const spawn = yield* Spawn
  const command = ChildProcess.make(options.executable, Launch.argv(options), {
    cwd: options.cwd,
    env: options.env ?? {},
    extendEnv: true,
    killSignal: "SIGTERM",
    forceKillAfter: grace
  })
  const { handle, pipes } = yield* spawn(command).pipe(
    Effect.mapError(startError(options)),
    Effect.catchDefect(thrownError(options))
  )
  const { read, writeFailure, ...stdin } = pipes ?? (yield* streamPipes(handle, pipesScope))

  const tail: Array<string> = []
  const watchers = new Set<(line: string) => void>()
  yield* handle.stderr.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEachArray((lines) =>
      Effect.sync(() => {
        const plain = lines.map(withoutColors)
        for (const watcher of watchers) plain.forEach((line) => watcher(line))
        tail.push(...plain.slice(-stderrLines))
        if (tail.length > stderrLines) tail.splice(0, tail.length - stderrLines)
      })
    ),
    Effect.ignore,
    Effect.forkIn(pipesScope)
  )

  const stdoutEnd = Deferred.makeUnsafe<void, unknown>()
  // What arrives before a receiver is there. The server says nothing before `initialize`.
  let early: Array<Uint8Array> = []
  let receiver: ((chunk: Uint8Array, more?: boolean) => void) | undefined = (chunk) => early.push(chunk)
  yield* read((chunk, more) => receiver?.(chunk, more)).pipe(
    Deferred.into(stdoutEnd),
    Effect.forkIn(pipesScope, { startImmediately: true })
  )

  const exit = Effect.matchEager(handle.exitCode, {
    onFailure: exitOfError,
    onSuccess: (code): AppServerExit => ({ code, signal: null })
  })
  const exited = Effect.map(exit, (exit) => new AppServerExited({ ...exit, stderr: [...tail] }))

  yield* Effect.addFinalizer(() => {
    receiver = undefined
    return Effect.andThen(stdin.end, Effect.raceFirst(exit, Effect.sleep(grace)))
  })

  // A pipe ends a moment before or after the process. The exit says more, so it is waited for, and what the process
  // wrote before it is handed over first. A descendant that holds the pipe open must not delay this for ever.
  const settling = Duration.seconds(1)
  const exitOr = (error: () => TransportError): Effect.Effect<ConnectionError> =>
    Effect.timeoutOrElse(exited, { duration: settling, orElse: () => Effect.sync(error) })
  const cause: Effect.Effect<ConnectionError> = Effect.raceAllFirst([
    Effect.andThen(
      Effect.exit(Deferred.await(stdoutEnd)),
      exitOr(() => new TransportError({ reason: "read", detail: "the process closed its stdout but did not end." }))
    ),
    Effect.andThen(
      exit,
      Effect.andThen(Effect.timeoutOption(Effect.exit(Deferred.await(stdoutEnd)), settling), exited)
    ),
    Effect.flatMap(
      writeFailure,
      (error) =>
        exitOr(() =>
          new TransportError({ reason: "write", detail: "the process does not read its stdin.", cause: error })
        )
    )
  ])

  return AppServer.of({
    executable: options.executable,
    pid: handle.pid,
    stderr: Effect.sync(() => [...tail]),
    watchStderr: (onLine) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => watchers.add(onLine)),
        () => Effect.sync(() => watchers.delete(onLine))
      )),
    exit,
    send: stdin.write,
    receive: (onChunk) =>
      Effect.suspend(() => {
        const chunks = early
        early = []
        const failure = Deferred.makeUnsafe<never>()
        // It is called by an event of the platform, which would end the program.
        receiver = (chunk, more) => {
          try {
            onChunk(chunk, more)
          } catch (defect) {
            receiver = undefined
            Deferred.doneUnsafe(failure, Exit.die(defect))
          }
        }
        for (const chunk of chunks) receiver?.(chunk)
        return Effect.raceFirst(Effect.flip(cause), Deferred.await(failure))
      }).pipe(Effect.ensuring(Effect.sync(() => {
        receiver = undefined
      })))
  })
})

/**
 * The process as a layer. It ends with the layer's scope.
 *
 * **Example** (A client with options of its own at each layer)
 *
 * ```ts
 * import { AppServer, AppServerRpc, Codex, Transport } from "@effect-codex/client"
 * import { Layer } from "effect"
 *
 * export const CodexLive = Codex.layer().pipe(
 *   Layer.provide(AppServerRpc.layer({ maxInFlight: 16 })),
 *   Layer.provide(Transport.layerStdio()),
 *   Layer.provide(AppServer.layer({ executable: "/usr/local/bin/codex", configOverrides: { model: "gpt-5.4" } }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<
  AppServer,
  CodexExecutableNotFound | AppServerStartError,
  ChildProcessSpawner.ChildProcessSpawner
> => Layer.effect(AppServer, make(options))

/**
 * {@link layer} with options that are read from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<
  AppServer,
  CodexExecutableNotFound | AppServerStartError | Config.ConfigError,
  ChildProcessSpawner.ChildProcessSpawner
> => Layer.effect(AppServer, Effect.flatMap(Config.unwrap(options), make))
