/** Tells on stderr what is being measured, and how long the current part still takes. */
import type { Comparison } from "./measure.ts"

/** A comparison, without the means to run it. */
export type Planned = Pick<Comparison, "what" | "rounds" | "names">

/** How long one round of a comparison took. */
export interface Passed {
  readonly comparison: number
  readonly ms: number
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0)

/**
 * Estimates the time until all comparisons of a part are done, `elapsedMs` into the current round. A comparison that
 * has begun is judged by the average of its rounds, another by the number of its runs and the average run of the part.
 * `undefined` until a round has passed.
 */
export const msLeft = (
  part: ReadonlyArray<Planned>,
  passed: ReadonlyArray<Passed>,
  elapsedMs: number
): number | undefined => {
  const runs = sum(passed.map(({ comparison }) => part[comparison]!.names.length))
  if (runs === 0) return undefined
  const msPerRun = sum(passed.map(({ ms }) => ms)) / runs
  const left = part.map(({ names, rounds }, comparison) => {
    const own = passed.filter((round) => round.comparison === comparison)
    const msPerRound = own.length === 0 ? msPerRun * names.length : sum(own.map(({ ms }) => ms)) / own.length
    return { msPerRound, rounds: rounds - own.length }
  })
  const current = left.find(({ rounds }) => rounds > 0)
  // A round that takes longer than expected delays the rest; it does not use up their time.
  return sum(left.map(({ msPerRound, rounds }) => msPerRound * rounds)) - Math.min(elapsedMs, current?.msPerRound ?? 0)
}

/** A duration that promises no more precision than an estimate has. */
export const roughly = (ms: number): string => {
  const seconds = ms / 1000
  if (seconds <= 5) return "a few seconds"
  return seconds <= 90 ? `about ${Math.ceil(seconds / 5) * 5} s` : `about ${Math.round(seconds / 60)} min`
}

export interface Moment {
  readonly part: string
  readonly comparison: Planned
  /** From 0. */
  readonly round: number
  /** What runs now. Left out where a line stands for the whole round. */
  readonly running?: string | undefined
  readonly msLeft: number | undefined
  readonly partsAfter: number
}

/** One line of progress. The name of what runs comes last, because narrow terminals cut the line. */
export const lineOf = ({ comparison, msLeft, part, partsAfter, round, running }: Moment): string => {
  const left = [
    ...msLeft === undefined ? [] : [`${roughly(msLeft)} left`],
    ...partsAfter === 0 ? [] : [`${partsAfter} more part${partsAfter === 1 ? "" : "s"}`]
  ].join(", then ")
  const name = running === undefined || running === comparison.what ? "" : `: ${running}`
  return `${part}, ${comparison.what}: round ${round + 1} of ${comparison.rounds}${left && ` (${left})`}${name}`
}

export interface Output {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly write: (text: string) => unknown
}

/** Without a terminal a part reports at most once in this time, so that logs stay short. */
const quietMs = 15_000

const eraseLine = "\r\u001b[2K"

/** Follows the runs of one part. */
export interface PartProgress {
  readonly onRun: (comparison: number, round: number, name: string) => void
  readonly end: () => void
}

/**
 * Reports one part to `output`: to a terminal as one line that is rewritten for each run, else as plain lines, at most
 * one for a round. `now` counts milliseconds.
 */
export const begin = (
  { comparisons, name: part, now, output, partsAfter }: {
    readonly name: string
    readonly comparisons: ReadonlyArray<Planned>
    readonly partsAfter: number
    readonly output: Output
    readonly now: () => number
  }
): PartProgress => {
  const passed: Array<Passed> = []
  let lastLineAt: number | undefined
  let current: { readonly comparison: number; readonly round: number; readonly since: number } | undefined
  return {
    onRun: (comparison, round, name) => {
      const at = now()
      const isNewRound = current?.comparison !== comparison || current.round !== round
      if (current !== undefined && isNewRound) {
        passed.push({ comparison: current.comparison, ms: at - current.since })
      }
      if (current === undefined || isNewRound) current = { comparison, round, since: at }
      const text = lineOf({
        part,
        comparison: comparisons[comparison]!,
        round,
        running: output.isTTY ? name : undefined,
        msLeft: msLeft(comparisons, passed, at - current.since),
        partsAfter
      })
      if (output.isTTY) {
        // A terminal wraps a line that fills its last column, and then it cannot be rewritten. Some report 0 columns.
        output.write(`${eraseLine}${text.slice(0, (output.columns || 80) - 1)}`)
      } else if (isNewRound && (lastLineAt === undefined || at - lastLineAt >= quietMs)) {
        lastLineAt = at
        output.write(`${text}\n`)
      }
    },
    end: () => {
      if (output.isTTY) output.write(eraseLine)
    }
  }
}
