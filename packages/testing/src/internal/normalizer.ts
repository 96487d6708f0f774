/**
 * Replaces what differs between sessions (ids, times, folders, the version of this library, the operating system) and
 * what must not be kept (secrets). A recording and its replay use the same rules, so that the messages of a client
 * today compare with those of the recording.
 */
import type * as Schema from "effect/Schema"
import { field, isArray, isObject } from "./json.ts"
import * as Secrets from "./secrets.ts"

export interface Options {
  readonly secrets: ReadonlyArray<string>
  /** Folders by name. A path below one becomes `<name>/…`. */
  readonly folders: Readonly<Record<string, string>>
}

export interface Normalizer {
  /** Turns a message into its recorded form. Call it with the messages of a session in order. */
  readonly normalize: (message: Schema.Json, direction: Origin) => Schema.Json
  /** Turns a recorded message back, with the ids and folders of the replaying client. */
  readonly restore: (message: Schema.Json) => Schema.Json
  /** Replaces only the known secrets. */
  readonly redact: (value: Schema.Json) => Schema.Json
  /** Replaces secrets that span several deltas. Call it with the whole session, before `normalize`. */
  readonly redactDeltas: (messages: ReadonlyArray<Schema.Json>) => ReadonlyArray<Schema.Json>
}

type Origin = "sent" | "received"

const uuid = /\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi
// The ids that the model's API gives to items and calls.
const modelId = /\b(msg|rs|fc|call|ctc|resp|ws|ig)_[A-Za-z\d]{12,}\b/g
const isoTime = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g
const sessionFile = /\b\d{4}\/\d\d\/\d\d\/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/g
const placeholder = /<[a-z]+(?:-[a-z\d]+)*>/g

/** The first second of the year 2000. */
const epoch = 946_684_800

const isTimeKey = (key: string): boolean => /(?:At|AtMs|Timestamp)$/.test(key)

const fixedNumber = (key: string, value: number): number => {
  if (/^(?:duration|elapsed)(?:Ms)?$|^timeUsedSeconds$/i.test(key)) return 0
  if (!isTimeKey(key)) return value
  if (value >= 1e12 && value < 1e13) return epoch * 1000
  return value >= 1e9 && value < 1e10 ? epoch : value
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")

const text = (value: Schema.Json | undefined): string | undefined => typeof value === "string" ? value : undefined

// `effect_codex/0.169.0 (Debian 12.0.0; x86_64) xterm (effect_codex; 0.0.0)`
const userAgent = (value: string): string =>
  value.replace(
    /^(.+?\/\d\S*) \([^)]*\) \S+(?: \((.*);[^)]*\))?/,
    (_, server: string, client?: string) =>
      `${server} (Linux 0.0.0; x86_64) terminal${client === undefined ? "" : ` (${client}; 0.0.0)`}`
  )

export const make = (options: Options): Normalizer => {
  // It grows with the values that the client sends under the key of a secret.
  const secrets = new Set(options.secrets)
  const find = Secrets.finder(secrets)
  const secretQuestions = new Map<Schema.Json, ReadonlySet<string>>()
  const names = new Map<string, string>()
  const live = new Map<string, string>()
  const counts = new Map<string, number>()
  const folders = new Map<string, string>()
  let replacements: ReadonlyArray<readonly [pattern: RegExp, name: string]> = []

  const next = (kind: string): string => {
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return `${kind}-${count}`
  }

  const addFolder = (name: string, path: string): void => {
    if (path.length < 2 || folders.has(path)) return
    folders.set(path, name)
    if (!live.has(name)) live.set(name, path)
    replacements = [...folders].sort(([a], [b]) => b.length - a.length).map(([path, name]) =>
      [new RegExp(`(?<![\\w.-])${escape(path)}(?![\\w-])`, "g"), name] as const
    )
  }
  for (const [name, path] of Object.entries(options.folders)) addFolder(`<${name}>`, path)

  // Folders below the home and the temporary directory may have names that differ between runs.
  const isStable = (path: string): boolean =>
    [...folders].some(([folder, name]) =>
      name !== "<home>" && name !== "<tmp>" && path.startsWith(folder) && /^(?:[\\/]|$)/.test(path.slice(folder.length))
    )

  const kindOf = (key: string, parent: string): string => {
    const owner = key === "id" ? parent : key.replace(/Id$/, "")
    return ["thread", "turn", "item"].includes(owner) ? owner : "id"
  }

  const nameOf = (id: string, kind: string, origin: Origin): string => {
    const known = names.get(id)
    if (known !== undefined) return known
    // The server returns the client's ids, so `restore` must turn them back. The server's own ids may stay replaced.
    const name = origin === "sent" ? `<${next(kind === "clientUserMessage" ? "message" : "client-id")}>` : next(kind)
    names.set(id, name)
    if (origin === "sent") live.set(name, id)
    return name
  }

  const normalizeText = (value: string, key: string, parent: string, origin: Origin): string => {
    let out = Secrets.redactAll([value], find)[0]!
    for (const [pattern, name] of replacements) out = out.replace(pattern, () => name)
    const kind = key === "clientUserMessageId" ? "clientUserMessage" : out.length === 36 ? kindOf(key, parent) : "id"
    return out
      .replace(sessionFile, "2000/01/01/rollout-2000-01-01T00-00-00")
      .replace(isoTime, "2000-01-01T00:00:00Z")
      .replace(uuid, (id) => nameOf(id, kind, origin))
      .replace(modelId, (id, kind: string) => origin === "sent" ? names.get(id) ?? id : nameOf(id, kind, origin))
  }

  const walk = (value: Schema.Json, key: string, parent: string, origin: Origin, isSecret: boolean): Schema.Json => {
    if (typeof value === "string") {
      if (isSecret) {
        if (origin === "sent" && Secrets.isTelling(value)) secrets.add(value)
        return value === "" ? value : Secrets.redacted
      }
      if (key === "email") return "someone@example.com"
      if (key === "userAgent") return userAgent(value)
      if (key === "authUrl") return value.replace(/\?.*$/, "")
      if (key === "processId" && /^\d+$/.test(value)) return nameOf(`process ${value}`, "process", "received")
      return normalizeText(value, key, parent, origin)
    }
    if (typeof value === "number") return fixedNumber(key, value)
    if (isArray(value)) return value.map((element) => walk(element, key, parent, origin, isSecret))
    if (!isObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        normalizeText(name, "", "", origin),
        walk(member, name, key, origin, isSecret || Secrets.isSecretKey(name))
      ])
    )
  }

  const sent = (message: Schema.Json): Schema.Json => {
    if (!isObject(message)) return walk(message, "", "", "sent", false)
    // A trace differs in each run.
    const { trace: _, ...rest } = message
    const cwd = text(field(rest["params"], "cwd"))
    if (cwd !== undefined && !isStable(cwd)) addFolder(`<${next("folder")}>`, cwd)
    const normalized = walk(withoutSecretAnswers(rest), "", "", "sent", false)
    const params = field(normalized, "params")
    const clientInfo = field(params, "clientInfo")
    if (rest["method"] !== "initialize" || !isObject(normalized) || !isObject(params) || !isObject(clientInfo)) {
      return normalized
    }
    return { ...normalized, params: { ...params, clientInfo: { ...clientInfo, version: "0.0.0" } } }
  }

  /** Replaces the answers to questions that are marked as secret. */
  const withoutSecretAnswers = (message: Schema.JsonObject): Schema.JsonObject => {
    const questions = secretQuestions.get(message["id"] ?? null)
    const result = message["result"]
    const answers = field(result, "answers")
    if (questions === undefined || !isObject(result) || !isObject(answers)) return message
    return {
      ...message,
      result: {
        ...result,
        answers: Object.fromEntries(
          Object.entries(answers).map((
            [id, answer]
          ) => [id, questions.has(id) ? walk(answer, id, "", "sent", true) : answer])
        )
      }
    }
  }

  const noteSecretQuestions = (message: Schema.Json): void => {
    const questions = field(field(message, "params"), "questions")
    const id = field(message, "id")
    if (field(message, "method") !== "item/tool/requestUserInput" || id === undefined || !isArray(questions)) return
    secretQuestions.set(
      id,
      new Set(
        questions.flatMap((question) => field(question, "isSecret") === true ? text(field(question, "id")) ?? [] : [])
      )
    )
  }

  const received = (message: Schema.Json): Schema.Json => {
    noteSecretQuestions(message)
    const result = field(message, "result")
    const codexHome = text(field(result, "codexHome"))
    if (codexHome !== undefined) addFolder("<codex-home>", codexHome)
    const cwd = text(field(result, "cwd"))
    if (cwd !== undefined && !isStable(cwd) && !live.has("<workspace>")) addFolder("<workspace>", cwd)
    const normalized = walk(message, "", "", "received", false)
    const params = field(normalized, "params")
    // The server's name is that of the machine.
    return isObject(normalized) && isObject(params) && normalized["method"] === "remoteControl/status/changed"
      ? { ...normalized, params: { ...params, serverName: "machine" } }
      : normalized
  }

  const restoreText = (value: string): string =>
    value.replace(placeholder, (name) => {
      if (name === "<workspace>") addFolder(name, "/workspace")
      return live.get(name) ?? name
    })

  const restoreAll = (value: Schema.Json): Schema.Json => {
    if (typeof value === "string") return restoreText(value)
    if (isArray(value)) return value.map(restoreAll)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [restoreText(key), restoreAll(member)]))
  }

  const restore = (message: Schema.Json): Schema.Json => {
    noteSecretQuestions(message)
    return restoreAll(message)
  }

  const redact = (value: Schema.Json): Schema.Json => {
    if (typeof value === "string") return Secrets.redactAll([value], find)[0]!
    if (isArray(value)) return value.map(redact)
    if (!isObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [Secrets.redactAll([key], find)[0]!, redact(member)])
    )
  }

  return {
    restore,
    redact,
    redactDeltas: (messages) => redactDeltas(messages, find),
    normalize: (message, direction) => direction === "sent" ? sent(message) : received(message)
  }
}

/** The values that the client sends under the key of a secret: they may occur elsewhere in the session, too. */
export const secretsOf = (sent: ReadonlyArray<Schema.Json>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const look = (value: Schema.Json, isSecret: boolean): void => {
    if (typeof value === "string") {
      if (isSecret && Secrets.isTelling(value)) found.push(value)
    } else if (isArray(value)) value.forEach((element) => look(element, isSecret))
    else if (isObject(value)) {
      for (const [key, member] of Object.entries(value)) look(member, isSecret || Secrets.isSecretKey(key))
    }
  }
  for (const message of sent) look(message, false)
  return found
}

const redactDeltas = (
  messages: ReadonlyArray<Schema.Json>,
  find: ReturnType<typeof Secrets.finder>
): ReadonlyArray<Schema.Json> => {
  const groups = new Map<string, Array<number>>()
  messages.forEach((message, i) => {
    const params = field(message, "params")
    if (typeof field(params, "delta") !== "string") return
    const part = ["itemId", "summaryIndex", "contentIndex", "processId"].map((key) => field(params, key))
    const group = JSON.stringify([field(message, "method"), part])
    const indices = groups.get(group)
    if (indices === undefined) groups.set(group, [i])
    else indices.push(i)
  })
  const out = [...messages]
  for (const indices of groups.values()) {
    const deltas = indices.map((i) => text(field(field(messages[i], "params"), "delta")) ?? "")
    Secrets.redactAll(deltas, find).forEach((delta, n) => {
      const message = messages[indices[n]!]
      const params = field(message, "params")
      if (delta !== deltas[n] && isObject(message) && isObject(params)) {
        out[indices[n]!] = { ...message, params: { ...params, delta } }
      }
    })
  }
  return out
}
