/** The same program on one of several packages: threads at once, and on each of them turns one after another. */
import type * as Sdk from "@openai/codex-sdk"
import { endedChildrenCpuMs } from "../processes.ts"
import { answerOf, promptOf } from "../stage.ts"
import { watchCodex } from "./codexProcesses.ts"
import { begin, type Sample, tell } from "./sample.ts"

/** A module with the surface of `@openai/codex-sdk`, or `effect`. */
const specifier = process.argv[2]!
const [threads, turns, deltas] = process.argv.slice(3, 6).map(Number) as [number, number, number]
const executable = process.argv[6]!

const codexProcesses = watchCodex(executable)
const prompt = promptOf(deltas)

const onSdk = async () => {
  const { Codex }: Pick<typeof Sdk, "Codex"> = await import(specifier)
  return async () => {
    const codex = new Codex({ codexPathOverride: executable })
    const onThread = async () => {
      const thread = codex.startThread({ skipGitRepoCheck: true })
      const answers: Array<string> = []
      for (let n = 0; n < turns; n++) answers.push((await thread.run(prompt)).finalResponse)
      return answers
    }
    const answers = await Promise.all(Array.from({ length: threads }, onThread))
    return answers.flat()
  }
}

const onEffect = async () => {
  const { run } = await import("./peerEffect.ts")
  return () => run({ executable, threads, turns, prompt }, () => sample = end())
}

// The part `imports` measures how long a package takes to import.
const program = await (specifier === "effect" ? onEffect() : onSdk())
let sample: Sample | undefined
const end = begin()
const answers = await program()
sample ??= end()

const wrong = answers.filter((answer) => answer !== answerOf(deltas)).length
if (answers.length !== threads * turns || wrong > 0) {
  throw new Error(`${answers.length} answers of ${threads * turns}, ${wrong} of them wrong`)
}
// By then every codex process has ended, and its CPU time is known.
process.once("exit", () => {
  tell({ ...sample, codexProcesses: codexProcesses.count(), codexCpuMs: endedChildrenCpuMs() })
})
