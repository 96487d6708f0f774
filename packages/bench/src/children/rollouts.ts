/** The files in which codex stores threads, written without codex. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { promptOf } from "../stage.ts"

const sessions = () => Path.join(process.env["CODEX_HOME"]!, "sessions")

/** A stored thread of one turn, with one message of the user and one of the agent. */
export interface Rollout {
  readonly threadId: string
  readonly lines: ReadonlyArray<string>
  /** Stores another thread beside it. */
  readonly write: (threadId: string, lines: ReadonlyArray<string>) => void
}

/** Runs a turn. Its codex ends. */
export const record = async (executable: string): Promise<Rollout> => {
  const threadId = await Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const thread = yield* codex.startThread()
    yield* thread.run(promptOf(5))
    return thread.id
  }).pipe(Effect.provide(CodexNode.layer({ executable })), Effect.runPromise)
  const file = Fs.readdirSync(sessions(), { recursive: true, encoding: "utf8" })
    .find((file) => file.endsWith(`${threadId}.jsonl`))!
  const path = Path.join(sessions(), file)
  // The instructions, which are 30 KB long, do not matter here.
  const lines = Fs.readFileSync(path, "utf8").trim().split("\n")
    .filter((line) => !line.includes(`"role":"developer"`) && !line.includes(`"type":"world_state"`))
  return {
    threadId,
    lines,
    write: (other, lines) =>
      Fs.writeFileSync(path.replace(threadId, other), `${lines.join("\n").replaceAll(threadId, other)}\n`)
  }
}
