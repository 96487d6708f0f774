/** Splits a pipe into lines like a bare loop: decodes each read at once, up to its last line end. */
import type { Readable } from "node:stream"

export const onEachLine = (pipe: Readable, onLine: (line: string) => void): void => {
  let parts: Array<Buffer> = []
  pipe.on("data", (chunk: Buffer) => {
    const last = chunk.lastIndexOf(10)
    if (last === -1) return void parts.push(chunk)
    const text = parts.length === 0
      ? chunk.toString("utf8", 0, last)
      : Buffer.concat([...parts, chunk.subarray(0, last)]).toString("utf8")
    parts = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : []
    for (let start = 0; start < text.length;) {
      const at = text.indexOf("\n", start)
      const stop = at === -1 ? text.length : at
      onLine(text.slice(start, stop))
      start = stop + 1
    }
  })
}
