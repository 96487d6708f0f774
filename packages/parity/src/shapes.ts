/** Values of this library in the shape in which the Python SDK returns them, so that fields can be compared. */
import { CodexError, CodexRetry, type TurnResult } from "@effect-codex/client"
import { DateTime, Duration, Option, Predicate } from "effect"

const seconds = (time: DateTime.Utc): number => Math.floor(DateTime.toEpochMillis(time) / 1000)

/** A `TurnResult` of Python. */
export const turnResult = (result: TurnResult.TurnResult): object => ({
  id: result.id,
  status: result.status,
  error: Option.getOrNull(result.error),
  startedAt: Option.getOrNull(Option.map(result.startedAt, seconds)),
  completedAt: Option.getOrNull(Option.map(result.completedAt, seconds)),
  durationMs: Option.getOrNull(Option.map(result.duration, Duration.toMillis)),
  finalResponse: Option.getOrNull(result.finalResponse),
  items: result.items,
  usage: Option.getOrNull(Option.map(result.usage, (usage) => ({
    last: usage.last,
    total: usage.total,
    modelContextWindow: Option.getOrNull(usage.modelContextWindow)
  })))
})

/**
 * The exception of Python that an error of this library stands for. `docs/from-python.md` has the same pairs, under
 * "Errors and retries".
 */
export const pythonOf: Readonly<Record<string, string>> = {
  CodexExecutableNotFound: "FileNotFoundError",
  AppServerStartError: "TransportClosedError",
  AppServerExited: "TransportClosedError",
  TransportError: "TransportClosedError",
  "RpcError parse": "ParseError",
  "RpcError invalidRequest": "InvalidRequestError",
  "RpcError methodNotFound": "MethodNotFoundError",
  "RpcError invalidParams": "InvalidParamsError",
  "RpcError internal": "InternalRpcError",
  "RpcError unexpected": "CodexRpcError",
  ThreadNotFound: "InvalidRequestError",
  ThreadNotPersisted: "InvalidRequestError",
  ThreadInUse: "InvalidRequestError",
  NoActiveTurn: "InvalidRequestError",
  TurnMismatch: "InvalidRequestError",
  LoginRequired: "InvalidRequestError",
  ExperimentalRequired: "InvalidRequestError",
  InputTooLarge: "InvalidParamsError",
  ServerOverloaded: "ServerBusyError",
  TurnFailed: "RuntimeError",
  InvalidArgument: "ValueError"
}

const detailOf = (error: CodexError.CodexError): string => "detail" in error ? error.detail : error.message

/** An error in the shape of the Python driver's. Without an exception that it stands for, `kind` is its own tag. */
export const error = (error: unknown): object => {
  if (!CodexError.isCodexError(error)) throw error
  const name = error._tag === "RpcError" ? `RpcError ${error.reason}` : error._tag
  const shape = {
    kind: pythonOf[name] ?? error._tag,
    retryable: CodexRetry.isRetryable(error),
    detail: detailOf(error)
  }
  if (!Predicate.hasProperty(error, "code") || !Predicate.hasProperty(error, "method")) return shape
  return { ...shape, code: error.code, data: Predicate.hasProperty(error, "data") ? error.data : null }
}
