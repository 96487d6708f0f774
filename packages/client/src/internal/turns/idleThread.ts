/** Asks the server whether a thread may be unloaded without anyone noticing. */
import * as Effect from "effect/Effect"
import type { CodexError } from "../../CodexError.ts"
import { membersOf, rawOf } from "../protocol/peek.ts"
import { using } from "../protocol/uses.ts"
import { internalsOf, type Rpc, type RpcInternals } from "../rpcInternals.ts"
import * as TurnMode from "../settings/turnMode.ts"
import * as StoredTurn from "./storedTurn.ts"

/**
 * `idle`: it may be unloaded, with its subagents. `gone`: the server does not have it loaded. `kept`: it must stay.
 * `unknown`: the server does not say, for example because it has no descriptors left to look.
 */
export type Answer =
  | { readonly _tag: "idle"; readonly subagents: ReadonlyArray<string> }
  | { readonly _tag: "kept" }
  | { readonly _tag: "gone" }
  | { readonly _tag: "unknown" }

const kept: Answer = { _tag: "kept" }
const gone: Answer = { _tag: "gone" }
const unknown: Answer = { _tag: "unknown" }

/** A server that does not answer must not keep a new thread from starting. */
const timeout = { timeout: "5 seconds" } as const

const isEmpty = ({ data }: { readonly data?: unknown }): boolean | undefined =>
  Array.isArray(data) ? data.length === 0 : undefined

/** A server that does not know the method has nothing of the kind. */
const noneIfUnknown = <E extends CodexError>(isNone: Effect.Effect<boolean, E>) =>
  Effect.catchIf(
    isNone,
    (error: CodexError) => error._tag === "RpcError" && error.reason === "methodNotFound",
    () => Effect.succeed(true)
  )

/** docs/codex-behaviour.md, "A new thread is stored with its first turn or its name". */
const isStored = (rpc: Rpc, threadId: string, name: unknown) =>
  typeof name === "string"
    ? Effect.succeed(true)
    : Effect.as(StoredTurn.list(rpc, { threadId, limit: 1, itemsView: "notLoaded" }, timeout), true)

/** A server without goals refuses, and a goal that is complete starts no turn any more. */
const hasNoGoal = (rpc: Rpc, threadId: string) =>
  rpc.request("thread/goal/get", { threadId }, timeout).pipe(
    using(rpc, "thread/goal/get", ({ goal }) => goal === null || membersOf(goal)["status"] === "complete"),
    Effect.catchTag("RpcError", () => Effect.succeed(true))
  )

const hasNoTerminals = (rpc: Rpc, threadId: string) =>
  rpc.request("thread/backgroundTerminals/list", { threadId }, timeout).pipe(
    using(rpc, "thread/backgroundTerminals/list", isEmpty),
    noneIfUnknown
  )

const hasNoQueue = (rpc: Rpc, threadId: string) =>
  rpc.request("thread/queue/list", { threadId, limit: 1 }, timeout).pipe(
    using(rpc, "thread/queue/list", isEmpty),
    noneIfUnknown
  )

interface Agent {
  readonly id: string
  readonly isQuiet: boolean
  readonly isLoaded: boolean
  readonly parentId: unknown
}

const agentOf = (entry: unknown): ReadonlyArray<Agent> => {
  const { id, parentThreadId, status } = membersOf(rawOf(entry))
  const isLoaded = membersOf(status)["type"] !== "notLoaded"
  return typeof id === "string" ? [{ id, isQuiet: StoredTurn.isQuiet(status), isLoaded, parentId: parentThreadId }] : []
}

/**
 * The loaded subagents below a thread. docs/codex-behaviour.md, "A subagent stays loaded when its thread is unloaded".
 * An older server ignores the filter, so this looks at the parents as well.
 */
const subagentsOf = (rpc: Rpc, threadId: string) =>
  rpc.request("thread/list", { ancestorThreadId: threadId, useStateDbOnly: true, limit: 100 }, timeout).pipe(
    using(rpc, "thread/list", ({ data }) => Array.isArray(data) ? data.flatMap(agentOf) : undefined),
    Effect.map((agents) => {
      const parents = new Map(agents.map(({ id, parentId }) => [id, parentId]))
      const isBelow = (id: unknown, left = agents.length): boolean =>
        typeof id === "string" && left > 0 &&
        (parents.get(id) === threadId || isBelow(parents.get(id), left - 1))
      return agents.filter(({ id, isLoaded }) => isLoaded && isBelow(id))
    })
  )

const told = new WeakSet<RpcInternals>()

const withoutExperimental = (rpc: Rpc): Answer => {
  const internals = internalsOf(rpc)
  if (!told.has(internals)) {
    internals.report(
      "`maxLoadedThreads` has no effect, because codex does not tell whether a thread is idle: set `experimentalApi` to true"
    )
  }
  told.add(internals)
  return kept
}

export const ask = (rpc: Rpc, threadId: string): Effect.Effect<Answer> =>
  Effect.gen(function*() {
    // Nothing would end the mode when the thread is loaded again.
    if (TurnMode.isElsewhere(internalsOf(rpc).nextSettingsOf(threadId))) return kept
    const { ephemeral, name, status } = yield* rpc.request("thread/read", { threadId }, timeout).pipe(
      using(rpc, "thread/read", ({ thread }) => membersOf(thread))
    )
    if (membersOf(status)["type"] === "notLoaded") return gone
    if (!StoredTurn.isQuiet(status) || ephemeral !== false) return kept
    const [subagents, ...all] = yield* Effect.all([
      subagentsOf(rpc, threadId),
      isStored(rpc, threadId, name),
      hasNoGoal(rpc, threadId),
      hasNoTerminals(rpc, threadId),
      hasNoQueue(rpc, threadId)
    ], { concurrency: "unbounded" })
    if (!all.every((fits) => fits) || subagents.some(({ isQuiet }) => !isQuiet)) return kept
    return { _tag: "idle", subagents: subagents.map(({ id }) => id) } as const
  }).pipe(
    Effect.catchTag("ThreadNotFound", () => Effect.succeed(gone)),
    Effect.catchTag("ExperimentalRequired", () => Effect.sync(() => withoutExperimental(rpc))),
    Effect.orElseSucceed(() => unknown)
  )
