/**
 * A substitute for users without a model: a script that lists the folder and reports what it saw. Everything around it
 * is real: the codex binary, its agent loop, its sandbox, the command and its output.
 */
import * as CodexHome from "@effect-codex/testing/CodexHome"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { rmSync } from "node:fs"
import { dirname } from "node:path"

export const command = "ls"

const shownLines = 20

/** Answers a request of codex: first with a command, then with its output. */
export const answer = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const result = request.toolOutputs.at(-1)
  const said = result === undefined ? look(request) : [ScriptedModel.text(paced(report(request, result.output)), final)]
  return ScriptedModel.reply(said, {
    usage: {
      input: words(request.instructions) + words(JSON.stringify(request.input)),
      output: words(JSON.stringify(said))
    }
  })
}

/**
 * A codex home with this model, private to this process. It is removed with the scope, or when the process exits
 * without closing it. `answers` come before this model's own.
 */
export const home = Effect.fnUntraced(function*(answers: ReadonlyArray<ScriptedModel.ScriptedAnswer> = []) {
  const services = yield* Layer.build(
    CodexHome.layer().pipe(Layer.provide(ScriptedModel.layer({ answer, answers })))
  )
  const home = Context.get(services, CodexHome.CodexHome)
  const codex = yield* removedAtExit(dirname(home.path))
  return { ...home, codex }
})

// A second signal does not wait for the scope. codex would then exit by itself, but may still write to its home before.
const removedAtExit = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const codex: { pid: number | undefined } = { pid: undefined }
      const remove = () => {
        try {
          if (codex.pid !== undefined) process.kill(process.platform === "win32" ? codex.pid : -codex.pid, "SIGKILL")
        } catch {
          // It has already exited.
        }
        rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
      }
      process.on("exit", remove)
      return { codex, remove }
    }),
    ({ remove }) => Effect.sync(() => process.off("exit", remove))
  ).pipe(Effect.map(({ codex }) => codex))

const final = { phase: "final_answer" } as const

const look = (request: ScriptedModel.ModelRequest): ReadonlyArray<ScriptedModel.Part> => [
  ScriptedModel.reasoning([
    "I am a script and cannot act on a prompt. ",
    ScriptedModel.delay("100 millis"),
    "I can show how codex runs a command."
  ]),
  ...request.tools.some((tool) => tool["name"] === "exec_command")
    ? [
      ScriptedModel.text(paced("I look at what is in this folder."), { phase: "commentary" }),
      ScriptedModel.exec(command)
    ]
    : [ScriptedModel.text(paced(`${heading(request)}\n\ncodex offered no tool to run a command with.`), final)]
]

const heading = (request: ScriptedModel.ModelRequest): string => {
  const prompt = request.prompt.length > 500 ? `${request.prompt.slice(0, 500)}…` : request.prompt
  return `Hello from the offline model, a script that cannot answer prompts. Yours was: ${JSON.stringify(prompt)}`
}

const report = (request: ScriptedModel.ModelRequest, result: string): string => {
  // Skip the first lines: docs/codex-behaviour.md, "The output of a command begins with lines about the process".
  const [, about = "", output = result] = /^(.*?)^Output:\n(.*)$/ms.exec(result) ?? []
  const code = Number(/exited with code (-?\d+)/.exec(about)?.[1] ?? 0)
  const lines = output.trimEnd().split("\n").filter((line) => line !== "")
  const rest = lines.length - shownLines
  const shown = lines.slice(0, shownLines).map((line) => `  ${line}`)
  if (rest > 0) shown.push(`  … and ${rest} more`)
  const told = code !== 0
    ? `failed with exit code ${code}${shown.length === 0 ? "." : ":"}`
    : shown.length === 0
    ? "showed nothing: this folder is empty."
    : "showed:"
  return [heading(request), "", `I ran \`${command}\`, and it ${told}`, ...shown].join("\n")
}

// In pieces, as a real model writes.
const paced = (text: string): ReadonlyArray<string | ScriptedModel.Pause> =>
  (text.match(/\s*\S+\s*/g) ?? [text]).flatMap((word) => [word, ScriptedModel.delay("4 millis")])

// Counts words as tokens, for want of a tokenizer.
const words = (text: string): number => text.match(/[\p{L}\p{N}]+/gu)?.length ?? 0
