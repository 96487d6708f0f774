/** A process of `earlyProcess.ts` as the spawner of the platform hands its own out: it ends in the same way. */
import * as NodeSink from "@effect/platform-node/NodeSink"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as Spawner from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as EarlyProcess from "./earlyProcess.ts"

// As they were when the module was loaded: a test may replace the globals.
const { clearInterval, clearTimeout, setInterval, setTimeout } = globalThis

const pollEvery = 10
const lastGrace = 1000
const longestTimer = 2 ** 31 - 1

const textOf = (value: string | Redacted.Redacted<string>): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/** The early process of the command, which then is the caller's. */
const take = (command: ChildProcess.Command): EarlyProcess.Child | undefined => {
  if (command._tag !== "StandardCommand") return undefined
  const { cwd, env, extendEnv } = command.options
  if (cwd !== undefined || extendEnv !== true) return undefined
  return EarlyProcess.take({
    executable: command.command,
    args: command.args.map(textOf),
    cwd: EarlyProcess.currentFolder(),
    env: EarlyProcess.mergedEnv(
      Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, value && textOf(value)]))
    )
  })
}

const signalGroup = (child: EarlyProcess.Child, signal: NodeJS.Signals): void => {
  try {
    process.kill(-child.pid, signal)
  } catch {
    child.kill(signal)
  }
}

/** Whether the process or one of its group is there. */
const isAlive = ({ exitCode, pid, signalCode }: EarlyProcess.Child): boolean => {
  if (exitCode === null && signalCode === null) return true
  try {
    return process.kill(-pid, 0)
  } catch (error) {
    // What is left cannot be signalled, such as zombies on macOS.
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** Not by the clock of Effect, as in the spawner: a process ends in real time. */
const awaitEnd = (child: EarlyProcess.Child, millis: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const look = (): void => {
      if (!isAlive(child)) resume(stop)
    }
    const stop = Effect.sync(() => {
      clearInterval(looking)
      clearTimeout(deadline)
      child.off("exit", look)
    })
    const looking = setInterval(look, pollEvery)
    const deadline = setTimeout(() => resume(stop), millis)
    child.on("exit", look)
    look()
    return stop
  })

const terminate = Effect.fnUntraced(function*(
  child: EarlyProcess.Child,
  { forceKillAfter, killSignal = "SIGTERM" }: ChildProcess.KillOptions
) {
  signalGroup(child, killSignal)
  yield* awaitEnd(child, Math.min(Duration.toMillis(forceKillAfter ?? Duration.seconds(2)), longestTimer))
  if (!isAlive(child)) return
  signalGroup(child, "SIGKILL")
  yield* awaitEnd(child, lastGrace)
})

const platformError = (method: string) => (cause: unknown): PlatformError.PlatformError =>
  PlatformError.systemError({ _tag: "Unknown", module: "ChildProcess", method, cause })

const handleOf = (child: EarlyProcess.Child, options: ChildProcess.KillOptions): Spawner.ChildProcessHandle => {
  const exit = Deferred.makeUnsafe<Spawner.ExitCode, PlatformError.PlatformError>()
  child.once("exit", (code, signal) => {
    Deferred.doneUnsafe(
      exit,
      code === null
        ? Effect.fail(
          platformError("exitCode")(new Error(`Process interrupted due to receipt of signal: '${signal}'`))
        )
        : Effect.succeed(Spawner.ExitCode(code))
    )
    // As the spawner does it: what it started does not outlive its failure.
    if (code !== 0 && code !== null) signalGroup(child, "SIGTERM")
  })
  const output = (name: "stdout" | "stderr") =>
    NodeStream.fromReadable<Uint8Array, PlatformError.PlatformError>({
      evaluate: () => child[name],
      onError: platformError(`fromReadable(${name})`)
    })
  return Spawner.makeHandle({
    pid: Spawner.ProcessId(child.pid),
    exitCode: Deferred.await(exit),
    isRunning: Effect.map(Deferred.isDone(exit), (done) => !done),
    kill: (more) => terminate(child, { ...options, ...more }),
    stdin: NodeSink.fromWritable({ evaluate: () => child.stdin, onError: platformError("fromWritable(stdin)") }),
    stdout: output("stdout"),
    stderr: output("stderr"),
    all: Stream.merge(output("stdout"), output("stderr")),
    getInputFd: () => Sink.drain,
    getOutputFd: () => Stream.empty,
    // It is not referenced.
    unref: Effect.succeed(Effect.void)
  })
}

/** The early process of the command, if there is one. It ends with the scope. */
export const adopt = (command: ChildProcess.Command) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = take(command)
      return child && { child, handle: handleOf(child, optionsOf(command)) }
    }),
    (adopted) => adopted === undefined ? Effect.void : terminate(adopted.child, optionsOf(command))
  )

const optionsOf = (command: ChildProcess.Command): ChildProcess.KillOptions =>
  command._tag === "StandardCommand" ? command.options : {}
