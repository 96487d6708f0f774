/**
 * Runs in place of codex: starts the real one, mutates what it sends to the client, and logs each mutation in a file.
 *
 *     node mutatorProcess.js settings.json app-server …
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import type { Options } from "../Mutation.ts"
import { Mutator, pieces } from "./mutator.ts"

export interface ProcessSettings extends Options {
  readonly executable: string
  readonly log: string
}

const [settingsFile = "", ...args] = process.argv.slice(2)
const settings: ProcessSettings = JSON.parse(Fs.readFileSync(settingsFile, "utf8"))

const codex = spawn(settings.executable, args, { stdio: ["pipe", "pipe", "inherit"] })
codex.once("error", (error) => {
  process.stderr.write(`${settings.executable} cannot be started: ${error.message}\n`)
  process.exit(1)
})

// Write each piece in its own turn of the event loop, so that the client reads them separately.
const outbox: Array<Uint8Array> = []
let isWriting = false
const write = (): void => {
  const piece = outbox.shift()
  isWriting = piece !== undefined
  if (piece !== undefined) process.stdout.write(piece, () => setImmediate(write))
}

const mutator = new Mutator(settings, {
  deliver: (frames, odd) => {
    const bytes = Buffer.from(frames.map((frame) => `${frame}\n`).join(""))
    outbox.push(...odd ? pieces(bytes, settings.seed) : [bytes])
    if (!isWriting) write()
  },
  later: (millis, run) => void setTimeout(run, millis),
  onMutation: (mutation) => Fs.appendFileSync(settings.log, `${JSON.stringify(mutation)}\n`)
})

/** Splits a stream into lines. */
const lines = (stream: NodeJS.ReadableStream, onLines: (lines: ReadonlyArray<string>) => void): void => {
  let rest = ""
  stream.setEncoding("utf8")
  stream.on("data", (text: string) => {
    const all = (rest + text).split("\n")
    rest = all.pop() ?? ""
    if (all.length > 0) onLines(all)
  })
}

lines(codex.stdout, (all) => mutator.fromServer(all))
lines(process.stdin, (all) => {
  const kept = all.filter((line) => mutator.fromClient(line))
  if (kept.length > 0) codex.stdin.write(kept.map((line) => `${line}\n`).join(""))
})
process.stdin.once("end", () => codex.stdin.end())
codex.stdin.on("error", () => {})
process.stdout.on("error", () => codex.kill())
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => codex.kill(signal))

codex.once("close", (code, signal) => {
  mutator.release()
  const leave = (): void => {
    if (isWriting) return void setImmediate(leave)
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  leave()
})
