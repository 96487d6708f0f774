/** Lists of threads, as wide as the terminal. Pure. */
import type { ThreadInfo } from "@effect-codex/client/Thread"
import { homedir } from "node:os"
import { cut, type Line, type Span, span, widthOf } from "./lines.ts"
import { safe, visible } from "./text.ts"

export interface Look {
  /** Undefined where lines have no end: in a pipe. */
  readonly columns: number | undefined
  /** In milliseconds since 1970. */
  readonly now: number
}

/** What a person calls a thread. */
export const titleOf = ({ name, preview }: Pick<ThreadInfo, "name" | "preview">): string => {
  const title = visible(name ?? "", 300)
  return title !== "" ? title : visible(preview, 300) || "(nothing was said yet)"
}

/** How long ago, in a few letters; the date after a month. `at` is in seconds, as codex tells it. */
export const ageOf = (at: number, now: number): string => {
  const minutes = Math.floor((now / 1000 - at) / 60)
  if (minutes < 1) return "now"
  if (minutes < 60) return `${minutes}m`
  if (minutes < 60 * 24) return `${Math.floor(minutes / 60)}h`
  if (minutes < 60 * 24 * 31) return `${Math.floor(minutes / 60 / 24)}d`
  const date = new Date(at * 1000)
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString().slice(0, 10)
}

/** A folder as a person writes it. */
export const folderOf = (cwd: string): string => {
  const home = homedir()
  return visible(cwd === home ? "~" : cwd.startsWith(`${home}/`) ? `~${cwd.slice(home.length)}` : cwd, 300)
}

// Ids begin with the time, so that the first 13 characters nearly always differ.
const leastOfId = 13

/** How much of the ids tells them apart. */
export const idLength = (ids: ReadonlyArray<string>): number => {
  const all = new Set(ids)
  for (let length = leastOfId; length < 36; length++) {
    if (new Set([...all].map((id) => id.slice(0, length))).size === all.size) return length
  }
  return 36
}

const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)))

/** The end of a path is what tells folders apart. */
const cutFront = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  const characters = [...text]
  while (characters.length > 0 && widthOf(characters.join("")) > columns - 1) characters.shift()
  return `…${characters.join("")}`
}

/** A row that takes no more than the columns. The last part is cut. */
const rowOf = (parts: ReadonlyArray<Span>, columns: number | undefined): Line => {
  const spans: Array<Span> = []
  let room = columns ?? Number.POSITIVE_INFINITY
  for (const { styles, text } of parts) {
    const kept = cut(safe(text), room)
    spans.push({ text: kept, styles })
    room -= widthOf(kept)
    if (room <= 0) break
  }
  return { spans, isRigid: true }
}

export const table = (
  threads: ReadonlyArray<ThreadInfo>,
  look: Look & { readonly hasFolders: boolean }
): ReadonlyArray<Line> => {
  const { columns, now } = look
  const length = idLength(threads.map(({ id }) => id))
  const ages = threads.map(({ updatedAt }) => ageOf(updatedAt, now))
  const ageWidth = Math.max(4, ...ages.map(widthOf))
  // On a narrow terminal the title says more than the folder.
  const hasFolders = look.hasFolders && (columns === undefined || columns >= 70)
  const folders = threads.map(({ cwd }) => cutFront(folderOf(cwd), 30))
  const folderWidth = Math.max(6, ...folders.map(widthOf))
  const row = (id: string, age: string, folder: string, title: string, isHead = false): Line =>
    rowOf([
      span(padded(id, length), ...isHead ? ["bold" as const] : ["cyan" as const]),
      span(`  ${padded(age, ageWidth)}`, ...isHead ? ["bold" as const] : ["dim" as const]),
      ...hasFolders ? [span(`  ${padded(folder, folderWidth)}`, ...isHead ? ["bold" as const] : ["dim" as const])] : [],
      span(`  ${title}`, ...isHead ? ["bold" as const] : [])
    ], columns)
  return [
    row("ID", "USED", "FOLDER", "TITLE", true),
    ...threads.map((thread, i) => row(thread.id.slice(0, length), ages[i]!, folders[i]!, titleOf(thread)))
  ]
}

/** Threads, each with the text that was found in it. */
export const hits = (
  found: ReadonlyArray<{ readonly thread: ThreadInfo; readonly snippet: string }>,
  { columns, now }: Look
): ReadonlyArray<Line> => {
  const length = idLength(found.map(({ thread }) => thread.id))
  return found.flatMap(({ snippet, thread }) => [
    rowOf([
      span(thread.id.slice(0, length), "cyan"),
      span(`  ${ageOf(thread.updatedAt, now)}`, "dim"),
      span(`  ${titleOf(thread)}`, "bold")
    ], columns),
    { spans: [span("  "), span(visible(snippet, 500), "dim")], hang: 2 }
  ])
}
