/** What codex needs to run a turn offline: a model, and a home of its own. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { Sample } from "./children/sample.ts"
import { child, type Command, run } from "./measure.ts"
import * as Processes from "./processes.ts"

/** What the model's process prints about itself, as JSON. */
export interface Stage {
  /** Merged over the environment of whoever starts codex; null removes a variable. */
  readonly env: Readonly<Record<string, string | null>>
  readonly workspace: string
  /** The codex executable. */
  readonly executable: string
}

const words = "the agent writes a few words at a time so that a person can follow what it does".split(" ")

/** The prompt that the model answers with this many deltas. */
export const promptOf = (deltas: number): string => `Say ${deltas} words.`

/** The deltas of the answer to such a prompt. Throws on any other prompt. */
export const answerTo = (prompt: string): ReadonlyArray<string> => {
  const deltas = /^Say (\d+) words\.$/.exec(prompt)?.[1]
  if (deltas === undefined) throw new Error(`asked for no number of words: ${prompt}`)
  return Array.from({ length: Number(deltas) }, (_, n) => `${words[n % words.length]} `)
}

/** The prompt that the model answers with a command, and then with a word. */
export const commandPrompt = "Run a command."

/** The text of an answer of this many deltas. */
export const answerOf = (deltas: number): string => answerTo(promptOf(deltas)).join("")

/** A process of `children` that prints a line and then serves until its stdin ends. */
const serving = async <A>(
  name: string,
  body: (line: string, pid: number) => Promise<A>
): Promise<A> => {
  const server = spawn(process.execPath, [child(name)], { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<number | null>((resolve) => server.once("close", resolve))
  try {
    const line = await new Promise<string>((resolve, reject) => {
      server.once("error", reject)
      void ended.then((code) => reject(new Error(`the ${name} ended with ${code}`)))
      createInterface({ input: server.stdout }).once("line", resolve)
    })
    return await body(line, server.pid!)
  } finally {
    server.stdin.end()
    await ended
  }
}

/**
 * Runs `body` beside a model and a home, and removes both afterwards. The model has a process of its own, so that its
 * cost counts neither as the client's nor as codex's. Also gives the model's CPU time, where the system reports it.
 */
export const staged = <A>(
  body: (stage: Stage & { readonly childEnv: NodeJS.ProcessEnv }) => Promise<A>
): Promise<readonly [A, modelCpuMs: number]> =>
  serving("model", async (line, pid) => {
    const stage = JSON.parse(line) as Stage
    const childEnv = { ...process.env }
    for (const [name, value] of Object.entries(stage.env)) {
      if (value === null) delete childEnv[name]
      else childEnv[name] = value
    }
    const before = Processes.cpuMs(pid)
    const result = await body({ ...stage, childEnv })
    return [result, Processes.cpuMs(pid) - before]
  })

/** Runs a command beside a model and a home, with the executable of codex as its last argument. */
export const runStaged = async (command: Command): Promise<Sample> => {
  const [sample, modelCpuMs] = await staged(({ childEnv, executable, workspace }) =>
    run({ ...command, args: [...command.args ?? [], executable], env: { ...childEnv, ...command.env }, cwd: workspace })
  )
  return { ...sample, modelCpuMs }
}

/** The same beside a PostgreSQL of its own, which `BENCH_POSTGRES` tells how to reach. */
export const runStagedOnPostgres = (command: Command): Promise<Sample> =>
  serving("postgres", (line) => runStaged({ ...command, env: { BENCH_POSTGRES: line } }))
