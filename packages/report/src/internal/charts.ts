/** Pictures of where the time and the tokens went. */
import { withoutShell } from "@effect-codex/client/Approvals"
import * as ThreadView from "@effect-codex/client/ThreadView"
import type { Context } from "./context.ts"
import { type Html, html, none } from "./html.ts"
import * as Text from "./text.ts"

const width = 1000

// =============================================================================
// Time
// =============================================================================

type Kind = ThreadView.TimeSpan["kind"]

const names: Readonly<Record<Exclude<Kind, "turn">, string>> = {
  model: "Model",
  command: "Commands",
  fileChange: "Files",
  tool: "Tools",
  subagent: "Subagents",
  waiting: "Waiting for a decision",
  mcpStart: "MCP servers starting"
}

interface Span {
  readonly span: ThreadView.TimeSpan
  readonly from: number
  readonly to: number
}

/** Where something went on, so that the hours between two turns take no room. */
const busyOf = (spans: ReadonlyArray<Span>): ReadonlyArray<{ readonly from: number; to: number }> => {
  const busy: Array<{ from: number; to: number }> = []
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = busy.at(-1)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else busy.push({ from, to })
  }
  return busy
}

const between = 8

/** Gives each moment its place in the picture. */
const scaleOf = (spans: ReadonlyArray<Span>) => {
  const busy = busyOf(spans)
  const room = Math.max(width - between * (busy.length - 1), width / 2)
  const gap = busy.length < 2 ? 0 : (width - room) / (busy.length - 1)
  const all = busy.reduce((sum, { from, to }) => sum + to - from, 0)
  const perMs = all === 0 ? 0 : room / all
  const starts: Array<number> = []
  let x = 0
  for (const { from, to } of busy) {
    starts.push(x)
    x += (to - from) * perMs + gap
  }
  const place = (at: number): number => {
    let low = 0
    let high = busy.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (busy[middle]!.from <= at) low = middle
      else high = middle - 1
    }
    return starts[low]! + Math.max(0, Math.min(at, busy[low]!.to) - busy[low]!.from) * perMs
  }
  return { place, breaks: starts.slice(1).map((start) => start - gap / 2), total: all }
}

/** Bars that would cover each other are one. */
const merged = (
  bars: ReadonlyArray<{ readonly x: number; readonly w: number; readonly href: string; readonly title: string }>
) => {
  const kept: Array<{ x: number; w: number; href: string; title: string; more: number }> = []
  for (const bar of bars) {
    const last = kept.at(-1)
    if (last !== undefined && bar.x < last.x + last.w + 0.5 && bar.w < 1) {
      last.w = Math.max(last.w, bar.x + bar.w - last.x)
      last.more++
    } else kept.push({ ...bar, more: 0 })
  }
  return kept
}

export const timeline = ({ places, view }: Context): Html => {
  const known = ThreadView.timeline(view)
  const last = known.reduce((latest, { endedAt, startedAt }) => Math.max(latest, endedAt ?? startedAt), 0)
  const spans = known.filter(({ kind }) => kind !== "turn").map((span): Span => ({
    span,
    from: span.startedAt,
    to: Math.max(span.startedAt, span.endedAt ?? last)
  }))
  if (spans.length === 0) return none
  const { breaks, place, total } = scaleOf(spans)
  const rows = (Object.keys(names) as ReadonlyArray<keyof typeof names>).flatMap((kind) => {
    const own = spans.filter(({ span }) => span.kind === kind)
    return own.length === 0 ? [] : [{ kind, own }]
  })
  return html`<figure class="chart"><figcaption>Where ${Text.duration(total)} went</figcaption>
<div class="rows">${
    rows.map(({ kind, own }) => {
      const bars = merged(own.map(({ from, span, to }) => ({
        x: place(from),
        w: Math.max(0.8, place(to) - place(from)),
        href: span.itemId !== undefined && span.turnId !== undefined
          ? places.item(span.threadId, span.turnId, span.itemId)
          : span.turnId !== undefined
          ? places.turn(span.threadId, span.turnId)
          : "",
        title: `${names[kind]}: ${kind === "command" ? withoutShell(span.label) : span.label} (${
          Text.duration(to - from)
        })`
      })))
      const time = own.reduce((sum, { from, to }) => sum + to - from, 0)
      return html`<div class="row"><span class="name">${names[kind]} <span class="quiet">${
        Text.duration(time)
      }</span></span><svg viewBox="0 0 ${width} 20" preserveAspectRatio="none" role="img">${
        breaks.map((x) => html`<line class="break" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="0" y2="20"/>`)
      }${
        bars.map(({ href, more, title, w, x }) => {
          const bar = html`<rect class="${kind}" x="${x.toFixed(2)}" y="3" width="${w.toFixed(2)}" height="14"><title>${
            title.slice(0, 200)
          }${more > 0 && ` and ${more} more`}</title></rect>`
          return href === "" ? bar : html`<a href="#${href}">${bar}</a>`
        })
      }</svg></div>`
    })
  }</div></figure>`
}

// =============================================================================
// Tokens
// =============================================================================

interface Call {
  readonly cached: number
  readonly input: number
  readonly output: number
  readonly reasoning: number
  readonly calls: number
}

const mostBars = 120

/** Several calls are one bar if there are too many. */
const grouped = (calls: ReadonlyArray<Call>): ReadonlyArray<Call> => {
  const size = Math.ceil(calls.length / mostBars)
  return Array.from(
    { length: Math.ceil(calls.length / size) },
    (_, i) =>
      calls.slice(i * size, (i + 1) * size).reduce((a, b) => ({
        cached: a.cached + b.cached,
        input: a.input + b.input,
        output: a.output + b.output,
        reasoning: a.reasoning + b.reasoning,
        calls: a.calls + b.calls
      }))
  )
}

const parts = [["cached", "cached input"], ["input", "input"], ["reasoning", "reasoning"], [
  "output",
  "output"
]] as const

export const tokens = ({ view }: Context): Html => {
  const calls = [view, ...view.subagents].flatMap(({ turns }) => [...turns]).flatMap((turn) => [...turn.calls]).map(
    ({ usage }): Call => ({
      cached: usage.cachedInputTokens,
      input: Math.max(0, usage.inputTokens - usage.cachedInputTokens),
      reasoning: usage.reasoningOutputTokens,
      output: Math.max(0, usage.outputTokens - usage.reasoningOutputTokens),
      calls: 1
    })
  )
  if (calls.length === 0) return none
  const bars = grouped(calls)
  const sum = (call: Call) => call.cached + call.input + call.reasoning + call.output
  const most = Math.max(1, ...bars.map(sum))
  const step = width / bars.length
  const height = 120
  return html`<figure class="chart"><figcaption>Tokens of ${Text.count(calls.length, "call")} of the model, at most ${
    Text.number(most)
  } in a bar</figcaption><svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" class="tokens">${
    bars.map((call, i) => {
      let y = height
      return parts.map(([part, name]) => {
        const h = (call[part] / most) * height
        y -= h
        return h === 0
          ? none
          : html`<rect class="${part}" x="${(i * step + step * 0.1).toFixed(2)}" y="${y.toFixed(2)}" width="${
            (step * 0.8).toFixed(2)
          }" height="${h.toFixed(2)}"><title>${Text.number(call[part])} ${name}${
            call.calls > 1 && ` of ${call.calls} calls`
          }</title></rect>`
      })
    })
  }</svg><p class="legend">${
    parts.map(([part, name]) => html`<span><i class="${part}"></i>${name}</span>`)
  }</p></figure>`
}
