/**
 * Runs the handlers of server requests, each in its own fiber. A request is answered at most once, and its handler does
 * not run again when the server repeats the request with the same id. A request is forgotten when the server resolves
 * it, when its turn ends, or when the connection ends.
 *
 * docs/codex-behaviour.md, "A request that waits comes again, under its id, to whoever resumes the thread". So after a
 * restart the first handler keeps running: it may be a person who has begun to read.
 */
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Sent from "@effect-codex/protocol/Sent"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Diagnostic } from "../../AppServerRpc.ts"
import type { Method, RawHandler, RawRequest } from "../../ServerRequests.ts"
import { defaults, Refusal } from "../../ServerRequests.ts"
import type { Transport } from "../../Transport.ts"
import { guardOf, issueOf } from "../protocol/guard.ts"
import { toolAnswer } from "../protocol/media.ts"
import { at, type Members, textAt } from "../protocol/peek.ts"
import { visible } from "../text/visibleText.ts"
import * as Frame from "../wire/frame.ts"
import { frameOf, refused, type RequestId } from "./answerFrames.ts"
import { AskedItems } from "./askedItems.ts"
import type { Found, Origin, Router } from "./router.ts"
import { originOf } from "./router.ts"
import { sparing } from "./spareParams.ts"
import { UnreadAnswers } from "./unreadAnswers.ts"

export interface Message {
  readonly id: RequestId
  readonly method: string
  readonly params: unknown
}

/** The transport that answers are sent to. */
export interface Outgoing {
  readonly link: { readonly transport: Pick<Transport["Service"], "send" | "maxSendBytes"> }
}

/** Receives reports of problems. */
export interface Log {
  readonly tell: (diagnostic: Diagnostic) => void
  /** Reports params that do not fit. Either the request is refused, or its handler gets the rest. */
  readonly undecodableServerRequest: (method: string, issue: string, isRefused: boolean) => void
  /** How many frames the server has dropped according to its log, and why it dropped the last one. */
  readonly dropped: () => { readonly count: number; readonly reason: string }
}

/** How a request was answered: by its handler, or by the default in its place. */
export type Outcome = "answered" | "refused" | "default" | "interrupted"

interface Parts {
  readonly router: Router
  readonly state: Outgoing
  readonly diagnostics: Log
  readonly notices: { readonly undecided: (method: Method) => void }
  readonly telemetry: {
    readonly handled: (method: string, outcome: Outcome) => void
    /** A request was answered with an error without running a handler. */
    readonly rejected: (method: string) => void
  }
  /** How long a handler may take. */
  readonly timeout: Duration.Input
}

interface Known {
  readonly fiber: Fiber.Fiber<void>
  readonly message: Message
  readonly origin: Origin
}

const isSame = (a: Message, b: Message): boolean => {
  try {
    return a.method === b.method && JSON.stringify(a.params) === JSON.stringify(b.params)
  } catch {
    // Deeply nested JSON may overflow the stack.
    return false
  }
}

const toolFailed = {
  success: false,
  contentItems: [{ type: "inputText", text: "The tool failed unexpectedly or took too long." }]
}

// Far beyond what a server has open at once. Bounds memory against a server that never resolves a request.
const maxWaiting = 4096
const maxAnswered = 4096

const quoted = (name: string): string => visible(name, 100)

// A bad image would ruin the thread: the model would refuse it in every later request, too.
const shown = (method: string, answer: unknown, report: (text: string) => void): unknown =>
  method === "item/tool/call" && guardOf(Sent.DynamicToolCallResponse)(answer)
    ? toolAnswer(answer, (problem) => report(`codex does not accept the answer of a tool: ${problem}`))
    : answer

const isMethod = (name: string): name is Method => Object.hasOwn(serverRequests, name)

/** The frame that replaces the answer of a handler that failed. */
const instead = (request: RawRequest): Effect.Effect<string> => {
  const { id, method } = request
  if (!isMethod(method)) return Effect.succeed(frameOf(id, refused(-32603, "The client cannot answer this request.")))
  // The default would claim that the tool does not exist.
  if (method === "item/tool/call") return Effect.succeed(frameOf(id, { result: toolFailed }))
  // The params may be unchecked, but the other defaults do not read them.
  return Effect.match((defaults[method] as RawHandler)(request), {
    onSuccess: (result) => frameOf(id, { result }),
    onFailure: (error) =>
      frameOf(
        id,
        refused(-32603, error instanceof Refusal ? error.message : "The client cannot answer this request.")
      )
  })
}

const unfit = (method: string, answer: unknown, isRaw: boolean): string =>
  isRaw || !isMethod(method) ? "it is not JSON" : issueOf<unknown>(serverRequests[method].result, answer)

export class ServerRequestFibers {
  /** Keeps answered requests until the server resolves them: until then it may send them again. */
  private readonly known = new Map<RequestId, Known>()
  private readonly answered = new Set<RequestId>()
  /** Requests of a lost connection that the next one has not repeated yet, with the answer once it exists. */
  private readonly unasked = new Map<RequestId, string | undefined>()
  private readonly items = new AskedItems()
  private readonly parts: Parts
  private readonly answers: UnreadAnswers
  private readonly fork: (id: RequestId, effect: Effect.Effect<void>) => Fiber.Fiber<void>

  private constructor(parts: Parts, answers: UnreadAnswers, fork: ServerRequestFibers["fork"]) {
    this.parts = parts
    this.answers = answers
    this.fork = fork
  }

  static readonly make = Effect.fnUntraced(function*(
    parts: Parts
  ): Effect.fn.Return<ServerRequestFibers, never, Scope.Scope> {
    const fork = yield* FiberMap.runtime(yield* FiberMap.make<RequestId, void>())()
    return new ServerRequestFibers(parts, yield* UnreadAnswers.make(parts.state, parts.diagnostics), fork)
  })

  // ---------------------------------------------------------------------------
  // Called by the reader; returns at once
  // ---------------------------------------------------------------------------

  readonly start = (message: Message): void => {
    const { id } = message
    if (this.takeUp(message)) return
    const { router } = this.parts
    const origin = originOf(message.params)
    if (origin.threadId !== undefined) this.answers.tell(origin.threadId)
    router.asked(origin)
    router.heard(origin, message)
    const wait = router.undecided(origin)
    const responding = wait === undefined
      ? this.respond(message, origin)
      : Effect.andThen(wait, Effect.suspend(() => this.respond(message, origin)))
    const fiber = this.fork(
      id,
      Effect.ensuring(
        responding,
        Effect.sync(() => {
          router.handled(origin)
          // The server resolves only requests that belong to a thread.
          if (origin.threadId === undefined) this.known.delete(id)
          else this.onAnswered(id)
        })
      )
    )
    const hasEnded = fiber.pollUnsafe() !== undefined
    // The fiber may already have ended.
    if (origin.threadId !== undefined || !hasEnded) this.known.set(id, { fiber, message, origin })
    if (hasEnded) this.onAnswered(id)
  }

  resolved(id: unknown): void {
    if (Predicate.isString(id) || Predicate.isNumber(id)) this.forget(id)
  }

  itemStarted(threadId: string, params: unknown): void {
    this.items.started(threadId, params)
  }

  itemCompleted(threadId: string, params: unknown): void {
    const itemId = textAt(at(params, "item"), "id")
    if (itemId === undefined) return
    this.items.drop(threadId, itemId)
    this.answers.itemCompleted(threadId, itemId)
  }

  turnEnded(threadId: string, turnId: string): void {
    for (const [id, { origin }] of this.known) {
      if (origin.threadId === threadId && (origin.turnId === turnId || origin.isLegacy)) this.forget(id)
    }
    this.items.turnEnded(threadId, turnId)
  }

  /** Called when no turn of the thread waits for an answer. */
  idle(threadId: string): void {
    this.answers.idle(threadId)
  }

  /** Called when the connection is lost. Requests of threads that may continue are kept for the next connection. */
  lost(mayGoOn: (threadId: string) => boolean): void {
    for (const [id, { origin }] of this.known) {
      // The server repeats an answered request only if the answer was lost; it then counts as a new request.
      if (origin.threadId === undefined || !mayGoOn(origin.threadId) || this.answered.has(id)) this.forget(id)
      else if (!this.unasked.has(id)) this.unasked.set(id, undefined)
    }
    this.items.clear()
  }

  ended(): void {
    for (const id of this.known.keys()) this.forget(id)
    this.items.clear()
  }

  // ---------------------------------------------------------------------------
  // For the client
  // ---------------------------------------------------------------------------

  /** Called when this connection leaves a thread: the server then sends nothing about it, except new requests. */
  unsubscribed(threadId: string): void {
    this.answers.untell(threadId)
  }

  /** Forgets the thread's requests that still wait to be repeated: they will not be. */
  settled(threadId: string): void {
    for (const id of this.unasked.keys()) {
      if (this.known.get(id)?.origin.threadId === threadId) this.forget(id)
    }
  }

  /** The methods of the requests whose handlers are running, for a turn and the subagents that work for it. */
  open(threadId: string, turnId: string): ReadonlyArray<string> {
    return [...this.known.values()].flatMap(({ fiber, message, origin }) =>
      this.parts.router.isFor(origin, threadId, turnId) && fiber.pollUnsafe() === undefined ? [message.method] : []
    )
  }

  /** Whether the handler of a request of the thread is running. */
  isOpen(threadId: string): boolean {
    return [...this.known.values()].some(({ fiber, origin }) =>
      origin.threadId === threadId && fiber.pollUnsafe() === undefined
    )
  }

  // ---------------------------------------------------------------------------
  // The answer
  // ---------------------------------------------------------------------------

  private report(message: string): void {
    this.parts.diagnostics.tell({ _tag: "HandlerProblem", message })
  }

  private respond({ id, method: name, params }: Message, origin: Origin): Effect.Effect<void> {
    const { router, telemetry } = this.parts
    const answer = (frame: string) =>
      Effect.suspend(() => {
        router.answering(origin, id, frame)
        if (!this.unasked.has(id)) return this.answers.send({ id, method: name, params }, frame)
        this.unasked.set(id, frame)
        return Effect.void
      })
    const reject = (code: number, message: string, problem?: string) => {
      if (problem !== undefined) this.report(problem)
      telemetry.rejected(name)
      return answer(frameOf(id, refused(code, message)))
    }
    const found = router.handlerOf(name, origin, params)
    if (found === undefined) {
      return reject(
        -32601,
        `This client does not know the method ${quoted(name)}.`,
        `the server sent a request with the unknown method ${quoted(name)}`
      )
    }
    if (this.known.size - this.answered.size >= maxWaiting) {
      return reject(
        -32603,
        "Too many requests wait for an answer.",
        `${maxWaiting} requests of the server wait for an answer; another one, ${quoted(name)}, is refused`
      )
    }
    const item = this.items.of(origin.threadId, params)
    let request: RawRequest & { readonly undecodable?: Members } = { id, method: name, params, item }
    const schema = found.isRaw || !isMethod(name) ? undefined : serverRequests[name].params
    if (schema !== undefined && !guardOf<unknown>(schema)(params)) {
      const issue = issueOf<unknown>(schema, params)
      const rest = sparing(name, schema, params)
      this.parts.diagnostics.undecodableServerRequest(name, issue, rest === undefined)
      if (rest === undefined) return reject(-32602, `The params of ${name} do not fit: ${issue}`)
      request = { ...request, ...rest }
    }
    // A span keeps its effect's result, and an answer may be secret: so the answer is sent within the span.
    return this.handle(found, request).pipe(
      Effect.flatMap(answer),
      Effect.withSpan(`ServerRequests.${quoted(name)}`, {
        parent: router.spanOf(origin),
        attributes: { "codex.thread.id": origin.threadId, "codex.turn.id": origin.turnId }
      })
    )
  }

  /** The frame of the handler's answer, or of the default's if the handler fails. */
  private handle({ fits, handler, isRaw, undecided }: Found, request: RawRequest): Effect.Effect<string> {
    const { id, method } = request
    const { notices, state, telemetry, timeout } = this.parts
    const inTime = Effect.timeoutOption(
      Effect.suspend(() => {
        if (undecided !== undefined) notices.undecided(undecided)
        return handler(request)
      }),
      timeout
    )
    const counted = Effect.onExit(inTime, (exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) telemetry.handled(method, "interrupted")
      }))
    return Effect.flatMap(Effect.exit(counted), (exit) => {
      if (Exit.isFailure(exit)) {
        const error = Cause.squash(exit.cause)
        const isRefusal = error instanceof Refusal
        if (!Cause.hasInterruptsOnly(exit.cause)) telemetry.handled(method, isRefusal ? "refused" : "default")
        return isRefusal
          ? Effect.succeed(frameOf(id, refused(error.code ?? -32603, error.message)))
          : this.unanswered(request, "failed", `\n${Cause.pretty(exit.cause)}`)
      }
      if (Option.isNone(exit.value)) {
        telemetry.handled(method, "default")
        const limit = Duration.format(Duration.fromInputUnsafe(timeout))
        return this.unanswered(request, `did not answer within ${limit}`)
      }
      const { value } = exit.value
      if (!fits(value)) {
        telemetry.handled(method, "default")
        const issue = unfit(method, value, isRaw)
        return this.unanswered(request, `returned an answer that does not fit the protocol: ${issue}`)
      }
      telemetry.handled(method, "answered")
      // Not `undefined`: JSON would leave out `result`, and the server would not take the frame for a reply.
      const result = shown(method, value ?? null, (text) => this.report(text))
      const frame = Frame.encode({ id, result }, state.link.transport.maxSendBytes)
      return Result.isSuccess(frame)
        ? Effect.succeed(frame.success)
        : this.unanswered(request, `returned an answer that cannot be sent: ${frame.failure}`)
    })
  }

  /** @param cause follows the sentence, because a stack has many lines. */
  private unanswered(request: RawRequest, problem: string, cause = ""): Effect.Effect<string> {
    const then = isMethod(request.method) ? "the default answers instead" : "the request is refused"
    this.report(`the handler of ${quoted(request.method)} ${problem}; ${then}.${cause}`)
    return instead(request)
  }

  private onAnswered(id: RequestId): void {
    if (!this.known.has(id) || this.unasked.has(id)) return
    this.answered.add(id)
    if (this.answered.size <= maxAnswered) return
    const [oldest] = this.answered
    this.answered.delete(oldest!)
    this.known.delete(oldest!)
    this.answers.forget(oldest!)
  }

  private forget(id: RequestId): void {
    const entry = this.known.get(id)
    if (entry === undefined) return
    this.answers.forget(id)
    this.known.delete(id)
    this.answered.delete(id)
    this.unasked.delete(id)
    entry.fiber.interruptUnsafe()
  }

  /** Whether the request is already known. A restarted process may reuse the id for a different request. */
  private takeUp(message: Message): boolean {
    const { id } = message
    if (!this.unasked.has(id)) return this.known.has(id)
    if (!isSame(this.known.get(id)!.message, message)) {
      this.forget(id)
      return false
    }
    const frame = this.unasked.get(id)
    this.unasked.delete(id)
    if (frame !== undefined) {
      this.onAnswered(id)
      this.answers.sendLater(message, frame)
    }
    return true
  }
}
