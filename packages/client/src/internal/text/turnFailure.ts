/** Explains why a turn failed, in plain words, and what to do next. */
import * as Predicate from "effect/Predicate"
import * as ServerTexts from "./serverTexts.ts"

export type Reason = keyof typeof meanings

/** For each reason, its explanation and what to do next. */
const meanings = {
  login: [
    "the model's provider does not accept the login",
    "Log in with `Auth.loginApiKey` or `Auth.loginChatgpt` (or `codex login`); a provider of your own gets its key from " +
    "its `env_key`. Then start a new turn."
  ],
  forbidden: [
    "the model's provider denies this account access",
    "Check that the account or key may use the model, and the network's country and proxy."
  ],
  usageLimit: ["the usage limit of the account is reached", "Wait for the reset, buy credits, or use another account."],
  rateLimit: ["the model's provider received too many requests", "Try again later, or run fewer turns at a time."],
  contextFull: [
    "the model's context window is full",
    "Run `thread.compact`, or start a new thread."
  ],
  outputLimit: [
    "the model's answer was cut off at the maximum length",
    "Ask for less at a time; the same prompt will probably end the same way."
  ],
  network: [
    "the model's provider could not be reached",
    "Check the network, the proxy and the provider's `base_url`, then try again."
  ],
  streamBroken: [
    "the answer of the model broke off",
    "Try again: a new turn on the thread continues from its history."
  ],
  overloaded: ["the model's provider is overloaded or failing", "Try again later, or with another model."],
  policy: [
    "the model's provider refuses the request under its policy",
    "Change the prompt: the same one will be refused again."
  ],
  badRequest: [
    "the model's provider refuses the request as invalid",
    "Check the model, its settings, the output schema and the tools; the same request will be refused again."
  ],
  modelNotFound: [
    "the model does not exist, or the account may not use it",
    "Choose one of `codex.models()`."
  ],
  resources: [
    "codex has run out of file descriptors",
    "Raise the limit of the app-server process (`ulimit -n`), or load fewer threads at a time: with `maxLoadedThreads` the " +
    "client lets go of idle ones."
  ],
  other: ["codex gave no reason that this client knows", "Look at what the turn did before you run it again."]
} as const

const policies: ReadonlySet<string | undefined> = new Set([
  "cyberPolicy",
  "bioPolicy",
  "misalignmentPolicyViolation",
  "inferenceHookDenied"
])

const byName = new Map<string | undefined, Reason>([
  ["contextWindowExceeded", "contextFull"],
  ["usageLimitExceeded", "usageLimit"],
  ["rateLimitExceeded", "rateLimit"],
  ["modelNotFound", "modelNotFound"],
  ["unauthorized", "login"],
  ["badRequest", "badRequest"],
  ["serverOverloaded", "overloaded"],
  ["internalServerError", "overloaded"],
  ["flexUnavailable", "overloaded"],
  ["policyCapacityUnavailable", "overloaded"],
  ["responseStreamDisconnected", "streamBroken"],
  ["httpConnectionFailed", "network"],
  ["responseStreamConnectionFailed", "network"],
  ["responseTooManyFailedAttempts", "network"]
])

const byStatus = (status: number): Reason => {
  if (status === 401) return "login"
  if (status === 403) return "forbidden"
  if (status === 429) return "rateLimit"
  if (status === 408 || status >= 500) return "overloaded"
  return "badRequest"
}

const afterLettingGo = (count: number): string =>
  `The client has let go of ${count} idle ${
    count === 1 ? "thread" : "threads"
  } since: start the turn again. So that it ` +
  "does not happen again, lower `maxLoadedThreads`, or raise the limit of the app-server process (`ulimit -n`)."

export interface Failure {
  /** codex's `codexErrorInfo` of the error. */
  readonly info: unknown
  readonly detail: string
  /** How many threads the client has let go of since. */
  readonly threadsLetGo?: number | undefined
}

/** The name in codex's error info, which is a string or an object with one key. */
export const nameOf = (info: unknown): string | undefined => {
  if (typeof info === "string") return info
  return Predicate.isObject(info) ? Object.keys(info)[0] : undefined
}

/** The HTTP status of the provider's response. */
export const statusOf = (info: unknown): number | undefined => {
  const of = Predicate.isObject(info) ? Object.values(info)[0] : undefined
  return Predicate.hasProperty(of, "httpStatusCode") && Predicate.isNumber(of.httpStatusCode)
    ? of.httpStatusCode
    : undefined
}

export const reasonOf = ({ detail, info }: Failure): Reason => {
  const name = nameOf(info)
  const status = statusOf(info)
  if (policies.has(name)) return "policy"
  // The text is more precise than the name `other` or the status 400.
  const told = ServerTexts.turnFailure(detail)
  if (status !== undefined) return status === 400 || status === 404 ? told ?? byStatus(status) : byStatus(status)
  return name === undefined || name === "other" ? told ?? "other" : byName.get(name) ?? "other"
}

/** What a reason means, and what to do next. */
export const explain = (reason: Reason): { readonly meaning: string; readonly advice: string } => {
  const [meaning, advice] = meanings[reason]
  return { meaning, advice }
}

const transients: ReadonlySet<Reason> = new Set<Reason>(["rateLimit", "network", "streamBroken", "overloaded"])

export const isTransient = (reason: Reason): boolean => transients.has(reason)

/** @param resetsAt when a limit is reset, as text. */
export const message = (failure: Failure, resetsAt: string | undefined): string => {
  const reason = reasonOf(failure)
  const [what, next] = meanings[reason]
  const text = ServerTexts.plain(failure.detail)
  if (ServerTexts.isOfScript(failure.detail)) return `The turn failed (${reason}): ${text}`
  const code = statusOf(failure.info)
  const name = nameOf(failure.info)
  // An unknown name may tell a reader more than `other` does.
  const isNews = reason === "other" && name !== undefined && name !== "other"
  const more = code !== undefined ? `, HTTP ${code}` : isNews ? `, ${JSON.stringify(name.slice(0, 60))}` : ""
  const said = text === "" ? "." : `: ${text}`
  return `The turn failed (${reason}${more}): ${what}${said} ${
    resetsAt === undefined ? "" : `It resets at ${resetsAt}. `
  }${failure.threadsLetGo === undefined || failure.threadsLetGo === 0 ? next : afterLettingGo(failure.threadsLetGo)}`
}

/** Why the model did not answer a side question. The server names no reason but in its text. */
export const reasonOfAsk = (detail: string): Reason =>
  ServerTexts.askFailure(detail) ?? ServerTexts.turnFailure(detail) ?? "other"

export const askMessage = (detail: string): string => {
  const reason = reasonOfAsk(detail)
  const [what, next] = meanings[reason]
  const text = ServerTexts.plain(detail)
  if (ServerTexts.isOfScript(detail)) return `The question failed (${reason}): ${text}`
  return `The question failed (${reason}): ${what}${text === "" ? "." : `: ${text}`} ${
    reason === "other" ? "Ask again, or look at the stderr of codex." : next
  } The thread is as it was.`
}
