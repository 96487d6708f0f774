/**
 * Replaces what differs between two runs of the same program: ids by names such as `<turn-1>`, times, durations,
 * folders and ports. Ids get their names in the order in which codex first mentions them.
 */
import type { Schema } from "effect"
import type { Entry } from "./recording.ts"
import type { Notes } from "./scenario.ts"

const uuid = /(?<![\da-f])(?!0{8})[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi
const isoTime = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g
const sessionFile = /\b\d{4}\/\d\d\/\d\d\/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/g
const port = /\b(127\.0\.0\.1|localhost):\d+/g
const query = /(?<=^https?:\/\/\S+[?&][\w.-]+=)[^&]*/g

export const isObject = (value: unknown): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isArray = (value: Schema.Json): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

/** A time or a duration becomes 0; whether there is one remains. */
const isTime = (key: string): boolean => /(?:At|AtMs|Timestamp)$|^duration(?:Ms)?$|^processId$/.test(key)

export interface Folders {
  readonly executable: string
  readonly workspace: string
  readonly codexHome: string
}

export type Normalize = (value: Schema.Json) => Schema.Json

/** A part of a run: a frame, a result, an event or an error. */
export interface Noted {
  /** What it is of: a method, or the step of the scenario. */
  readonly key: string
  readonly value: Schema.Json
}

export const make = (folders: Folders): Normalize => {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const paths = [
    [folders.executable, "<codex>"],
    [folders.workspace, "<workspace>"],
    [folders.codexHome, "<codex-home>"]
  ] as const

  const nameOf = (id: string, kind: string): string => {
    const known = names.get(id)
    if (known !== undefined) return known
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    names.set(id, `<${kind}-${count}>`)
    return `<${kind}-${count}>`
  }

  const text = (value: string, key: string, parent: string): string => {
    const owner = key === "id" ? parent : key.replace(/Id$/, "")
    // Of `turnId`, `rootTurnId`, and an element of `turns`: codex may mention a turn in any of them first.
    const kind = /(thread|turn|item)s?$/i.exec(owner)?.[1]?.toLowerCase() ?? "id"
    return paths.reduce((text, [path, name]) => text.replaceAll(path, name), value)
      .replace(sessionFile, "<session>")
      .replace(isoTime, "<time>")
      .replace(query, "…")
      .replace(port, "$1:0")
      .replace(uuid, (id) => nameOf(id, kind))
  }

  const walk = (value: Schema.Json, key: string, parent: string): Schema.Json => {
    if (typeof value === "string") return isTime(key) ? "" : text(value, key, parent)
    if (typeof value === "number") return isTime(key) ? 0 : value
    if (isArray(value)) return value.map((element) => walk(element, key, parent))
    if (!isObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [text(name, "", ""), walk(member, name, key)])
    )
  }
  return (value) => walk(value, "", "")
}

/** Without members that are null: Python has `None` for what is missing, and an `Option` or `undefined` is left out. */
const withoutNulls = (value: Schema.Json): Schema.Json => {
  if (isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => member === null ? [] : [[key, withoutNulls(member)]])
  )
}

/** The frames that the client sent, with the start and the end of each process. */
export const framesOf = (entries: ReadonlyArray<Entry>, normalize: Normalize): ReadonlyArray<Noted> => {
  const asked = new Map<string, string>()
  const frames = entries.flatMap((entry): ReadonlyArray<Noted> => {
    switch (entry.kind) {
      case "started":
        return [{ key: "process", value: normalize({ args: [...entry.args] }) }]
      case "closed":
        return []
      case "signal":
        return [{ key: "end of the process", value: { signal: entry.signal } }]
      case "ended":
        return []
      case "received": {
        const frame = parse(entry.frame)
        // In order, so that ids get their names.
        if (isObject(frame)) normalize({ ...frame, id: null })
        if (isObject(frame) && typeof frame["method"] === "string" && frame["id"] !== undefined) {
          asked.set(JSON.stringify(frame["id"]), frame["method"])
        }
        return []
      }
      case "sent": {
        const frame = parse(entry.frame)
        if (!isObject(frame)) return [{ key: "no frame", value: normalize(frame) }]
        const { id, jsonrpc: _, method, params, trace: _trace, ...rest } = frame
        const key = typeof method === "string" ? method : `answer to ${asked.get(JSON.stringify(id)) ?? "nothing"}`
        return [{ key, value: normalize({ ...params !== undefined && { params }, ...rest }) }]
      }
    }
  })
  // How often a program polls is chance.
  return frames.filter((frame, i) =>
    i === 0 || frame.key !== "thread/read" || JSON.stringify(frame) !== JSON.stringify(frames[i - 1])
  )
}

const parse = (line: string): Schema.Json => {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}

const deltaOf = ({ key, value }: Noted): readonly [about: string, delta: string] | undefined => {
  const params = isObject(value) ? value["params"] : undefined
  if (!isObject(params) || typeof params["delta"] !== "string") return undefined
  const { delta: _, ...about } = params
  return [`${key} ${JSON.stringify(about)}`, params["delta"]]
}

/** Merges deltas of the same thing that follow each other: a slow reader gets them merged here. */
const merged = (events: ReadonlyArray<Noted>): ReadonlyArray<Noted> => {
  const all: Array<Noted> = []
  for (const event of events) {
    const before = all.at(-1)
    const one = before === undefined ? undefined : deltaOf(before)
    const other = deltaOf(event)
    if (one === undefined || other === undefined || one[0] !== other[0] || !isObject(event.value)) {
      all.push(event)
      continue
    }
    const params = event.value["params"]
    if (!isObject(params)) continue
    all[all.length - 1] = { key: event.key, value: { params: { ...params, delta: one[1] + other[1] } } }
  }
  return all
}

/** What is compared of a run. */
export interface Run {
  readonly frames: ReadonlyArray<Noted>
  readonly results: ReadonlyArray<Noted>
  readonly events: ReadonlyArray<Noted>
  readonly errors: ReadonlyArray<Noted>
}

export const runOf = (entries: ReadonlyArray<Entry>, notes: Notes, folders: Folders): Run => {
  const normalize = make(folders)
  const frames = framesOf(entries, normalize)
  const noted = (key: string, value: Schema.Json): Noted => ({ key, value: withoutNulls(normalize(value)) })
  return {
    frames,
    results: notes.results.map(({ step, value }) => noted(step, value)),
    events: merged(notes.events.map(({ method, params, step }) => noted(`${step}: ${method}`, { params }))),
    errors: notes.errors.map(({ error, step }) => noted(step, error))
  }
}
