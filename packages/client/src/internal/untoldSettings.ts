/**
 * What no reply tells of a thread: its instructions, and overrides of the configuration. A loaded thread ignores them
 * silently, so this client remembers what it loaded its threads with.
 */
import type * as Schema from "effect/Schema"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { ThreadSettings } from "../Codex.ts"
import { SettingsNotApplied } from "../CodexError.ts"

/** By the name of the setting; each override of the configuration counts for itself. */
export type Untold = { readonly [setting: string]: Schema.Json }

export const developer = "developerInstructions"

/** The reply tells the effort, and of `sandbox_workspace_write` what matters beside a sandbox. */
const isTold = (key: string, options: ThreadSettings): boolean =>
  key === "model_reasoning_effort" ||
  (options.sandbox !== undefined && (key === "sandbox_workspace_write" || key.startsWith("sandbox_workspace_write.")))

export const of = (options: ThreadSettings): Untold => {
  const untold: Record<string, Schema.Json> = {}
  if (options.baseInstructions !== undefined) untold.baseInstructions = options.baseInstructions
  if (options.developerInstructions !== undefined) untold[developer] = options.developerInstructions
  for (const [key, value] of Object.entries(options.config ?? {})) {
    if (!isTold(key, options)) untold[`config.${key}`] = value
  }
  return untold
}

/** Which of them are others than those of a thread. */
export const differing = (asked: Untold, held: Untold): ReadonlyArray<string> =>
  Object.keys(asked).filter((setting) => JSON.stringify(asked[setting]) !== JSON.stringify(held[setting]))

// A thread that was forgotten is one whose settings we cannot vouch for: asking for some is then an error.
const maxThreads = 1024

/** What the threads of a connection were loaded with. */
export class Opened {
  private readonly threads = new Map<string, Untold>()
  private readonly rpc: AppServerRpc["Service"]
  private restarts = 0
  constructor(rpc: AppServerRpc["Service"]) {
    this.rpc = rpc
  }

  get(threadId: string): Untold {
    // A new process has loaded nothing.
    if (this.rpc.restarts !== this.restarts) this.threads.clear()
    this.restarts = this.rpc.restarts
    return this.threads.get(threadId) ?? {}
  }

  set(threadId: string, untold: Untold): void {
    this.get(threadId)
    this.threads.delete(threadId)
    if (Object.keys(untold).length === 0) return
    this.threads.set(threadId, untold)
    const [oldest] = this.threads.keys()
    if (this.threads.size > maxThreads && oldest !== undefined) this.threads.delete(oldest)
  }
}

const secret = "what was given"

/** The thread was loaded already. */
export const keptByLoaded = (threadId: string, settings: ReadonlyArray<string>) =>
  new SettingsNotApplied({
    threadId,
    settings: settings.map((setting) => ({
      setting,
      asked: secret,
      holds: "what the thread was loaded with",
      advice:
        "A loaded thread keeps them, and the server does not tell them: leave them out, resume the thread once nobody " +
        "has it loaded, or fork it."
    }))
  })

/** The thread has had a turn. */
export const keptByHistory = (threadId: string) =>
  new SettingsNotApplied({
    threadId,
    settings: [{
      setting: developer,
      asked: secret,
      holds: "what the thread began with",
      advice:
        "A thread that has had a turn keeps the developer's instructions that it began with: leave them out, say them " +
        "in the next message, or start a new thread."
    }]
  })
