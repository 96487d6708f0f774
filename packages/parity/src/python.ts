/** Runs a scenario through the Python SDK, in a process of its own. */
import { Data, Effect } from "effect"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import type { Notes, Scenario } from "./scenario.ts"
import type { World } from "./world.ts"

/** The face of the SDK: `Codex` or `AsyncCodex`. */
export type Face = "sync" | "async"

/** The program ended without its notes. */
export class Broken extends Data.TaggedError("Broken")<{ readonly scenario: string; readonly detail: string }> {
  override get message(): string {
    return `${this.scenario} is broken: ${this.detail}`
  }
}

/** What the Python program noted, with the members it called and the exceptions it got. */
export interface PythonNotes extends Notes {
  readonly calls: ReadonlyArray<string>
  readonly raised: ReadonlyArray<string>
}

/** The public names of the SDK, and the scenarios that the Python program knows. */
export interface Surface {
  readonly methods: ReadonlyArray<string>
  readonly errors: ReadonlyArray<string>
  readonly scenarios: ReadonlyArray<string>
}

type Message =
  | { readonly release: string }
  | { readonly reached: string }
  | { readonly done: unknown }
  | { readonly broken: string }

const program = Path.join(import.meta.dirname, "..", "python", "drive.py")

const drive = (
  python: string,
  scenario: string,
  job: object,
  env: Readonly<Record<string, string | undefined>>,
  onMessage: (message: Message, answer: () => void) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const given: NodeJS.ProcessEnv = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" }
    for (const [name, value] of Object.entries(env)) {
      if (value === undefined) delete given[name]
      else given[name] = value
    }
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => ChildProcess.spawn(python, [program], { env: given, stdio: ["pipe", "pipe", "pipe"] })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    child.stdin.on("error", () => {})
    child.stdin.write(`${JSON.stringify({ scenario, ...job })}\n`)
    return yield* Effect.callback<unknown, Broken>((resume) => {
      const broken = (detail: string) => resume(Effect.fail(new Broken({ scenario, detail })))
      let stderr = ""
      let rest = ""
      child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n")
        rest = lines.pop() ?? ""
        for (const line of lines) {
          const message: Message = JSON.parse(line)
          if ("done" in message) resume(Effect.succeed(message.done))
          else if ("broken" in message) broken(message.broken)
          else run(onMessage(message, () => child.stdin.write("\n")))
        }
      })
      child.once("error", (error) => broken(error.message))
      child.once("close", (code) => broken(`it ended with ${code}: ${stderr}`))
    }).pipe(
      Effect.timeoutOrElse({
        duration: "90 seconds",
        orElse: () => Effect.fail(new Broken({ scenario, detail: "it did not end within 90 seconds" }))
      })
    )
  }).pipe(Effect.scoped)

export const run = (python: string, face: Face, scenario: Scenario, world: World) =>
  Effect.map(
    drive(
      python,
      scenario.name,
      { face, executable: world.executable, workspace: world.workspace },
      world.env,
      (message, answer) =>
        "release" in message
          ? world.gate(message.release).release
          : "reached" in message
          ? Effect.andThen(world.gate(message.reached).reached, Effect.sync(answer))
          : Effect.void
    ),
    (done) => done as PythonNotes
  )

export const surface = (python: string) =>
  Effect.map(
    drive(python, "public", {}, {}, () => Effect.void),
    (done) => done as Surface
  )
