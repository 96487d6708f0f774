/** Reads the lines of a rollout, a bounded piece at a time. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"

const newline = 10

const pieceBytes = 1024 * 1024

const noBytes = new Uint8Array()

const readAt = (
  file: FileSystem.File,
  offset: number,
  end = Number.MAX_SAFE_INTEGER
): Effect.Effect<Uint8Array, PlatformError> => {
  const bytes = Math.min(pieceBytes, end - offset)
  return bytes <= 0
    ? Effect.succeed(noBytes)
    : Effect.map(file.readAlloc(bytes, { position: BigInt(offset) }), Option.getOrElse(() => noBytes))
}

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
 * The whole lines from an offset on, of at most a MiB unless a single line is longer, within the first `size` bytes.
 * Undefined when there is none: what codex is writing, or a kill has cut, is no line yet.
 */
export const linesAt = Effect.fnUntraced(function*(file: FileSystem.File, offset: number, size: number) {
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  while (true) {
    const piece = yield* readAt(file, offset + bytes, size)
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

/** The bytes from an offset on, fewer where the file ends. */
export const bytesAt = Effect.fnUntraced(function*(file: FileSystem.File, offset: number, length: number) {
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  while (bytes < length) {
    const piece = yield* readAt(file, offset + bytes, offset + length)
    if (piece.length === 0) break
    pieces.push(piece)
    bytes += piece.length
  }
  return Buffer.concat(pieces)
})

/** Writes the first bytes of a file behind another one. */
export const copyStart = Effect.fnUntraced(function*(from: FileSystem.File, to: FileSystem.File, length: number) {
  for (let copied = 0; copied < length;) {
    const piece = yield* readAt(from, copied, length)
    if (piece.length === 0) return
    yield* to.writeAll(piece)
    copied += piece.length
  }
})
