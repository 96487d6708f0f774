/** The errors with which codex 0.171.0 refuses requests: their codes and texts. */
import * as Data from "effect/Data"

/** The error member of a reply. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly code: number
  readonly message: string
  readonly data?: unknown
}> {}

export const invalidRequest = (message: string): Refused => new Refused({ code: -32600, message })

export const invalidParams = (message: string): Refused => new Refused({ code: -32602, message })

export const malformed = (issue: string): Refused => invalidRequest(`Invalid request: ${issue}`)

export const threadNotFound = (id: string): Refused => invalidRequest(`thread not found: ${id}`)

export const threadNotLoaded = (id: string): Refused => invalidRequest(`thread not loaded: ${id}`)

export const hasWriter = (id: string): Refused => invalidRequest(`thread ${id} already has an active writer`)

export const noRollout = (id: string): Refused => invalidRequest(`no rollout found for thread id ${id}`)

export const notMaterialized = (id: string): Refused =>
  invalidRequest(
    `thread ${id} is not materialized yet; thread/turns/list is unavailable before first user message`
  )

export const archived = (id: string): Refused =>
  invalidRequest(`session ${id} is archived. Run \`codex unarchive ${id}\` to unarchive it first.`)

export const notSupportedYet = (what: string): Refused =>
  new Refused({ code: -32601, message: `${what} is not supported yet` })

export const experimental = (what: string): Refused => invalidRequest(`${what} requires experimentalApi capability`)

const maxChars = 1_048_576

/** Refuses a text of more characters than the server accepts. */
export const tooLong = (actual: number): Refused | undefined =>
  actual <= maxChars ? undefined : new Refused({
    code: -32602,
    message: `Input exceeds the maximum length of ${maxChars} characters.`,
    data: { input_error_code: "input_too_large", max_chars: maxChars, actual_chars: actual }
  })

/** The fake's own refusal, for a feature that only the real server has. */
export const notFaked = (what: string): Refused =>
  new Refused({
    code: -32601,
    message: `FakeAppServer does not do ${what}. Test it on the real codex, with ScriptedCodex.`
  })

const notUuid = (kind: "thread" | "session", id: string): Refused => {
  const at = [...id].findIndex((character) => !/[0-9a-fA-F-]/.test(character))
  return invalidRequest(
    at === -1
      ? `invalid ${kind} id: ${id}`
      : `invalid ${kind} id: invalid character: expected an optional prefix of \`urn:uuid:\` followed by [0-9a-fA-F-], ` +
        `found \`${[...id][at]}\` at ${at + 1}`
  )
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const isUuid = (text: string): boolean => uuid.test(text)

/** Refuses a thread id that is not a UUID. Methods that look for a thread's file call it a session id. */
export const checkThreadId = (method: string, id: string): Refused | undefined =>
  isUuid(id)
    ? undefined
    : notUuid(/^thread\/(?:resume|fork|archive|unarchive)$/.test(method) ? "session" : "thread", id)
