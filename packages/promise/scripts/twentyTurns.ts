/**
 * The same program on `@openai/codex-sdk` and on the drop-in: what it prints, how long it takes, how often it starts codex.
 *
 * Of how many turns, and how often, are its arguments; default: 20 turns, once. With `--built` the packages are taken as they
 * are published (`npm run build`), and not from their sources.
 */
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const program = fileURLToPath(new URL("../test/support/sdkProgram.ts", import.meta.url))

export const packages = ["@openai/codex-sdk", "@effect-codex/promise/codex-sdk"] as const

const fromSource = ["--conditions=@effect-codex/source"]

const runOn = Effect.fnUntraced(function*(specifier: string, turns: number, conditions: ReadonlyArray<string>) {
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
    [...conditions, program, specifier, String(turns), codex],
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
export const compare = (turns: number, conditions: ReadonlyArray<string> = fromSource) =>
  Effect.forEach(packages, (specifier) =>
    Effect.scoped(runOn(specifier, turns, conditions)).pipe(
      Effect.provide(CodexHome.layer()),
      Effect.provide(ScriptedModel.layer({ answer: ({ prompt }) => `You said: ${prompt}` })),
      Effect.provide(NodeServices.layer)
    ))

const median = (times: ReadonlyArray<number>) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { built: { type: "boolean" } } })
  const [turns = 20, rounds = 1] = positionals.map(Number)
  const all = []
  for (let round = 0; round < rounds; round++) {
    all.push(await Effect.runPromise(compare(turns, values.built ? [] : fromSource)))
  }
  for (const [i, specifier] of packages.entries()) {
    const runs = all.flatMap((results) => results[i] ?? [])
    const times = runs.map(({ milliseconds }) => milliseconds)
    console.log(`${specifier}: ${median(times)} ms (${times.join(", ")}), ${runs[0]?.processes} processes`)
  }
  const isSame = all.every(([theirs, ours]) => theirs?.said === ours?.said)
  console.log(isSame ? "Both printed the same:" : "They did not print the same:")
  console.log(all[0]?.[1]?.said.split("\n").slice(0, 4).join("\n"))
}
