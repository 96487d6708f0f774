/**
 * The account of the user's own codex, read and stored where codex itself does.
 */
import type { Auth } from "@effect-codex/client/Auth"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"
import * as Stdin from "./stdin.ts"
import * as TurnWarnings from "./turnWarnings.ts"

type Account = Effect.Success<ReturnType<Auth["Service"]["account"]>>
type RateLimits = Effect.Success<Auth["Service"]["rateLimits"]>
type Limit = RateLimits["rateLimits"]
type Window = NonNullable<Limit["primary"]>

// =============================================================================
// Commands
// =============================================================================

// None of these commands runs a turn.
const connect = TurnWarnings.without(Session.connect({}))

export const login = Effect.fnUntraced(function*(options: { readonly device: boolean; readonly apiKey: boolean }) {
  const { answer, line } = yield* Screen
  if (options.device && options.apiKey) {
    return yield* new InvalidArgument({ argument: "--device", detail: "it cannot be combined with --api-key." })
  }
  if (options.apiKey) {
    // Read before codex starts, so that a wrong call leaves nothing behind.
    const apiKey = yield* readApiKey
    const { auth } = yield* connect
    yield* auth.loginApiKey(apiKey)
    return yield* line("Logged in with an API key. The next turn shows whether it is valid.")
  }
  const { auth } = yield* connect
  yield* Effect.gen(function*() {
    if (options.device) {
      const { userCode, verificationUrl, wait } = yield* auth.loginDeviceCode
      yield* answer(
        `Open this address in a browser:\n\n  ${verificationUrl}\n\nand enter this code:\n\n  ${userCode}\n`
      )
      yield* line("Waiting for the login. Do not share the code.")
      return yield* wait
    }
    const { url, wait } = yield* auth.loginChatgpt()
    yield* answer(`Open this address in a browser on this machine:\n\n  ${url}\n`)
    yield* line("Waiting for the login. On a machine without a browser use --device.")
    yield* wait
  }).pipe(
    Effect.scoped,
    Effect.onInterrupt(() => line("The login was cancelled."))
  )
  yield* line(who(yield* auth.account()))
}, Effect.scoped)

export const logout = Effect.gen(function*() {
  const { line } = yield* Screen
  const { auth } = yield* connect
  const { account } = yield* auth.account()
  yield* auth.logout
  yield* line(account === null ? "Nobody was logged in." : "Logged out.")
}).pipe(Effect.scoped)

export const show = Effect.fnUntraced(function*(options: { readonly json: boolean }) {
  const { answer, warn } = yield* Screen
  const { auth } = yield* connect
  const account = yield* auth.account()
  // Only ChatGPT has them. Without a network there is still an account to show.
  const limits = account.account?.type !== "chatgpt"
    ? undefined
    : yield* Effect.catch(auth.rateLimits, (error) => Effect.as(warn(error.message), undefined))
  if (options.json) {
    yield* answer(`${JSON.stringify({ ...account, rateLimits: limits ?? null })}\n`)
  } else {
    // oxlint-disable-next-line no-restricted-properties -- limits are reset at a date
    const now = yield* Clock.currentTimeMillis
    const needed = account.requiresOpenaiAuth
      ? "The model provider of your configuration needs a login."
      : "The model provider of your configuration needs no login."
    yield* answer([who(account), needed, ...limits === undefined ? [] : limitLines(limits, now)].join("\n") + "\n")
  }
  if (account.account === null) return yield* new LoggedOut()
}, Effect.scoped)

// Even if no login is needed: docs/codex-behaviour.md, "codex login status ends with 1 when nobody is logged in".
export class LoggedOut extends Data.TaggedError("LoggedOut") {
  override readonly [Runtime.errorReported] = false
}

// =============================================================================
// The key
// =============================================================================

export const readApiKey = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdinIsTerminal)) {
    return yield* checked(Redacted.make(yield* Stdin.read("API key", "Reading the API key from stdin until it ends.")))
  }
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if (!canPrompt) {
    return yield* invalidKey("this terminal cannot ask for it. Pipe it in: printenv OPENAI_API_KEY | …")
  }
  const { reserve } = yield* Screen
  const question = Prompt.run(Prompt.Hidden({ message: "API key (it is not shown)" })).pipe(
    // The prompt ends its line only after an answer.
    Effect.onError(() => Effect.flatMap(Terminal.Terminal, ({ display }) => Effect.ignore(display("\n"))))
  )
  // The prompt fails on Ctrl-C, or at the end of the input.
  return yield* checked(yield* Effect.catch(reserve(question), () => Effect.interrupt))
})

const invalidKey = (detail: string) => new InvalidArgument({ argument: "API key", detail })

// The errors never quote the input: it may still be a key.
const checked = Effect.fnUntraced(function*(given: Redacted.Redacted) {
  const apiKey = Redacted.value(given).trim()
  if (apiKey === "") return yield* invalidKey("stdin is empty. Pipe it in: printenv OPENAI_API_KEY | …")
  if (/\s/.test(apiKey)) return yield* invalidKey("stdin contains more than one word.")
  return Redacted.make(apiKey)
})

// =============================================================================
// Text
// =============================================================================

export const who = ({ account }: Pick<Account, "account">): string => {
  if (account === null) return "Nobody is logged in."
  switch (account.type) {
    case "apiKey":
      return "Logged in with an API key."
    case "chatgpt": {
      if (!("planType" in account)) break
      const { email, planType, workspaceName } = account
      const as = typeof email === "string" ? ` as ${email}` : ""
      const workspace = typeof workspaceName === "string" ? `, workspace ${workspaceName}` : ""
      return `Logged in with ChatGPT${as}, plan ${String(planType)}${workspace}.`
    }
    case "amazonBedrock":
      return "Logged in with Amazon Bedrock."
    case "gcp":
      return "Logged in with Google Cloud."
  }
  return `Logged in (${account.type}).`
}

export const limitLines = ({ rateLimits, rateLimitsByLimitId }: RateLimits, now: number): ReadonlyArray<string> => {
  const limits = Object.values(rateLimitsByLimitId ?? {}).filter((limit) => limit !== undefined)
  return (limits.length === 0 ? [rateLimits] : limits).flatMap((limit) => {
    const name = limit.limitName ?? limit.limitId ?? "codex"
    const windows = [limit.primary, limit.secondary].filter((window) => window !== null)
    const { credits } = limit
    return [
      ...windows.map((window) => `Limit ${name}${windowText(window, now)}`),
      ...credits?.hasCredits === true ? [`Credits: ${credits.unlimited ? "unlimited" : credits.balance ?? "some"}`] : []
    ]
  })
}

const windowText = ({ resetsAt, usedPercent, windowDurationMins }: Window, now: number): string => {
  const per = windowDurationMins === null ? "" : `, per ${span(windowDurationMins)}`
  const minutes = resetsAt === null ? 0 : Math.ceil((resetsAt * 1000 - now) / 60_000)
  return `${per}: ${Math.max(0, Math.round(100 - usedPercent))}% left${
    minutes > 0 ? `, reset in ${span(minutes)}` : ""
  }`
}

/** Minutes in at most two units. */
const span = (minutes: number): string => {
  const units = [[Math.floor(minutes / 1440), "d"], [Math.floor(minutes / 60) % 24, "h"], [
    minutes % 60,
    "min"
  ]] as const
  const first = units.findIndex(([n]) => n > 0)
  return first === -1
    ? "0 min"
    : units.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ")
}
