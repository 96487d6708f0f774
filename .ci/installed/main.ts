/**
 * `check-packages.ts` runs this in an empty project with the installed packages, and puts the examples beside it. The
 * arguments are the pages whose examples to run. Default: all.
 */
import { Codex } from "@effect-codex/client"
import { BrowserLogin, CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { ChildProcess } from "effect/process"
// The project's package that uses Effect 3.
import { findings } from "findings"
import * as Assert from "node:assert/strict"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Collector from "./collector.ts"
import { type Expectation, expectations, main, openAI } from "./expectations.ts"
import { test } from "./readme-test.ts"
import { titles } from "./titles.ts"

const folder = import.meta.dirname
const extension = Path.extname(import.meta.filename)

/** The file to run for an example: the example itself, or a program that runs its export. */
const fileOf = (name: string, expectation: Expectation): string => {
  if (expectation.effect === undefined) return Path.join(folder, `${name}${extension}`)
  const program = Path.join(folder, `run-${name}`)
  Fs.mkdirSync(program, { recursive: true })
  Fs.writeFileSync(Path.join(program, "example.mjs"), `export * from "../${name}${extension}"\n`)
  Fs.writeFileSync(Path.join(program, "main.mjs"), main(expectation))
  return Path.join(program, "main.mjs")
}

// codex's warnings depend on the machine.
const isWarning = (line: string) => /^\[[\d:.]+\] WARN \(#\d+\): codex/.test(line)

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "" && !isWarning(line)).join("\n")

/** Runs a program of the documentation as a user would. */
const program = (title: string, name: string, expectation: Expectation) =>
  Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const model = yield* ScriptedModel.ScriptedModel
    yield* model.enqueue(...expectation.answers, ...expectation.optional ?? [])
    const collector = yield* Collector.make
    const child = yield* ChildProcess.make(process.execPath, [fileOf(name, expectation)], {
      cwd: home.workspace,
      env: { ...home.env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...expectation.env },
      extendEnv: true,
      stdin: "ignore",
      forceKillAfter: "5 seconds"
    })
    const [stdout, stderr, code] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(child.stdout)),
      Stream.mkString(Stream.decodeText(child.stderr)),
      child.exitCode
    ], { concurrency: "unbounded" })
    const printed = linesOf(stdout).replace(/http:\/\/127\.0\.0\.1:\d+/, "ISSUER")
      .replace(/(?<=run |declined: )\/.*(?=\?| \()/, "COMMAND")
    Assert.deepEqual({ title, code, stderr: linesOf(stderr), printed }, {
      title,
      code: 0,
      stderr: "",
      printed: expectation.prints
    })
    Assert.deepEqual(Fs.readdirSync(home.workspace), [...expectation.files ?? []], title)
    expectation.collected?.(collector)
  }).pipe(
    Effect.scoped,
    Effect.provide([
      CodexHome.layer(/^auth:|: 9. Accounts/.test(title) ? openAI : {}).pipe(Layer.provideMerge(ScriptedModel.layer())),
      NodeServices.layer,
      expectation.browser === true ? BrowserLogin.layerExclusive : Layer.empty
    ])
  )

const pages = process.argv.slice(2)

const chosen = Object.entries(expectations).filter(([title]) =>
  pages.length === 0 || pages.includes(title.slice(0, title.indexOf(":")))
)

const programs = Effect.forEach(
  chosen,
  ([title, expectation]) => {
    const name = titles[title]
    if (name === undefined) return Effect.die(new Error(`${title} is not in the documentation`))
    return program(title, name, expectation)
  },
  { concurrency: 2 }
)

/** Tests an output created with Effect 3. */
const ofEffect3 = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(`{ "value": [{ "file": "a.ts", "line": null }] }`)
  const thread = yield* (yield* Codex.Codex).startThread()
  const { output } = yield* thread.run("Look for bugs.", { output: findings })
  Assert.deepEqual(output.map(({ file, line }) => [file, line]), [["a.ts", undefined]])
}).pipe(Effect.provide(ScriptedCodex.layer()))

await Effect.runPromise(Effect.all([
  program("README", "readme-program", { answers: ["Hello from the packages."], prints: "Hello from the packages." }),
  programs,
  Effect.map(test, ({ finalResponse }) => Assert.deepEqual(finalResponse, Option.some("The folder is empty."))),
  ofEffect3,
  Console.log(
    `${chosen.length} programs of the documentation ran on the installed packages ` +
      `with Node ${process.versions.node}`
  )
]))
