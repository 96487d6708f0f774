/**
 * Finds the handler of a server request: of its turn, else of the turn that its subagent works for, else the one
 * installed last, else the client's. Tracks the running turns, and which turn each of them works for.
 */
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import type { Handlers, Method, Overrides, RawHandler } from "../../ServerRequests.ts"
import { defaults } from "../../ServerRequests.ts"
import { guardOf } from "../protocol/guard.ts"
import { isMcpToolApproval } from "../protocol/mcpToolApproval.ts"
import { at, rootOf, textAt } from "../protocol/peek.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import type { RequestId } from "./answerFrames.ts"
import type { Message } from "./serverRequestFibers.ts"

/** The thread and turn that a request belongs to. */
export interface Origin {
  readonly threadId: string | undefined
  readonly turnId: string | undefined
  /** Approvals of older servers name only the thread, but still belong to its turn. */
  readonly isLegacy: boolean
}

export const originOf = (params: unknown): Origin => {
  const threadId = textAt(params, "threadId")
  const conversationId = textAt(params, "conversationId")
  return {
    threadId: threadId ?? conversationId,
    turnId: textAt(params, "turnId"),
    isLegacy: threadId === undefined && conversationId !== undefined
  }
}

export interface TurnRef {
  readonly threadId: string
  readonly turnId: string
}

/** A user's turn. */
interface Root extends TurnRef {
  /** How many turns run for it, itself included. It is kept until the last of them has ended. */
  running: number
}

interface Running {
  readonly threadId: string
  readonly root: Root
}

/** A handler, and how to check its request and answer. */
export interface Found {
  readonly handler: RawHandler
  /** Whether neither its params nor its answer are checked. */
  readonly isRaw: boolean
  /** The method, if no handler was given for it and the default answers. */
  readonly undecided: Method | undefined
  /** Whether an answer may be sent to the server. */
  readonly fits: (answer: unknown) => boolean
}

/** The observers of each thread. */
export interface Observers {
  readonly isObserved: (threadId: string) => boolean
  readonly observersOf: (threadId: string) => ReadonlyArray<ThreadObserver>
}

const isMethod = (name: string): name is Method => Object.hasOwn(serverRequests, name)

/** Encoding the answer finds everything else that JSON lacks. */
const isAny = (answer: unknown): boolean => typeof answer !== "function" && typeof answer !== "symbol"

/** The handler for a method in one set of handlers. */
const handlerIn = (overrides: Overrides, name: string, params: unknown): Found | undefined => {
  const { raw } = overrides
  const rawHandler = raw !== undefined && Object.hasOwn(raw, name) ? raw[name] : undefined
  if (rawHandler !== undefined) return { handler: rawHandler, isRaw: true, undecided: undefined, fits: isAny }
  if (!isMethod(name)) return undefined
  const isToolApproval = overrides.mcpToolApproval !== undefined && name === "mcpServer/elicitation/request" &&
    isMcpToolApproval(params)
  const handler = (isToolApproval ? overrides.mcpToolApproval : undefined) ?? overrides[name]
  return handler === undefined
    ? undefined
    // The cast is sound: a handler is called only with requests of its own method.
    : {
      handler: handler as RawHandler,
      isRaw: false,
      undecided: handler === defaults[name] ? name : undefined,
      fits: guardOf<unknown>(serverRequests[name].result)
    }
}

// Far beyond the turns that run at once. Bounds memory against a server that never completes one.
const maxTurns = 4096

export class Router {
  private readonly installed: Array<Overrides> = []
  /**
   * Maps the running turns of observed threads, and those of their subagents, to the turn that they work for.
   * docs/codex-behaviour.md, "The turns of a subagent name the turn that they work for".
   */
  private readonly turns = new Map<string, Running>()
  private readonly handlers: Handlers
  private readonly observers: Observers

  constructor(handlers: Handlers, observers: Observers) {
    this.handlers = handlers
    this.observers = observers
  }

  // ---------------------------------------------------------------------------
  // For a request
  // ---------------------------------------------------------------------------

  /** Undefined if the method is unknown. */
  handlerOf(name: string, origin: Origin, params: unknown): Found | undefined {
    for (const overrides of this.nearest(origin)) {
      const found = handlerIn(overrides, name, params)
      if (found !== undefined) return found
    }
    return handlerIn(this.handlers, name, params)
  }

  /** Waits until it is known which turn a request belongs to. Undefined if that is known already. */
  undecided(origin: Origin): Effect.Effect<void> | undefined {
    const waits = this.turnsOf(origin).flatMap(({ threadId, turnId }) =>
      this.observers.observersOf(threadId).flatMap((observer) => observer.undecided?.(turnId) ?? [])
    )
    return waits.length === 0 ? undefined : Effect.all(waits, { discard: true })
  }

  /** The span of the turn that a request belongs to, or of the turn that its subagent works for. */
  spanOf({ threadId, turnId }: Origin): Tracer.AnySpan | undefined {
    const own = threadId === undefined ? undefined : this.spanOfTurn(threadId, turnId)
    const root = this.rootFor(turnId)
    return own ?? (root === undefined ? undefined : this.spanOfTurn(root.threadId, root.turnId))
  }

  /** Tells the observers that a request has come. */
  asked({ threadId, turnId }: Origin): void {
    if (threadId === undefined || turnId === undefined) return
    for (const observer of this.observers.observersOf(threadId)) observer.onRequest?.(turnId)
    const root = this.rootOf(turnId)
    if (root === undefined || root.threadId === threadId) return
    for (const observer of this.observers.observersOf(root.threadId)) {
      observer.onRequest?.(root.turnId, { threadId, turnId })
    }
  }

  /** Tells the observers of the thread what was asked. */
  heard({ threadId }: Origin, { id, method, params }: Message): void {
    if (threadId === undefined) return
    for (const observer of this.observers.observersOf(threadId)) observer.onServerRequest?.(id, method, params)
  }

  /** Tells the observers of the thread what is answered. */
  answering({ threadId }: Origin, id: RequestId, frame: string): void {
    if (threadId === undefined) return
    for (const observer of this.observers.observersOf(threadId)) observer.onServerRequestAnswer?.(id, frame)
  }

  /** Tells the observers that the handler of a request has ended. */
  handled(origin: Origin): void {
    for (const { threadId, turnId } of this.turnsOf(origin)) {
      for (const observer of this.observers.observersOf(threadId)) observer.onHandled?.(turnId)
    }
  }

  /** Whether a request belongs to the turn, or to a subagent that works for it. */
  isFor(origin: Origin, threadId: string, turnId: string): boolean {
    if (origin.threadId === threadId && origin.turnId === turnId) return true
    const root = this.rootFor(origin.turnId)
    return root?.threadId === threadId && root.turnId === turnId
  }

  // ---------------------------------------------------------------------------
  // Handlers and turns
  // ---------------------------------------------------------------------------

  install(overrides: Overrides): void {
    this.installed.push(overrides)
  }

  remove(overrides: Overrides): void {
    this.installed.splice(this.installed.lastIndexOf(overrides), 1)
  }

  turnStarted(threadId: string, params: unknown): void {
    const id = textAt(at(params, "turn"), "id")
    if (id === undefined || this.turns.has(id)) return
    const known = this.rootFor(rootOf(params))
    if (known === undefined && !this.observers.isObserved(threadId)) return
    const root = known ?? { threadId, turnId: id, running: 0 }
    root.running++
    this.turns.set(id, { threadId, root })
    if (this.turns.size <= maxTurns) return
    const [oldest] = this.turns.keys()
    this.turns.delete(oldest!)
  }

  turnEnded(turnId: string): void {
    const root = this.rootFor(turnId)
    if (root === undefined) return
    root.running--
    // docs/codex-behaviour.md, "Subagents go on when the turn that they work for has ended".
    if (turnId !== root.turnId) this.turns.delete(turnId)
    if (root.running <= 0) this.turns.delete(root.turnId)
  }

  /** The turn that this subagent's turn works for; undefined if it is not a subagent's. */
  rootOf(turnId: string): TurnRef | undefined {
    const root = this.rootFor(turnId)
    return root?.turnId === turnId ? undefined : root
  }

  /** The running turns of the subagents that work for a turn. */
  workingFor({ threadId, turnId }: TurnRef): ReadonlyArray<TurnRef> {
    return [...this.turns].flatMap(([id, { root, threadId: at }]) =>
      id !== turnId && root.turnId === turnId && root.threadId === threadId ? [{ threadId: at, turnId: id }] : []
    )
  }

  /** Whether a turn runs on the thread, or for one of its turns. */
  isWorking(threadId: string): boolean {
    for (const { root, threadId: at } of this.turns.values()) {
      if (at === threadId || root.threadId === threadId) return true
    }
    return false
  }

  private rootFor(turnId: string | undefined): Root | undefined {
    return turnId === undefined ? undefined : this.turns.get(turnId)?.root
  }

  // ---------------------------------------------------------------------------

  /** The turn that a request belongs to, and the turn that its subagent works for. */
  private turnsOf({ threadId, turnId }: Origin): ReadonlyArray<Partial<TurnRef> & Pick<TurnRef, "threadId">> {
    const root = this.rootFor(turnId)
    return [
      ...threadId === undefined ? [] : [turnId === undefined ? { threadId } : { threadId, turnId }],
      ...root === undefined || root.threadId === threadId ? [] : [root]
    ]
  }

  private *nearest({ threadId, turnId }: Origin): Iterable<Overrides> {
    if (threadId !== undefined) yield* this.ofTurn(threadId, turnId)
    const root = this.rootFor(turnId)
    if (root !== undefined && root.threadId !== threadId) yield* this.ofTurn(root.threadId, root.turnId)
    for (let i = this.installed.length - 1; i >= 0; i--) yield this.installed[i]!
  }

  /** The handlers of a turn, the nearest first; without a turn's id, those of the thread's running turn. */
  private ofTurn(threadId: string, turnId: string | undefined): ReadonlyArray<Overrides> {
    return this.observers.observersOf(threadId).flatMap((observer) => observer.handlers?.(turnId) ?? [])
  }

  /** The span of a turn, if this client started the turn. */
  private spanOfTurn(threadId: string, turnId: string | undefined): Tracer.AnySpan | undefined {
    return this.observers.observersOf(threadId).flatMap((observer) => observer.span?.(turnId) ?? [])[0]
  }
}
