/** The lines of a chat. Pure. */
import type * as Budget from "@effect-codex/client/Budget"
import * as Option from "effect/Option"
import { number } from "../itemLines.ts"
import { type Line, line, type Row, span } from "../lines.ts"
import { Markdown } from "../markdown.ts"
import * as Progress from "../progress.ts"
import { visible } from "../text.ts"
import { folderOf } from "../threadLines.ts"
import { rowOf } from "./row.ts"
import type { State } from "./state.ts"

// =============================================================================
// The row of the person
// =============================================================================

const hint = " · type to steer"

/** What stands at the bottom: the message that is typed, or what the agent does while nothing is. */
export const rowFor = (
  state: Pick<State, "editor" | "images" | "mode" | "phase">,
  progress: Progress.Progress,
  now: number,
  columns: number,
  cost: number | undefined
): Row => {
  const { editor, images, mode, phase } = state
  if (phase === "idle") {
    const attached = images.length === 0 ? "" : `[${images.length} image${images.length === 1 ? "" : "s"}] `
    return rowOf(editor, span(`${attached}${mode === "plan" ? "plan" : ""}> `, "cyan"), columns)
  }
  if (editor.text !== "") {
    return rowOf(editor, span(phase === "starting" || phase === "working" ? "steer> " : "then> ", "cyan"), columns)
  }
  const isSteerable = phase === "working" && columns >= 70
  const status = Progress.statusLine(progress, now, columns - (isSteerable ? hint.length : 0), cost)
  return rowOf({ text: "", cursor: 0 }, span(isSteerable ? status + hint : status, "dim"), columns)
}

// =============================================================================
// What was said
// =============================================================================

/** More of a paste is not shown again. */
const echoedLines = 20

export const echo = (text: string, isSteering: boolean): ReadonlyArray<Line> => {
  const lines = text.trimEnd().split("\n")
  const label = isSteering ? "steer> " : "> "
  const rest = lines.length - echoedLines
  const shown = rest > 1 ? lines.slice(0, echoedLines) : lines
  return [
    ...isSteering ? [] : [{ spans: [] }],
    ...shown.map((text): Line => ({ spans: [span(label, "cyan"), span(text, "bold")], hang: label.length })),
    ...rest > 1 ? [line(span(`… ${number(rest)} more lines`, "dim"))] : []
  ]
}

/** Makes whole lines of an answer as it is written. */
export interface LineMaker {
  readonly push: (text: string) => ReadonlyArray<Line>
  readonly end: () => ReadonlyArray<Line>
}

/** A line that does not end is shown in parts of this length. */
const maxPending = 1 << 16

/** The lines of an answer on a terminal without colours. */
class PlainLines implements LineMaker {
  private pending = ""

  push(text: string): ReadonlyArray<Line> {
    const lines = (this.pending + text.replace(/\r/g, "")).split("\n")
    this.pending = lines.pop() ?? ""
    if (this.pending.length > maxPending) {
      lines.push(this.pending)
      this.pending = ""
    }
    return lines.map((text) => ({ spans: [span(text)] }))
  }

  end(): ReadonlyArray<Line> {
    const text = this.pending
    this.pending = ""
    return text === "" ? [] : [{ spans: [span(text)] }]
  }
}

/** @param columns those of a terminal with colours; undefined for one without */
export const lineMaker = (columns: number | undefined): LineMaker =>
  columns === undefined ? new PlainLines() : new Markdown(columns)

// =============================================================================
// The chat
// =============================================================================

export const welcome = (cwd: string, title: string | undefined): ReadonlyArray<Line> => [
  ...title === undefined ? [] : [line(span(title, "bold"))],
  line(span(`${folderOf(cwd)} · /help lists what you can do, Ctrl-D leaves`, "dim"))
]

/** The line that says how to go on later. Not wrapped, so that the command can be copied. */
export const farewell = (threadId: string): Line => ({
  spans: [span(`thread ${threadId}, go on with: effect-codex chat --resume ${threadId}`, "dim")],
  isRigid: true
})

export interface Status {
  readonly threadId: string
  readonly name: string | null
  readonly cwd: string
  readonly model: string | undefined
  readonly mode: State["mode"]
  readonly contextLeft: number | undefined
  readonly spent: Budget.Spent
  readonly remaining: Budget.Remaining
  readonly hasPrices: boolean
}

const dollars = (cost: number): string => `$${cost.toFixed(cost < 1 ? 4 : 2)}`

export const status = (of: Status): ReadonlyArray<Line> => {
  const { contextLeft, cwd, hasPrices, mode, model, name, remaining, spent, threadId } = of
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["thread", name === null ? threadId : `${threadId} (${visible(name, 200)})`],
    ["folder", folderOf(cwd)],
    ["model", model === undefined ? "the one of your Codex configuration" : visible(model, 100)],
    ["mode", mode],
    [
      "tokens",
      `${number(spent.tokens)} in this chat${
        Option.match(remaining.tokens, {
          onNone: () => "",
          onSome: (left) => `, ${number(left)} left of --budget`
        })
      }`
    ],
    ...hasPrices
      ? [
        [
          "cost",
          `${Option.match(spent.cost, { onNone: () => "unknown", onSome: dollars })}${
            Option.match(remaining.cost, {
              onNone: () => "",
              onSome: (left) => `, ${dollars(left)} left of --budget`
            })
          }`
        ] as const
      ]
      : [],
    [
      "context",
      contextLeft === undefined ? "unknown until the model has answered" : `${Math.floor(contextLeft * 100)}% left`
    ]
  ]
  return rows.map(([label, value]) => ({
    spans: [span(label.padEnd(9), "dim"), span(value)],
    hang: 9,
    // So that its id can be copied.
    isRigid: label === "thread"
  }))
}
