/** Approvals that are decided after their turn: the turn is interrupted, and another one goes on. */
import { Approvals } from "@effect-codex/client"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import { WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { Decision, DecisionsUnavailable, Question, Stored } from "../../Decisions.ts"
import { Decisions, deferred } from "../../Decisions.ts"

/** Where a question waits: for which `DurableDeferred`, under which id. */
export type Place = Pick<Stored, "id" | "token" | "workflow" | "executionId">

export const place = Effect.fnUntraced(function*(key: string): Effect.fn.Return<Place, never, WorkflowInstance> {
  const { executionId, workflow } = yield* WorkflowInstance
  return {
    // Short enough to be typed.
    id: (yield* Activity.idempotencyKey(`decision/${key}`)).slice(0, 16),
    token: yield* DurableDeferred.token(deferred(key)),
    workflow: workflow._tag,
    executionId
  }
})

const parse = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Json))
const toJson = (value: unknown) => Effect.orElseSucceed(parse(JSON.stringify(value ?? null)), () => null)

const questionOf = Effect.fnUntraced(function*(
  request: Approvals.CommandRequest | Approvals.FileChangeRequest
): Effect.fn.Return<Question> {
  const reason = request.reason ?? null
  if (request._tag === "FileChange") {
    const changes = yield* Effect.forEach(
      request.changes ?? [],
      ({ diff, kind, path }) => Effect.map(toJson(kind), (kind) => ({ path, kind, diff }))
    )
    return { _tag: "FileChange", changes, grantRoot: request.grantRoot ?? null, reason }
  }
  return {
    _tag: "Command",
    kind: request.kind,
    command: request.command ?? null,
    cwd: request.cwd ?? null,
    reason,
    network: yield* toJson(request.network),
    additionalPermissions: yield* toJson(request.additionalPermissions)
  }
})

/** The storage may order the members of an object anew. */
const inOrder = (_: string, value: unknown): unknown =>
  Predicate.isObject(value) && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
    : value

/** All that a decision is about: what differs in anything but the agent's reason was not allowed. */
export const printOf = (question: Question): string =>
  JSON.stringify(question._tag === "Question" ? question : { ...question, reason: null }, inOrder)

/** What codex does not name cannot be recognized. */
const isNamed = (question: Question): boolean =>
  question._tag === "FileChange"
    ? question.changes.length > 0
    : question._tag === "Command" && question.command !== null

/** Tells the agent what was decided. */
export const told = (question: Question, { allow, note }: Decision): string => {
  const what = question._tag === "Command"
    ? `to ${question.kind === "writeStdin" ? "write to" : "run"} \`${
      question.command === null ? "the command" : Approvals.withoutShell(question.command)
    }\``
    : "to change the files as you proposed"
  const words = note === undefined ? "" : ` The user says: ${note}`
  return allow
    ? `You were interrupted to ask the user. The user allows you ${what}: do exactly that now, then go on with your task.` +
      words
    : `You were interrupted to ask the user. The user does not allow you ${what}: go on with your task without it.` +
      words
}

/** The handlers of one turn. They accept what is in `left`, once each, and ask about the first other request. */
export const make = Effect.fnUntraced(function*(options: {
  readonly name: string
  readonly place: Place
  readonly left: ReadonlyArray<string>
}) {
  const decisions = yield* Decisions
  const left = [...options.left]
  let isAsking = false
  let asked: Result.Result<Stored, DecisionsUnavailable> | undefined

  const ask = Effect.fnUntraced(function*(request: Approvals.CommandRequest | Approvals.FileChangeRequest) {
    const question = yield* questionOf(request)
    const allowed = left.indexOf(printOf(question))
    if (isNamed(question) && allowed >= 0) {
      left.splice(allowed, 1)
      return "accept" as const
    }
    if (isAsking) return "cancel" as const
    isAsking = true
    const stored: Stored = {
      ...options.place,
      name: options.name,
      askedAt: yield* DateTime.now,
      summary: Approvals.describe(request),
      question,
      left: [...left]
    }
    // Before the turn is interrupted: after a crash in between, the question is there and the model is not asked again.
    asked = yield* Effect.result(Effect.as(decisions.open(stored), stored))
    return "cancel" as const
  })

  return {
    handlers: yield* Approvals.make({ command: ask, fileChange: ask }),
    /** What this turn was interrupted for. */
    asked: Effect.suspend(() => asked === undefined ? Effect.undefined : Effect.fromResult(asked))
  }
})
