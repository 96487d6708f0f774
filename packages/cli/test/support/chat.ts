/** A person who chats at a pseudo-terminal. */
import type { CodexHome } from "@effect-codex/testing"
import { ScriptedModel } from "@effect-codex/testing"
import { Effect, FileSystem, Schedule } from "effect"
import { dirname, join } from "node:path"
import * as Cli from "./cli.ts"
import * as Person from "./terminal.ts"

export const keys = {
  enter: "\r",
  ctrlC: "\u0003",
  ctrlD: "\u0004",
  ctrlU: "\u0015",
  up: "\u001b[A",
  pasteStart: "\u001b[200~",
  pasteEnd: "\u001b[201~"
} as const

/** What a terminal is told so that it no longer marks pastes. */
export const pastesOff = "\u001b[?2004l"

/** What a person sees in the end: the row that was typed in is gone. */
const rowsOf = (stdout: string): ReadonlyArray<string> =>
  Person.seen(stdout.replaceAll("\r\n", "\n").replaceAll(/\r\u001b\[\d+C|\u001b\[\?2004[hl]/g, ""))

/** Starts a chat of somebody whose codex talks to this model, and waits until it takes messages. */
export const start = Effect.fnUntraced(function*(
  options: ScriptedModel.Options,
  given?: {
    readonly args?: ReadonlyArray<string>
    readonly codex?: CodexHome.Options
    readonly columns?: number
    readonly env?: Record<string, string>
    readonly home?: string
    readonly files?: Record<string, string>
  }
) {
  const model = yield* ScriptedModel.make(options)
  const home = given?.home ?? (yield* Cli.user(model, given?.codex))
  const fs = yield* FileSystem.FileSystem
  for (const [name, text] of Object.entries(given?.files ?? {})) {
    yield* fs.makeDirectory(dirname(join(home, name)), { recursive: true })
    yield* fs.writeFileString(join(home, name), text)
  }
  const cli = yield* Cli.startOnTerminal(["chat", ...given?.args ?? []], {
    home,
    columns: given?.columns,
    env: given?.env
  })
  yield* cli.stdoutHas("/help lists what you can do")
  return {
    home,
    model,
    has: cli.stdoutHas,
    type: cli.write,
    send: (text: string) => cli.write(`${text}${keys.enter}`),
    /** Presses a key again and again, because keys right after a question appears do not count. */
    until: (key: string, part: string) =>
      Effect.raceFirst(
        cli.stdoutHas(part),
        Effect.andThen(Effect.repeat(cli.write(key), Schedule.spaced("400 millis")), Effect.never)
      ),
    ended: Effect.map(cli.ended, ({ code, stdout }) => ({ code, stdout, rows: rowsOf(stdout) }))
  }
})
