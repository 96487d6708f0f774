/**
 * Converts the client's errors to those of `effect/ai`. Programs repeat retryable calls, but a turn may have changed
 * something. So an error is retryable only if the turn provably did nothing.
 */
import {
  type EventsOverflow,
  type InvalidArgument,
  type SettingsNotApplied,
  type TurnEndError,
  type TurnFailed,
  TurnInterrupted,
  type TurnStartError
} from "@effect-codex/client/CodexError"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as AiError from "effect/ai/AiError"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export const module = "CodexLanguageModel"

export type ClientError =
  | TurnStartError
  | TurnEndError
  | TurnInterrupted
  | SettingsNotApplied
  | InvalidArgument
  | EventsOverflow

export const make = (method: string, reason: AiError.AiErrorReason): AiError.AiError =>
  AiError.make({ module, method, reason })

/**
 * Whether the failed turn did nothing: the model completed no answer, and codex reported no item except the user's
 * messages. Either alone proves nothing: docs/codex-behaviour.md, "A command runs before the answer that asks for it is
 * complete" and "Not every command that ran is an item".
 */
const didNothing = ({ result }: TurnFailed): boolean =>
  Option.isNone(result.usage) && result.items.every(({ type }) => type === "userMessage")

const ofTurn = (error: TurnFailed, mayHaveWorked: boolean): AiError.AiErrorReason => {
  const metadata = {
    codex: { error: error._tag, reason: error.reason, threadId: error.threadId, turnId: error.turnId }
  }
  const description = error.message
  const resetsAt = Option.getOrUndefined(error.resetsAt)
  switch (error.reason) {
    case "usageLimit":
      return new AiError.QuotaExhaustedError({ metadata, ...(resetsAt !== undefined && { resetAt: resetsAt }) })
    case "login":
      return new AiError.AuthenticationError({ kind: "Unknown", description, metadata })
    case "forbidden":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, metadata })
    case "policy":
      return new AiError.ContentPolicyError({ description, metadata })
    case "rateLimit":
    case "overloaded":
      if (mayHaveWorked || !didNothing(error)) return new AiError.UnknownError({ description, metadata })
      return error.reason === "overloaded" && error.infoName === "internalServerError"
        ? new AiError.InternalProviderError({ description, metadata })
        : new AiError.RateLimitError({ metadata })
    default:
      return new AiError.UnknownError({ description, metadata })
  }
}

/** @param mayHaveWorked whether a tool of the program ran, or the call had an earlier turn */
export const ofClient = (method: string, mayHaveWorked: () => boolean) => (error: ClientError): AiError.AiError => {
  const metadata = { codex: { error: error._tag } }
  const description = error.message
  switch (error._tag) {
    case "TurnFailed":
      return make(method, ofTurn(error, mayHaveWorked()))
    // The server did not accept the request.
    case "ServerOverloaded":
      return make(
        method,
        mayHaveWorked()
          ? new AiError.UnknownError({ description, metadata })
          : new AiError.RateLimitError({ metadata })
      )
    case "InvalidArgument":
      return make(method, new AiError.InvalidRequestError({ parameter: error.argument, description, metadata }))
    case "SettingsNotApplied":
      return make(method, new AiError.InvalidRequestError({ description, metadata }))
    case "InputTooLarge":
      return make(method, new AiError.InvalidUserInputError({ description }))
    default:
      return make(method, new AiError.UnknownError({ description, metadata }))
  }
}

/** Carries the failure of a handler, so that the call fails with the same cause. */
export class HandlerFailure {
  readonly _tag = "HandlerFailure"
  readonly cause: Cause.Cause<unknown>
  constructor(cause: Cause.Cause<unknown>) {
    this.cause = cause
  }
}

export const isHandlerFailure = (u: unknown): u is HandlerFailure => u instanceof HandlerFailure

export const ofAny =
  (method: string, mayHaveWorked: () => boolean) =>
  (error: ClientError | AiError.AiError | HandlerFailure): AiError.AiError | HandlerFailure =>
    AiError.isAiError(error) || isHandlerFailure(error) ? error : ofClient(method, mayHaveWorked)(error)

/** `LanguageModel.make` passes every error on unchanged, but its types admit only `AiError`. */
export const withinProvider = (error: AiError.AiError | HandlerFailure): AiError.AiError => error as AiError.AiError

export const interrupted = (result: TurnResult): Effect.Effect<never, TurnInterrupted> =>
  Effect.fail(new TurnInterrupted({ threadId: result.threadId, turnId: result.id, result }))

const isWords = ({ type }: { readonly type: string }): boolean =>
  type === "userMessage" || type === "agentMessage" || type === "reasoning"

/**
 * An object that does not match its schema. Retryable only if the turn was a single model answer: a turn that ran a
 * tool has called the model more than once.
 */
export const unfit = (
  method: string,
  result: TurnResult<unknown>,
  responseText: string,
  description: string,
  mayHaveWorked: boolean
): Effect.Effect<never, AiError.AiError> => {
  const metadata = { codex: { error: "OutputInvalid", threadId: result.threadId, turnId: result.id } }
  const usage = Option.getOrUndefined(result.usage)
  const isSingle = !mayHaveWorked && result.items.every(isWords) && usage !== undefined &&
    usage.turn.totalTokens === usage.last.totalTokens
  return Effect.fail(make(
    method,
    isSingle
      ? new AiError.StructuredOutputError({ description, responseText, metadata })
      : new AiError.InvalidResponseError({
        description: `The answer does not fit the schema: ${description}`,
        metadata
      })
  ))
}

/**
 * Makes errors of `effect/ai` itself, and those of handlers, not retryable: they occur after a turn that may have
 * changed something.
 */
export const settled = <E>(error: E): E | AiError.AiError =>
  AiError.isAiError(error) && error.isRetryable && error.module !== module
    ? AiError.make({
      module: error.module,
      method: error.method,
      reason: new AiError.InvalidResponseError({
        description: error.reason.message,
        metadata: { codex: { error: error.reason._tag } }
      })
    })
    : error
