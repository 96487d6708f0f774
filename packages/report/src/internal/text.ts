/** Numbers, times and long texts for a person. */
import { beginning, visible } from "@effect-codex/client/internal/text/visibleText"
import stripAnsi from "strip-ansi"

const units = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000]] as const

/** In two units at most: `1 h 5 min`, `2.4 s`, `30 ms`. */
export const duration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  const first = units.findIndex(([, size]) => ms >= size)
  const [name, size] = units[first]!
  const [smaller, smallerSize] = units[first + 1]!
  const rest = Math.floor((ms % size) / smallerSize)
  return `${Math.floor(ms / size)} ${name}${rest === 0 ? "" : ` ${rest} ${smaller}`}`
}

export const count = (number: number, noun: string): string =>
  `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`

export const number = (value: number): string => value.toLocaleString("en")

/** `2026-11-29 14:03:05 UTC`. */
export const time = (ms: number): string =>
  Number.isFinite(new Date(ms).getTime())
    ? new Date(ms).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC")
    : "?"

/** `14:03:05`, for what is near something with a date. */
export const clock = (ms: number): string => time(ms).slice(11, 19)

/** Colours mean nothing here, and a carriage return overwrites a line only on a terminal. */
export const plain = (output: string): string => stripAnsi(output).replaceAll(/\r\n?/g, "\n")

/** A name of others, which may be as long as they like. */
export const label = (name: string): string => visible(name, 300)

/** The beginning and the end of a text that is too long. */
export const shortened = (text: string, most: number): { readonly text: string; readonly left: number } => {
  if (text.length <= most) return { text, left: 0 }
  const head = beginning(text, Math.ceil(most * 0.7))
  const tail = text.slice(-Math.floor(most * 0.3)).replace(/^[\udc00-\udfff]/, "")
  const left = text.length - head.length - tail.length
  return { text: `${head}\n\n… ${count(left, "character")} left out …\n\n${tail}`, left }
}

export const json = (value: unknown): string => {
  try {
    return JSON.stringify(value, undefined, 2) ?? String(value)
  } catch {
    return String(value)
  }
}
