/** The model of the pipeline where there is none: a script that reads, finds something and writes a report. */
import { ScriptedModel } from "@effect-codex/testing"

const { delay, exec, reasoning, reply, text } = ScriptedModel

const final = { phase: "final_answer" } as const

/** In pieces, as a model writes. */
const slowly = (words: string) => words.split(/(?<= )/).flatMap((word) => [word, delay("30 millis")])

const usage = { input: 1_800, output: 240 }

/** The findings are of the program's own sources: what it says of them is as good as a count of lines. */
const findings = (counted: string) => {
  const longest = [...counted.matchAll(/^\s*(\d+) (?!total)(\S+)$/gm)]
    .map(([, lines, file]) => ({ lines: Number(lines), file: file! }))
    .toSorted((a, b) => b.lines - a.lines)[0]
  return longest === undefined ? [] : [{ file: longest.file, problem: `is the longest, with ${longest.lines} lines` }]
}

/** Everything that commands printed in this thread. */
const printed = (request: ScriptedModel.ModelRequest): string =>
  request.input.flatMap(({ output, type }) => type === "function_call_output" ? [String(output)] : []).join("\n")

/** What the thread was asked to do. The last prompt may say that it was interrupted, or what a person decided. */
const taskOf = ({ userTexts }: ScriptedModel.ModelRequest): string =>
  userTexts.findLast((text) => /^(?:Read|What|Write) /.test(text)) ?? ""

export const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const task = taskOf(request)
  const output = request.toolOutputs.at(-1)?.output
  if (task.startsWith("Read ")) {
    return output === undefined
      ? reply([reasoning(slowly("I count the lines of each file.")), exec("wc -l src/*.ts")], { usage })
      : reply([text(slowly("I have read every file of this package. "), final)], { usage })
  }
  if (task.startsWith("What ")) {
    return reply([
      reasoning(slowly("I look for what a reader would stumble over, file by file. ")),
      text(JSON.stringify({ findings: findings(printed(request)) }), final)
    ], { usage })
  }
  if (request.prompt.includes("does not allow")) {
    return reply([text("Then the report stays a draft: draft.md.", final)], { usage })
  }
  return output === undefined
    ? reply([exec("cp draft.md REVIEW.md")], { usage })
    : /exited with code 0/.test(output)
    ? reply([text("The report is written.", final)], { usage })
    : reply([text("The report could not be written.", final)], { usage })
}
