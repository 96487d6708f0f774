/** The lines of stdin where it is no terminal, or one that edits lines itself. With bounded memory. */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/** codex accepts no more in a message. */
const maxLength = 1_048_576

const invalid = (detail: string) => new InvalidArgument({ argument: "stdin", detail })

/** Runs an effect for each line, one after another. */
export const forEachLine = Effect.fnUntraced(function*<E, R>(f: (line: string) => Effect.Effect<void, E, R>) {
  const { stdin } = yield* Stdio.Stdio
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let pending = ""
  const decode = (chunk?: Uint8Array) =>
    Effect.try({
      try: () => chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true }),
      catch: () => invalid("it is not UTF-8.")
    })
  yield* stdin.pipe(
    Stream.catchTag("PlatformError", ({ message }) => Stream.fail(invalid(`it cannot be read: ${message}`))),
    Stream.runForEach((chunk) =>
      Effect.gen(function*() {
        const lines = (pending + (yield* decode(chunk))).split("\n")
        pending = lines.pop() ?? ""
        if (pending.length > maxLength) {
          return yield* invalid("a line is longer than the 1,048,576 characters that codex accepts.")
        }
        yield* Effect.forEach(lines, (line) => f(line.replace(/\r$/, "")), { discard: true })
      })
    )
  )
  const last = pending + (yield* decode())
  if (last !== "") yield* f(last)
})
