/**
 * Shares one app-server among all threads with the same options. It lives while one of them runs a turn and a moment
 * longer, and ends at once when the program has nothing else to do.
 */
import { Codex } from "../../Codex.ts"
import { handled } from "../host.ts"
import { inBackground } from "../layer.ts"
import { serverOptions } from "./serverOptions.ts"
import type { CodexOptions } from "./types.ts"

export interface Server {
  readonly codex: Codex
  /** The server's configuration warnings, which the SDK repeats with each turn. */
  readonly warnings: ReadonlyArray<string>
  /** The threads that the server has loaded; no other process can write them. */
  readonly threads: Set<string>
}

interface Shared extends Server {
  readonly warnings: Array<string>
  users: number
  timer: NodeJS.Timeout | undefined
}

// Milliseconds: longer than the gap between two consecutive turns, and short enough not to delay the program's end.
const idle = 250

const start = (codexOptions: CodexOptions): Codex => {
  const options = {
    ...serverOptions(codexOptions),
    [inBackground]: true,
    onLog: () => {},
    // `onLog` discards the warning.
    checkLogin: false
  } as const
  return new Codex(options)
}

// Not emitted: docs/codex-behaviour.md, "codex exec tells a warning of the configuration twice".
const isOfTheMachine = (warning: string) => warning.startsWith("Codex could not find bubblewrap")

// Ignores a failed start, which the turn reports.
const watchWarnings = async ({ codex, warnings }: Shared) => {
  try {
    for await (const diagnostic of codex.diagnostics) {
      if (diagnostic._tag !== "ServerWarning" || isOfTheMachine(diagnostic.summary)) continue
      const { details, summary } = diagnostic
      warnings.push(details ? `${summary} (${details})` : summary)
    }
  } catch {}
}

export class Servers {
  readonly #shared = new Map<string, Shared>()
  /** Keeps the program alive, because the servers do not. */
  #alive: NodeJS.Timeout | undefined
  /** The number of servers in use or ending. */
  #busy = 0
  #isWatching = false

  /** Acquires a server. The caller must call `release` and say whether the server is gone. */
  acquire(options: CodexOptions): { readonly server: Server; readonly release: (isGone: boolean) => void } {
    const key = JSON.stringify(options)
    const shared = this.#shared.get(key) ?? this.#start(key, options)
    shared.users++
    clearTimeout(shared.timer)
    const done = this.#keepAlive()
    const release = (isGone: boolean) => {
      shared.users--
      if (isGone) void this.#stop(key, shared)
      else if (shared.users === 0) shared.timer = setTimeout(() => void this.#stop(key, shared), idle).unref()
      done()
    }
    return { server: shared, release }
  }

  /** Ends other, unused servers that have loaded the thread. */
  async free(threadId: string, server: Server): Promise<void> {
    for (const [key, shared] of this.#shared) {
      if (shared !== server && shared.users === 0 && shared.threads.has(threadId)) await this.#stop(key, shared)
    }
  }

  #stop(key: string, shared: Shared): Promise<void> {
    clearTimeout(shared.timer)
    if (this.#shared.get(key) === shared) this.#shared.delete(key)
    return handled(shared.codex.close().finally(this.#keepAlive()))
  }

  #keepAlive(): () => void {
    if (this.#busy++ === 0) this.#alive = setInterval(() => {}, 2 ** 31 - 1)
    return () => {
      if (--this.#busy === 0) clearInterval(this.#alive)
    }
  }

  // On `beforeExit` nothing else is pending, so no turn will follow.
  readonly #endIdle = () => {
    for (const [key, shared] of this.#shared) if (shared.users === 0) void this.#stop(key, shared)
  }

  #start(key: string, options: CodexOptions): Shared {
    if (!this.#isWatching) process.on("beforeExit", this.#endIdle)
    this.#isWatching = true
    const shared: Shared = { codex: start(options), warnings: [], threads: new Set(), users: 0, timer: undefined }
    this.#shared.set(key, shared)
    void watchWarnings(shared)
    return shared
  }
}
