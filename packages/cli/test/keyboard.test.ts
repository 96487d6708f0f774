import { assert, describe, it } from "@effect/vitest"
import { type Cause, Effect, Exit, Option, Queue, Terminal } from "effect"
import { TestClock } from "effect/testing"
import * as Keyboard from "../src/internal/chat/keyboard.ts"

const keyOf = (name: string, ctrl = false): Terminal.UserInput => ({
  input: Option.some(name),
  key: { name, ctrl, meta: false, shift: false }
})

/** A keyboard on which keys are pressed one by one. */
const make = Effect.gen(function*() {
  const keys = yield* Queue.make<Terminal.UserInput, Cause.Done>()
  const terminal = Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(40),
    size: Effect.die("nobody asks"),
    readLine: Effect.die("nobody asks"),
    readInput: Effect.succeed(keys),
    display: () => Effect.void
  })
  const keyboard = yield* Effect.provideService(Keyboard.make, Terminal.Terminal, terminal)
  const message: Array<string> = []
  yield* keyboard.run(({ name }) => void message.push(name)).pipe(Effect.forkScoped({ startImmediately: true }))
  return {
    message,
    terminal: keyboard.terminal,
    textTerminal: keyboard.textTerminal,
    hangUp: Effect.andThen(Queue.end(keys), Effect.yieldNow),
    press: (name: string, ctrl = false) =>
      Effect.andThen(
        Queue.offer(keys, keyOf(name, ctrl)),
        TestClock.adjust(1)
      ),
    together: (...names: ReadonlyArray<string>) =>
      Effect.andThen(Queue.offerAll(keys, names.map((name) => keyOf(name))), TestClock.adjust(1))
  }
})

const taken = (queue: Queue.Dequeue<Terminal.UserInput, Cause.Done>) =>
  Effect.map(Queue.clear(queue), (inputs) => inputs.map(({ key }) => key.name))

describe("the keys of a terminal", () => {
  it.effect("go to a question, once the sentence that is being typed is over", () =>
    Effect.gen(function*() {
      const { message, press, terminal } = yield* make
      yield* press("o")
      const question = yield* terminal.readInput
      yield* press("y")
      yield* TestClock.adjust(700)
      yield* press("a")
      assert.deepStrictEqual(message, ["o", "y", "a"])
      yield* TestClock.adjust(1000)
      yield* press("y")
      yield* press("y")
      assert.deepStrictEqual(yield* taken(question), ["y", "y"])
      assert.deepStrictEqual(message, ["o", "y", "a"])
    }))

  it.effect("go to it at once after Enter, and Ctrl-C always", () =>
    Effect.gen(function*() {
      const { press, terminal } = yield* make
      yield* press("return")
      const first = yield* terminal.readInput
      yield* press("y")
      assert.deepStrictEqual(yield* taken(first), ["y"])
      const second = yield* terminal.readInput
      yield* press("c", true)
      assert.deepStrictEqual(yield* taken(second), ["c"])
    }))

  it.effect("never answer it with a paste", () =>
    Effect.gen(function*() {
      const { message, press, terminal } = yield* make
      const question = yield* terminal.readInput
      for (const name of ["paste-start", "y", "return", "paste-end"]) yield* press(name)
      assert.deepStrictEqual(yield* taken(question), [])
      assert.deepStrictEqual(message, ["paste-start", "y", "return", "paste-end"])
      yield* TestClock.adjust(1000)
      yield* press("n")
      assert.deepStrictEqual(yield* taken(question), ["n"])
    }))

  it.effect("never answer it with a paste that the terminal does not mark", () =>
    Effect.gen(function*() {
      const { message, press, terminal, together } = yield* make
      const question = yield* terminal.readInput
      yield* together("y", "e", "s")
      assert.deepStrictEqual(yield* taken(question), [])
      assert.deepStrictEqual(message, ["y", "e", "s"])
      yield* TestClock.adjust(1000)
      yield* press("n")
      assert.deepStrictEqual(yield* taken(question), ["n"])
    }))

  it.effect("may be a paste where a text is asked for", () =>
    Effect.gen(function*() {
      const { message, press, textTerminal } = yield* make
      const question = yield* textTerminal.readInput
      for (const name of ["paste-start", "y", "paste-end"]) yield* press(name)
      assert.deepStrictEqual(yield* taken(question), ["paste-start", "y", "paste-end"])
      assert.deepStrictEqual(message, [])
    }))

  it.effect("stay together in a paste, whatever question appears or closes meanwhile", () =>
    Effect.gen(function*() {
      const { message, press, textTerminal } = yield* make
      yield* press("paste-start")
      yield* press("return")
      yield* Effect.scoped(Effect.gen(function*() {
        const question = yield* textTerminal.readInput
        yield* TestClock.adjust(1000)
        for (const name of ["y", "return", "paste-end"]) yield* press(name)
        assert.deepStrictEqual(yield* taken(question), [])
        assert.deepStrictEqual(message.splice(0), ["paste-start", "return", "y", "return", "paste-end"])
        yield* TestClock.adjust(1000)
        yield* press("paste-start")
        assert.deepStrictEqual(yield* taken(question), ["paste-start"])
      }))
      // Nor do they answer the next one.
      const next = yield* textTerminal.readInput
      for (const name of ["y", "return", "paste-end"]) yield* press(name)
      assert.deepStrictEqual(yield* taken(next), [])
      assert.deepStrictEqual(message, [])
    }))

  it.effect("are no message while they finish the answer to a question that is over", () =>
    Effect.gen(function*() {
      const { message, press, textTerminal } = yield* make
      yield* Effect.scoped(Effect.andThen(textTerminal.readInput, press("s")))
      for (const name of ["e", "c", "return"]) yield* press(name)
      assert.deepStrictEqual(message, [])
      yield* press("o")
      assert.deepStrictEqual(message.splice(0), ["o"])
      // Ctrl-C is never lost, and after a pause a new sentence begins.
      yield* TestClock.adjust(1000)
      yield* Effect.scoped(Effect.andThen(textTerminal.readInput, press("s")))
      yield* press("c", true)
      assert.deepStrictEqual(message.splice(0), ["c"])
      yield* TestClock.adjust(1000)
      yield* Effect.scoped(Effect.andThen(textTerminal.readInput, press("s")))
      yield* TestClock.adjust(1000)
      yield* press("h")
      // An answer that was given leaves nothing over.
      yield* TestClock.adjust(1000)
      for (const end of ["return", "escape"]) {
        yield* Effect.scoped(Effect.andThen(textTerminal.readInput, press(end)))
        yield* press("m")
        yield* TestClock.adjust(1000)
      }
      assert.deepStrictEqual(message, ["h", "m", "m"])
    }))

  it.effect("end for the question too when the terminal is gone", () =>
    Effect.gen(function*() {
      const { hangUp, terminal } = yield* make
      const question = yield* terminal.readInput
      yield* hangUp
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Queue.take(question))))
    }))

  it.effect("belong to the message again when the question is over", () =>
    Effect.gen(function*() {
      const { message, press, terminal } = yield* make
      yield* Effect.scoped(terminal.readInput)
      yield* press("y")
      assert.deepStrictEqual(message, ["y"])
    }))
})
