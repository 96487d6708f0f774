/**
 * The `codex app-server` process: its start, its pipes, the tail of its stderr and its end.
 *
 * The platform's `ChildProcessSpawner` starts the process directly, without a shell or the npm shim, in a process
 * group of its own. Closing the scope ends the process's stdin, and the server then exits by itself. If it does not
 * exit within `shutdownGrace`, the group gets SIGTERM, and SIGKILL after the same time again. stdout and stderr are
 * read until the process has ended, so that it never blocks on a full pipe.
 *
 * **What ends with it**
 *
 * When your program dies, in whatever way, the stdin of its codex closes. codex then ends its commands and itself. A
 * command in the sandbox ends with codex, even when codex is killed. Only processes that started without a sandbox
 * (`Sandbox.fullAccess`) can survive: a process that created its own session, and, when codex has to be killed, the
 * processes that its running commands started.
 *
 * codex starts each command in its own session, which a SIGKILL to the group of codex does not reach. This module
 * does not search for such processes: every platform lists processes in a different way, an id can pass to another
 * program between the list and the signal, and a process whose parent has ended cannot be found. They survive only
 * when codex reacts neither to the end of its stdin nor to SIGTERM. If nothing may survive, run commands in a
 * sandbox, or run the whole program in a container.
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
 * How the process ended: with an exit code, or by a signal.
 *
 * @see {@link AppServer} whose `exit` waits for it
 * @category models
 * @since 0.1.0
 */
export interface AppServerExit {
  /** Null when a signal ended the process. */
  readonly code: number | null
  /** Null when the process exited by itself. */
  readonly signal: string | null
}

/**
 * A running app-server process.
 *
 * **When to use**
 *
 * To read the process id or stderr, or to wait for the exit. `Transport.layerStdio` reads and writes its pipes.
 *
 * @see {@link layer} to start one
 * @category services
 * @since 0.1.0
 */
export class AppServer extends Context.Service<AppServer, {
  /** The executable that was started. */
  readonly executable: string
  /** The process id. */
  readonly pid: number
  /**
   * Passes every chunk of stdout to `onChunk`, in order. Fails with a single cause when the process or a pipe ends,
   * after it has passed on everything that the process wrote before its end. Supports one receiver at a time. `more`
   * is true when another chunk, possibly empty, follows at once. If `onChunk` throws, the effect ends with that
   * defect.
   */
  readonly receive: (onChunk: (chunk: Uint8Array, more?: boolean) => void) => Effect.Effect<never, ConnectionError>
  /** Writes to stdin. Waits while the pipe is full. Never fails: a broken pipe ends `receive`. */
  readonly send: (text: string) => Effect.Effect<void>
  /** The last lines of stderr, oldest first, without colours. */
  readonly stderr: Effect.Effect<ReadonlyArray<string>>
  /** Calls `onLine` with each further line of stderr until the scope closes. `onLine` must not throw. */
  readonly watchStderr?: ((onLine: (line: string) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
  /** Waits for the process to end. */
  readonly exit: Effect.Effect<AppServerExit>
}>()("@effect-codex/client/AppServer") {}

/**
 * Options of {@link make} and {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The codex executable: a path, or a name that the system looks up on PATH. */
  readonly executable: string
  /**
   * Overrides of the configuration, each passed as `--config key=value`: an object in the form of `config.toml`, or
   * `key=value` strings in TOML. An override that codex would misread fails with `AppServerStartError` before the
   * process starts. Default: none.
   */
  readonly configOverrides?: ConfigOverrides.ConfigOverrides | undefined
  /**
   * Where codex keeps logins. `file` is `auth.json` in the `CODEX_HOME`, `keyring` is the system's keyring, and
   * `auto` is the keyring with the file as its fallback. `ephemeral` is the memory of the process: codex neither uses
   * nor changes a stored login. Equals the override `cli_auth_credentials_store`. Default: the value in the
   * configuration, else `file`.
   */
  readonly credentialsStore?: "ephemeral" | "file" | "keyring" | "auto" | undefined
  /** Replaces the whole argument list, including `configOverrides` and `credentialsStore`. */
  readonly args?: ReadonlyArray<string> | undefined
  /** The working directory of the process. Default: the working directory of this process. */
  readonly cwd?: string | undefined
  /** Merged over the environment of this process; `undefined` removes a variable. */
  readonly env?: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
  /** How long each step of the shutdown may take. Default: 2 seconds. */
  readonly shutdownGrace?: Duration.Input | undefined
  /** How many lines of stderr are kept for errors. Default: 400. */
  readonly stderrLines?: number | undefined
}

// The message omits the value, which may be a secret.
const overrideError = (options: Options): AppServerStartError | undefined => {
  const problem = Launch.overrideProblem(options)
  if (problem === undefined) return undefined
  const { detail, index, path } = problem
  return notSpawned(options, path === "" ? detail : `the override of ${path}: ${detail}`, {
    option: index === undefined ? "configOverrides" : `configOverrides[${index}]`
  })
}

// docs/codex-behaviour.md, "The log on stderr is coloured, whether or not a terminal reads it".
const withoutColors = (line: string): string => line.replaceAll(/\u001B\[[\d;]*m/g, "")

// The spawner names the signal only in the text of its error.
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
    // The spawner checks the folder before the executable.
    : wrongFolder(options, "does not exist.", error)
}

// Node throws for the less common system errors.
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
  // Bounded: a server that does not read its stdin suspends the writers.
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
 * Starts the process, and ends it when the scope closes.
 *
 * **Details**
 *
 * Fails with `CodexExecutableNotFound` when the executable is missing, and with `AppServerStartError` when an option
 * is invalid or the process cannot be started.
 *
 * @see {@link layer}
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

  // Closed only after the process has ended: until then its pipes must be read.
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
  // Holds chunks that arrive before a receiver is set. Normally there are none: docs/codex-behaviour.md, "The server
  // says nothing before initialize".
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

  // A pipe ends shortly before or after the process. The exit says more than the end of a pipe, so wait for it, and
  // pass on what the process wrote before it. The wait is bounded, because a descendant may hold the pipe open.
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
        // The platform calls this from an event handler, where an exception would end the program.
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
 * {@link make} as a layer. The process ends when the layer's scope closes.
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
 * @see {@link layerConfig}
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<
  AppServer,
  CodexExecutableNotFound | AppServerStartError,
  ChildProcessSpawner.ChildProcessSpawner
> => Layer.effect(AppServer, make(options))

/**
 * {@link layer} with options from the `ConfigProvider`. Also fails with `ConfigError`.
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
