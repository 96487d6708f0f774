/** The errors with which codex 0.171.0 reports failures of the model to a client. */
import type * as Received from "@effect-codex/protocol/Received"
import type { End, HttpFailure } from "../../ScriptedModel.ts"

const error = (message: string, codexErrorInfo: Received.CodexErrorInfo): Received.TurnError => ({
  message,
  codexErrorInfo,
  additionalDetails: null,
  misalignment: null
})

const capacity = error("Selected model is at capacity. Please try a different model.", "serverOverloaded")

const disconnected = (why: string): Received.TurnError =>
  error(`stream disconnected before completion: ${why}`, "other")

/** The error with which codex announces a retry; undefined if it does not retry. */
export const retryOf = (failure: Received.TurnError, attempt: number, of: number): Received.TurnError | undefined =>
  attempt > of ||
    (failure.codexErrorInfo !== "internalServerError" &&
      !failure.message.startsWith("stream disconnected before completion: "))
    ? undefined
    : {
      ...error(`Reconnecting... ${attempt}/${of}`, { responseStreamDisconnected: { httpStatusCode: null } }),
      additionalDetails: failure.message
    }

const statusTexts: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  409: "Conflict",
  413: "Payload Too Large",
  418: "I'm a teapot",
  422: "Unprocessable Entity",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout"
}

const memberOf = (body: unknown, key: "code" | "message" | "type"): string | undefined => {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined
  const { error } = body
  if (typeof error !== "object" || error === null || !(key in error)) return undefined
  const value: unknown = Reflect.get(error, key)
  return typeof value === "string" ? value : undefined
}

export const ofHttp = ({ body, status }: HttpFailure, url: string): Received.TurnError => {
  if (memberOf(body, "code") === "server_is_overloaded" && status === 503) return capacity
  switch (status) {
    case 400:
      return error(body === null ? "" : JSON.stringify(body), "other")
    case 429:
      return memberOf(body, "type") === "usage_limit_reached"
        ? error("You’ve hit your usage limit. Try again later.", "usageLimitExceeded")
        : error("exceeded retry limit, last status: 429 Too Many Requests", {
          responseTooManyFailedAttempts: { httpStatusCode: 429 }
        })
    case 500:
      return error(
        "We’re currently experiencing high demand, which may cause temporary errors.",
        "internalServerError"
      )
  }
  if (status === 404 && memberOf(body, "code") === "model_not_found") {
    return error(memberOf(body, "message") ?? "", "modelNotFound")
  }
  const text = memberOf(body, "message") ?? (body === null ? "Unknown error" : JSON.stringify(body))
  const name = statusTexts[status] ?? "<unknown status code>"
  return error(`unexpected status ${status} ${name}: ${text}, url: ${url}/responses`, {
    httpConnectionFailed: { httpStatusCode: status }
  })
}

/** The error for the end of a response; undefined for a completed one. */
export const ofEnd = (end: End): Received.TurnError | undefined => {
  switch (end._tag) {
    case "Completed":
      return undefined
    case "Truncated":
      return disconnected(
        end.how === "end"
          ? "stream closed before response.completed"
          : "Transport error: network error: error decoding response body"
      )
    case "Incomplete":
      return end.reason === "max_output_tokens"
        ? error(`Incomplete response returned, reason: ${end.reason}`, "other")
        : disconnected(`Incomplete response returned, reason: ${end.reason}`)
    case "Failed":
      switch (end.code) {
        case "context_length_exceeded":
          return error(
            "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before " +
              "retrying.",
            "contextWindowExceeded"
          )
        case "cyber_policy":
          return error(end.message, "cyberPolicy")
        case "insufficient_quota":
          return error("Quota exceeded. Check your plan and billing details.", "usageLimitExceeded")
        case "invalid_prompt":
          return error(end.message, "other")
        case "rate_limit_exceeded":
        case "slow_down":
          return error(`rate limit exceeded: ${end.message}`, "rateLimitExceeded")
        case "server_is_overloaded":
          return capacity
        default:
          return disconnected(end.message)
      }
  }
}
