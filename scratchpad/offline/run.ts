/** Runs an example with your Codex login, or with the offline model where there is none: `npm run example 12`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Option } from "effect"
import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { runMain } from "../../packages/cli/src/internal/main.ts"
import * as OfflineModel from "../../packages/cli/src/internal/offlineModel.ts"
import * as Screen from "../../packages/cli/src/internal/screen.ts"
import { configured } from "../../packages/cli/src/internal/session.ts"
import { scripts } from "./answers.ts"

const folder = join(import.meta.dirname, "..")

// In the group of this process, so that it may read the terminal and a Ctrl-C reaches it.
const run = (file: string, cwd: string, env: Readonly<Record<string, string | undefined>> = {}) =>
  Effect.callback<number>((resume) => {
    const child = spawn(process.execPath, ["--conditions=@effect-codex/source", join(folder, file)], {
      cwd,
      env: { ...process.env, ...env },
      stdio: "inherit"
    })
    const ended = Effect.callback<void>((resume) => {
      if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGTERM")
    })
    child.once("exit", (code) => resume(Effect.succeed(code ?? 1)))
    return ended
  })

const program = Effect.gen(function*() {
  const { line } = yield* Screen.Screen
  const given = process.argv[2] ?? ""
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"))
  const file = files.find((file) => given !== "" && file.startsWith(given))
  if (file === undefined) {
    yield* line(`Which example? Give the beginning of its name, npm run example 01:\n  ${files.join("\n  ")}`)
    return 1
  }
  if (Option.isSome(yield* Effect.scoped(configured()))) {
    // Not in the repository: the agent may change what is in its folder.
    const fs = yield* FileSystem.FileSystem
    return yield* run(file, yield* fs.makeTempDirectoryScoped({ prefix: "codex-example-" }))
  }
  yield* line("No Codex login (`npx codex login`) was found: the example uses an offline model, which is a script.")
  const { answers, optional = [] } = scripts[file] ?? { answers: [] }
  const { env, workspace } = yield* OfflineModel.home([...answers, ...optional])
  return yield* run(file, workspace, env)
}).pipe(Effect.scoped)

program.pipe(
  Effect.map((code) => void (process.exitCode = code)),
  Effect.provide(Screen.layer),
  Effect.provide(NodeServices.layer),
  runMain
)
