/** What a program runs in: a scripted model with gates, a private home, and codex behind the tap. */
import { CodexExecutable } from "@effect-codex/node"
import { BrowserLogin, CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Path } from "effect"
import * as Login from "./login.ts"
import type { Entry, TapSettings } from "./recording.ts"
import type { Setup } from "./scenario.ts"

export interface World {
  readonly executable: string
  readonly workspace: string
  readonly codexHome: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly gate: (name: string) => ScriptedModel.Gate
  /** What went over the pipes of all codex processes so far. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const findExecutable = Effect.map(CodexExecutable.find(), ({ executable }) => executable)

const usage = { input: 100, cached: 20, output: 5, reasoning: 2 }

/** An answer with a number of tokens, if it says none itself. */
const counted = (answer: ScriptedModel.ScriptedAnswer): ScriptedModel.ScriptedAnswer =>
  typeof answer === "string"
    ? ScriptedModel.reply([answer], { usage })
    : Array.isArray(answer)
    ? ScriptedModel.reply(answer, { usage })
    : answer

/** The gates of a scenario, by name. */
const makeGates = (answers: NonNullable<Setup["answers"]>) =>
  Effect.gen(function*() {
    const names: Array<string> = []
    const noted: ScriptedModel.Gate = yield* ScriptedModel.gate
    answers((name) => {
      names.push(name)
      return noted
    })
    const gates = new Map<string, ScriptedModel.Gate>()
    for (const name of names) gates.set(name, yield* ScriptedModel.gate)
    return gates
  })

export const make = Effect.fnUntraced(function*(setup: Setup) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  if (setup.browser === true) yield* Layer.build(BrowserLogin.layerExclusive)

  const answers = setup.answers ?? (() => [])
  const gates = yield* makeGates(answers)
  const confirmed = yield* ScriptedModel.gate
  gates.set("confirmed", confirmed)
  const gate = (name: string): ScriptedModel.Gate => {
    const found = gates.get(name)
    if (found === undefined) throw new Error(`no gate has the name ${name}`)
    return found
  }
  const model = yield* ScriptedModel.make({
    answers: setup.usage === false ? answers(gate) : answers(gate).map(counted),
    answer: () => setup.usage === false ? "Hello!" : ScriptedModel.reply(["Hello!"], { usage })
  })
  const login = setup.loginService === true ? yield* Login.make(confirmed.pass) : undefined
  const home = yield* CodexHome.make({
    modelUrl: model.url,
    ...setup.home,
    config: {
      ...login !== undefined && { chatgpt_base_url: `${login}/backend-api/` },
      ...setup.home?.config
    }
  })
  for (const [path, base64] of Object.entries(setup.files ?? {})) {
    yield* fs.writeFile(join(home.workspace, path), Buffer.from(base64, "base64"))
  }

  const folder = join(home.path, "..", "tap")
  yield* fs.makeDirectory(folder)
  const executable = join(folder, "codex")
  const log = join(folder, "log.jsonl")
  const settings: TapSettings = { executable: yield* findExecutable, log, faults: setup.faults ?? {} }
  yield* fs.writeFileString(join(folder, "settings.json"), JSON.stringify(settings))
  yield* fs.writeFileString(log, "")
  const program = join(import.meta.dirname, "tap.ts")
  yield* fs.writeFileString(
    executable,
    `#!/bin/sh\nexec ${[process.execPath, program, join(folder, "settings.json")].map(quoted).join(" ")} "$@"\n`,
    { mode: 0o755 }
  )
  const entries = Effect.map(
    fs.readFileString(log),
    (text) => text.split("\n").flatMap((line): ReadonlyArray<Entry> => line === "" ? [] : [JSON.parse(line)])
  )
  const env = {
    ...home.env,
    ...login !== undefined && { CODEX_APP_SERVER_LOGIN_ISSUER: login },
    ...setup.env
  }
  const world: World = {
    executable,
    workspace: home.workspace,
    codexHome: home.path,
    env,
    gate,
    entries: Effect.orDie(entries)
  }
  return world
}, Effect.provide(NodeServices.layer))
