/** Runs a PostgreSQL of its own until stdin ends. Prints how to reach it. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { make } from "../../../cluster/test/support/postgres.ts"

const program = Effect.gen(function*() {
  const { options } = yield* make
  Fs.writeSync(1, `${JSON.stringify(options)}\n`)
  yield* Effect.callback<void>((resume) => {
    process.stdin.once("end", () => resume(Effect.void)).resume()
  })
})

await Effect.runPromise(Effect.scoped(program))
