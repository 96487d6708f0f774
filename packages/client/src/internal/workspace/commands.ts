/**
 * Commands on the server's machine.
 *
 * They are requests `command/exec` and not `process/spawn`: only the former have a sandbox, and they are stable. Such a
 * request is answered when the command has ended, and cancelled when its fiber is interrupted.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import {
  type CommandCallError,
  CommandError,
  DecodeError,
  type InvalidArgument,
  type RpcError,
  TransportError
} from "../../CodexError.ts"
import type { CommandExit, ExecOptions, Process, Workspace } from "../../Workspace.ts"
import { done, Mailbox } from "../events/mailbox.ts"
import * as OptionKinds from "../options.ts"
import { inOwnScope } from "../ownScope.ts"
import { textAt } from "../protocol/peek.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Settings from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import { visible } from "../text/visibleText.ts"
import { isSize, paramsOf, sizeOf, terminalSize } from "./commandParams.ts"
import * as Names from "./names.ts"
import * as OsErrors from "./osErrors.ts"

const defaultMaxUnreadBytes = 64 * 1024 * 1024

/** A larger write is cut, so that it fits into a WebSocket's frame. */
const maxWriteBytes = 1024 * 1024

const none = new Uint8Array()

/** The unread bytes of stdout or of stderr. */
class Output {
  isLimitReached = false
  readonly mailbox: Mailbox<CommandCallError>

  constructor(program: string, name: string, bytes: number) {
    const error = (unread: number) =>
      new CommandError({ reason: "unread", program, detail: `${unread} bytes of its ${name} are unread.` })
    this.mailbox = new Mailbox({ maxUnread: { bytes, error } })
  }

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.mailbox.push({ _tag: "bytes", params: bytes }, bytes.length)
  }

  end(exit: Exit.Exit<unknown, CommandCallError>): void {
    const ended = Exit.isFailure(exit) ? Exit.failCause(exit.cause) : done
    this.mailbox.close(ended)
    this.mailbox.flush()
  }

  get stream(): Stream.Stream<Uint8Array, CommandCallError> {
    return this.mailbox.streamOf(({ params }) => params instanceof Uint8Array ? params : none)
  }
}

/** Starts a command. Returns before it is known whether it could be started. */
const start = Effect.fnUntraced(function*(
  rpc: Rpc,
  command: ReadonlyArray<string>,
  options: ExecOptions
): Effect.fn.Return<
  { readonly process: Process; readonly started: Effect.Effect<void, CommandCallError> },
  InvalidArgument,
  Scope.Scope
> {
  const processId = Names.next(rpc, "command")
  const params = yield* paramsOf(processId, command, options)
  const internals = internalsOf(rpc)
  const program = visible(command[0] ?? "", 200)
  const fail = (reason: CommandError["reason"], detail: string) => new CommandError({ reason, program, detail })
  const maxUnread = options.maxUnreadBytes ?? defaultMaxUnreadBytes
  const outputs = {
    stdout: new Output(program, "stdout", maxUnread),
    stderr: new Output(program, "stderr", maxUnread)
  }
  const ended = Deferred.makeUnsafe<CommandExit, CommandCallError>()

  const end = (exit: Exit.Exit<CommandExit, CommandCallError>) => {
    outputs.stdout.end(exit)
    outputs.stderr.end(exit)
    Deferred.doneUnsafe(ended, exit)
  }

  yield* internals.observe(undefined, {
    onNotification: (raw) => {
      if (raw._tag !== "command/exec/outputDelta" || textAt(raw.params, "processId") !== processId) return
      const output = internals.decode(raw)
      const bytes = output._tag === "command/exec/outputDelta" ? Base64.decode(output.params.deltaBase64) : undefined
      if (output._tag !== "command/exec/outputDelta" || bytes === undefined || Result.isFailure(bytes)) {
        const issue = "a part of the command's output is missing or is not base64."
        return end(Exit.fail(new DecodeError({ method: "command/exec", issue, raw: raw.params })))
      }
      const of = output.params.stream === "stderr" ? outputs.stderr : outputs.stdout
      of.push(bytes.success)
      if (output.params.capReached) of.isLimitReached = true
    },
    onReadEnd: () => {
      outputs.stdout.mailbox.flush()
      outputs.stderr.mailbox.flush()
    },
    onEnd: () => {}
  })

  const notStarted = (error: RpcError): CommandError | RpcError => {
    if (!ServerTexts.isNotSpawned(error.detail)) return error
    const osError = ServerTexts.osErrorOf(error.detail)
    const meaning = osError === undefined ? undefined : OsErrors.meaningOf(rpc, osError)
    const reason = meaning === "notFound" || meaning === "permissionDenied" ? meaning : "notStarted"
    return new CommandError({ reason, program, detail: error.detail, ...Settings.defined({ osError }) })
  }
  yield* rpc.request("command/exec", params).pipe(
    Effect.catchTag("RpcError", (error) => Effect.fail(notStarted(error))),
    Effect.map(({ exitCode }): CommandExit => ({
      exitCode,
      isStdoutLimitReached: outputs.stdout.isLimitReached,
      isStderrLimitReached: outputs.stderr.isLimitReached
    })),
    Effect.onExit((exit) =>
      Effect.sync(() =>
        end(
          Exit.hasInterrupts(exit)
            ? Exit.fail(new TransportError({ reason: "closed", detail: "the command's scope has ended." }))
            : exit
        )
      )
    ),
    Effect.exit,
    Effect.forkScoped({ startImmediately: true })
  )

  const kill = call(rpc, "command/exec/terminate", { processId }).pipe(
    Effect.catchIf(
      (error) => error._tag === "RpcError" && ServerTexts.isNotRunning(error.detail),
      () => Effect.void
    )
  )
  // Closes before the fiber above, whose interruption would end the command too, but cannot say that it did not.
  yield* Effect.addFinalizer(() =>
    Deferred.isDoneUnsafe(ended)
      ? Effect.void
      : Effect.ignore(Effect.andThen(kill, Deferred.await(ended))).pipe(
        Effect.timeoutOption("2 seconds"),
        Effect.andThen(Effect.sync(() => {
          if (Deferred.isDoneUnsafe(ended)) return
          internals.report(
            `the command ${program} did not end within 2 seconds of its scope, and may still run. codex cannot end a ` +
              "command while it does not read what was written to its stdin."
          )
        }))
      )
  )

  // The server does not tell that a command runs. Any other answer than "not running" to a write of nothing does.
  const running = call(rpc, "command/exec/write", { processId, deltaBase64: "" }).pipe(
    Effect.catchIf(
      (error) => error._tag === "RpcError",
      (error) => ServerTexts.isNotRunning(error.detail) ? Deferred.await(ended) : Effect.void
    )
  )
  const started = Effect.asVoid(Effect.raceFirst(running, Deferred.await(ended)))

  let isStdinOpen = params.streamStdin === true || params.tty === true
  const write = Effect.fnUntraced(function*(bytes: Uint8Array, closeStdin: boolean) {
    if (!isStdinOpen) return yield* fail("stdinClosed", "its stdin is not open.")
    if (Deferred.isDoneUnsafe(ended)) return yield* fail("ended", "it has ended.")
    if (closeStdin) isStdinOpen = false
    // A write is answered once the server has room for it, which may take as long as the command.
    yield* call(rpc, "command/exec/write", { processId, deltaBase64: Base64.encode(bytes), closeStdin }, {
      timeout: Duration.infinity
    }).pipe(
      Effect.mapError((error) =>
        error._tag === "RpcError" && ServerTexts.isNotRunning(error.detail) ? fail("ended", "it has ended.") : error
      )
    )
  })
  const writeAll = Effect.fnUntraced(function*(data: string | Uint8Array) {
    yield* OptionKinds.checkArgument("data", data, {
      expected: "a string or a Uint8Array",
      fits: (u) => typeof u === "string" || u instanceof Uint8Array
    })
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
    for (let at = 0; at < bytes.length; at += maxWriteBytes) {
      yield* write(bytes.subarray(at, at + maxWriteBytes), false)
    }
  })
  const closeStdin = Effect.suspend(() =>
    isStdinOpen && !Deferred.isDoneUnsafe(ended)
      ? Effect.catchIf(write(none, true), (error) => error._tag === "CommandError", () => Effect.void)
      : Effect.void
  )

  return {
    started,
    process: {
      write: Effect.fn("Process.write")(writeAll),
      closeStdin: Effect.withSpan(closeStdin, "Process.closeStdin"),
      stdin: Sink.forEachArray((all: ReadonlyArray<string | Uint8Array>) => writeAll(joined(all))).pipe(
        Sink.onExit((exit) => Exit.isSuccess(exit) ? closeStdin : Effect.void)
      ),
      stdout: outputs.stdout.stream,
      stderr: outputs.stderr.stream,
      exit: Deferred.await(ended),
      kill: Effect.withSpan(kill, "Process.kill"),
      resize: Effect.fn("Process.resize")(function*(size) {
        yield* OptionKinds.checkArgument("size", size, { ...terminalSize, fits: isSize })
        if (params.tty !== true) return yield* fail("noTerminal", "it has no terminal.")
        // For a moment codex refuses with another text.
        if (Deferred.isDoneUnsafe(ended)) return yield* fail("ended", "it has ended.")
        yield* call(rpc, "command/exec/resize", { processId, size: sizeOf(size) }).pipe(
          Effect.mapError((error) =>
            error._tag === "RpcError" && ServerTexts.isNotRunning(error.detail) ? fail("ended", "it has ended.") : error
          )
        )
      })
    }
  }
})

/** One piece for all: each write counts against the few that the server keeps for a command that does not read. */
const joined = (all: ReadonlyArray<string | Uint8Array>): string | Uint8Array => {
  const [first] = all
  if (all.length === 1 && first !== undefined) return first
  const pieces = all.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece)
  return concatenated(pieces)
}

const concatenated = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

const textOf = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<string, E> =>
  Effect.map(Stream.runCollect(stream), (pieces) => new TextDecoder().decode(concatenated(pieces)))

export const make = (rpc: Rpc): Pick<Workspace["Service"], "exec" | "run"> => ({
  exec: Effect.fn("Workspace.exec")(function*(command, options) {
    const [{ process }] = yield* inOwnScope(
      Effect.tap(start(rpc, command, options ?? {}), ({ started }) => started)
    )
    return process
  }),
  run: Effect.fn("Workspace.run")(function*(command, options) {
    const { stdin, ...rest } = options ?? {}
    const { process } = yield* start(rpc, command, { ...rest, stdin: stdin !== undefined })
    if (stdin !== undefined) {
      // A command need not read its stdin. What else can fail here, `exit` fails with.
      yield* Effect.forkScoped(Effect.ignore(Effect.andThen(process.write(stdin), process.closeStdin)))
    }
    const [stdout, stderr, exit] = yield* Effect.all(
      [textOf(process.stdout), textOf(process.stderr), process.exit],
      { concurrency: "unbounded" }
    )
    return {
      exitCode: exit.exitCode,
      stdout,
      stderr,
      isLimitReached: exit.isStdoutLimitReached || exit.isStderrLimitReached
    }
  }, Effect.scoped)
})
