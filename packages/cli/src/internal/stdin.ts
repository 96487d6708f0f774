/**
 * What a user pipes in, read to its end. Memory is bounded, and a stdin that does not end is told, since a program that
 * waits in silence looks as if it hangs.
 */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Screen } from "./screen.ts"

/** codex takes 1,048,576 characters, of at most 4 bytes each. It counts them itself, with the rest of the prompt. */
const maxBytes = 4 * 1_048_576

/** Reads all of stdin as text, for an argument that its errors name. `waiting` is told when stdin does not end soon. */
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
        invalid("stdin is more than codex takes, which is 1,048,576 characters. Name a file in the prompt instead.")
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

// As `codex exec` reads it (measured on 0.169): a mark at the beginning tells UTF-16 and is not part of the text.
const decode = (bytes: Uint8Array): string => {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8"
  return new TextDecoder(encoding, { fatal: true }).decode(bytes)
}
