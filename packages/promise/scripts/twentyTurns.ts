/** The same program on `@openai/codex-sdk` and on the drop-in: what it prints, how long it takes, how often it starts codex. */
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../test/support/sdkProgram.ts", import.meta.url))

export const packages = ["@openai/codex-sdk", "@effect-codex/promise/codex-sdk"] as const

const runOn = Effect.fnUntraced(function*(specifier: string, turns: number) {
  const home = yield* CodexHome.CodexHome
  const fs = yield* FileSystem.FileSystem
  const { executable } = yield* CodexExecutable.find()
  // Writes a line each time that codex is started.
  const starts = `${home.path}/starts`
  const codex = `${home.path}/counted`
  yield* fs.writeFileString(starts, "")
  yield* fs.writeFileString(codex, `#!/bin/sh\necho >> '${starts}'\nexec '${executable}' "$@"\n`)
  yield* fs.chmod(codex, 0o755)
  const began = performance.now()
  const child = yield* ChildProcess.make(
    process.execPath,
    ["--conditions=@effect-codex/source", program, specifier, String(turns), codex],
    { cwd: home.workspace, env: home.env, extendEnv: true, stdin: "ignore", stderr: "inherit" }
  )
  const said = yield* Stream.mkString(Stream.decodeText(child.stdout))
  const code = yield* child.exitCode
  return {
    specifier,
    code,
    said,
    milliseconds: Math.round(performance.now() - began),
    processes: (yield* fs.readFileString(starts)).length
  }
})

/** Both run with a home and a model of their own, one after the other. */
export const compare = (turns: number) =>
  Effect.forEach(packages, (specifier) =>
    Effect.scoped(runOn(specifier, turns)).pipe(
      Effect.provide(CodexHome.layer()),
      Effect.provide(ScriptedModel.layer({ answer: ({ prompt }) => `You said: ${prompt}` })),
      Effect.provide(NodeServices.layer)
    ))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = await Effect.runPromise(compare(20))
  for (const { milliseconds, processes, said, specifier } of results) {
    console.log(`${specifier}: ${milliseconds} ms, ${processes} processes, ${said.split("\n").length - 1} events`)
  }
  console.log(results[0]?.said === results[1]?.said ? "Both printed the same:" : "They did not print the same:")
  console.log(results[1]?.said.split("\n").slice(0, 4).join("\n"))
}
