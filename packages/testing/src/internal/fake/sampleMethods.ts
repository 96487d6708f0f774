/** Side questions: one request to the model, which leaves no trace in the thread. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Outcome, Reply } from "../../ScriptedModel.ts"
import * as RequestBody from "../requestBody.ts"
import * as Sse from "../sse.ts"
import type { LoadedThread } from "./connection.ts"
import * as Failure from "./failure.ts"
import * as Input from "./input.ts"
import type { Handlers, Server } from "./methods.ts"
import { FakeRequest } from "./modelRequest.ts"
import * as Refused from "./refused.ts"

type Given = Pick<ClientRequests["thread/sample"]["params"], "prompt" | "responsesapiClientMetadata">

const maxPromptBytes = 4000

const running = new WeakMap<object, Map<string | number, Fiber.Fiber<void>>>()

const samplesOf = ({ connection }: Server) => {
  const known = running.get(connection) ?? new Map<string | number, Fiber.Fiber<void>>()
  running.set(connection, known)
  return known
}

const failed = (message: string) => new Refused.Refused({ code: -32603, message })

const snapshot = RequestBody.developerMessage(
  "<thread_snapshot>\nThis snapshot is a copy of the source thread’s history taken while its turn was still running. " +
    "Making the copy did not stop the source turn. A tool call that was pending at capture may appear as \"aborted\" " +
    "in this copy.\n</thread_snapshot>"
)

/** The text of an answer, or null if it calls a tool or says nothing. */
const textOf = Effect.fnUntraced(function*(reply: Reply) {
  let text = ""
  let calls = false
  for (const part of reply.parts) {
    if (typeof part === "string") text += part
    else if (Sse.isPause(part)) yield* Sse.pause(part)
    else if (part._tag === "FunctionCall") calls = true
    else if (part._tag === "Text") {
      for (const delta of part.deltas) {
        if (typeof delta === "string") text += delta
        else yield* Sse.pause(delta)
      }
    }
  }
  return calls || text === "" ? null : text
})

const ask = Effect.fnUntraced(function*(server: Server, { running, stored }: LoadedThread, given: Given) {
  const { connection } = server
  const outcome = Deferred.makeUnsafe<Outcome>()
  const said = {
    type: "message",
    role: "user",
    content: Input.modelContent([{ type: "text", text: given.prompt, text_elements: [] }])
  }
  const history = [...stored.history, ...(running === undefined ? [] : [snapshot]), said]
  const request = yield* server.script.record((index) =>
    new FakeRequest(connection, { ...stored, history }, {
      index,
      model: stored.settings.model,
      outputSchema: undefined,
      turnId: connection.home.nextId(),
      metadata: given.responsesapiClientMetadata ?? {},
      outcome: Deferred.await(outcome)
    })
  )
  const answering = Effect.gen(function*() {
    const answer = yield* server.script.answer(request)
    const text = answer._tag === "HttpFailure" ? null : yield* textOf(answer)
    const error = answer._tag === "HttpFailure" ? Failure.ofHttp(answer, server.url) : Failure.ofEnd(answer.end)
    if (error !== undefined) {
      return yield* failed(
        error.codexErrorInfo === "contextWindowExceeded" ? "sample failed: context window exceeded" : error.message
      )
    }
    const usage = answer._tag === "HttpFailure" ? undefined : answer.usage
    return {
      sourceTurnId: stored.turns.at(-1)?.id ?? "",
      responseId: `resp-${request.index}`,
      text,
      inputTokens: usage?.input ?? 0,
      cachedInputTokens: usage?.cached ?? 0,
      outputTokens: usage?.output ?? 0
    }
  })
  return yield* Effect.onExit(
    answering,
    (exit) => Deferred.succeed(outcome, Exit.hasInterrupts(exit) ? "abandoned" : "answered")
  )
})

export const handlers: Pick<Handlers, "thread/sample" | "thread/sample/cancel"> = {
  "thread/sample": Effect.fnUntraced(function*(server, params, reply, id) {
    const { connection } = server
    const bytes = new TextEncoder().encode(params.prompt).length
    if (params.expectedTurnId === "" || bytes === 0 || bytes > maxPromptBytes) {
      return yield* Refused.invalidRequest(
        `thread/sample requires expectedTurnId and a prompt of at most ${maxPromptBytes} bytes`
      )
    }
    const thread = connection.loaded.get(params.threadId)
    if (thread === undefined) return yield* Refused.invalidRequest("thread/sample requires a loaded source")
    const { stored } = thread
    if (!stored.isStored) {
      return yield* Refused.invalidRequest(
        `invalid thread-store request: no rollout found for thread id ${params.threadId}`
      )
    }
    if (thread.running !== undefined && params.allowInProgressTurn !== true) {
      return yield* Refused.invalidRequest("sample source must be idle")
    }
    if (stored.turns.at(-1)?.id !== params.expectedTurnId) {
      return yield* Refused.invalidRequest(
        `sample source turn must be the latest${thread.running === undefined ? " finished" : ""} turn`
      )
    }
    const samples = samplesOf(server)
    const answering = ask(server, thread, params).pipe(
      Effect.map(reply),
      Effect.catchTag("Refused", (refused) => Effect.sync(() => connection.refuse(id, refused))),
      Effect.onInterrupt(() => Effect.sync(() => connection.refuse(id, Refused.invalidRequest("request cancelled")))),
      Effect.ensuring(Effect.sync(() => samples.delete(id)))
    )
    samples.set(id, yield* Effect.forkIn(answering, server.scope))
  }),

  "thread/sample/cancel": Effect.fnUntraced(function*(server, params, reply) {
    const sample = samplesOf(server).get(params.requestId)
    reply({})
    if (sample !== undefined) yield* Fiber.interrupt(sample)
  })
}
