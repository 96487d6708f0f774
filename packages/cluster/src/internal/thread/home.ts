/** The thread of an entity on this machine: brought here from the store, followed, and let go of. */
import * as Codex from "@effect-codex/client/Codex"
import type * as ServerRequests from "@effect-codex/client/ServerRequests"
import type * as Thread from "@effect-codex/client/Thread"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CodexSession from "../../CodexSession.ts"
import type { Settings } from "../../CodexThread.ts"
import * as SessionStore from "../../SessionStore.ts"
import * as Failure from "./failure.ts"
import type { Hub } from "./hub.ts"
import * as Patience from "./patience.ts"

/** The thread while it is loaded here. */
export interface Opened {
  readonly thread: Thread.Thread
  readonly followed: CodexSession.Followed
}

export interface Home {
  readonly open: Effect.Effect<Opened, Failure.Failure>
  readonly opened: Effect.Effect<Option.Option<Opened>>
  /** Unloads the thread, so that a later `open` brings what the store has by then. */
  readonly close: Effect.Effect<void>
}

export interface Options {
  readonly key: string
  readonly settings: Settings
  readonly handlers: ServerRequests.Overrides | undefined
  readonly hub: Hub
}

/** Lets codex unload the thread as soon as it is left: it would keep for a minute what another machine changes. */
const config = (settings: Settings) => ({ thread_unload_delay_secs: 0, ...settings.config })

/** What a thread keeps from its start, which codex refuses on resume. */
const ofResume = (
  {
    allowProviderModelFallback: _a,
    baseInstructions: _b,
    developerInstructions: _d,
    environments: _v,
    name: _name,
    projectId: _p,
    serviceName: _n,
    sessionStartSource: _s,
    threadSource: _t,
    ...settings
  }: Settings
) => settings satisfies { readonly [option in Exclude<keyof typeof settings, keyof Codex.ResumeThreadOptions>]: never }

/** Leaves the thread and waits, for a bounded time, until codex has unloaded it. */
const leave = (thread: Thread.Thread) =>
  Effect.gen(function*() {
    const closed = yield* thread.events.pipe(
      Stream.filter((event) => event._tag === "thread/closed"),
      Stream.runHead,
      Effect.forkScoped({ startImmediately: true })
    )
    const status = yield* thread.unsubscribe
    if (status === "unsubscribed") yield* Effect.timeoutOption(Fiber.join(closed), "2 seconds")
  }).pipe(Effect.scoped, Effect.ignore)

export const make = Effect.fnUntraced(function*(
  { handlers, hub, key, settings }: Options
): Effect.fn.Return<
  Home,
  never,
  Codex.Codex | CodexSession.CodexSession | SessionStore.SessionStore | Scope.Scope
> {
  const codex = yield* Codex.Codex
  const session = yield* CodexSession.CodexSession
  const store = yield* SessionStore.SessionStore
  // Made before the server of the entity's messages is, so that the turns of its messages end before the thread is
  // left.
  const scopes = yield* Effect.flatMap(Effect.scope, Scope.fork)
  let current: { readonly opened: Opened; readonly scope: Scope.Closeable } | undefined

  const own = { ...settings, config: config(settings), ...(handlers !== undefined && { handlers }) }

  const follow = Effect.fnUntraced(function*(thread: Thread.Thread) {
    const followed = yield* session.follow(thread).pipe(
      Patience.untilStored,
      Effect.mapError(Failure.ofSession)
    )
    yield* Effect.addFinalizer(() => leave(thread))
    yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(thread.events, hub.notify)), { startImmediately: true })
    return { thread, followed }
  })

  const resume = Effect.fnUntraced(function*(threadId: string) {
    yield* session.restore(threadId).pipe(Patience.untilStored, Effect.mapError(Failure.ofSession))
    const thread = yield* codex.resumeThread(threadId, ofResume(own)).pipe(
      // The codex of a process that was killed on this machine ends a moment later.
      Effect.retry({
        schedule: Schedule.spaced("200 millis"),
        times: 150,
        while: ({ _tag }) => _tag === "ThreadInUse"
      }),
      Effect.mapError(Failure.ofCodex)
    )
    return yield* follow(thread)
  })

  // The key gets the thread once its history is stored, so that a thread of a key can always be restored.
  const start = Effect.fnUntraced(function*() {
    const { name = key, ...options } = own
    const thread = yield* Effect.mapError(codex.startThread(options), Failure.ofCodex)
    yield* Effect.mapError(thread.setName(name), Failure.ofCodex)
    const opened = yield* follow(thread)
    yield* opened.followed.flush.pipe(Patience.untilStored, Effect.mapError(Failure.ofSession))
    const bound = yield* Patience.untilStored(store.bind(key, {
      threadId: thread.id,
      name: Option.some(name),
      cwd: Option.fromUndefinedOr(settings.cwd),
      metadata: {}
    }))
    return bound.threadId === thread.id ? Option.some(opened) : Option.none()
  })

  const find: Effect.Effect<Opened, Failure.Failure, Scope.Scope> = Effect.gen(function*() {
    const bound = yield* Patience.untilStored(store.lookup(key))
    if (Option.isSome(bound)) return yield* resume(bound.value.threadId)
    const unused = yield* Scope.fork(yield* Effect.scope)
    const started = yield* Scope.provide(start(), unused)
    if (Option.isSome(started)) return started.value
    // Another machine has bound the key meanwhile.
    yield* Scope.close(unused, Exit.void)
    return yield* find
  })

  const close = Effect.suspend(() => {
    const scope = current?.scope
    current = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })

  return {
    open: Effect.suspend(() => {
      if (current !== undefined) return Effect.succeed(current.opened)
      return Effect.flatMap(Scope.fork(scopes), (scope) =>
        find.pipe(
          Scope.provide(scope),
          Effect.tap((opened) => Effect.sync(() => (current = { opened, scope }))),
          Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
        ))
    }),
    opened: Effect.sync(() => Option.map(Option.fromUndefinedOr(current), ({ opened }) => opened)),
    close
  }
})
