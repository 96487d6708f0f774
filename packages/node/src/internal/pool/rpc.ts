/**
 * The `AppServerRpc` of a pool: a request about a thread goes to the process that has it, a login to all of them, and
 * everything else to the first, where what was begun can also be ended.
 */
import type { Diagnostics } from "@effect-codex/client/AppServerRpc"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import { internalsOf, type RpcInternals, withInternals } from "@effect-codex/client/internal/rpcInternals"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Slot } from "./slot.ts"
import type { Slots } from "./slots.ts"

type Service = AppServerRpc["Service"]

/** Set while one process alone is meant: after its restart, when it gets what the others still have. */
const Only = Context.Reference<Slot | undefined>("@effect-codex/node/internal/pool/Only", {
  defaultValue: () => undefined
})

const threadIdOf = (params: unknown): string | undefined =>
  Predicate.hasProperty(params, "threadId") && Predicate.isString(params.threadId) ? params.threadId : undefined

/** Changes what a process keeps in memory for all of its threads. */
const ofAll: ReadonlySet<string> = new Set([
  "account/logout",
  "config/mcpServer/reload",
  "environment/add",
  "experimentalFeature/enablement/set",
  "skills/extraRoots/set"
])

/** Whether each process must be told, because none finds it in their common home, or not at once. */
const concernsAll = (method: string, params: unknown): boolean => {
  if (ofAll.has(method)) return true
  const type = Predicate.hasProperty(params, "type") ? params.type : undefined
  return method === "account/login/start" && (type === "apiKey" || type === "chatgptAuthTokens")
}

const sum = (all: ReadonlyArray<Diagnostics>): Diagnostics => ({
  garbage: total(all, "garbage"),
  dropped: total(all, "dropped"),
  unmatchedReplies: total(all, "unmatchedReplies"),
  unknown: total(all, "unknown"),
  undecodable: total(all, "undecodable")
})

const total = (all: ReadonlyArray<Diagnostics>, key: keyof Diagnostics): number =>
  all.reduce((count, diagnostics) => count + diagnostics[key], 0)

export const make = (slots: Slots): Service => {
  const { all } = slots
  /** A place that has ended ends the stream of all only when it was the last one. */
  const merged = <A, E>(streamOf: (rpc: Service) => Stream.Stream<A, E>) =>
    Stream.mergeAll(
      all.map(({ rpc }) =>
        Stream.catch(streamOf(rpc), (cause) => slots.working.length > 0 ? Stream.empty : Stream.fail(cause))
      ),
      { concurrency: "unbounded" }
    )

  const send = <A, E, R>(
    method: string,
    params: unknown,
    request: (rpc: Service) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.flatMap(Only, (only) => {
      const { first, working } = slots
      if (only !== undefined) return request(only.rpc)
      const threadId = threadIdOf(params)
      if (threadId !== undefined) return request((slots.ownerOf(threadId) ?? first).rpc)
      if (working.length === 0 || !concernsAll(method, params)) return request(first.rpc)
      return Effect.map(
        Effect.forEach(working, ({ rpc }) => request(rpc), { concurrency: "unbounded" }),
        ([answer]) => answer!
      )
    })

  const service = AppServerRpc.of({
    get serverInfo() {
      return slots.first.rpc.serverInfo
    },
    get restarts() {
      return all.reduce((count, { rpc }) => count + rpc.restarts, 0)
    },
    connected: Effect.suspend(() => slots.leastBusy.rpc.connected),
    request: (method, params, options) => send(method, params, (rpc) => rpc.request(method, params, options)),
    requestRaw: (method, params, options) => send(method, params, (rpc) => rpc.requestRaw(method, params, options)),
    notify: (method, params) => send(method, params, (rpc) => rpc.notify(method, params)),
    notifications: merged((rpc) => rpc.notifications),
    handle: (handlers) => Effect.forEach(all, ({ rpc }) => rpc.handle(handlers), { discard: true }),
    diagnostics: Effect.map(Effect.forEach(all, ({ rpc }) => rpc.diagnostics), sum),
    diagnosticEvents: merged((rpc) => rpc.diagnosticEvents),
    ended: Effect.map(
      Effect.forEach(all, ({ rpc }) => rpc.ended, { concurrency: "unbounded" }),
      (causes) => causes[0]!
    )
  })
  return withInternals(service, internals(slots))
}

/** What is told of no thread comes from the first process, but for what each process learns of the account. */
const isOfAll = (method: string): boolean => method === "account/rateLimits/updated"

const internals = (slots: Slots): RpcInternals => {
  const { all } = slots
  const first = () => internalsOf(slots.first.rpc)
  const of = (threadId: string) => internalsOf((slots.ownerOf(threadId) ?? slots.first).rpc)
  return {
    ...first(),
    decode: (notification) => first().decode(notification),
    tell: (diagnostic) => first().tell(diagnostic),
    report: (text, unreadBytes) => first().report(text, unreadBytes),
    observe: (threadId, observer) =>
      Effect.forEach(all, (slot) =>
        internalsOf(slot.rpc).observe(threadId, {
          ...observer,
          onNotification: (notification, bytes) => {
            if (threadId !== undefined || slot === slots.first || isOfAll(notification._tag)) {
              observer.onNotification(notification, bytes)
            }
          },
          onReadEnd: () => observer.onReadEnd(),
          onEnd: (cause) => {
            if (slots.working.length === 0) return observer.onEnd(cause)
            if (threadId !== undefined) return slots.placeOf(threadId) === slot ? observer.onEnd(cause) : undefined
            // The next one takes over, as if this one had been replaced.
            if (!slots.isFollowed(slot)) return
            observer.onLost?.(cause)
            observer.onRestored?.()
          },
          onLost: (cause) => {
            if (slot === (threadId === undefined ? slots.first : slots.ownerOf(threadId) ?? slots.first)) {
              observer.onLost?.(cause)
            }
          }
        }), { discard: true }),
    attach: (threadId, observer) => of(threadId).attach(threadId, observer),
    subagentTurns: (threadId, turnId) => of(threadId).subagentTurns(threadId, turnId),
    afterRestart: Effect.fnUntraced(function*(effect, isOfEach = false) {
      const run = yield* FiberSet.makeRuntime<never, void>()
      for (const slot of all) {
        const { afterRestart, observe } = internalsOf(slot.rpc)
        const restored = Effect.provideService(effect, Only, slot)
        yield* afterRestart(Effect.suspend(() => isOfEach || slot === slots.first ? restored : Effect.void))
        yield* observe(undefined, {
          onNotification: () => {},
          onReadEnd: () => {},
          onEnd: () => {
            if (!isOfEach && slots.isFollowed(slot)) run(effect)
          }
        })
      }
    }),
    openServerRequests: (threadId, turnId) => of(threadId).openServerRequests(threadId, turnId),
    settleServerRequests: (threadId) => of(threadId).settleServerRequests(threadId),
    isInUse: (threadId) => of(threadId).isInUse(threadId),
    startingMcpServers: (threadId) => of(threadId).startingMcpServers(threadId),
    settingsOf: (threadId) => of(threadId).settingsOf(threadId),
    nextSettingsOf: (threadId) => of(threadId).nextSettingsOf(threadId),
    onForked: (id, fromId) => of(fromId).onForked(id, fromId),
    tokensOf: (threadId) => of(threadId).tokensOf(threadId)
  }
}
