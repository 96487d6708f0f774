/** The page of the pipeline: its threads, and the question that is kept in the database as an approval with buttons. */
import { ApprovalQueue } from "@effect-codex/client"
import { Decisions } from "@effect-codex/cluster"
import { Watch } from "@effect-codex/report"
import { Effect, FiberMap, Redacted, Schedule } from "effect"
import * as Board from "./board.ts"

/** Puts a stored question into the queue of the page until it is decided, there or elsewhere. */
const ask = (queue: ApprovalQueue.ApprovalQueue["Service"], pending: Decisions.Pending, threadId: string) =>
  Effect.gen(function*() {
    const { id, question } = pending
    const handler = queue.handlers["item/commandExecution/requestApproval"]
    if (handler === undefined || question._tag !== "Command") return
    const { command, cwd, reason } = question
    const { decision } = yield* handler({
      id,
      method: "item/commandExecution/requestApproval",
      params: {
        threadId,
        turnId: "",
        itemId: "",
        environmentId: null,
        kind: "command",
        command,
        cwd,
        reason,
        startedAtMs: 0
      },
      item: undefined
    })
    yield* Decisions.decide(id, { allow: decision !== "decline" })
  })

/** @param threadOf the thread of a step, once it has one. */
export const serve = Effect.fnUntraced(function*(threadOf: (name: string) => string | undefined) {
  const queue = yield* ApprovalQueue.make
  const { url } = yield* Effect.provideService(Watch.make(), ApprovalQueue.ApprovalQueue, queue)
  yield* Board.say(`Watch it at ${Redacted.value(url)}`)
  const shown = yield* FiberMap.make<string, void, unknown>()
  yield* Decisions.pending.pipe(
    Effect.flatMap((pending) =>
      Effect.gen(function*() {
        const threadId = threadOf("report")
        const ids = new Set(pending.map(({ id }) => id))
        for (const [id] of shown) if (!ids.has(id)) yield* FiberMap.remove(shown, id)
        if (threadId === undefined) return
        for (const one of pending) {
          yield* FiberMap.run(shown, one.id, ask(queue, one, threadId), { onlyIfMissing: true })
        }
      })
    ),
    Effect.repeat(Schedule.spaced("500 millis")),
    Effect.forkScoped
  )
})
