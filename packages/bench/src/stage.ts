/** What codex needs to run a turn offline: a model, and a home of its own. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { child } from "./measure.ts"
import * as Processes from "./processes.ts"

/** What the process of the model tells of itself, as JSON. */
export interface Stage {
  /** What to merge over the environment of who starts codex; null removes a variable. */
  readonly env: Readonly<Record<string, string | null>>
  readonly workspace: string
  /** The codex executable. */
  readonly executable: string
}

const words = "the agent writes a few words at a time so that a person can follow what it does".split(" ")

/** What the model is asked for an answer of so many deltas. */
export const promptOf = (deltas: number): string => `Say ${deltas} words.`

/** The deltas of the answer to such a prompt. Throws if it is another. */
export const answerTo = (prompt: string): ReadonlyArray<string> => {
  const deltas = /^Say (\d+) words\.$/.exec(prompt)?.[1]
  if (deltas === undefined) throw new Error(`asked for no number of words: ${prompt}`)
  return Array.from({ length: Number(deltas) }, (_, n) => `${words[n % words.length]} `)
}

/** The text of an answer of so many deltas. */
export const answerOf = (deltas: number): string => answerTo(promptOf(deltas)).join("")

/**
 * Runs `body` beside a model and a home, which are gone afterwards. They have a process of their own: what the model costs
 * is neither the client's nor codex's. Gives its CPU time, too, where the system tells it.
 */
export const staged = async <A>(
  body: (stage: Stage & { readonly childEnv: NodeJS.ProcessEnv }) => Promise<A>
): Promise<readonly [A, modelCpuMs: number]> => {
  const model = spawn(process.execPath, [child("model")], { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<number | null>((resolve) => model.once("close", resolve))
  try {
    const line = await new Promise<string>((resolve, reject) => {
      model.once("error", reject)
      void ended.then((code) => reject(new Error(`the model ended with ${code}`)))
      createInterface({ input: model.stdout }).once("line", resolve)
    })
    const stage = JSON.parse(line) as Stage
    const childEnv = { ...process.env }
    for (const [name, value] of Object.entries(stage.env)) {
      if (value === null) delete childEnv[name]
      else childEnv[name] = value
    }
    const before = Processes.cpuMs(model.pid!)
    const result = await body({ ...stage, childEnv })
    return [result, Processes.cpuMs(model.pid!) - before]
  } finally {
    model.stdin.end()
    await ended
  }
}
