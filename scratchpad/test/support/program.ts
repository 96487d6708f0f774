import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { vi } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { ChildProcess } from "effect/process"

// Each test starts two processes, one of them codex.
vi.setConfig({ maxConcurrency: 2, testTimeout: 60_000 })

export const testLayer = (home?: CodexHome.Options) =>
  Layer.merge(CodexHome.layer(home).pipe(Layer.provideMerge(ScriptedModel.layer())), NodeServices.layer)

/**
 * Runs a program to its end, as a user runs it, and gives the lines that it printed, without what codex warns of, which
 * depends on the machine. It is ended with the scope at the latest.
 */
export const run = Effect.fnUntraced(function*(
  file: string,
  { args = [], env, stdin }: {
    readonly args?: ReadonlyArray<string> | undefined
    readonly stdin?: string | undefined
    readonly env?: Readonly<Record<string, string>> | undefined
  } = {}
) {
  const home = yield* CodexHome.CodexHome
  const child = yield* ChildProcess.make(process.execPath, ["--conditions=@effect-codex/source", file, ...args], {
    cwd: home.workspace,
    env: { ...home.env, ...env },
    extendEnv: true,
    stdin: stdin === undefined ? "ignore" : Stream.encodeText(Stream.make(stdin)),
    forceKillAfter: "5 seconds"
  })
  const [stdout, stderr, code] = yield* Effect.all([
    Stream.mkString(Stream.decodeText(child.stdout)),
    Stream.mkString(Stream.decodeText(child.stderr)),
    child.exitCode
  ], { concurrency: "unbounded" })
  // Effect's cluster may see that its only runner has left before the program has ended.
  const printed = stdout.replace(/^\[[\d:.]+\] WARN \(#\d+\): No healthy runners available \{\n(?: .*\n)*\}\n/gm, "")
  const isWarning = (line: string) => /^\[[\d:.]+\] WARN \(#\d+\): codex/.test(line)
  const lines = printed.split("\n").slice(0, -1).filter((line) => !isWarning(line))
  const errors = stderr.split("\n").filter((line) => !isWarning(line)).join("\n")
  return { code, stderr: errors, lines, said: `${lines.join("\n")}\n--- stderr\n${stderr}` }
})
