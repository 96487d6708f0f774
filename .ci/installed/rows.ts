/**
 * `runtimes.ts` runs this in the project with the installed packages. Its argument is a file of rows; each row is a
 * command that runs `turns.ts` with its own codex and model.
 */
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Stream } from "effect"
import { ChildProcess } from "effect/process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Row } from "./row.ts"
import { onTcp, onUnix, removeLeftovers } from "./servers.ts"

const isWarning = (line: string) => /^\[[\d:.]+\] WARN \(#\d+\): codex/.test(line)

/** The problem of a row, if it has one. */
const problemOf = ({ args, command, env, isStdioOnly = false, says }: Row) =>
  Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const model = yield* ScriptedModel.ScriptedModel
    const [{ url }, { path }] = yield* Effect.all([onTcp(), onUnix(Path.join(home.workspace, "socket"))], {
      concurrency: 2
    })
    const transports = isStdioOnly ? ["stdio"] : ["stdio", "WebSocket", "unix socket"]
    yield* model.enqueue(...transports, ScriptedModel.functionCall("note", {}), "promises")
    const child = yield* ChildProcess.make(command, [...args, ...isStdioOnly ? [] : [url, path]], {
      cwd: home.workspace,
      env: { ...home.env, ...env },
      extendEnv: true,
      stdin: "ignore",
      forceKillAfter: "1 second"
    })
    const [stdout, stderr, code] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(child.stdout)),
      Stream.mkString(Stream.decodeText(child.stderr)),
      child.exitCode
    ], { concurrency: "unbounded" })
    const linesOf = (text: string) => text.split("\n").filter((line) => line !== "" && !isWarning(line)).join("\n")
    const errors = linesOf(stderr)
    const isRight = says === undefined
      ? code === 0 && errors === "" && linesOf(stdout) === [...transports, "store", "promises"].join(", ")
      : code !== 0 && errors.includes(says)
    return isRight ? undefined : `it ended with ${code} and printed\n${stdout}${errors}`
  }).pipe(
    Effect.scoped,
    Effect.provide([
      CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())),
      NodeServices.layer
    ]),
    Effect.timeout("1 minute"),
    Effect.catch((error) => Effect.succeed(String(error)))
  )

const rows: ReadonlyArray<Row> = JSON.parse(Fs.readFileSync(process.argv[2]!, "utf8"))
process.exitCode = await Effect.runPromise(Effect.forEach(
  rows,
  (row) =>
    Effect.flatMap(problemOf(row), (problem) =>
      problem === undefined
        ? Effect.succeed(0)
        : Effect.as(Console.log(`FAILED: ${row.name}: ${problem}`), 1)),
  { concurrency: 3 }
)).then((codes) => Math.max(0, ...codes))
removeLeftovers()
