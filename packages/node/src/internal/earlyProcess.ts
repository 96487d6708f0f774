/**
 * A codex app-server that is started before Effect is loaded, so that both happen at the same time. Who starts a
 * process with the very command and environment takes the one that runs already, and nobody else does: whatever makes
 * the two differ costs the time that would have been saved, and nothing more.
 *
 * Nothing here or in what it imports may import Effect.
 */
import type * as AppServer from "@effect-codex/client/AppServer"
import * as Launch from "@effect-codex/client/internal/launch"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, realpathSync, statSync } from "node:fs"
import * as Path from "node:path"
import * as Search from "./executableSearch.ts"
import * as PathVariable from "./pathVariable.ts"

/** Those of `CodexNode.layer` that make the command. */
export interface Options extends Pick<AppServer.Options, "configOverrides" | "credentialsStore"> {
  readonly executable?: string | undefined
  readonly env: { readonly [name: string]: string | undefined }
}

export type Child = ChildProcess & {
  readonly pid: number
  readonly stdin: NonNullable<ChildProcess["stdin"]>
  readonly stdout: NonNullable<ChildProcess["stdout"]>
  readonly stderr: NonNullable<ChildProcess["stderr"]>
}

interface Early {
  readonly command: Command
  readonly child: Child
}

/** What is started, in full. */
export interface Command {
  readonly executable: string
  readonly args: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string | undefined
}

/** What an early process is told at once: who takes it writes the same first. */
export const greeting = `${Launch.firstFrame()}\n`

/** They do not keep the program alive, and end with their stdin, so with the program at the latest. */
const waiting = new Set<Early>()

export const mergedEnv = (env: Options["env"]): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== undefined))

/** The folder that a process without one of its own gets; undefined when it is gone. */
export const currentFolder = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

const problemOf = (file: string): string | undefined => {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) return Search.absent
  return stats.isFile() && (stats.mode & 0o111) !== 0 ? undefined : "it cannot be started"
}

const look = (what: Search.Look): string | undefined => {
  if (what.for === "variable") return process.env[what.name] || undefined
  if (what.for === "problem") return problemOf(what.file)
  if (what.for === "existing") return existsSync(what.file) ? what.file : undefined
  try {
    return realpathSync(what.file)
  } catch {
    return undefined
  }
}

const commandOf = (options: Options): Command | undefined => {
  if (Launch.overrideProblem(options) !== undefined) return undefined
  const search = Search.search(
    { executable: options.executable, from: [import.meta.dirname ?? ".", "."] },
    Path,
    []
  )
  let step = search.next()
  while (step.done !== true) step = search.next(look(step.value))
  if (step.value === undefined) return undefined
  const { executable, pathFolder } = step.value
  const env = pathFolder === undefined
    ? options.env
    : PathVariable.prepend<never>(pathFolder, options.env, process.env, process.platform, (value) => value)
  return { executable, args: Launch.argv(options), env: mergedEnv(env), cwd: currentFolder() }
}

const hasPipes = (child: ChildProcess): child is Child =>
  child.pid !== undefined && child.stdin !== null && child.stdout !== null && child.stderr !== null

const isHandle = (u: unknown): u is { readonly unref: () => void } =>
  typeof u === "object" && u !== null && "unref" in u && typeof u.unref === "function"

const hasEnded = ({ exitCode, signalCode }: Child): boolean => exitCode !== null || signalCode !== null

const end = (child: Child): void => {
  // Its number may be that of another by now.
  if (hasEnded(child)) return
  child.stdin.end()
  try {
    process.kill(-child.pid, "SIGTERM")
  } catch {
    // It has ended.
  }
}

/**
 * Starts codex as `CodexNode.layer` would, and gives what ends it unless it was taken. What goes wrong is not told: the
 * layer then starts codex itself, and tells. On Windows, where processes are ended in another way, nothing is started.
 */
export const start = (options: Options): () => void => {
  const nothing = () => {}
  if (process.platform === "win32") return nothing
  try {
    const command = commandOf(options)
    if (command === undefined) return nothing
    const child = spawn(command.executable, command.args, { env: command.env, detached: true, stdio: "pipe" })
    child.on("error", nothing)
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on("error", nothing)
    if (!hasPipes(child)) return nothing
    for (const handle of [child, ...child.stdio]) if (isHandle(handle)) handle.unref()
    child.stdin.write(greeting)
    const early = { command, child }
    waiting.add(early)
    return () => {
      if (waiting.delete(early)) end(child)
    }
  } catch {
    return nothing
  }
}

const isSame = (a: Command, b: Command): boolean => {
  const isSameEnv = Object.keys(a.env).length === Object.keys(b.env).length &&
    Object.entries(a.env).every(([name, value]) => b.env[name] === value)
  const isSameArgs = a.args.length === b.args.length && a.args.every((arg, i) => arg === b.args[i])
  return a.executable === b.executable && a.cwd === b.cwd && isSameArgs && isSameEnv
}

/** The process that was started early with the command, for whoever wants it first. */
export const take = (command: Command): Child | undefined => {
  for (const early of waiting) {
    if (!isSame(early.command, command)) continue
    waiting.delete(early)
    const { child } = early
    // Another one tells what is wrong.
    if (!hasEnded(child)) return child
  }
  return undefined
}
