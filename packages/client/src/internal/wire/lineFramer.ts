/**
 * Cuts a stream of bytes into lines. Only LF ends a line, because JSON text may contain any other line separator; a
 * CR before it is dropped. The work is linear in the bytes: each chunk is searched once, and the parts of an
 * unfinished line are joined when it ends. Bytes are decoded only up to a line end, so no character is cut in two.
 */
const LF = 10

export interface LineFramer {
  /** Returns the non-empty lines that this chunk completes. Throws {@link LineTooLong}. */
  readonly push: (chunk: Uint8Array) => ReadonlyArray<string>
}

export class LineTooLong {
  readonly bytes: number
  readonly start: string
  constructor(bytes: number, start: string) {
    this.bytes = bytes
    this.start = start
  }
}

const noLines: ReadonlyArray<string> = []

const cut = (text: string, lines: Array<string>): void => {
  let start = 0
  while (start < text.length) {
    let end = text.indexOf("\n", start)
    if (end === -1) end = text.length
    const stop = end > start && text.charCodeAt(end - 1) === 13 ? end - 1 : end
    if (stop > start) lines.push(text.slice(start, stop))
    start = end + 1
  }
}

export const make = (maxLineBytes: number): LineFramer => {
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true })
  let parts: Array<Uint8Array> = []
  let partBytes = 0

  const takeParts = (last: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(partBytes + last.length)
    let offset = 0
    for (const part of parts) {
      whole.set(part, offset)
      offset += part.length
    }
    whole.set(last, offset)
    parts = []
    partBytes = 0
    return whole
  }

  return {
    push(chunk) {
      const last = chunk.lastIndexOf(LF)
      if (last === -1) {
        parts.push(chunk)
        partBytes += chunk.length
        if (partBytes > maxLineBytes) {
          throw new LineTooLong(partBytes, decoder.decode(takeParts(new Uint8Array(0)).subarray(0, 200)))
        }
        return noLines
      }
      const lines: Array<string> = []
      let begin = 0
      if (partBytes > 0) {
        // Join only the line that began earlier, not the rest of this chunk.
        const first = chunk.indexOf(LF)
        cut(decoder.decode(takeParts(chunk.subarray(0, first))), lines)
        begin = first + 1
      }
      if (begin < last) cut(decoder.decode(chunk.subarray(begin, last)), lines)
      if (last + 1 < chunk.length) {
        const rest = chunk.subarray(last + 1)
        parts.push(rest)
        partBytes = rest.length
      }
      return lines
    }
  }
}
