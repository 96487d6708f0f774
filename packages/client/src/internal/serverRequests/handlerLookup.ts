/**
 * Finds the handler of a request of the server: of its turn, else of the turn that its agent works for, else the one that
 * was installed last, else the client's.
 */
import { serverRequests } from "@effect-codex/protocol/Methods"
import * as Predicate from "effect/Predicate"
import type * as Tracer from "effect/Tracer"
import type { Handlers, Method, Overrides, RawHandler } from "../../ServerRequests.ts"
import { defaults } from "../../ServerRequests.ts"
import { guardOf } from "../protocol/guard.ts"
import { isMcpToolApproval } from "../protocol/mcpToolApproval.ts"
import type { Origin } from "./serverRequestFibers.ts"

interface TurnRef {
  readonly threadId: string
  readonly turnId: string
}

/** A handler, and how to treat it. */
export interface Found {
  readonly handler: RawHandler
  /** Neither its params nor its answer are checked. */
  readonly isRaw: boolean
  /** The method, where nobody has given a handler and the default answers. */
  readonly undecided: Method | undefined
  /** Whether the server is to get this answer. */
  readonly fits: (answer: unknown) => boolean
}

export interface HandlerLookup {
  /** Undefined where nobody knows the method. */
  readonly handlerOf: (method: string, origin: Origin, params: unknown) => Found | undefined
  /** The span of the turn that a request is of, or of the one that its agent works for. */
  readonly spanOf: (origin: Origin) => Tracer.AnySpan | undefined
  /** The turn that a request is of, and the one that its agent works for. */
  readonly turnsOf: (
    origin: Origin
  ) => ReadonlyArray<{ readonly threadId: string; readonly turnId: string | undefined }>
  /** The turn that the agent of this one works for, if it works for one. */
  readonly rootOf: (turnId: unknown) => TurnRef | undefined
  readonly turnStarted: (threadId: string, params: unknown) => void
  readonly turnEnded: (turnId: string) => void
  /** Whether a request is of the turn, or of an agent that works for it. */
  readonly isFor: (origin: Origin, threadId: string, turnId: string) => boolean
  readonly install: (overrides: Overrides) => void
  readonly remove: (overrides: Overrides) => void
}

const isMethod = (name: string): name is Method => Object.hasOwn(serverRequests, name)

/** The rest of what JSON does not have is found when the answer is written. */
const isAny = (answer: unknown): boolean => typeof answer !== "function" && typeof answer !== "symbol"

// Far beyond the turns that run at once. A server that never completes one must not fill the memory.
const maxRoots = 4096

/**
 * @param ofTurn the handlers of a turn of a thread, the nearest first; of its running turn if none is named.
 * @param spanOfTurn its span, if this client started it.
 */
export const make = (
  handlers: Handlers,
  isObserved: (threadId: string) => boolean,
  ofTurn: (threadId: string, turnId: string | undefined) => Iterable<Overrides>,
  spanOfTurn: (threadId: string, turnId: string | undefined) => Tracer.AnySpan | undefined
): HandlerLookup => {
  const installed: Array<Overrides> = []
  // The running turns of observed threads, and those of the agents that work for them: a subagent has a thread of its own,
  // and its turns name the turn at their root.
  const roots = new Map<string, TurnRef>()

  function* nearest({ threadId, turnId }: Origin): Iterable<Overrides> {
    if (threadId !== undefined) yield* ofTurn(threadId, turnId)
    const root = turnId === undefined ? undefined : roots.get(turnId)
    if (root !== undefined && root.threadId !== threadId) yield* ofTurn(root.threadId, root.turnId)
    for (let i = installed.length - 1; i >= 0; i--) yield installed[i]!
  }

  return {
    handlerOf(name, origin, params) {
      const isToolApproval = name === "mcpServer/elicitation/request" && isMcpToolApproval(params)
      const of = (overrides: Overrides): Found | undefined => {
        const { raw } = overrides
        const rawHandler = raw !== undefined && Object.hasOwn(raw, name) ? raw[name] : undefined
        if (rawHandler !== undefined) return { handler: rawHandler, isRaw: true, undecided: undefined, fits: isAny }
        if (!isMethod(name)) return undefined
        const handler = (isToolApproval ? overrides.mcpToolApproval : undefined) ?? overrides[name]
        return handler === undefined
          ? undefined
          // The request that it is called with is the one of its method.
          : {
            handler: handler as RawHandler,
            isRaw: false,
            undecided: handler === defaults[name] ? name : undefined,
            fits: guardOf<unknown>(serverRequests[name].result)
          }
      }
      for (const overrides of nearest(origin)) {
        const found = of(overrides)
        if (found !== undefined) return found
      }
      return of(handlers)
    },
    spanOf({ threadId, turnId }) {
      const own = threadId === undefined ? undefined : spanOfTurn(threadId, turnId)
      const root = turnId === undefined ? undefined : roots.get(turnId)
      return own ?? (root === undefined ? undefined : spanOfTurn(root.threadId, root.turnId))
    },
    turnsOf({ threadId, turnId }) {
      const root = turnId === undefined ? undefined : roots.get(turnId)
      return [
        ...threadId === undefined ? [] : [{ threadId, turnId }],
        ...root === undefined || root.threadId === threadId ? [] : [root]
      ]
    },
    rootOf(turnId) {
      const root = Predicate.isString(turnId) ? roots.get(turnId) : undefined
      return root?.turnId === turnId ? undefined : root
    },
    turnStarted(threadId, params) {
      const turn = Predicate.hasProperty(params, "turn") ? params.turn : undefined
      if (!Predicate.hasProperty(turn, "id") || !Predicate.isString(turn.id)) return
      const rootId = Predicate.hasProperty(turn, "rootTurnId") ? turn.rootTurnId : undefined
      const root = Predicate.isString(rootId) ? roots.get(rootId) : undefined
      if (root !== undefined) roots.set(turn.id, root)
      else if (isObserved(threadId)) roots.set(turn.id, { threadId, turnId: turn.id })
      if (roots.size <= maxRoots) return
      const [oldest] = roots.keys()
      roots.delete(oldest!)
    },
    turnEnded: (turnId) => void roots.delete(turnId),
    isFor(origin, threadId, turnId) {
      if (origin.threadId === threadId && origin.turnId === turnId) return true
      const root = origin.turnId === undefined ? undefined : roots.get(origin.turnId)
      return root?.threadId === threadId && root.turnId === turnId
    },
    install: (overrides) => void installed.push(overrides),
    remove: (overrides) => void installed.splice(installed.lastIndexOf(overrides), 1)
  }
}
