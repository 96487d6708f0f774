/** Starts runners as processes, and ends them in every way. */
import type { CodexHome } from "@effect-codex/testing"
import { Effect, Queue } from "effect"
import type { ShardingConfig } from "effect/cluster"
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Server } from "./postgres.ts"

export interface Given {
  /** With Effect's own configuration instead of the tuned one. */
  readonly isDefault?: boolean
  readonly shardingConfig?: Partial<ShardingConfig.ShardingConfig["Service"]>
}

export interface Options extends Given {
  readonly port: number
  readonly cwd: string
  readonly env: Readonly<Record<string, string | null>>
  readonly postgres: Server["options"]
}

export interface Runner {
  readonly address: string
  readonly home: CodexHome.CodexHome["Service"]
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly exited: Effect.Effect<void>
  /** What it has logged until now. */
  readonly log: ReadonlyArray<string>
  /** Waits for a line of its log with these words. */
  readonly said: (words: string) => Effect.Effect<string>
}

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** A runner that has started. It is killed with the scope. */
export const start = Effect.fnUntraced(function*(
  home: CodexHome.CodexHome["Service"],
  options: Omit<Options, "env" | "cwd">
) {
  const lines = yield* Queue.unbounded<string>()
  const past: Array<string> = []
  const env: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(home.env)) env[name] = value ?? null
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        ["--conditions=@effect-codex/source", fileURLToPath(new URL("./runner.ts", import.meta.url))],
        {
          stdio: ["ignore", "pipe", "pipe"],
          env: { ...process.env, RUNNER: JSON.stringify({ ...options, cwd: home.workspace, env }) }
        }
      )
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        // A frozen process does not die of SIGTERM.
        child.kill("SIGKILL")
      })
  )
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      past.push(line)
      Queue.offerUnsafe(lines, line)
      if (process.env["RUNNER_LOG"] !== undefined) process.stderr.write(`${options.port} ${line.slice(0, 400)}\n`)
    })
  }
  const said = (words: string): Effect.Effect<string> =>
    Effect.suspend(() => {
      const line = past.find((line) => line.includes(words))
      return line === undefined ? Effect.andThen(Queue.take(lines), said(words)) : Effect.succeed(line)
    })
  const exited = Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })
  const early = Effect.andThen(
    exited,
    Effect.suspend(() => Effect.die(new Error(`the runner ended early: ${past.join("\n")}`)))
  )
  yield* Effect.raceFirst(said("\"ready\""), early)
  const runner: Runner = {
    address: `127.0.0.1:${options.port}`,
    home,
    kill: (signal) => Effect.sync(() => void child.kill(signal)),
    exited,
    log: past,
    said
  }
  return runner
})
