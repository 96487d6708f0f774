/**
 * Runs in place of codex: starts the real one, and writes what goes over its pipes, in order, to a file. It can also
 * refuse, swallow or add frames, for errors that codex itself does not produce on demand.
 *
 *     node tap.ts settings.json app-server …
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import type { Entry, TapSettings } from "./recording.ts"

const [settingsFile = "", ...args] = process.argv.slice(2)
const settings: TapSettings = JSON.parse(Fs.readFileSync(settingsFile, "utf8"))

const log = Fs.openSync(settings.log, "a")
const note = (entry: Entry): void => void Fs.writeSync(log, `${JSON.stringify(entry)}\n`)

interface Frame {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly threadId?: string }
  readonly result?: { readonly turn?: { readonly id: string } }
}

note({ kind: "started", args })
const codex = spawn(settings.executable, args, { stdio: ["pipe", "pipe", "inherit"] })
codex.once("error", (error) => {
  process.stderr.write(`${settings.executable} cannot be started: ${error.message}\n`)
  process.exit(1)
})

/** Calls `onLine` with each line of a stream. */
const lines = (stream: NodeJS.ReadableStream, onLine: (line: string) => void): void => {
  let rest = ""
  stream.setEncoding("utf8")
  stream.on("data", (text: string) => {
    const all = (rest + text).split("\n")
    rest = all.pop() ?? ""
    for (const line of all) if (line !== "") onLine(line)
  })
}

const answer = (line: string): void => {
  note({ kind: "received", frame: line })
  process.stdout.write(`${line}\n`)
}

const refusals = settings.faults.refuse?.map((refusal) => ({ ...refusal })) ?? []
/** The lines to add after a reply, by the id of its request. */
const additions = new Map<string, ReadonlyArray<string>>()

lines(codex.stdout, (line) => {
  answer(line)
  const { id, result } = JSON.parse(line) as Frame
  const added = id === undefined ? undefined : additions.get(String(id))
  if (added === undefined) return
  additions.delete(String(id))
  for (const line of added) answer(line.replace("TURN", result?.turn?.id ?? ""))
})

lines(process.stdin, (line) => {
  note({ kind: "sent", frame: line })
  const { id, method = "", params } = JSON.parse(line) as Frame
  if (settings.faults.dieAt === method) return void codex.kill("SIGKILL")
  if (settings.faults.swallow === method) return
  const refusal = refusals.find((refusal) => refusal.method === method && refusal.times > 0)
  if (refusal !== undefined) {
    refusal.times--
    return answer(JSON.stringify({ id, error: refusal.error }))
  }
  const added = settings.faults.add?.filter((addition) => addition.afterReplyTo === method).map(({ line }) =>
    line.replace("THREAD", params?.threadId ?? "")
  )
  if (added !== undefined && added.length > 0) additions.set(String(id), added)
  codex.stdin.write(`${line}\n`)
})
process.stdin.once("end", () => {
  note({ kind: "closed" })
  codex.stdin.end()
})
codex.stdin.on("error", () => {})
process.stdout.on("error", () => codex.kill())
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    note({ kind: "signal", signal })
    codex.kill(signal)
  })
}

// Whether the client was faster than a codex that does not start must not matter.
const { promise: heard, resolve: hear } = Promise.withResolvers<void>()
process.stdin.once("data", () => hear()).once("end", () => hear())

codex.once("close", async (code, signal) => {
  await heard
  note({ kind: "ended", code, signal })
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
