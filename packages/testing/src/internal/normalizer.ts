/**
 * Replaces what differs between sessions (ids, times, folders, the version of this library, the operating system) and
 * what must not be kept (secrets). A recording and its replay use the same rules, so that the messages of a client
 * today compare with those of the recording.
 */
import type * as Schema from "effect/Schema"
import { field, isArray, isObject } from "./json.ts"
import type { Origin } from "./placeholders.ts"
import { Placeholders } from "./placeholders.ts"
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

const isoTime = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g
const sessionFile = /\b\d{4}\/\d\d\/\d\d\/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/g

/** The first second of the year 2000. */
export const epoch = 946_684_800

/** The keys of times. */
export const isTimeKey = (key: string): boolean => /(?:At|AtMs|Timestamp)$/.test(key)

const fixedNumber = (key: string, value: number): number => {
  if (/^(?:duration|elapsed)(?:Ms)?$|^timeUsedSeconds$/i.test(key)) return 0
  if (!isTimeKey(key)) return value
  if (value >= 1e12 && value < 1e13) return epoch * 1000
  return value >= 1e9 && value < 1e10 ? epoch : value
}

const text = (value: Schema.Json | undefined): string | undefined => typeof value === "string" ? value : undefined

/** Replaces each text and each key. */
const mapTexts = (value: Schema.Json, replace: (text: string) => string): Schema.Json => {
  if (typeof value === "string") return replace(value)
  if (isArray(value)) return value.map((element) => mapTexts(element, replace))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [replace(key), mapTexts(member, replace)]))
}

// `effect_codex/0.169.0 (Debian 12.0.0; x86_64) xterm (effect_codex; 0.0.0)`
const userAgent = (value: string): string =>
  value.replace(
    /^(.+?\/\d\S*) \([^)]*\) \S+(?: \((.*);[^)]*\))?/,
    (_, server: string, client?: string) =>
      `${server} (Linux 0.0.0; x86_64) terminal${client === undefined ? "" : ` (${client}; 0.0.0)`}`
  )

/** The questions to the user that are marked as secret. */
class SecretQuestions {
  /** The ids of the secret questions, by the id of the server request. */
  private readonly byRequest = new Map<Schema.Json, ReadonlySet<string>>()

  /** Notes the secret questions of a message, if it is a request with questions. */
  note(message: Schema.Json): void {
    const questions = field(field(message, "params"), "questions")
    const id = field(message, "id")
    if (field(message, "method") !== "item/tool/requestUserInput" || id === undefined || !isArray(questions)) return
    this.byRequest.set(
      id,
      new Set(
        questions.flatMap((question) => field(question, "isSecret") === true ? text(field(question, "id")) ?? [] : [])
      )
    )
  }

  /** Hides the secret answers in a client's response. Returns other messages as they are. */
  hideAnswers(message: Schema.JsonObject, hide: (answer: Schema.Json, id: string) => Schema.Json): Schema.JsonObject {
    const questions = this.byRequest.get(message["id"] ?? null)
    const result = message["result"]
    const answers = field(result, "answers")
    if (questions === undefined || !isObject(result) || !isObject(answers)) return message
    const hidden = Object.entries(answers).map(([id, answer]) => [id, questions.has(id) ? hide(answer, id) : answer])
    return { ...message, result: { ...result, answers: Object.fromEntries(hidden) } }
  }
}

/** The state of one session. */
class SessionNormalizer implements Normalizer {
  /** Grows with the values that the client sends under the key of a secret. */
  private readonly secrets: Set<string>
  private readonly find: ReturnType<typeof Secrets.finder>
  private readonly questions = new SecretQuestions()
  private readonly placeholders: Placeholders

  constructor(options: Options) {
    this.secrets = new Set(options.secrets)
    this.find = Secrets.finder(this.secrets)
    this.placeholders = new Placeholders(options.folders)
  }

  readonly normalize = (message: Schema.Json, direction: Origin): Schema.Json =>
    direction === "sent" ? this.sent(message) : this.received(message)

  readonly restore = (message: Schema.Json): Schema.Json => {
    this.questions.note(message)
    return mapTexts(message, (text) => this.placeholders.restore(text))
  }

  readonly redact = (value: Schema.Json): Schema.Json => mapTexts(value, (text) => this.redactText(text))

  readonly redactDeltas = (messages: ReadonlyArray<Schema.Json>): ReadonlyArray<Schema.Json> =>
    redactDeltas(messages, this.find)

  private sent(message: Schema.Json): Schema.Json {
    if (!isObject(message)) return this.walk(message, "", "", "sent")
    // A trace differs in each run.
    const { trace: _, ...rest } = message
    const cwd = text(field(rest["params"], "cwd"))
    if (cwd !== undefined) this.placeholders.addSentCwd(cwd)
    const hidden = this.questions.hideAnswers(rest, (answer, id) => this.walk(answer, id, "", "sent", "secret"))
    const normalized = this.walk(hidden, "", "", "sent")
    const params = field(normalized, "params")
    const clientInfo = field(params, "clientInfo")
    if (rest["method"] !== "initialize" || !isObject(normalized) || !isObject(params) || !isObject(clientInfo)) {
      return normalized
    }
    return { ...normalized, params: { ...params, clientInfo: { ...clientInfo, version: "0.0.0" } } }
  }

  private received(message: Schema.Json): Schema.Json {
    this.questions.note(message)
    const result = field(message, "result")
    const codexHome = text(field(result, "codexHome"))
    if (codexHome !== undefined) this.placeholders.addFolder("<codex-home>", codexHome)
    const cwd = text(field(result, "cwd"))
    if (cwd !== undefined) this.placeholders.addReceivedCwd(cwd)
    const normalized = this.walk(message, "", "", "received")
    const params = field(normalized, "params")
    // The server's name is that of the machine.
    return isObject(normalized) && isObject(params) && normalized["method"] === "remoteControl/status/changed"
      ? { ...normalized, params: { ...params, serverName: "machine" } }
      : normalized
  }

  /** Normalizes the value of `key` in the object under the key `parent`. */
  private walk(
    value: Schema.Json,
    key: string,
    parent: string,
    origin: Origin,
    place: Secrets.Place = "elsewhere"
  ): Schema.Json {
    if (typeof value === "string") {
      return place === "secret" ? this.hide(value, origin) : this.normalizeText(value, key, parent, origin)
    }
    if (typeof value === "number") return fixedNumber(key, value)
    if (isArray(value)) return value.map((element) => this.walk(element, key, parent, origin, place))
    if (!isObject(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        this.normalizeText(name, "", "", origin),
        this.walk(member, name, key, origin, Secrets.placeOf(name, place))
      ])
    )
  }

  private hide(secret: string, origin: Origin): string {
    if (origin === "sent" && Secrets.isTelling(secret)) this.secrets.add(secret)
    return secret === "" ? secret : Secrets.redacted
  }

  private normalizeText(value: string, key: string, parent: string, origin: Origin): string {
    if (key === "email") return "someone@example.com"
    if (key === "userAgent") return userAgent(value)
    if (key === "authUrl") return value.replace(/\?.*$/, "")
    if (key === "processId" && /^\d+$/.test(value)) {
      return this.placeholders.nameOf(`process ${value}`, "process", "received")
    }
    const fixed = this.placeholders.replaceFolders(this.redactText(value))
      .replace(sessionFile, "2000/01/01/rollout-2000-01-01T00-00-00")
      .replace(isoTime, "2000-01-01T00:00:00Z")
    return this.placeholders.replaceIds(fixed, key, parent, origin)
  }

  private redactText(value: string): string {
    return Secrets.redactAll([value], this.find)[0]!
  }
}

export const make = (options: Options): Normalizer => new SessionNormalizer(options)

/** The values that the client sends under the key of a secret: they may occur elsewhere in the session, too. */
export const secretsOf = (sent: ReadonlyArray<Schema.Json>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const look = (value: Schema.Json, place: Secrets.Place): void => {
    if (typeof value === "string") {
      if (place === "secret" && Secrets.isTelling(value)) found.push(value)
    } else if (isArray(value)) value.forEach((element) => look(element, place))
    else if (isObject(value)) {
      for (const [key, member] of Object.entries(value)) look(member, Secrets.placeOf(key, place))
    }
  }
  for (const message of sent) look(message, "elsewhere")
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
