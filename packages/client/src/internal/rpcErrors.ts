/**
 * The one place that knows what the texts of the server's JSON-RPC errors mean (measured on codex 0.169.0, which answers
 * nearly every mistake with -32600).
 */
import * as Predicate from "effect/Predicate"
import type { RpcError } from "../CodexError.ts"
import * as CodexError from "../CodexError.ts"

const field = (u: unknown, key: string): unknown => Predicate.hasProperty(u, key) ? u[key] : undefined

// Older servers mark overload in the data of an error and not by its code.
const isOverloadMark = (u: unknown): boolean =>
  typeof u === "string" && u.toLowerCase().replaceAll("_", "") === "serveroverloaded"

const marksOverload = (data: unknown): boolean =>
  isOverloadMark(data) ||
  ["codex_error_info", "codexErrorInfo", "errorInfo"].some((key) => {
    const info = field(data, key)
    return isOverloadMark(info) || (Predicate.isObject(info) && Object.values(info).some(isOverloadMark))
  })

const mismatch = /^expected active turn id `?([^`\s]+)`? but found `?([^`\s]+?)`?$/

type Fields = { readonly method: string; readonly code: number; readonly detail: string; readonly data?: unknown }

const fromText = (fields: Fields): RpcError | undefined => {
  const { data, detail } = fields
  if (/^thread not (?:found|loaded): /.test(detail)) return new CodexError.ThreadNotFound(fields)
  if (/^no (?:archived )?rollout found for thread id |^thread \S+ is not materialized yet/.test(detail)) {
    return new CodexError.ThreadNotPersisted(fields)
  }
  if (/^no active turn to (?:steer|interrupt)/.test(detail)) return new CodexError.NoActiveTurn(fields)
  if (/requires experimentalApi capability/.test(detail)) return new CodexError.ExperimentalRequired(fields)
  const turns = mismatch.exec(detail)
  if (turns !== null) return new CodexError.TurnMismatch({ ...fields, expected: turns[1]!, actual: turns[2]! })
  const maximum = field(data, "max_chars")
  const actual = field(data, "actual_chars")
  if (
    field(data, "input_error_code") === "input_too_large" && Predicate.isNumber(maximum) && Predicate.isNumber(actual)
  ) {
    return new CodexError.InputTooLarge({ ...fields, maximum, actual })
  }
  return undefined
}

/** Maps the `error` member of a reply. Total: a malformed one is an `UnexpectedRpcError`. */
export const fromReply = (method: string, error: unknown): RpcError => {
  const code = field(error, "code")
  const message = field(error, "message")
  const data = field(error, "data")
  const fields: Fields = {
    method,
    code: Predicate.isNumber(code) ? code : 0,
    detail: Predicate.isString(message) ? message : `malformed error ${JSON.stringify(error)}`,
    ...(data === undefined ? {} : { data })
  }
  if (fields.code === -32001 || (fields.code <= -32000 && fields.code >= -32099 && marksOverload(data))) {
    return new CodexError.ServerOverloaded(fields)
  }
  const meaning = fromText(fields)
  if (meaning !== undefined) return meaning
  switch (fields.code) {
    case -32700:
      return new CodexError.ParseError(fields)
    case -32600:
      return new CodexError.InvalidRequest(fields)
    case -32601:
      return new CodexError.MethodNotFound(fields)
    case -32602:
      return new CodexError.InvalidParams(fields)
    case -32603:
      return new CodexError.InternalServerError(fields)
    default:
      return new CodexError.UnexpectedRpcError(fields)
  }
}
