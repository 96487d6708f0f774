/**
 * Reads the prompt from an argument, stdin, or both: docs/codex-behaviour.md, "codex exec puts stdin behind the
 * prompt".
 */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { Screen } from "./screen.ts"
import * as Stdin from "./stdin.ts"

const howTo = `Give it as an argument, effect-codex run "Say hello.", or on stdin.`

const invalid = (detail: string) => new InvalidArgument({ argument: "prompt", detail: `${detail} ${howTo}` })

export const read = Effect.fnUntraced(function*(argument: Option.Option<string>) {
  const { stdinIsTerminal } = yield* Stdio.Stdio
  const isTerminal = yield* stdinIsTerminal

  if (Option.isSome(argument) && argument.value !== "-") {
    const asked = argument.value
    if (asked.trim() === "") return yield* invalid("it is empty.")
    if (isTerminal) return asked
    const more = yield* Stdin.read(
      "prompt",
      "Reading stdin to its end, to add it to the prompt. If there is nothing to add, run with `< /dev/null`."
    )
    return more.trim() === "" ? asked : `${asked}\n\n<stdin>\n${more}${more.endsWith("\n") ? "" : "\n"}</stdin>`
  }

  if (isTerminal) {
    if (Option.isNone(argument)) return yield* invalid("there is none.")
    const { line } = yield* Screen
    yield* line("Reading the prompt from the terminal. End it with Ctrl-D at the start of a line.")
  }
  const prompt = yield* Stdin.read("prompt", "Reading the prompt from stdin to its end.")
  if (prompt.trim() === "") return yield* invalid("it is empty.")
  return prompt
})
