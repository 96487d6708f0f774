/**
 * Reads stdin to its end, with bounded memory. Prints a message if stdin does not end soon, because a program that
 * waits silently seems to hang.
 */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Screen } from "./screen.ts"

/**
 * At most 4 bytes for each character: docs/codex-behaviour.md, "The text of an input has at most 1,048,576 characters".
 * codex itself counts the characters of the whole prompt.
 */
const maxBytes = 4 * 1_048_576

/**
 * Reads all of stdin as text.
 *
 * @param argument the argument that errors name
 * @param waiting the message to print if stdin does not end within a second
 */
export const read = Effect.fnUntraced(function*(argument: string, waiting: string) {
  const { stdin } = yield* Stdio.Stdio
  const { line } = yield* Screen
  const invalid = (detail: string) => new InvalidArgument({ argument, detail })

  const chunks: Array<Uint8Array> = []
  let length = 0
  const reading = Stream.runForEach(stdin, (chunk) => {
    length += chunk.length
    if (length > maxBytes) {
      return Effect.fail(
        invalid("stdin is longer than the 1,048,576 characters that codex accepts. Name a file in the prompt instead.")
      )
    }
    chunks.push(chunk)
    return Effect.void
  }).pipe(
    Effect.catchTag("PlatformError", ({ message }) => Effect.fail(invalid(`stdin cannot be read: ${message}`)))
  )
  yield* Effect.raceFirst(reading, Effect.andThen(Effect.delay(line(waiting), "1 second"), Effect.never))

  return yield* Effect.try({
    try: () => decode(Buffer.concat(chunks)),
    catch: () => invalid("stdin is not UTF-8. Convert it first, for example with `iconv -f ISO-8859-1 -t UTF-8`.")
  })
})

// A byte order mark selects UTF-16 and is not part of the text, as in `codex exec`.
const decode = (bytes: Uint8Array): string => {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8"
  return new TextDecoder(encoding, { fatal: true }).decode(bytes)
}
