import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as Screen from "../src/internal/screen.ts"

const erase = "\r\u001b[2K"

const make = (
  options: { readonly terminals: ReadonlyArray<"stdout" | "stderr">; readonly env?: Record<string, string> }
) => {
  // In the order in which a terminal would get it.
  const written: Array<string> = []
  const output = (name: "stdout" | "stderr") => ({
    isTTY: options.terminals.includes(name),
    columns: 40,
    on: () => {},
    write: (text: string, done?: (error?: Error | null) => void) => {
      written.push(`${name === "stdout" ? "> " : ""}${text}`)
      done?.()
      return true
    }
  })
  const screen = Screen.make({ stdout: output("stdout"), stderr: output("stderr"), env: options.env ?? {} })
  return { screen, written }
}

const session = (screen: Screen.Screen["Service"]) =>
  Effect.gen(function*() {
    yield* screen.status((columns) => `thinking in ${columns}`)
    yield* screen.status((columns) => `thinking in ${columns}`)
    yield* screen.line("ran `ls`")
    yield* screen.status(() => "writing")
    yield* screen.answer("Hel")
    yield* screen.status(() => "writing on")
    yield* screen.line("warning: careful")
    yield* screen.answer("lo\n")
    yield* screen.status(() => "thinking")
    yield* screen.status(undefined)
  })

describe("the screen", () => {
  it.effect("keeps the status off a line of the answer", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stdout", "stderr"] })
      yield* session(screen)
      assert.deepStrictEqual(written, [
        `${erase}thinking in 40`,
        erase,
        "ran `ls`\n",
        `${erase}writing`,
        erase,
        "> Hel",
        "\nwarning: careful\n",
        "> lo\n",
        `${erase}thinking`,
        erase
      ])
    }))

  it.effect("shows the status all the time when the answer goes elsewhere", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stderr"] })
      yield* session(screen)
      assert.deepStrictEqual(written.slice(-7), [
        "> Hel",
        `${erase}writing on`,
        erase,
        "warning: careful\n",
        "> lo\n",
        `${erase}thinking`,
        erase
      ])
    }))

  it.effect("has no status without a terminal that can erase", () =>
    Effect.gen(function*() {
      for (
        const options of [
          { terminals: [] },
          { terminals: ["stdout"] },
          { terminals: ["stdout", "stderr"], env: { TERM: "dumb" } },
          { terminals: ["stderr"], env: { NO_COLOR: "1" } }
        ] as const
      ) {
        const { screen, written } = make(options)
        yield* session(screen)
        assert.isFalse(screen.isLive)
        assert.notInclude(written.join(""), "\u001b")
        assert.notInclude(written.join(""), "thinking")
      }
    }))

  it.effect("lets nothing through that a terminal would obey", () =>
    Effect.gen(function*() {
      const terminal = make({ terminals: ["stdout", "stderr"] })
      yield* terminal.screen.answer("a\u001b]0;title\u0007b\tc\r\n")
      yield* terminal.screen.line("\u001b[31mred")
      assert.deepStrictEqual(terminal.written, ["> a\\u{1b}]0;title\\u{7}b\tc\n", "\\u{1b}[31mred\n"])
      const pipe = make({ terminals: [] })
      yield* pipe.screen.answer("a\u001b[31m\r\n")
      assert.deepStrictEqual(pipe.written, ["> a\u001b[31m\r\n"])
    }))

  it.effect("is left alone while it is reserved, and catches up afterwards", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stdout", "stderr"] })
      yield* screen.status(() => "thinking")
      yield* screen.answer("Hel")
      const answering = yield* screen.reserve(Effect.gen(function*() {
        written.push("?")
        yield* screen.status(() => "writing")
        yield* screen.line("ran `ls`")
        yield* screen.warn("careful")
        const answering = yield* Effect.forkScoped(screen.answer("lo\n"), { startImmediately: true })
        written.push("!\n")
        return answering
      }))
      yield* Fiber.join(answering)
      yield* screen.status(() => "done")
      assert.deepStrictEqual(written, [
        `${erase}thinking`,
        erase,
        "> Hel",
        "> \n",
        "?",
        "!\n",
        "ran `ls`\n",
        "\u001b[33mwarning:\u001b[0m careful\n",
        "> lo\n",
        `${erase}done`
      ])
    }))

  it.effect("begins a line of its own for a question when only the answer is on the terminal", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stdout"] })
      yield* screen.answer("Hel")
      yield* screen.line("ran `ls`")
      yield* screen.reserve(Effect.sync(() => written.push("?\n")))
      assert.deepStrictEqual(written, ["> Hel", "ran `ls`\n", "> \n", "?\n"])
    }))

  it.effect("is free again after an interruption", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stdout", "stderr"] })
      const reserving = yield* Effect.forkScoped(screen.reserve(Effect.never), { startImmediately: true })
      yield* screen.line("kept")
      yield* Fiber.interrupt(reserving)
      yield* screen.answer("on\n")
      assert.deepStrictEqual(written, ["kept\n", "> on\n"])
    }))

  it.effect("warns once", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: [] })
      yield* screen.warn("careful")
      yield* screen.warn("careful")
      assert.deepStrictEqual(written, ["warning: careful\n"])
    }))

  it.effect("keeps the row of the person below what is written", () =>
    Effect.gen(function*() {
      const { screen, written } = make({ terminals: ["stdout", "stderr"], env: { NO_COLOR: "1" } })
      const row = (text: string) =>
        screen.row((columns) => ({ line: { spans: [{ text: `${text} ${columns}` }], isRigid: true }, column: 2 }))
      const shown = (text: string) => `> ${erase}${text} 40\r\u001b[2C`
      yield* row(">")
      yield* row(">")
      yield* screen.line("ran `ls`")
      yield* screen.answer("Hello.\n")
      const gate = yield* Deferred.make<void>()
      const asking = yield* screen.reserve(Deferred.await(gate)).pipe(Effect.forkScoped({ startImmediately: true }))
      yield* row("> a")
      yield* screen.line("ran more")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(asking)
      yield* screen.row(undefined)
      assert.deepStrictEqual(written, [
        shown(">"),
        `> ${erase}`,
        "ran `ls`\n",
        shown(">"),
        `> ${erase}`,
        "> Hello.\n",
        shown(">"),
        // The question has the terminal.
        `> ${erase}`,
        "ran more\n",
        shown("> a"),
        `> ${erase}`
      ])
    }))
})
