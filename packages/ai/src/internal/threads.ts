/** Finds, forks or starts the thread for a prompt. */
import type * as Codex from "@effect-codex/client/Codex"
import type { InvalidArgument, ResumeError, SettingsNotApplied, ThreadCallError } from "@effect-codex/client/CodexError"
import type { Thread } from "@effect-codex/client/Thread"
import type { AiError } from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as CodexLanguageModel from "../CodexLanguageModel.ts"
import * as Conversation from "./conversation.ts"
import { digestOf, type Marker } from "./marker.ts"
import type { ToolCalls } from "./toolCalls.ts"

export interface Found {
  readonly thread: Thread
  /** The thread of the conversation's last answer, a fork of it, or a new thread that received the whole prompt. */
  readonly how: "new" | "continued" | "forked"
  readonly tools: Marker["tools"]
}

export type Settings = Omit<
  CodexLanguageModel.Settings,
  "approveTool" | "effort" | "history" | "onToolsChanged" | "repair" | "summary"
>

export type Failure = ResumeError | ThreadCallError | SettingsNotApplied | InvalidArgument | AiError

/**
 * Removes the settings that an existing thread keeps; the server refuses them on resume and fork. Does not compile if
 * an option of new threads only is left over.
 */
const withoutInstructions = (
  {
    allowProviderModelFallback: _a,
    baseInstructions: _b,
    developerInstructions: _d,
    ephemeral: _e,
    environments: _v,
    projectId: _p,
    serviceName: _n,
    sessionStartSource: _s,
    threadSource: _t,
    ...settings
  }: Settings
) => settings satisfies { readonly [option in Exclude<keyof typeof settings, keyof Codex.ResumeThreadOptions>]: never }

/** The needed tools that the thread was not started with. */
export const missingTools = (needed: ToolCalls["digests"], has: Marker["tools"]): ReadonlyArray<string> =>
  Object.keys(needed).filter((name) => has[name] !== needed[name])

// Annotated, because the inferred declaration would name types of a package that is not a dependency.
export const start: (
  codex: Codex.Codex["Service"],
  settings: Settings,
  conversation: Conversation.Conversation,
  calls: ToolCalls
) => Effect.Effect<Found, Failure> = Effect.fnUntraced(function*(codex, settings, { history, system }, calls) {
  const items = yield* Conversation.itemsOf(history)
  const instructions = [settings.developerInstructions ?? "", system].filter((text) => text !== "").join("\n\n")
  const thread = yield* codex.startThread({
    ...settings,
    tools: calls.tools,
    ...(instructions !== "" && { developerInstructions: instructions })
  })
  if (items.length > 0) yield* thread.inject(items)
  return { thread, how: "new", tools: calls.digests }
})

/**
 * The newest turn that a conversation can continue from. Skips failed turns, which answered nothing, and turns without
 * items, which compacted the thread.
 */
const lastTurn = (thread: Thread, turnId: string) =>
  thread.turns({ sortDirection: "desc", itemsView: "summary", pageSize: 5 }).pipe(
    Stream.filter(({ id, items, status }) =>
      id === turnId || status === "inProgress" || (status === "completed" && (items?.length ?? 0) > 0)
    ),
    Stream.runHead
  )

/** Forks the marker's thread after the marker's turn. */
export const fork: (
  codex: Codex.Codex["Service"],
  settings: Settings,
  conversation: Conversation.Conversation,
  marker: Marker,
  calls: ToolCalls
) => Effect.Effect<Found, Failure> = Effect.fnUntraced(function*(codex, settings, { since }, marker, calls) {
  const { threadId, tools, turnId } = marker
  const items = yield* Conversation.itemsOf(since)
  const thread = yield* codex.forkThread(threadId, {
    ...withoutInstructions(settings),
    tools: calls.tools,
    lastTurnId: turnId
  })
  if (items.length > 0) yield* thread.inject(items)
  return { thread, how: "forked", tools }
})

/**
 * Remembers what was injected into threads since their last answer, so that a repeated or concurrent call does not
 * inject it again. Keeps only the threads of the newest calls, because a call is repeated soon or not at all.
 */
export class Injected {
  private readonly threads = new Map<string, { readonly lock: Semaphore.Semaphore; since: string }>()

  /**
   * Runs `inject` unless the thread has already received the same. Concurrent calls for a thread wait for the first.
   */
  once<E>(
    threadId: string,
    { since }: Conversation.Conversation,
    inject: Effect.Effect<void, E>
  ): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      const given = this.threads.get(threadId) ?? { lock: Semaphore.makeUnsafe(1), since: "" }
      this.threads.delete(threadId)
      this.threads.set(threadId, given)
      if (this.threads.size > 256) {
        for (const oldest of this.threads.keys()) {
          this.threads.delete(oldest)
          break
        }
      }
      const digest = digestOf(threadId, since)
      return given.lock.withPermit(Effect.suspend(() =>
        given.since === digest ? Effect.void : Effect.andThen(
          inject,
          Effect.sync(() => {
            given.since = digest
          })
        )
      ))
    })
  }
}

/**
 * Continues the marker's thread, or a fork of it. Succeeds with none if that is impossible here: the thread was deleted
 * or archived, the turn was reverted, or the conversation comes from another machine. If codex refuses for a reason of
 * another kind, it also refuses the new thread, and the call fails with that.
 */
export const goOn = (
  codex: Codex.Codex["Service"],
  settings: Settings,
  conversation: Conversation.Conversation,
  marker: Marker,
  calls: ToolCalls,
  injected: Injected
): Effect.Effect<Option.Option<Found>, Failure> => {
  const { threadId, tools, turnId } = marker
  return Effect.gen(function*() {
    const items = yield* Conversation.itemsOf(conversation.since)
    const thread = yield* codex.resumeThread(threadId, { ...withoutInstructions(settings), tools: calls.tools })
    const last = yield* lastTurn(thread, turnId)
    if (Option.isNone(last) || last.value.id !== turnId) return undefined
    if (items.length > 0) yield* injected.once(threadId, conversation, thread.inject(items))
    return { thread, how: "continued" as const, tools }
  }).pipe(
    // Another process has the thread loaded; a fork needs only what is stored.
    Effect.catchTag("ThreadInUse", () => Effect.succeed(undefined)),
    Effect.flatMap((found) =>
      found === undefined ? fork(codex, settings, conversation, marker, calls) : Effect.succeed(found)
    ),
    Effect.map(Option.some),
    Effect.catchTags({
      ThreadNotFound: () => Effect.succeed(Option.none()),
      ThreadNotPersisted: () => Effect.succeed(Option.none()),
      RpcError: (error) => error.reason === "invalidRequest" ? Effect.succeed(Option.none()) : Effect.fail(error)
    })
  )
}
