/** Compares what the runners' codexes wrote with what the store has: what a kill lost, and why something was done again. */
import type { SessionStore } from "@effect-codex/cluster"
import { Option } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Runner } from "../test/support/runners.ts"

/** A runner, and when it was killed. */
export interface Machine {
  readonly runner: Runner
  readonly killedAt: number | undefined
}

interface Line {
  readonly at: number
  readonly kind: string
  readonly text: string
}

const lineOf = (text: string): Line => {
  const { payload, timestamp, type } = JSON.parse(text)
  return { at: Date.parse(timestamp), kind: payload?.type ?? type, text }
}

/** A machine's copy of the thread. */
interface Copy extends Machine {
  readonly lines: ReadonlyArray<Line>
  /** The lines that the store never had. */
  readonly lost: ReadonlyArray<Line>
}

export interface History {
  readonly stored: ReadonlyArray<Line>
  readonly copies: ReadonlyArray<Copy>
}

/** The rollouts of a machine. */
const rollouts = (home: string): ReadonlyArray<string> => {
  const sessions = Path.join(home, "sessions")
  return Fs.existsSync(sessions)
    ? Fs.readdirSync(sessions, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".jsonl"))
      .map((file) => Path.join(sessions, file))
    : []
}

/**
 * What the store has of a thread of one file, and what each machine has of it, or of the one that it has replaced: that
 * one has the same prompt, and the store has nothing of it.
 */
export const historyOf = (
  chunks: ReadonlyArray<SessionStore.SessionLines>,
  machines: ReadonlyArray<Machine>,
  prompt: string
): History => {
  const stored = chunks.flatMap(({ lines }) => lines).map(lineOf)
  const copies = machines.flatMap((machine): ReadonlyArray<Copy> => {
    const home = machine.runner.home.env["CODEX_HOME"] ?? ""
    const own = Path.join(home, ...(chunks[0]?.file ?? "none").split("/"))
    return rollouts(home).flatMap((path) => {
      const text = Fs.readFileSync(path, "utf8")
      if (path !== own && !text.includes(JSON.stringify(prompt))) return []
      const lines = text.split("\n").slice(0, -1).map(lineOf)
      const first = path === own ? lines.findIndex(({ text }, i) => text !== stored[i]?.text) : 0
      return [{ ...machine, lines, lost: first < 0 ? [] : lines.slice(first) }]
    })
  })
  return { stored, copies }
}

const isEnd = ({ kind }: Line) => kind === "task_complete"

/** Whether codex has begun another turn after one that the store knew to be completed. */
export const isRunAgain = ({ stored }: History): boolean => {
  const completed = stored.findIndex(isEnd)
  return completed >= 0 && stored.slice(completed).some(({ kind }) => kind === "task_started")
}

/** How often each text occurs. */
export const tally = (texts: ReadonlyArray<string>): string =>
  texts.length === 0
    ? "0"
    : Array.from(Map.groupBy(texts, (text) => text), ([text, { length }]) => `${length} ${text}`).join("; ")

const relative = ({ at }: Line, killedAt: number | undefined): string => {
  if (killedAt === undefined) return "on a machine that was not killed"
  return at <= killedAt
    ? `${killedAt - at} ms before the kill`
    : `${at - killedAt} ms after the kill, by the codex that outlived its runner`
}

/** Why a command ran again: its output was written and not stored, or not written. */
export const reasonsOf = ({ copies }: History, commands: number): ReadonlyArray<Option.Option<string>> => {
  const reasons = copies.flatMap(({ killedAt, lost }) => {
    const output = lost.find(({ kind }) => kind === "function_call_output")
    if (output !== undefined) return [`its output was written ${relative(output, killedAt)}, and is not in the store`]
    const call = lost.find(({ kind }) => kind === "function_call")
    return call === undefined ? [] : [`its call was written ${relative(call, killedAt)}, its output was not`]
  })
  return Array.from({ length: commands - 1 }, (_, i) => Option.fromUndefinedOr(reasons[i]))
}

/** Turns that completed in a copy, while the store did not get to know. */
export const lostCompletions = ({ copies }: History): ReadonlyArray<string> =>
  copies.flatMap(({ killedAt, lost }) => lost.filter(isEnd).map((line) => relative(line, killedAt)))

/** How long before the kill of their machine the oldest lines were written that are not in the store, in milliseconds. */
export const ages = ({ copies }: History): ReadonlyArray<number> =>
  copies.flatMap(({ killedAt, lost: [oldest] }) =>
    oldest === undefined || killedAt === undefined || oldest.at > killedAt ? [] : [killedAt - oldest.at]
  )

/** A runner that is killed later than this after a turn's end had the time to store its answer. */
const enough = 1000

/** Why the answer of a completed turn was not stored with it. */
export const whyFound = ({ copies, stored }: History): string => {
  const end = stored.find(isEnd)
  const writers = copies.filter(({ lines }) => lines.some(({ text }) => text === end?.text))
  const killedAt = Math.min(...writers.map(({ killedAt }) => killedAt ?? Infinity))
  return end !== undefined && killedAt - end.at < enough
    ? "killed within a second after the end of the turn"
    : `the runner gave up its shards before the answer ${
      JSON.stringify({
        end: end?.at,
        killedAt,
        w: writers.map((w) => [w.runner.address, w.killedAt]),
        lost: copies.map((c) => [c.runner.address, c.lost.length, c.lines.at(-1)?.at])
      })
    }`
}
