import { type Cause, Effect, Option, Queue, Terminal } from "effect"
import * as Screen from "../../src/internal/screen.ts"

/** A terminal with a person at it who is a script. It is stdout, stderr and the keyboard in one, as a real one is. */
export const make = (options?: { readonly columns?: number | undefined }) => {
  const columns = options?.columns ?? 100
  let text = ""
  let waiting: Array<() => void> = []
  const readers = new Set<Queue.Queue<Terminal.UserInput, Cause.Done>>()

  const write = (part: string) => {
    text += part
    for (const check of waiting) check()
  }
  const output = {
    isTTY: true,
    columns,
    on: () => {},
    write: (part: string, done?: (error?: Error | null) => void) => {
      write(part)
      done?.()
      return true
    }
  }

  const terminal = Terminal.make({
    columns: Effect.succeed(columns),
    rows: Effect.succeed(40),
    size: Effect.die("nobody asks"),
    readLine: Effect.die("nobody asks"),
    readInput: Effect.acquireRelease(
      Effect.tap(Queue.make<Terminal.UserInput, Cause.Done>(), (queue) => Effect.sync(() => readers.add(queue))),
      (queue) => Effect.sync(() => readers.delete(queue))
    ),
    display: (part) => Effect.sync(() => write(part))
  })

  return {
    terminal,
    screen: Screen.make({ stdout: output, stderr: output, env: {} }),
    /** Everything that was written. */
    text: () => text,
    /** Waits until a text was written that often. */
    has: (part: string, times = 1) =>
      Effect.callback<void>((resume) => {
        const check = () => {
          if (text.split(part).length > times) resume(Effect.void)
        }
        waiting.push(check)
        check()
      }).pipe(
        Effect.timeout("30 seconds"),
        Effect.tapError(() => Effect.logError(`It never said ${JSON.stringify(part)} but ${JSON.stringify(text)}.`))
      ),
    /** Whether keys are read at the moment. */
    isReading: () => readers.size > 0,
    press: (name: string, modifiers?: { readonly ctrl?: boolean }) =>
      Effect.sync(() => {
        if (readers.size !== 1) throw new Error(`${readers.size} readers of the keyboard`)
        for (const queue of readers) {
          Queue.offerUnsafe(queue, {
            input: Option.some(name),
            key: { name, ctrl: modifiers?.ctrl ?? false, meta: false, shift: false }
          })
        }
      }),
    /** The line is cut. */
    hangUp: Effect.sync(() => readers.forEach((queue) => Queue.endUnsafe(queue)))
  }
}

/** What a person sees in the end: what was erased is gone. Colours are left out. */
export const seen = (text: string): ReadonlyArray<string> =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/\u001b\[[\d;]*m/g, "").split("\n").map((line) =>
    line.replace(/^.*\r\u001b\[2K/s, "").replace(/\u001b\[\?25h/g, "").trimEnd()
  )
