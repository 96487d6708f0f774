/**
 * Maps the server's JSON-RPC errors, and the ends of its logins, to errors of this library.
 * docs/codex-behaviour.md, "Nearly every refusal has the code -32600". So the text decides.
 */
import * as Predicate from "effect/Predicate"
import type { ReplyError } from "../../CodexError.ts"
import * as CodexError from "../../CodexError.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import { canMean } from "./answers.ts"
import { at } from "./peek.ts"

// docs/codex-behaviour.md, "Overload is -32001 without data". Older servers mark it in the data.
const isOverloadMark = (u: unknown): boolean =>
  typeof u === "string" && u.toLowerCase().replaceAll("_", "") === "serveroverloaded"

const marksOverload = (data: unknown): boolean =>
  isOverloadMark(data) ||
  ["codex_error_info", "codexErrorInfo", "errorInfo"].some((key) => {
    const info = at(data, key)
    return isOverloadMark(info) || (Predicate.isObject(info) && Object.values(info).some(isOverloadMark))
  })

const meanings = {
  ExperimentalRequired: CodexError.ExperimentalRequired,
  LoginRequired: CodexError.LoginRequired,
  NoActiveTurn: CodexError.NoActiveTurn,
  QueuedMessageNotFound: CodexError.QueuedMessageNotFound,
  ThreadInUse: CodexError.ThreadInUse,
  ThreadNotFound: CodexError.ThreadNotFound,
  ThreadNotPersisted: CodexError.ThreadNotPersisted
}

type Fields = { readonly method: string; readonly code: number; readonly detail: string; readonly data?: unknown }

const fromText = (fields: Fields): ReplyError | undefined => {
  const { data, detail } = fields
  const meaning = ServerTexts.meaningOf(detail)
  if (meaning !== undefined) return new meanings[meaning](fields)
  const turns = ServerTexts.mismatchOf(detail)
  if (turns !== undefined) return new CodexError.TurnMismatch({ ...fields, ...turns })
  const maximum = at(data, "max_chars")
  const actual = at(data, "actual_chars")
  if (
    at(data, "input_error_code") === "input_too_large" && Predicate.isNumber(maximum) && Predicate.isNumber(actual)
  ) {
    return new CodexError.InputTooLarge({ ...fields, maximum, actual })
  }
  return undefined
}

/** Maps the `error` member of a reply. Never fails: a malformed one becomes an `RpcError` with code 0. */
export const fromReply = (method: string, error: unknown): ReplyError => {
  const code = at(error, "code")
  const message = at(error, "message")
  const data = at(error, "data")
  const fields: Fields = {
    method,
    code: Predicate.isNumber(code) ? code : 0,
    detail: Predicate.isString(message) ? message : "the error has no message.",
    ...(data === undefined ? {} : { data })
  }
  if (fields.code === -32001 || (fields.code <= -32000 && fields.code >= -32099 && marksOverload(data))) {
    return new CodexError.ServerOverloaded(fields)
  }
  const meaning = fromText(fields)
  return meaning !== undefined && (meaning._tag === "ExperimentalRequired" || canMean(method, meaning._tag))
    ? meaning
    : new CodexError.RpcError(fields)
}

/** The refusal as a plain `RpcError`, where its text cannot mean what it seems to. */
export const withoutMeaning = ({ code, data, detail, method }: ReplyError): CodexError.RpcError =>
  new CodexError.RpcError({ method, code, detail, ...(data === undefined ? {} : { data }) })

// =============================================================================
// Logins
// =============================================================================

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`

/** A login that began and then failed according to the server. */
export const fromLoginEnd = (loginId: string, error: unknown, isCancelled: boolean): CodexError.LoginFailed => {
  const text = Predicate.isString(error) && error !== "" ? error : "the server gave no reason"
  const reason = ServerTexts.loginReason(text)
  return new CodexError.LoginFailed({
    reason: reason === "replaced" && isCancelled ? "cancelled" : reason,
    detail: sentence(text),
    loginId
  })
}

const isReply = (error: CodexError.RequestError): error is ReplyError => "code" in error && "detail" in error

const redact = (u: unknown, secret: string): unknown =>
  JSON.parse(
    JSON.stringify(u),
    (_key, value) => Predicate.isString(value) ? value.replaceAll(secret, "<redacted>") : value
  )

// codex 0.169 does not quote a login, but its parser quotes parts of other requests that it finds wrong.
const withoutSecret = (error: CodexError.RequestError, secret: string): CodexError.RequestError => {
  if (secret === "") return error
  if (isReply(error)) {
    const { code, data, detail, method } = error
    return fromReply(method, redact({ code, message: detail, data }, secret))
  }
  if (error._tag !== "DecodeError") return error
  const { issue, method, raw } = error
  return new CodexError.DecodeError({ method, issue: issue.replaceAll(secret, "<redacted>"), raw: redact(raw, secret) })
}

/** The error of a failed login request. Removes the secret, in case the server quoted it. */
export const fromLoginStart = (error: CodexError.RequestError, secret = ""): CodexError.LoginError => {
  const cause = withoutSecret(error, secret)
  if (!isReply(cause) || cause._tag === "ServerOverloaded" || cause._tag === "ExperimentalRequired") return cause
  const { detail } = cause
  const isInternal = cause._tag === "RpcError" && cause.reason === "internal"
  const isRefused = !isInternal || ServerTexts.isExternalAuthRefused(detail)
  const reason = ServerTexts.isUnreachable(detail) ? "offline" : isRefused ? "refused" : "failed"
  return new CodexError.LoginFailed({ reason, detail: sentence(detail), loginId: null, cause })
}
