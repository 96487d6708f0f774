/**
 * Text from others (the model, its tools, the server, files), made safe to show: nothing that a terminal obeys, that
 * hides text or that changes its direction.
 */
import { beginning, visibleLines } from "@effect-codex/client/internal/text/visibleText"

// Persian, Hindi and others join letters with these. Between letters they hide nothing.
const joiner = /(?<=[\p{L}\p{M}])[\u200c\u200d](?=[\p{L}\p{M}])/u

/** Keeps line breaks and tabs, and escapes everything else that is not plainly visible. */
export const safe = (text: string): string => {
  const unix = text.replace(/\r\n/g, "\n")
  const parts = unix.split(joiner)
  if (parts.length === 1) return visibleLines(unix)
  // The joiners, in the order of the gaps between the parts.
  const joiners = unix.match(new RegExp(joiner, "gu")) ?? []
  return parts.map((part, i) => visibleLines(part) + (joiners[i] ?? "")).join("")
}

/** One line, at most `length` characters long. */
export const visible = (text: string, length = 1000): string => {
  const line = safe(beginning(text, length * 2)).replace(/\s+/g, " ").trim()
  const kept = beginning(line, length)
  return kept.length < line.length || text.length > length * 2 ? `${kept.slice(0, length)}…` : kept
}
