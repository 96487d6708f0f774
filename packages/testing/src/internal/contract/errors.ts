/** Cases about failures of the model and of requests, with their texts. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, Wire } from "./model.ts"
import { enqueue, equal, fact, mark, refusal, request, runTurn, startThread, startTurn, story, text } from "./story.ts"

const { failed, httpFailure, incomplete, truncated } = ScriptedModel

const windows = (params: unknown): ReadonlyArray<unknown> => {
  const limit = Predicate.hasProperty(params, "rateLimits") ? params.rateLimits : undefined
  return ["primary", "secondary"].map((name) => Predicate.hasProperty(limit, name) ? limit[name] : undefined)
}

/** The windows of all rate limits in the notifications since frame `since`. */
const toldWindows = Effect.fnUntraced(function*(since: number) {
  const frames = (yield* (yield* Wire).frames).slice(since)
  return frames.flatMap(({ message: { method, params } }) =>
    method === "account/rateLimits/updated" ? [windows(params)] : []
  )
})

const coded = (code: string) => ({ error: { message: "no", type: "x", code } })

const failures: ReadonlyArray<readonly [name: string, answer: ScriptedModel.Answer, info: unknown, message: string]> = [
  [
    "HTTP 500",
    httpFailure(500, "no"),
    "internalServerError",
    "We’re currently experiencing high demand, which may cause temporary errors."
  ],
  ["HTTP 400", httpFailure(400, { a: 1 }), "other", "{\"a\":1}"],
  [
    "HTTP 401",
    httpFailure(401, "bad key"),
    { httpConnectionFailed: { httpStatusCode: 401 } },
    "unexpected status 401 Unauthorized: bad key, url: <url>/responses"
  ],
  [
    "HTTP 403",
    httpFailure(403),
    { httpConnectionFailed: { httpStatusCode: 403 } },
    "unexpected status 403 Forbidden: Unknown error, url: <url>/responses"
  ],
  [
    "HTTP 404",
    httpFailure(404, "no model"),
    { httpConnectionFailed: { httpStatusCode: 404 } },
    "unexpected status 404 Not Found: no model, url: <url>/responses"
  ],
  [
    "HTTP 429",
    httpFailure(429, "slow"),
    { responseTooManyFailedAttempts: { httpStatusCode: 429 } },
    "exceeded retry limit, last status: 429 Too Many Requests"
  ],
  [
    "a usage limit",
    httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } }),
    "usageLimitExceeded",
    "You’ve hit your usage limit. Try again later."
  ],
  [
    "HTTP 502",
    httpFailure(502, "gateway"),
    { httpConnectionFailed: { httpStatusCode: 502 } },
    "unexpected status 502 Bad Gateway: gateway, url: <url>/responses"
  ],
  [
    "HTTP 503 of a busy model",
    httpFailure(503, coded("server_is_overloaded")),
    "serverOverloaded",
    "Selected model is at capacity. Please try a different model."
  ],
  ["server_error", failed("server_error", "boom"), "other", "stream disconnected before completion: boom"],
  [
    "insufficient_quota",
    failed("insufficient_quota", "no"),
    "usageLimitExceeded",
    "Quota exceeded. Check your plan and billing details."
  ],
  [
    "context_length_exceeded",
    failed("context_length_exceeded", "long"),
    "contextWindowExceeded",
    "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying."
  ],
  [
    "rate_limit_exceeded",
    failed("rate_limit_exceeded", "Try again in 1s."),
    "rateLimitExceeded",
    "rate limit exceeded: Try again in 1s."
  ],
  [
    "server_is_overloaded",
    failed("server_is_overloaded", "no"),
    "serverOverloaded",
    "Selected model is at capacity. Please try a different model."
  ],
  ["invalid_prompt", failed("invalid_prompt", "bad prompt"), "other", "bad prompt"],
  [
    "max_output_tokens",
    incomplete("max_output_tokens", ["half"]),
    "other",
    "Incomplete response returned, reason: max_output_tokens"
  ],
  [
    "content_filter",
    incomplete("content_filter", ["half"]),
    "other",
    "stream disconnected before completion: Incomplete response returned, reason: content_filter"
  ],
  [
    "a stream without an end",
    truncated("end", ["half"]),
    "other",
    "stream disconnected before completion: stream closed before response.completed"
  ]
]

const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"

const notUuid = (kind: "thread" | "session") =>
  `-32600 invalid ${kind} id: invalid character: expected an optional prefix of \`urn:uuid:\` followed by [0-9a-fA-F-], ` +
  "found `n` at 1"

export const cases: ReadonlyArray<Case> = [
  ...failures.map(([name, answer, info, message]) =>
    fact(
      `failure of the model: ${name}`,
      Effect.gen(function*() {
        yield* enqueue(answer)
        const turnId = yield* runTurn(yield* startThread())
        const wire = yield* Wire
        const end = yield* wire.until(
          ({ method, params }) => method === "turn/completed" && JSON.stringify(params).includes(turnId),
          0
        )
        const { error, status } = (end["params"] as {
          readonly turn: {
            readonly status: string
            readonly error: { readonly codexErrorInfo: unknown; readonly message: string }
          }
        }).turn
        yield* equal("the status", status, "failed")
        yield* equal("the info", error.codexErrorInfo, info)
        yield* equal("the message", error.message.replace(/https?:\/\/[^/]+\/v1/, "<url>"), message)
      })
    )
  ),

  story(
    "failure of the model: the thread has a systemError and can be used again",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.httpFailure(500, "no"), "fine")
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  story(
    "failure of the model: after a part of the answer, with the usage of a response that ended",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.failed("server_error", "boom", [ScriptedModel.text(["ha", "lf"])]),
        ScriptedModel.reply(["whole"], { usage: { input: 5, output: 5 } }),
        ScriptedModel.reply([ScriptedModel.text(["ha", "lf"])], {
          usage: { input: 2, output: 1 },
          end: { _tag: "Incomplete", reason: "max_output_tokens" }
        })
      )
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  fact(
    "failure of the model: a usage limit tells the windows of its headers, and the next answer tells none",
    Effect.gen(function*() {
      const headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1900000000",
        "x-codex-secondary-used-percent": "7"
      }
      const error = { type: "usage_limit_reached", message: "enough" }
      const since = yield* mark
      yield* enqueue(httpFailure(429, { error }, { headers }), "fine")
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      yield* runTurn(threadId)
      yield* equal("the windows", yield* toldWindows(since), [
        [
          { usedPercent: 100, windowDurationMins: 300, resetsAt: 1_900_000_000 },
          { usedPercent: 7, windowDurationMins: null, resetsAt: null }
        ],
        [null, null]
      ])
    })
  ),

  fact(
    "rate limits: answers of the model tell the windows of their headers, each for itself",
    Effect.gen(function*() {
      const headers = {
        "x-codex-primary-used-percent": "80.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1900000000"
      }
      const since = yield* mark
      yield* enqueue(
        ScriptedModel.reply([ScriptedModel.exec("echo hello")], { headers }),
        ScriptedModel.reply(["hello"], { headers: { "x-codex-secondary-used-percent": "7" } })
      )
      yield* runTurn(yield* startThread())
      yield* equal("the windows", yield* toldWindows(since), [
        [{ usedPercent: 81, windowDurationMins: 300, resetsAt: 1_900_000_000 }, null],
        [null, { usedPercent: 7, windowDurationMins: null, resetsAt: null }]
      ])
    })
  ),

  story(
    "failure of the model: nothing is left in the script",
    Effect.flatMap(startThread(), (threadId) => runTurn(threadId))
  ),

  story(
    "failure of the model: another one answers than was asked, which is told once in a turn",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply([ScriptedModel.exec("echo hello")], { model: "other-model" }),
        ScriptedModel.reply(["hello"], { model: "other-model" }),
        ScriptedModel.reply(["again"], { model: "scripted-model" })
      )
      const threadId = yield* startThread({ model: "scripted-model" })
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  fact(
    "errors: threads that are not there, call by call",
    Effect.gen(function*() {
      const input = text("go")
      const of = (threadId: string) =>
        Effect.all({
          "turn/start": refusal(request("turn/start", { threadId, input })),
          "turn/steer": refusal(request("turn/steer", { threadId, expectedTurnId: "x", input })),
          "turn/interrupt": refusal(request("turn/interrupt", { threadId, turnId: "x" })),
          "thread/read": refusal(request("thread/read", { threadId })),
          "thread/resume": refusal(request("thread/resume", { threadId })),
          "thread/fork": refusal(request("thread/fork", { threadId, excludeTurns: true })),
          "thread/archive": refusal(request("thread/archive", { threadId })),
          "thread/unarchive": refusal(request("thread/unarchive", { threadId })),
          "thread/delete": refusal(request("thread/delete", { threadId })),
          "thread/inject_items": refusal(request("thread/inject_items", { threadId, items: [{ type: "x" }] })),
          "thread/name/set": refusal(request("thread/name/set", { threadId, name: "x" })),
          "thread/turns/list": refusal(request("thread/turns/list", { threadId })),
          "thread/settings/update": refusal(request("thread/settings/update", { threadId, model: "x" }))
        })
      const noRollout = `-32600 no rollout found for thread id ${unknown}`
      yield* equal("an unknown id", yield* of(unknown), {
        "turn/start": `-32600 thread not found: ${unknown}`,
        "turn/steer": `-32600 thread not found: ${unknown}`,
        "turn/interrupt": `-32600 thread not found: ${unknown}`,
        "thread/read": `-32600 thread not loaded: ${unknown}`,
        "thread/resume": noRollout,
        "thread/fork": noRollout,
        "thread/archive": noRollout,
        "thread/unarchive": `-32600 no archived rollout found for thread id ${unknown}`,
        "thread/delete": noRollout,
        "thread/inject_items": `-32600 thread not found: ${unknown}`,
        "thread/name/set": noRollout,
        "thread/turns/list": `-32600 thread not loaded: ${unknown}`,
        "thread/settings/update": `-32600 thread not found: ${unknown}`
      })
      yield* equal("no id", yield* of("nope"), {
        "turn/start": notUuid("thread"),
        "turn/steer": notUuid("thread"),
        "turn/interrupt": notUuid("thread"),
        "thread/read": notUuid("thread"),
        "thread/resume": notUuid("session"),
        "thread/fork": notUuid("session"),
        "thread/archive": notUuid("session"),
        "thread/unarchive": notUuid("session"),
        "thread/delete": notUuid("thread"),
        "thread/inject_items": notUuid("thread"),
        "thread/name/set": notUuid("thread"),
        "thread/turns/list": notUuid("thread"),
        "thread/settings/update": notUuid("thread")
      })
      yield* equal("unsubscribing", yield* request("thread/unsubscribe", { threadId: unknown }), {
        status: "notLoaded"
      })
    })
  ),

  fact(
    "errors: input that is too long, and a picture that is elsewhere",
    Effect.gen(function*() {
      const threadId = yield* startThread()
      yield* equal(
        "too long",
        yield* refusal(startTurn(threadId, "x".repeat(1_048_577))),
        "-32602 Input exceeds the maximum length of 1048576 characters."
      )
      yield* equal(
        "elsewhere",
        yield* refusal(request("turn/start", { threadId, input: [{ type: "image", url: "http://x/y.png" }] })),
        "-32600 remote image URLs are not supported; use an inline data URL instead"
      )
    })
  )
]
