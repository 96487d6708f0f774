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
import { type Line, line, type Look, render, type Row, span } from "./lines.ts"
import { safe } from "./text.ts"

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
  /** How lines look on stdout. Undefined if text is to be written as it is: no terminal, or one without colours. */
  readonly rich: Look | undefined
  /** The columns of stdout, if it has any. */
  readonly columns: number | undefined
  /** Writes to stdout and waits for the write to finish. A terminal gets it without what it would obey. */
  readonly answer: (text: string) => Effect.Effect<void, StdoutClosed | StdoutFailed>
  /** Writes lines to stdout, with colours if it has them, and waits for the write to finish. */
  readonly answerLines: (lines: ReadonlyArray<Line>) => Effect.Effect<void, StdoutClosed | StdoutFailed>
  /** Writes a line to stderr. Never waits or fails, even if the reader of stderr is gone. */
  readonly line: (text: string | Line) => Effect.Effect<void>
  readonly lineUnsafe: (text: string | Line) => void
  /** Writes each warning once: several starts of codex repeat warnings about the machine. */
  readonly warn: (text: string) => Effect.Effect<void>
  /** Shows or replaces the status line, or removes it with `undefined`. `render` receives the width in columns. */
  readonly status: (render: ((columns: number) => string) | undefined) => Effect.Effect<void>
  /**
   * Shows or replaces the row at the bottom of stdout in which a person types, or removes it with `undefined`. It stays
   * below everything that is written, and unlike the status it needs no colours. Answers must then be whole lines.
   */
  readonly row: (render: ((columns: number) => Row) | undefined) => Effect.Effect<void>
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

type Env = Readonly<Record<string, string | undefined>>

const isSet = (value: string | undefined): boolean =>
  value !== undefined && value !== "" && value !== "0" && value.toLowerCase() !== "false"

// The rules of effect/cli, for each output by itself.
const lookOf = (output: Output, env: Env): Look => {
  const isForced = isSet(env["FORCE_COLOR"])
  const given = Number(env["COLUMNS"])
  return {
    colors: env["TERM"] !== "dumb" && (env["NO_COLOR"] ?? "") === "" &&
      (isForced || (output.isTTY === true && !isSet(env["CI"]))),
    // A terminal without a known size reports 0 columns.
    columns: output.isTTY === true
      ? output.columns || 80
      : Number.isSafeInteger(given) && given > 0
      ? given
      : undefined
  }
}

const warning = (text: string): Line => line(span("warning:", "yellow"), ` ${text}`)

export const make = (options: {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Env
}): Screen["Service"] => {
  const { env, stderr, stdout } = options
  // Nobody watches a terminal of CI, and its log keeps every status.
  const isLive = stderr.isTTY === true && env["TERM"] !== "dumb" && (env["NO_COLOR"] ?? "") === "" && !isSet(env["CI"])
  const isShared = stderr.isTTY === true && stdout.isTTY === true
  /** The status line on the terminal. */
  let shown = ""
  /** Whether the answer has left the cursor in the middle of a line. */
  let midLine = false

  /** The row of the person, and what of it is on the terminal. */
  let row: ((columns: number) => Row) | undefined
  let shownRow = ""

  const warned = new Set<string>()

  const clear = () => {
    if (shown !== "") stderr.write(erase)
    shown = ""
    if (shownRow !== "") stdout.write(erase)
    shownRow = ""
  }
  const drawRow = () => {
    if (row === undefined || midLine || kept !== undefined) return
    const { column, line } = row(stdout.columns || 80)
    const text = `${render(line, lookOf(stdout, env))[0] ?? ""}\r${column === 0 ? "" : `\u001b[${column}C`}`
    if (text === shownRow) return
    stdout.write(erase + text)
    shownRow = text
  }
  const free = Latch.makeUnsafe(true)
  /** The lines kept while the terminal is reserved. Unbounded but few, because the answer waits. */
  let kept: Array<string | Line> | undefined
  const lineUnsafe = (given: string | Line) => {
    if (kept !== undefined) return void kept.push(given)
    clear()
    const text = typeof given === "string" ? safe(given) : render(given, lookOf(stderr, env)).join("\n")
    stderr.write(`${isShared && midLine ? "\n" : ""}${text}\n`)
    if (isShared) midLine = false
    drawRow()
  }
  // Errors reach the callbacks of `write`; an `error` event without a listener would end the process.
  stdout.on("error", () => {})
  stderr.on("error", () => {})

  const write = (text: string): Effect.Effect<void, StdoutClosed | StdoutFailed> => {
    if (text === "") return Effect.void
    const written: Effect.Effect<void, StdoutClosed | StdoutFailed> = Effect.callback((resume) => {
      // Checked again after the wait: another question may have reserved the terminal first.
      if (kept !== undefined) return resume(Effect.andThen(free.await, written))
      clear()
      midLine = stdout.isTTY === true && !text.endsWith("\n")
      stdout.write(text, (error) => {
        if (error === null || error === undefined) return resume(Effect.void)
        const code = "code" in error ? error.code : undefined
        const isClosed = code === "EPIPE" || code === "ERR_STREAM_DESTROYED"
        resume(isClosed ? new StdoutClosed() : new StdoutFailed({ cause: error }))
      })
      drawRow()
    })
    return written
  }
  const look = lookOf(stdout, env)

  return Screen.of({
    isLive,
    rich: look.colors ? look : undefined,
    columns: look.columns,
    // A carriage return would write over what is there.
    answer: (text) => write(stdout.isTTY === true ? safe(text.replace(/\r/g, "")) : text),
    answerLines: (lines) => write(lines.map((line) => `${render(line, lookOf(stdout, env)).join("\n")}\n`).join("")),
    line: (text) => Effect.sync(() => lineUnsafe(text)),
    lineUnsafe,
    warn: (text) =>
      Effect.sync(() => {
        if (warned.has(text)) return
        warned.add(text)
        lineUnsafe(warning(text))
      }),
    status: (status) =>
      Effect.sync(() => {
        if (!isLive || (isShared && midLine) || kept !== undefined) return
        if (status === undefined) return clear()
        // A terminal without a known size reports 0 columns.
        const text = safe(status(stderr.columns || 80))
        if (text === shown) return
        stderr.write(erase + text)
        shown = text
      }),
    row: (render) =>
      Effect.sync(() => {
        row = render
        if (render === undefined && kept === undefined) clear()
        drawRow()
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
            drawRow()
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
  status: () => Effect.void,
  row: () => Effect.void
})

export const layer: Layer.Layer<Screen> = Layer.sync(
  Screen,
  () => make({ stdout: process.stdout, stderr: process.stderr, env: process.env })
)
