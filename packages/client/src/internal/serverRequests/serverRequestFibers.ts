/**
 * Runs the handlers of the server's requests, each in a fiber of its own. A request is answered at most once, is not run
 * again when it comes again with the same id, and is forgotten when the server resolves it, its turn or the connection
 * ends. An answer that the server does not show to have read is followed by an error, which ends the request there.
 *
 * When a lost connection is made again and the server goes on, it asks again what was not answered, under the same id
 * (measured on 0.169). The handler is then still the one that was asked first: it may be a person who has begun to read.
 */
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Received from "@effect-codex/protocol/Received"
import * as Sent from "@effect-codex/protocol/Sent"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Method, RawHandler, RawRequest } from "../../ServerRequests.ts"
import { defaults, Refusal } from "../../ServerRequests.ts"
import { guardOf, issueOf } from "../protocol/guard.ts"
import { toolAnswer } from "../protocol/media.ts"
import type { Members } from "../protocol/members.ts"
import { visible } from "../text/visibleText.ts"
import * as Frame from "../wire/frame.ts"
import type { Found } from "./handlerLookup.ts"
import { sparing } from "./spareParams.ts"

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
  /** No turn of the thread waits for an answer. */
  readonly idle: (threadId: string) => void
  /** The server tells nothing of the thread any more, until it asks something of it again. */
  readonly unsubscribed: (threadId: string) => void
  /** The connection is lost. What was asked of those threads may be asked again on the next one, and waits for that. */
  readonly lost: (mayGoOn: (threadId: string) => boolean) => void
  /** What still waits to be asked again of a thread will not be. */
  readonly settled: (threadId: string) => void
  readonly ended: () => void
  /** The requests whose handlers run, of those origins. */
  readonly open: (isMeant: (origin: Origin) => boolean) => ReadonlyArray<string>
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

/** Of what this module says itself, which always is JSON. */
const frameOf = (id: RequestId, reply: object): string =>
  Result.getOrElse(
    Frame.encode({ id, ...reply }),
    (problem) => JSON.stringify({ id, ...refused(-32603, `The client's answer cannot be sent: ${problem}`) })
  )

/**
 * How the server shows that it has read an answer, which it does within milliseconds (measured on 0.169). It resolves a
 * request of a thread, but for the call of a tool, whose item it completes. Of what belongs to no thread it shows nothing.
 */
const resolvedWhenRead: ReadonlySet<string> = new Set<Method>([
  "item/commandExecution/requestApproval",
  "item/fileChange/requestApproval",
  "item/permissions/requestApproval",
  "item/tool/requestUserInput",
  "mcpServer/elicitation/request"
])

// A busy server, or a slow connection with a large answer, must not be told off. It reads in order: what is said after
// an answer never comes before it, and it ignores what comes after one that it has read (measured).
const readWithin = 10_000_000_000n

interface Unread {
  /** Of the call of a tool. */
  readonly itemId: string | undefined
  readonly method: string
  /** How many frames the server had dropped before. */
  readonly dropped: number
  /** In nanoseconds; undefined while it is being sent. */
  readonly until?: bigint
}

// Far beyond what a server has open at once. A server that never resolves and never completes must not fill the memory.
const maxWaiting = 4096
const maxAnswered = 4096
const maxItems = 4096
const maxUntold = 4096

const quoted = (name: string): string => visible(name, 100)

// A wrong image would spoil the thread: the model refuses it in every later request, too.
const shown = (method: string, answer: unknown, report: (text: string) => void): unknown =>
  method === "item/tool/call" && guardOf(Sent.DynamicToolCallResponse)(answer)
    ? toolAnswer(answer, (problem) => report(`a tool answered with what codex does not take: ${problem}`))
    : answer

const isMethod = (name: string): name is Method => Object.hasOwn(serverRequests, name)

const handle = Effect.fnUntraced(function*(
  { fits, handler, isRaw }: Found,
  request: RawRequest,
  timeout: Duration.Input,
  maxBytes: number | undefined,
  report: (text: string) => void
) {
  const { id, method } = request
  const exit = yield* Effect.exit(Effect.timeoutOption(Effect.suspend(() => handler(request)), timeout))
  let problem: string
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    if (error instanceof Refusal) return frameOf(id, refused(error.code ?? -32603, error.message))
    problem = `failed: ${Cause.pretty(exit.cause)}`
  } else if (Option.isNone(exit.value)) {
    problem = `did not answer within ${Duration.format(Duration.fromInputUnsafe(timeout))}`
  } else if (fits(exit.value.value)) {
    // A reply without a result is none.
    const frame = Frame.encode({ id, result: shown(method, exit.value.value ?? null, report) }, maxBytes)
    if (Result.isSuccess(frame)) return frame.success
    problem = `gave an answer that cannot be sent: ${frame.failure}`
  } else {
    const issue = isRaw || !isMethod(method)
      ? "it is no JSON"
      : issueOf<unknown>(serverRequests[method].result, exit.value.value)
    problem = `gave an answer that does not fit the protocol: ${issue}`
  }
  const instead = isMethod(method) ? "the default answers instead" : "the request is refused"
  report(`the handler of ${quoted(method)} ${problem}; ${instead}.`)
  if (!isMethod(method)) return frameOf(id, refused(-32603, "The client cannot answer this request."))
  // The default says that there is no such tool, and here is one.
  if (method === "item/tool/call") return frameOf(id, { result: toolFailed })
  // The other defaults do not look at the params, which nobody may have checked.
  const reply = yield* (defaults[method] as RawHandler)(request).pipe(
    Effect.match({
      onSuccess: (result) => ({ result }),
      onFailure: (error) =>
        refused(-32603, error instanceof Refusal ? error.message : "The client cannot answer this request.")
    })
  )
  return frameOf(id, reply)
})

export const make = Effect.fnUntraced(function*(options: {
  readonly handlerOf: (method: string, origin: Origin, params: unknown) => Found | undefined
  /** Waits until it is known whose turn a request is of, where it is not known yet. */
  readonly undecided: (origin: Origin) => Effect.Effect<void> | undefined
  /** The span that a request's span belongs below, if any. */
  readonly spanOf: (origin: Origin) => Tracer.AnySpan | undefined
  /** A request that no handler is asked for was answered with an error. */
  readonly onRejected: (method: string) => void
  /** Params do not fit. The request is refused, or its handler gets the others. */
  readonly onUndecodable: (method: string, issue: string, isRefused: boolean) => void
  /** A handler has ended. */
  readonly onHandled: (origin: Origin) => void
  readonly timeout: Duration.Input
  readonly send: (frame: string) => Effect.Effect<void>
  readonly report: (text: string) => void
  /** Of a frame, where the connection has a limit. */
  readonly maxSendBytes: () => number | undefined
  /** How many frames the server has dropped, as its log tells, and why it dropped the last one. */
  readonly dropped: () => { readonly count: number; readonly reason: string }
}): Effect.fn.Return<ServerRequestFibers, never, Scope.Scope> {
  const {
    dropped,
    handlerOf,
    maxSendBytes,
    onHandled,
    onRejected,
    onUndecodable,
    report,
    send,
    spanOf,
    timeout,
    undecided
  } = options
  const fork = yield* FiberMap.runtime(yield* FiberMap.make<RequestId, void>())()
  const forkSend = yield* FiberSet.makeRuntime<never, void>()
  // Answered requests stay until the server says that it took the answer: until then it may send them again.
  const known = new Map<RequestId, Known>()
  const answered = new Set<RequestId>()
  /** The answers of which the server has not shown yet that it has read them. */
  const unread = new Map<RequestId, Unread>()
  let isWatching = false
  const clock = yield* Clock.Clock
  /** The threads of which the server shows nothing. */
  const untold = new Set<string>()
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

  const sendAnswer = ({ id, method, params }: Message, frame: string): Effect.Effect<void> => {
    const itemId = method === "item/tool/call" ? stringOf(params, "callId") : undefined
    if (itemId === undefined && !resolvedWhenRead.has(method)) return send(frame)
    const { threadId } = originOf(params)
    if (threadId !== undefined && untold.has(threadId)) return send(frame)
    const entry: Unread = { itemId, method, dropped: dropped().count }
    unread.set(id, entry)
    return Effect.map(send(frame), () => {
      // It may have been read before a full pipe has let all of it pass.
      if (unread.get(id) !== entry) return
      unread.delete(id)
      unread.set(id, { ...entry, until: clock.monotonicTimeNanosUnsafe() + readWithin })
      if (isWatching) return
      isWatching = true
      forkSend(watchUnread)
    })
  }

  /** One timer for all, because the oldest stands first. */
  const watchUnread: Effect.Effect<void> = Effect.suspend(() => {
    for (const [id, entry] of unread) {
      if (entry.until === undefined) continue
      const left = entry.until - clock.monotonicTimeNanosUnsafe()
      return Effect.andThen(left > 0n ? Effect.sleep(Duration.nanos(left)) : takeBack(id, entry), watchUnread)
    }
    isWatching = false
    return Effect.void
  })

  /** A turn would wait for its answer without end. */
  const takeBack = (id: RequestId, entry: Unread): Effect.Effect<void> => {
    unread.delete(id)
    const { count, reason } = dropped()
    const why = count > entry.dropped ? ` (${reason})` : ""
    report(
      `codex has not read the answer to its request ${entry.method} within 10 seconds${why}. It is told that the request ` +
        "has failed, so that its turn goes on."
    )
    return send(frameOf(id, refused(-32603, "The client's answer could not be read.")))
  }

  const respond = ({ id, method: name, params }: Message, origin: Origin): Effect.Effect<void> => {
    const answer = (frame: string) =>
      Effect.suspend(() => {
        if (!lost.has(id)) return sendAnswer({ id, method: name, params }, frame)
        lost.set(id, frame)
        return Effect.void
      })
    const reject = (code: number, message: string, problem?: string) => {
      if (problem !== undefined) report(problem)
      onRejected(name)
      return answer(frameOf(id, refused(code, message)))
    }
    const found = handlerOf(name, origin, params)
    if (found === undefined) {
      return reject(
        -32601,
        `This client does not know the method ${quoted(name)}.`,
        `the server sent a request of the unknown method ${quoted(name)}`
      )
    }
    if (known.size - answered.size >= maxWaiting) {
      return reject(
        -32603,
        "Too many requests wait for an answer.",
        `${maxWaiting} requests of the server wait for an answer; another one, ${quoted(name)}, is refused`
      )
    }
    const item = itemOf(origin.threadId, params)
    let request: RawRequest & { readonly undecodable?: Members } = { id, method: name, params, item }
    const schema = found.isRaw || !isMethod(name) ? undefined : serverRequests[name].params
    if (schema !== undefined && !guardOf<unknown>(schema)(params)) {
      const issue = issueOf<unknown>(schema, params)
      const rest = sparing(name, schema, params)
      onUndecodable(name, issue, rest === undefined)
      if (rest === undefined) return reject(-32602, `The params of ${name} do not fit: ${issue}`)
      request = { ...request, ...rest }
    }
    // A span keeps its result, and an answer may be a secret: so it is sent within the span.
    return handle(found, request, timeout, maxSendBytes(), report).pipe(
      Effect.flatMap(answer),
      Effect.withSpan(`ServerRequests.${quoted(name)}`, {
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
    unread.delete(oldest!)
  }

  const expectNothing = (threadId: string) => {
    for (const id of unread.keys()) {
      if (known.get(id)?.origin.threadId === threadId) unread.delete(id)
    }
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
    unread.delete(id)
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
      forkSend(sendAnswer(message, frame))
    }
    return true
  }

  return {
    start(message) {
      const { id } = message
      if (takeUp(message)) return
      const origin = originOf(message.params)
      if (origin.threadId !== undefined) untold.delete(origin.threadId)
      const wait = undecided(origin)
      const responding = wait === undefined
        ? respond(message, origin)
        : Effect.andThen(wait, Effect.suspend(() => respond(message, origin)))
      const fiber = fork(
        id,
        Effect.ensuring(
          responding,
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
      if (!Predicate.hasProperty(params, "item")) return
      const itemId = stringOf(params.item, "id")
      if (itemId === undefined) return
      dropItem(threadId, itemId)
      for (const [id, entry] of unread) {
        if (entry.itemId === itemId && known.get(id)?.origin.threadId === threadId) unread.delete(id)
      }
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
    idle: expectNothing,
    unsubscribed(threadId) {
      untold.add(threadId)
      if (untold.size > maxUntold) untold.delete(untold.values().next().value!)
      expectNothing(threadId)
    },
    open(isMeant) {
      return [...known.values()].flatMap(({ fiber, message, origin }) =>
        isMeant(origin) && fiber.pollUnsafe() === undefined ? [message.method] : []
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
