/** Runs the scripted model and keeps a home for codex until stdin ends. */
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import { answerTo, commandPrompt, type Stage } from "../stage.ts"

const answer = ({ prompt, toolOutputs }: ScriptedModel.ModelRequest) =>
  prompt !== commandPrompt
    ? ScriptedModel.text(answerTo(prompt))
    : toolOutputs.length === 0
    ? ScriptedModel.exec("echo hi")
    : ScriptedModel.text(["Done."])

const program = Effect.gen(function*() {
  const { env, workspace } = yield* CodexHome.CodexHome
  const { executable } = yield* CodexExecutable.find()
  const ended = Effect.callback<void>((resume) => {
    process.stdin.once("end", () => resume(Effect.void)).resume()
  })
  const stage: Stage = {
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? null])),
    workspace,
    executable
  }
  Fs.writeSync(1, `${JSON.stringify(stage)}\n`)
  yield* ended
})

NodeRuntime.runMain(
  Effect.scoped(program).pipe(
    Effect.provide(
      CodexHome.layer().pipe(
        Layer.provideMerge(ScriptedModel.layer({ answer })),
        Layer.provideMerge(NodeServices.layer)
      )
    )
  )
)
