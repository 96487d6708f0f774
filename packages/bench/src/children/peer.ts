/** The same program on one of several peers: threads at once, and on each of them turns one after another. */
import { endedChildrenCpuMs } from "../processes.ts"
import { watchCodex } from "./codexProcesses.ts"
import type { Peer } from "./peers/peer.ts"
import { begin, type Sample, tell } from "./sample.ts"

/** What a peer is told, as JSON. */
export interface Job {
  /** A file of `peers`, and what it is given. */
  readonly peer: readonly [file: string, argument?: string]
  readonly threads: number
  readonly turns: number
  readonly prompt: string
  readonly answer: string
  /** Instead of all turns, runs one and tells when the first text came, in ms since 1970. */
  readonly first: boolean
}

const { answer, first, peer: [file, argument], prompt, threads, turns } = JSON.parse(process.argv[2]!) as Job
const executable = process.argv[3]!
const codexProcesses = watchCodex(executable)

// The part `imports` measures how long a package takes to import.
const { load }: { readonly load: (argument?: string) => Promise<Peer> } = await import(`./peers/${file}.ts`)
const peer = await load(argument)

const work = { executable, threads, turns, prompt }
let sample: Sample | undefined
let textAt: number | undefined
const end = begin()
if (first) {
  await peer.stream(work, () => textAt ??= performance.timeOrigin + performance.now())
  sample = end()
} else {
  const answers = await peer.run(work, () => sample = end())
  sample ??= end()
  const wrong = answers.filter((given) => given !== answer).length
  if (answers.length !== threads * turns || wrong > 0) {
    throw new Error(`${answers.length} answers of ${threads * turns}, ${wrong} of them wrong`)
  }
}
// By then every codex process has ended, and its CPU time is known.
process.once("exit", () => {
  tell({
    ...sample,
    ...textAt === undefined ? {} : { textAt },
    codexProcesses: codexProcesses.count(),
    codexCpuMs: endedChildrenCpuMs()
  })
})
