/**
 * The keys of the terminal, for the message or for a question. While a question waits, the keys go to it, except those
 * of somebody who is in the middle of a sentence, and what is pasted, unless it asks for a text: neither can answer it
 * by accident.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Terminal from "effect/Terminal"
import { writeSync } from "node:fs"
import { now } from "../monotonic.ts"
import type { Key } from "./editor.ts"

export interface Keyboard {
  /** For questions that a key answers: its keys are those that are meant for them. */
  readonly terminal: Terminal.Terminal
  /** For questions that a text answers, which may be pasted. */
  readonly textTerminal: Terminal.Terminal
  /** Gives the keys of the message until the input ends. */
  readonly run: (onKey: (key: Key) => void) => Effect.Effect<void>
}

/** Milliseconds after a key in which a person still types a sentence. */
const sentence = 800

export const keyOf = ({ input, key }: Terminal.UserInput): Key => ({
  input: Option.getOrUndefined(input),
  name: key.name,
  ctrl: key.ctrl,
  meta: key.meta
})

export const make = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  const keys = yield* terminal.readInput
  let asking: {
    readonly queue: Queue.Queue<Terminal.UserInput, Cause.Done>
    readonly takesPastes: boolean
    isTyping: boolean
  } | undefined
  let lastAt = Number.NEGATIVE_INFINITY
  /** A paste that comes in: it ends where it began, even if a question appears or closes meanwhile. */
  let paste: { readonly to: typeof asking } | undefined
  /** Whether the last key was one in the middle of an answer. */
  let isAnswering = false
  /** Whether the question is over whose answer is still being typed. The rest of it must not be sent as a message. */
  let isLeftover = false

  const isForQuestion = ({ key: { ctrl, name } }: Terminal.UserInput, at: number, isAlone: boolean): boolean => {
    const isInterrupt = ctrl && name === "c"
    if (asking === undefined) return false
    // Not every terminal marks a paste, but its keys come together.
    if (!asking.takesPastes && (name === "paste-start" || (!isAlone && !isInterrupt))) return false
    if (at - lastAt > sentence || isInterrupt) asking.isTyping = false
    return !asking.isTyping
  }

  const give = (input: Terminal.UserInput, at: number, isAlone: boolean, onKey: (key: Key) => void): void => {
    const { ctrl, name } = input.key
    if (at - lastAt > sentence || ctrl || name === "paste-start") isLeftover = false
    const to = paste === undefined ? isForQuestion(input, at, isAlone) ? asking : undefined : paste.to
    if (name === "paste-start") paste ??= { to }
    const isEnter = name === "return" && paste === undefined
    isAnswering = to?.takesPastes === true && !isEnter && !ctrl && name !== "escape"
    // With Enter a sentence is over.
    lastAt = isEnter ? Number.NEGATIVE_INFINITY : at
    if (name === "paste-end") paste = undefined
    // The rest of a paste whose question is over goes nowhere either.
    if (to === undefined) { if (!isLeftover) onKey(keyOf(input)) }
    else if (to === asking) Queue.offerUnsafe(to.queue, input)
  }

  const terminalOf = (takesPastes: boolean) =>
    Terminal.make({
      columns: terminal.columns,
      rows: terminal.rows,
      size: terminal.size,
      readLine: terminal.readLine,
      display: terminal.display,
      readInput: Effect.acquireRelease(
        Effect.gen(function*() {
          // Unbounded, but of the keys that one person presses.
          const queue = yield* Queue.make<Terminal.UserInput, Cause.Done>()
          asking = { queue, takesPastes, isTyping: (yield* now) - lastAt < sentence }
          return queue
        }),
        (queue) =>
          Effect.sync(() => {
            if (asking?.queue !== queue) return
            asking = undefined
            isLeftover = isAnswering
          })
      )
    })

  const keyboard: Keyboard = {
    terminal: terminalOf(false),
    textTerminal: terminalOf(true),
    run: (onKey) =>
      Effect.gen(function*() {
        const inputs = yield* Queue.takeAll(keys)
        const at = yield* now
        for (const input of inputs) give(input, at, inputs.length === 1, onKey)
      }).pipe(
        Effect.forever,
        // The terminal is gone, or its input has ended.
        Effect.catchTag("Done", () =>
          Effect.sync(() => {
            if (asking !== undefined) Queue.endUnsafe(asking.queue)
          }))
      )
  }
  return keyboard
})

const pastesOn = "\u001b[?2004h"
const pastesOff = "\u001b[?2004l"

/** Has the terminal mark what is pasted, until the scope closes or the process exits. */
export const bracketedPaste = Effect.acquireRelease(
  Effect.sync(() => {
    process.stdout.write(pastesOn)
    // A second signal does not wait for the scope.
    const restore = () => {
      try {
        writeSync(1, pastesOff)
      } catch {
        // The terminal is gone.
      }
    }
    process.on("exit", restore)
    return restore
  }),
  (restore) =>
    Effect.sync(() => {
      process.off("exit", restore)
      process.stdout.write(pastesOff)
    })
)
