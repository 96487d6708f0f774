/** Lines as stores keep them. */
import * as Arr from "effect/Array"
import type { SessionLines } from "../SessionStore.ts"

/** No chunk of a loaded file is larger, in bytes, unless a single line is. */
export const chunkBytes = 1024 * 1024

/** codex writes UTF-8, so half a surrogate pair never comes from a file. A store keeps what UTF-8 can say. */
export const wellFormed = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => line.toWellFormed())

/** Cuts items into runs of at most `chunkBytes` and `count` items; an item that is larger is a run of its own. */
export function* runsOf<A>(
  items: Iterable<A>,
  bytesOf: (item: A) => number,
  count = Number.POSITIVE_INFINITY
): Generator<Arr.NonEmptyArray<A>> {
  let run: Array<A> = []
  let total = 0
  for (const item of items) {
    const bytes = bytesOf(item)
    if (Arr.isArrayNonEmpty(run) && (run.length === count || total + bytes > chunkBytes)) {
      yield run
      run = []
      total = 0
    }
    run.push(item)
    total += bytes
  }
  if (Arr.isArrayNonEmpty(run)) yield run
}

/** The chunks of a file whose lines are all at hand. */
export function* chunksOf(threadId: string, file: string, lines: ReadonlyArray<string>): Generator<SessionLines> {
  let line = 0
  for (const run of runsOf(lines, (text) => Buffer.byteLength(text))) {
    yield { threadId, file, line, lines: run }
    line += run.length
  }
}
