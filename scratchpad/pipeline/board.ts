/** What the terminal shows of the pipeline: a line for each package, with a bar. */
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import { Context, Effect, Layer, Predicate } from "effect"
import * as Progress from "../../packages/cli/src/internal/progress.ts"

export interface Row {
  readonly name: string
  /** How many steps are done, of {@link steps}. */
  readonly done: number
  readonly state: "waits" | "works" | "asks" | "done" | "failed"
  /** What the agent does now. */
  readonly progress: Progress.Progress
  /** Tokens of the steps that are done. */
  readonly tokens: number
  readonly note: string
}

const newRow = (name: string): Row => ({
  name,
  done: 0,
  state: "waits",
  progress: Progress.initial(0),
  tokens: 0,
  note: ""
})

const onEvent = (row: Row, event: ServerNotification): Row => {
  switch (event._tag) {
    case "turn/started":
      return { ...row, state: "works", progress: Progress.step(Progress.initial(0), event)[0] }
    case "item/started":
    case "item/completed":
      return { ...row, progress: Progress.step(row.progress, event)[0] }
    default:
      return row
  }
}

const bar = (done: number, steps: number): string => "█".repeat(Math.round(8 * done / steps)).padEnd(8, "░")

const marks = { waits: " ", works: "▸", asks: "?", done: "✓", failed: "✗" } as const

const said = (row: Row): string => {
  switch (row.state) {
    case "waits":
      return "waits"
    case "works":
      return Progress.activity(row.progress)
    default:
      return row.note
  }
}

/** A line of a row, at most as wide as the terminal. */
const line = (row: Row, steps: number, columns: number): string => {
  const tokens = row.tokens === 0 ? "" : `${row.tokens.toLocaleString("en-US")} tokens`
  const text = `${marks[row.state]} ${row.name.padEnd(12)} ${bar(row.done, steps)} ${tokens.padStart(13)}  ${said(row)}`
  // Text of the model: neither control characters nor a second line.
  const safe = text.replace(/[\p{C}\p{Z}]+/gu, (spaces) => /^ +$/.test(spaces) ? spaces : " ")
  return safe.length < columns ? safe : `${safe.slice(0, columns - 2)}…`
}

/** The terminal, or whatever stderr is. */
export class Board extends Context.Service<Board, {
  readonly update: (name: string, change: (row: Row) => Row) => Effect.Effect<void>
  /** Shows what became of a row. */
  readonly end: (name: string, state: "done" | "failed", note: string, tokens?: number) => Effect.Effect<void>
  /** Shows a question, and below all rows how to answer it. */
  readonly asks: (name: string, what: string, how: string) => Effect.Effect<void>
  readonly answered: Effect.Effect<void>
  /** Shows the events of this thread in this row from now on. */
  readonly follow: (name: string, threadId: string) => Effect.Effect<void>
  readonly event: (event: ServerNotification) => Effect.Effect<void>
}>()("scratchpad/pipeline/Board") {}

export const say = (text: string) => Effect.sync(() => void process.stderr.write(`${text}\n`))

const threadOf = (event: ServerNotification): unknown =>
  "params" in event && Predicate.hasProperty(event.params, "threadId") ? event.params.threadId : undefined

/** @param names the rows, with the number of their steps. */
export const layer = (names: Readonly<Record<string, number>>): Layer.Layer<Board> =>
  Layer.sync(Board, () => {
    const isLive = process.stderr.isTTY === true
    const rows = new Map(Object.keys(names).map((name) => [name, newRow(name)]))
    const followed = new Map<unknown, string>()
    let footer: ReadonlyArray<string> = []
    let drawn = 0
    let shown = ""
    const draw = () => {
      const columns = process.stderr.columns || 100
      const lines = [...rows.values()].map((row) => line(row, names[row.name]!, columns))
      for (const words of footer) lines.push(...words.match(new RegExp(`.{1,${columns - 1}}`, "gu")) ?? [])
      const text = lines.map((line) => `\u001b[2K${line}\n`).join("")
      if (text === shown) return
      // Also erases a footer that is gone.
      process.stderr.write(`${drawn === 0 ? "" : `\u001b[${drawn}A`}${text}\u001b[J`)
      drawn = lines.length
      shown = text
    }
    const set = (row: Row): void => {
      const before = rows.get(row.name)
      rows.set(row.name, row)
      if (isLive) return draw()
      // No terminal: a line for each end and each question.
      if (row.note !== before?.note && row.note !== "") {
        process.stderr.write([line(row, names[row.name]!, 200), ...row.state === "asks" ? footer : [], ""].join("\n"))
      }
    }
    const update = (name: string, change: (row: Row) => Row) => Effect.sync(() => set(change(rows.get(name)!)))
    return Board.of({
      update,
      end: (name, state, note, tokens) =>
        update(name, (row) => ({
          ...row,
          state,
          note,
          done: state === "done" ? names[name]! : row.done,
          tokens: tokens ?? row.tokens
        })),
      asks: (name, what, how) =>
        Effect.suspend(() => {
          footer = ["", `May I ${what}?`, how]
          return update(name, (row) => ({ ...row, state: "asks", note: "asks" }))
        }),
      answered: Effect.suspend(() => {
        const asking = [...rows.values()].find(({ state }) => state === "asks")
        footer = []
        return asking === undefined ? Effect.void : update(asking.name, (row) => ({ ...row, state: "works", note: "" }))
      }),
      follow: (name, threadId) => Effect.sync(() => void followed.set(threadId, name)),
      event: (event) => {
        const name = followed.get(threadOf(event))
        return name === undefined ? Effect.void : update(name, (row) => onEvent(row, event))
      }
    })
  })
