/**
 * The only place that writes to stdout and stderr. A status line stays at the bottom of the terminal and is erased
 * before anything else is written. A question reserves the terminal until it is answered.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"

/**
 * The reader of stdout is gone, as with `| head -1`. The program ends silently, with the exit code that shells use for
 * SIGPIPE.
 */
export class StdoutClosed extends Data.TaggedError("StdoutClosed") {
  override readonly [Runtime.errorExitCode] = 141
  override readonly [Runtime.errorReported] = false
}

/** Writing to stdout failed, for example because the disk is full. */
export class StdoutFailed extends Data.TaggedError("StdoutFailed")<{ readonly cause: Error }> {
  override get message(): string {
    return `stdout could not be written: ${this.cause.message}`
  }
}

export class Screen extends Context.Service<Screen, {
  /** Whether `status` has an effect. */
  readonly isLive: boolean
  /** Writes to stdout and waits for the write to finish. */
  readonly answer: (text: string) => Effect.Effect<void, StdoutClosed | StdoutFailed>
  /** Writes a line to stderr. Never waits or fails, even if the reader of stderr is gone. */
  readonly line: (text: string) => Effect.Effect<void>
  readonly lineUnsafe: (text: string) => void
  /** Writes each warning once: several starts of codex repeat warnings about the machine. */
  readonly warn: (text: string) => Effect.Effect<void>
  /** Shows or replaces the status line, or removes it with `undefined`. `render` receives the width in columns. */
  readonly status: (render: ((columns: number) => string) | undefined) => Effect.Effect<void>
  /**
   * Reserves the terminal for an effect, starting at the beginning of a line. Nothing else is written until the effect
   * ends: lines and warnings are kept, answers wait, and the status is hidden.
   */
  readonly reserve: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Waits until all output to stderr is written, for one second at most. */
  readonly drain: Effect.Effect<void>
}>()("@effect-codex/cli/Screen") {}

interface Output {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly write: (text: string, done?: (error?: Error | null) => void) => boolean
  readonly on: (event: "error", listener: () => void) => unknown
}

const erase = "\r\u001b[2K"

// Text from a model could move the cursor, change colors or set the clipboard.
const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/\r\n/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "")

export const make = (options: {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
}): Screen["Service"] => {
  const { env, stderr, stdout } = options
  const isLive = stderr.isTTY === true && env["TERM"] !== "dumb" && (env["NO_COLOR"] ?? "") === ""
  const isShared = stderr.isTTY === true && stdout.isTTY === true
  /** The status line on the terminal. */
  let shown = ""
  /** Whether the answer has left the cursor in the middle of a line. */
  let midLine = false

  const warned = new Set<string>()

  const clear = () => {
    if (shown !== "") stderr.write(erase)
    shown = ""
  }
  const free = Latch.makeUnsafe(true)
  /** The lines kept while the terminal is reserved. Unbounded but few, because the answer waits. */
  let kept: Array<string> | undefined
  const lineUnsafe = (text: string) => {
    if (kept !== undefined) return void kept.push(text)
    clear()
    stderr.write(`${isShared && midLine ? "\n" : ""}${printable(text)}\n`)
    if (isShared) midLine = false
  }
  // Errors reach the callbacks of `write`; an `error` event without a listener would end the process.
  stdout.on("error", () => {})
  stderr.on("error", () => {})

  return Screen.of({
    isLive,
    answer: (text) => {
      if (text === "") return Effect.void
      const write: Effect.Effect<void, StdoutClosed | StdoutFailed> = Effect.callback((resume) => {
        // Checked again after the wait: another question may have reserved the terminal first.
        if (kept !== undefined) return resume(Effect.andThen(free.await, write))
        clear()
        midLine = stdout.isTTY === true && !text.endsWith("\n")
        stdout.write(stdout.isTTY === true ? printable(text) : text, (error) => {
          if (error === null || error === undefined) return resume(Effect.void)
          const code = "code" in error ? error.code : undefined
          const isClosed = code === "EPIPE" || code === "ERR_STREAM_DESTROYED"
          resume(isClosed ? new StdoutClosed() : new StdoutFailed({ cause: error }))
        })
      })
      return write
    },
    line: (text) => Effect.sync(() => lineUnsafe(text)),
    lineUnsafe,
    warn: (text) =>
      Effect.sync(() => {
        if (warned.has(text)) return
        warned.add(text)
        lineUnsafe(`warning: ${text}`)
      }),
    status: (render) =>
      Effect.sync(() => {
        if (!isLive || (isShared && midLine) || kept !== undefined) return
        if (render === undefined) return clear()
        // A terminal without a known size reports 0 columns.
        const text = printable(render(stderr.columns || 80))
        if (text === shown) return
        stderr.write(erase + text)
        shown = text
      }),
    reserve: (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          clear()
          if (midLine) stdout.write("\n")
          midLine = false
          kept = []
          free.closeUnsafe()
        }),
        () => effect,
        () =>
          Effect.sync(() => {
            const lines = kept ?? []
            kept = undefined
            for (const line of lines) lineUnsafe(line)
            free.openUnsafe()
          })
      ),
    drain: Effect.callback<void>((resume) => {
      stderr.write("", () => resume(Effect.void))
    }).pipe(Effect.timeoutOption("1 second"), Effect.asVoid)
  })
}

/** The screen of `--quiet`: stdout, and nothing on stderr. */
export const quiet = (screen: Screen["Service"]): Screen["Service"] => ({
  ...screen,
  isLive: false,
  line: () => Effect.void,
  lineUnsafe: () => {},
  warn: () => Effect.void,
  status: () => Effect.void
})

export const layer: Layer.Layer<Screen> = Layer.sync(
  Screen,
  () => make({ stdout: process.stdout, stderr: process.stderr, env: process.env })
)
