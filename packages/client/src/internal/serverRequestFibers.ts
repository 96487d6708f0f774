/**
 * Runs the handlers of the server's requests, each in a fiber of its own. A request is answered at most once, is not run
 * again when it comes again with the same id, and is forgotten when the server resolves it or its turn ends.
 */
import type { ServerRequests as Protocol } from "@effect-codex/protocol/Methods"
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Handlers, Request } from "../ServerRequests.ts"
import { defaults, Refusal } from "../ServerRequests.ts"
import { guardOf, issueOf } from "./guard.ts"

export type RequestId = string | number

export interface Message {
  readonly id: RequestId
  readonly method: string
  readonly params: unknown
}

export interface ServerRequestFibers {
  /** Called by the reader; returns at once. */
  readonly start: (message: Message) => void
  readonly resolved: (id: unknown) => void
  readonly turnEnded: (threadId: string, turnId: string) => void
}

const refused = (code: number, message: string) => ({ error: { code, message } })

const handle = Effect.fnUntraced(function*<M extends keyof Protocol>(
  handlers: Handlers,
  request: Request<M>,
  report: (text: string) => void
) {
  const { result } = serverRequests[request.method]
  const run = (of: Handlers) => Effect.exit(Effect.suspend(() => of[request.method](request)))
  let exit = yield* run(handlers)
  if (Exit.isSuccess(exit) && !guardOf(result)(exit.value)) {
    report(`the answer of the handler of ${request.method} does not fit the protocol: ${issueOf(result, exit.value)}`)
    exit = yield* run(defaults)
  } else if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) {
    return yield* Effect.interrupt
  } else if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
    report(`the handler of ${request.method} died: ${Cause.pretty(exit.cause)}`)
    exit = yield* run(defaults)
  }
  if (Exit.isSuccess(exit)) return { result: exit.value }
  const refusal = Cause.squash(exit.cause)
  return refused(-32603, refusal instanceof Refusal ? refusal.message : "The client cannot answer this request.")
})

export const make = Effect.fnUntraced(function*(options: {
  readonly handlers: Handlers
  readonly send: (frame: string) => Effect.Effect<void>
  readonly report: (text: string) => void
}): Effect.fn.Return<ServerRequestFibers, never, Scope.Scope> {
  const { handlers, report, send } = options
  const fork = yield* FiberMap.runtime(yield* FiberMap.make<RequestId, void>())()
  // Answered requests stay until the server says that it took the answer: until then it may send them again.
  const known = new Map<RequestId, { readonly fiber: Fiber.Fiber<void>; readonly threadId: unknown; turnId: unknown }>()

  const answer = ({ id, method, params }: Message) => {
    if (!Object.hasOwn(serverRequests, method)) {
      report(`the server sent a request of the unknown method ${method}`)
      return Effect.succeed(refused(-32601, `This client does not know the method ${method}.`))
    }
    const known = method as keyof Protocol
    const schema = serverRequests[known].params
    if (!guardOf<unknown>(schema)(params)) {
      const issue = issueOf<unknown>(schema, params)
      report(`the params of the server's request ${method} do not fit the protocol: ${issue}`)
      return Effect.succeed(refused(-32602, `The params of ${method} do not fit: ${issue}`))
    }
    return handle(handlers, { id, method: known, params } as Request<keyof Protocol>, report)
  }

  const forget = (id: RequestId) => {
    const entry = known.get(id)
    if (entry === undefined) return
    known.delete(id)
    entry.fiber.interruptUnsafe()
  }

  return {
    start(message) {
      const { id, params } = message
      if (known.has(id)) return
      const threadId = Predicate.hasProperty(params, "threadId") ? params.threadId : undefined
      const turnId = Predicate.hasProperty(params, "turnId") ? params.turnId : undefined
      const fiber = fork(
        id,
        Effect.flatMap(answer(message), (reply) => send(JSON.stringify({ id, ...reply }))).pipe(
          Effect.ensuring(Effect.sync(() => {
            // The server resolves only what belongs to a thread.
            if (threadId === undefined) known.delete(id)
          }))
        )
      )
      // It may have run to its end on the spot.
      if (threadId !== undefined || fiber.pollUnsafe() === undefined) known.set(id, { fiber, threadId, turnId })
    },
    resolved(id) {
      if (Predicate.isString(id) || Predicate.isNumber(id)) forget(id)
    },
    turnEnded(threadId, turnId) {
      for (const [id, entry] of known) {
        if (entry.turnId === turnId && entry.threadId === threadId) forget(id)
      }
    }
  }
})
