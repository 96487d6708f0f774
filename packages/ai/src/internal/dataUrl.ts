/** Files as data URLs, which codex accepts of images. */
import type * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"

/** The URL of a file: its data, or the address that a program has given. */
export const dataUrl = ({ data, mediaType }: Pick<Prompt.FilePart, "data" | "mediaType">): string => {
  if (data instanceof URL) return data.href
  if (!Predicate.isString(data)) return `data:${mediaType};base64,${Base64.encode(data)}`
  return data.startsWith("data:") ? data : `data:${mediaType};base64,${data}`
}

/** Whether a URL has the data of a PNG, JPEG, GIF or WebP, which are all that codex accepts. */
export const isImage = (url: string): boolean =>
  /^data:image\/[^;,]+;base64,(?:iVBORw0KGgo|\/9j\/|R0lGOD[dl]h|UklGR)/.test(url)
