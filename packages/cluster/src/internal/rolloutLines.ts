/** Reads the lines of a rollout, a bounded piece at a time. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"

const newline = 10

const pieceBytes = 1024 * 1024

const noBytes = new Uint8Array()

const readAt = (file: FileSystem.File, offset: number): Effect.Effect<Uint8Array, PlatformError> =>
  Effect.map(
    file.readAlloc(pieceBytes, { position: BigInt(offset) }),
    Option.getOrElse(() => noBytes)
  )

/** Whole lines without their ends, and how many bytes of the file they are. */
export interface Lines {
  readonly lines: ReadonlyArray<string>
  readonly bytes: number
}

const decode = (pieces: ReadonlyArray<Uint8Array>): string => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode()
}

/**
 * The whole lines from an offset on, of at most a MiB unless a single line is longer. Undefined when there is none:
 * what codex is writing, or a kill has cut, is no line yet.
 */
export const linesAt = Effect.fnUntraced(function*(file: FileSystem.File, offset: number) {
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  while (true) {
    const piece = yield* readAt(file, offset + bytes)
    if (piece.length === 0) return undefined
    const end = piece.lastIndexOf(newline)
    pieces.push(end < 0 ? piece : piece.subarray(0, end))
    bytes += end < 0 ? piece.length : end
    if (end < 0) continue
    return { lines: decode(pieces).split("\n"), bytes: bytes + 1 } satisfies Lines
  }
})

/** Where the first lines of a file end. */
export interface Place {
  /** How many lines there are, at most as many as were asked for. */
  readonly line: number
  /** The bytes of these lines. */
  readonly offset: number
  /** Where the last of them begins. */
  readonly last: number
}

/** Finds the end of the first `count` lines, or of all whole lines if there are fewer. */
export const placeOf = Effect.fnUntraced(function*(file: FileSystem.File, count: number) {
  let place: Place = { line: 0, offset: 0, last: 0 }
  let read = 0
  while (place.line < count) {
    const piece = yield* readAt(file, read)
    if (piece.length === 0) break
    let end = piece.indexOf(newline)
    while (end >= 0 && place.line < count) {
      place = { line: place.line + 1, offset: read + end + 1, last: place.offset }
      end = piece.indexOf(newline, end + 1)
    }
    read += piece.length
  }
  return place
})

/** How many bytes at the beginning of two files are the same. */
export const commonBytes = Effect.fnUntraced(function*(one: FileSystem.File, other: FileSystem.File) {
  let same = 0
  while (true) {
    const [a, b] = yield* Effect.all([readAt(one, same), readAt(other, same)])
    const length = Math.min(a.length, b.length)
    if (length === 0) return same
    if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) !== 0) {
      for (let i = 0; i < length; i++) if (a[i] !== b[i]) return same + i
    }
    same += length
  }
})
