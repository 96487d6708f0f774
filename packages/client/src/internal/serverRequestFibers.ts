/**
 * Runs the handlers of the server's requests, each in a fiber of its own. A request is answered at most once, is not run
 * again when it comes again with the same id, and is forgotten when the server resolves it, its turn or the connection
 * ends.
 *
 * When a lost connection is made again and the server goes on, it asks again what was not answered, under the same id
 * (measured on 0.169). The handler is then still the one that was asked first: it may be a person who has begun to read.
 */
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Received from "@effect-codex/protocol/Received"
import * as Sent from "@effect-codex/protocol/Sent"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Handler, Method, Request } from "../ServerRequests.ts"
import { defaults, Refusal } from "../ServerRequests.ts"
import { guardOf, issueOf } from "./guard.ts"
import { toolAnswer } from "./media.ts"

export type RequestId = string | number

export interface Message {
  readonly id: RequestId
  readonly method: string
  readonly params: unknown
}

/** What a request belongs to. */
export interface Origin {
  readonly threadId: string | undefined
  readonly turnId: string | undefined
  /** The approvals of older servers name the thread alone, but belong to its turn all the same. */
  readonly isLegacy: boolean
}

export interface ServerRequestFibers {
  /** Called by the reader; returns at once. */
  readonly start: (message: Message) => void
  readonly resolved: (id: unknown) => void
  readonly itemStarted: (threadId: string, params: unknown) => void
  readonly itemCompleted: (threadId: string, params: unknown) => void
  readonly turnEnded: (threadId: string, turnId: string) => void
  /** The connection is lost. What was asked of those threads may be asked again on the next one, and waits for that. */
  readonly lost: (mayGoOn: (threadId: string) => boolean) => void
  /** What still waits to be asked again of a thread will not be. */
  readonly settled: (threadId: string) => void
  readonly ended: () => void
  /** The requests whose handlers run, of those origins. */
  readonly open: (isMeant: (origin: Origin) => boolean) => ReadonlyArray<Method>
}

const stringOf = (u: unknown, key: string): string | undefined =>
  Predicate.hasProperty(u, key) && Predicate.isString(u[key]) ? u[key] : undefined

const originOf = (params: unknown): Origin => {
  const threadId = stringOf(params, "threadId")
  const conversationId = stringOf(params, "conversationId")
  return {
    threadId: threadId ?? conversationId,
    turnId: stringOf(params, "turnId"),
    isLegacy: threadId === undefined && conversationId !== undefined
  }
}

// The others are never what a request is about, or are too many to look at.
const itemTypes: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>([
  "commandExecution",
  "fileChange",
  "mcpToolCall",
  "dynamicToolCall"
])

interface Known {
  readonly fiber: Fiber.Fiber<void>
  readonly message: Message
  readonly origin: Origin
}

const isSame = (a: Message, b: Message): boolean => {
  try {
    return a.method === b.method && JSON.stringify(a.params) === JSON.stringify(b.params)
  } catch {
    // JSON may be nested more deeply than the stack is.
    return false
  }
}

const toolFailed = {
  success: false,
  contentItems: [{ type: "inputText", text: "The tool has failed unexpectedly, or took too long." }]
}

const refused = (code: number, message: string) => ({ error: { code, message } })

// Far beyond what a server has open at once. A server that never resolves and never completes must not fill the memory.
const maxWaiting = 4096
const maxAnswered = 4096
const maxItems = 4096

const quoted = (name: string): string => name.length > 100 ? `${name.slice(0, 100)}…` : name

// A wrong image would spoil the thread: the model refuses it in every later request, too.
const shown = (method: Method, answer: unknown, report: (text: string) => void): unknown =>
  method === "item/tool/call" && guardOf(Sent.DynamicToolCallResponse)(answer)
    ? toolAnswer(answer, (problem) => report(`a tool answered with what codex does not take: ${problem}`))
    : answer

const handle = Effect.fnUntraced(function*<M extends Method>(
  handler: Handler<M>,
  request: Request<M>,
  timeout: Duration.Input,
  report: (text: string) => void
) {
  const { result } = serverRequests[request.method]
  const exit = yield* Effect.exit(Effect.timeoutOption(Effect.suspend(() => handler(request)), timeout))
  let problem: string
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    if (error instanceof Refusal) return refused(-32603, error.message)
    problem = `failed: ${Cause.pretty(exit.cause)}`
  } else if (Option.isNone(exit.value)) {
    problem = `did not answer within ${Duration.format(Duration.fromInputUnsafe(timeout))}`
  } else if (guardOf(result)(exit.value.value)) {
    return { result: shown(request.method, exit.value.value, report) }
  } else {
    problem = `gave an answer that does not fit the protocol: ${issueOf(result, exit.value.value)}`
  }
  report(`the handler of ${request.method} ${problem}; the default answers instead.`)
  // The default says that there is no such tool, and here is one.
  if (request.method === "item/tool/call") return { result: toolFailed }
  return yield* defaults[request.method](request).pipe(
    Effect.match({
      onSuccess: (result) => ({ result }),
      onFailure: (error) =>
        refused(-32603, error instanceof Refusal ? error.message : "The client cannot answer this request.")
    })
  )
})

export const make = Effect.fnUntraced(function*(options: {
  readonly handlerOf: (method: Method, origin: Origin, params: unknown) => Handler<Method>
  /** The span that a request's span belongs below, if any. */
  readonly spanOf: (origin: Origin) => Tracer.AnySpan | undefined
  /** A request that no handler is asked for was answered with an error. */
  readonly onRejected: (method: string) => void
  /** A handler has ended. */
  readonly onHandled: (origin: Origin) => void
  readonly timeout: Duration.Input
  readonly send: (frame: string) => Effect.Effect<void>
  readonly report: (text: string) => void
}): Effect.fn.Return<ServerRequestFibers, never, Scope.Scope> {
  const { handlerOf, onHandled, onRejected, report, send, spanOf, timeout } = options
  const fork = yield* FiberMap.runtime(yield* FiberMap.make<RequestId, void>())()
  const forkSend = yield* FiberSet.makeRuntime<never, void>()
  // Answered requests stay until the server says that it took the answer: until then it may send them again.
  const known = new Map<RequestId, Known>()
  const answered = new Set<RequestId>()
  /** What a lost connection asked and the next one has not asked again yet, with the answer once there is one. */
  const lost = new Map<RequestId, string | undefined>()
  const items = new Map<string, Map<string, { readonly turnId: string | undefined; readonly item: unknown }>>()
  let itemCount = 0

  const itemOf = (threadId: string | undefined, params: unknown): Received.ThreadItem | undefined => {
    const itemId = stringOf(params, "itemId") ?? stringOf(params, "callId")
    if (threadId === undefined || itemId === undefined) return undefined
    const item = items.get(threadId)?.get(itemId)?.item
    return guardOf(Received.ThreadItem)(item) ? item : undefined
  }

  const respond = ({ id, method: name, params }: Message, origin: Origin): Effect.Effect<void> => {
    const answer = (reply: object) =>
      Effect.suspend(() => {
        const frame = JSON.stringify({ id, ...reply })
        if (!lost.has(id)) return send(frame)
        lost.set(id, frame)
        return Effect.void
      })
    const reject = (code: number, message: string, problem: string) => {
      report(problem)
      onRejected(name)
      return answer(refused(code, message))
    }
    if (!Object.hasOwn(serverRequests, name)) {
      return reject(
        -32601,
        `This client does not know the method ${quoted(name)}.`,
        `the server sent a request of the unknown method ${quoted(name)}`
      )
    }
    const method = name as Method
    if (known.size - answered.size >= maxWaiting) {
      return reject(
        -32603,
        "Too many requests wait for an answer.",
        `${maxWaiting} requests of the server wait for an answer; another one, ${method}, is refused`
      )
    }
    const schema = serverRequests[method].params
    if (!guardOf<unknown>(schema)(params)) {
      const issue = issueOf<unknown>(schema, params)
      return reject(
        -32602,
        `The params of ${method} do not fit: ${issue}`,
        `the params of the server's request ${method} do not fit the protocol: ${issue}`
      )
    }
    const request = { id, method, params, item: itemOf(origin.threadId, params) } as Request<Method>
    // A span keeps its result, and an answer may be a secret: so it is sent within the span.
    return handle(handlerOf(method, origin, params), request, timeout, report).pipe(
      Effect.flatMap(answer),
      Effect.withSpan(`ServerRequests.${method}`, {
        parent: spanOf(origin),
        attributes: { "codex.thread.id": origin.threadId, "codex.turn.id": origin.turnId }
      })
    )
  }

  const onAnswered = (id: RequestId) => {
    if (!known.has(id) || lost.has(id)) return
    answered.add(id)
    if (answered.size <= maxAnswered) return
    const [oldest] = answered
    answered.delete(oldest!)
    known.delete(oldest!)
  }

  const dropItem = (threadId: string, id: string) => {
    const ofThread = items.get(threadId)
    if (ofThread?.delete(id) !== true) return
    itemCount--
    if (ofThread.size === 0) items.delete(threadId)
  }

  const dropItems = () => {
    items.clear()
    itemCount = 0
  }

  const forget = (id: RequestId) => {
    const entry = known.get(id)
    if (entry === undefined) return
    known.delete(id)
    answered.delete(id)
    lost.delete(id)
    entry.fiber.interruptUnsafe()
  }

  /** Whether it is taken up again. A process that was started since may use the id for something else. */
  const takeUp = (message: Message): boolean => {
    const { id } = message
    if (!lost.has(id)) return known.has(id)
    if (!isSame(known.get(id)!.message, message)) {
      forget(id)
      return false
    }
    const frame = lost.get(id)
    lost.delete(id)
    if (frame !== undefined) {
      onAnswered(id)
      forkSend(send(frame))
    }
    return true
  }

  return {
    start(message) {
      const { id } = message
      if (takeUp(message)) return
      const origin = originOf(message.params)
      const fiber = fork(
        id,
        Effect.ensuring(
          respond(message, origin),
          Effect.sync(() => {
            onHandled(origin)
            // The server resolves only what belongs to a thread.
            if (origin.threadId === undefined) known.delete(id)
            else onAnswered(id)
          })
        )
      )
      const hasEnded = fiber.pollUnsafe() !== undefined
      // It may have run to its end on the spot.
      if (origin.threadId !== undefined || !hasEnded) known.set(id, { fiber, message, origin })
      if (hasEnded) onAnswered(id)
    },
    resolved(id) {
      if (Predicate.isString(id) || Predicate.isNumber(id)) forget(id)
    },
    itemStarted(threadId, params) {
      const item = Predicate.hasProperty(params, "item") ? params.item : undefined
      const id = stringOf(item, "id")
      if (id === undefined || !Predicate.hasProperty(item, "type") || !itemTypes.has(item.type)) return
      const ofThread = items.get(threadId) ?? new Map()
      items.set(threadId, ofThread)
      if (!ofThread.has(id)) itemCount++
      ofThread.set(id, { turnId: stringOf(params, "turnId"), item })
      if (itemCount <= maxItems) return
      for (const [oldestThread, itsItems] of items) {
        const [oldest] = itsItems.keys()
        return dropItem(oldestThread, oldest!)
      }
    },
    itemCompleted(threadId, params) {
      if (Predicate.hasProperty(params, "item")) dropItem(threadId, stringOf(params.item, "id") ?? "")
    },
    turnEnded(threadId, turnId) {
      for (const [id, { origin }] of known) {
        if (origin.threadId === threadId && (origin.turnId === turnId || origin.isLegacy)) forget(id)
      }
      // An item that was running when its turn was interrupted is never completed.
      for (const [id, item] of items.get(threadId) ?? []) {
        if (item.turnId === turnId) dropItem(threadId, id)
      }
    },
    open(isMeant) {
      return [...known.values()].flatMap(({ fiber, message, origin }) =>
        isMeant(origin) && fiber.pollUnsafe() === undefined && Object.hasOwn(serverRequests, message.method)
          ? [message.method as Method]
          : []
      )
    },
    lost(mayGoOn) {
      for (const [id, { origin }] of known) {
        // What was answered is not asked again, unless the answer was lost: then it is a new question.
        if (origin.threadId === undefined || !mayGoOn(origin.threadId) || answered.has(id)) forget(id)
        else if (!lost.has(id)) lost.set(id, undefined)
      }
      dropItems()
    },
    settled(threadId) {
      for (const id of lost.keys()) {
        if (known.get(id)?.origin.threadId === threadId) forget(id)
      }
    },
    ended() {
      for (const id of known.keys()) forget(id)
      dropItems()
    }
  }
})
