/**
 * The settings that no reply reports: instructions, and overrides of the configuration. A loaded thread
 * silently ignores them, so this client remembers what it loaded its threads with.
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { ThreadSettings } from "../../Codex.ts"
import { SettingsNotApplied } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"
import { keep, type Kept, settings } from "./keptSettings.ts"
import { defined } from "./settings.ts"

/** Keyed by the name of the setting. Each override of the configuration is a setting of its own. */
export type Untold = { readonly [setting: string]: Schema.Json }

export const developer = "developerInstructions"

/** Replies report the effort. Beside a sandbox they also report what matters of `sandbox_workspace_write`. */
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

/** The names of the requested settings that the thread does not hold. */
export const differing = (asked: Untold, held: Untold): ReadonlyArray<string> =>
  Object.keys(asked).filter((setting) => JSON.stringify(asked[setting]) !== JSON.stringify(held[setting]))

const prefix = "config."

const configIn = (untold: Untold): NonNullable<ThreadSettings["config"]> =>
  Object.fromEntries(
    Object.entries(untold).flatMap(([setting, value]) =>
      setting.startsWith(prefix) ? [[setting.slice(prefix.length), value]] : []
    )
  )

// The settings of a forgotten thread are unknown, so asking for any of them is an error.
const maxThreads = 1024

const put = <A>(threads: Map<string, A>, threadId: string, value: A): void => {
  threads.delete(threadId)
  threads.set(threadId, value)
  const [oldest] = threads.keys()
  if (threads.size > maxThreads && oldest !== undefined) threads.delete(oldest)
}

/** What this client's threads were loaded with, and what any of their handles asked for. */
export class Opened {
  private threads = new Map<string, Untold>()
  /** What a process that is gone had loaded them with. */
  private readonly earlier = new Map<string, Untold>()
  private readonly kept = new Map<string, Kept>()
  private readonly rpc: Rpc
  private restarts = 0
  constructor(rpc: Rpc) {
    this.rpc = rpc
  }

  get(threadId: string): Untold {
    this.look()
    return this.threads.get(threadId) ?? {}
  }

  set(threadId: string, untold: Untold): void {
    this.look()
    this.threads.delete(threadId)
    this.earlier.delete(threadId)
    if (Object.keys(untold).length > 0) put(this.threads, threadId, untold)
  }

  /** The instructions that a thread was loaded with. */
  instructionsOf(threadId: string): Pick<ThreadSettings, "baseInstructions" | "developerInstructions"> {
    const { baseInstructions, [developer]: developerInstructions } = this.get(threadId)
    return defined({
      baseInstructions: Predicate.isString(baseInstructions) ? baseInstructions : undefined,
      developerInstructions: Predicate.isString(developerInstructions) ? developerInstructions : undefined
    })
  }

  /** The overrides of the configuration that a thread was loaded with, without those that replies report. */
  configOf(threadId: string): NonNullable<ThreadSettings["config"]> {
    return configIn(this.get(threadId))
  }

  /** Records that a handle asked the thread for these settings. */
  ask(threadId: string, given: Kept): void {
    put(this.kept, threadId, keep(this.kept.get(threadId) ?? {}, given))
  }

  /**
   * What a restarted process must load the thread with, if one handle alone asks for less. Otherwise the first
   * handle to resume the thread would deprive the others of settings that only loading can apply.
   */
  again(threadId: string, own: ThreadSettings): ThreadSettings | undefined {
    this.look()
    const all = defined({
      ...settings(keep(this.kept.get(threadId) ?? {}, own)),
      config: unstored({ ...configIn(this.earlier.get(threadId) ?? {}), ...own.config })
    })
    return JSON.stringify(Object.entries(all).sort()) === JSON.stringify(Object.entries(own).sort()) ? undefined : all
  }

  /** The server has unloaded a thread that will be loaded again. */
  unloaded(threadId: string): void {
    const untold = this.get(threadId)
    if (this.threads.delete(threadId)) put(this.earlier, threadId, untold)
  }

  // A new process has loaded nothing.
  private look(): void {
    if (this.rpc.restarts === this.restarts) return
    this.restarts = this.rpc.restarts
    for (const [threadId, untold] of this.threads) put(this.earlier, threadId, untold)
    this.threads.clear()
  }
}

/**
 * The overrides that must be sent again to resume a thread that is not loaded. docs/codex-behaviour.md, "The
 * configuration that a thread was given is not stored". The model and the effort of the last turn are stored.
 */
export const unstored = (given: ThreadSettings["config"]): ThreadSettings["config"] => {
  const { model: _, model_reasoning_effort: __, ...config } = given ?? {}
  return Object.keys(config).length === 0 ? undefined : config
}

const secret = "what was given"

/** The error when the thread was already loaded. */
export const keptByLoaded = (threadId: string, settings: ReadonlyArray<string>) =>
  new SettingsNotApplied({
    threadId,
    settings: settings.map((setting) => ({
      setting,
      asked: secret,
      holds: "what the thread was loaded with",
      advice:
        "A loaded thread keeps them, and the server does not report them: leave them out, resume the thread once nobody " +
        "has it loaded, or fork it."
    }))
  })

/** The error when the thread has had a turn. */
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
