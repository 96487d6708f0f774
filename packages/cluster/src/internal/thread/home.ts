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
import { resumeFresh } from "../resumeFresh.ts"
import * as Failure from "./failure.ts"
import { isLost } from "./fresh.ts"
import type { Hub } from "./hub.ts"
import type { Naming } from "./naming.ts"
import * as Patience from "./patience.ts"
import { settling } from "./settling.ts"

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
  readonly naming: Naming
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
  { handlers, hub, key, naming, settings }: Options
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

  const follow = Effect.fnUntraced(function*(thread: Thread.Thread, isNew: boolean) {
    const followed = yield* session.follow(thread, { isNew }).pipe(
      Patience.untilStored,
      Effect.mapError(Failure.ofSession)
    )
    yield* Effect.addFinalizer(() => leave(thread))
    yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(thread.events, hub.notify)), { startImmediately: true })
    return followed
  })

  const name = settings.name ?? key

  /** None if nothing is known of the thread, although its key has it: it was lost before it had a history. */
  const resume = Effect.fnUntraced(function*({ isNew = false, threadId }: SessionStore.BoundThread) {
    const isRestored = yield* session.restore(threadId).pipe(Patience.untilStored, Effect.mapError(Failure.ofSession))
    const { developerInstructions } = settings
    const resumed = yield* resumeFresh(codex, threadId, { ...ofResume(own), ...(isNew && { developerInstructions }) })
      .pipe(
        // The codex of a process that was killed on this machine ends a moment later.
        Effect.retry({
          schedule: Schedule.spaced("200 millis"),
          times: 150,
          while: ({ _tag }) => _tag === "ThreadInUse"
        }),
        Effect.asSome,
        Effect.catchIf((error) => isNew && !isRestored && isLost(error), () => Effect.succeedNone),
        Effect.mapError(Failure.ofCodex)
      )
    if (Option.isNone(resumed)) return Option.none()
    const thread = resumed.value
    const followed = yield* follow(thread, false)
    yield* Effect.forkScoped(naming.ifUnnamed(thread, name))
    const settled = isNew ? (yield* settling(store, key, thread, followed)).followed : followed
    return Option.some({ thread, followed: settled })
  })

  // The key gets the thread before anything runs in it. A thread whose machine is lost before its history is stored
  // ran nothing that is known, and is replaced by another one.
  const start = Effect.fnUntraced(function*(lost: Option.Option<string>) {
    const { name: _, ...options } = own
    const thread = yield* Effect.mapError(codex.startThread(options), Failure.ofCodex)
    const made = {
      threadId: thread.id,
      name: Option.some(name),
      cwd: Option.fromUndefinedOr(settings.cwd),
      metadata: {},
      isNew: true
    }
    const bind = Option.match(lost, {
      onNone: () => store.bind(key, made),
      onSome: (lost) => store.rebind(key, lost, made)
    })
    const [bound, stored] = yield* Effect.all([Patience.untilStored(bind), follow(thread, true)], { concurrency: 2 })
    if (bound.threadId !== thread.id) return Option.none()
    const { followed, settled } = yield* settling(store, key, thread, stored)
    yield* Effect.forkScoped(naming.afterTurn(thread, name, settled), { startImmediately: true })
    return Option.some({ thread, followed })
  })

  const find: Effect.Effect<Opened, Failure.Failure, Scope.Scope> = Effect.gen(function*() {
    const bound = yield* Patience.untilStored(store.lookup(key))
    if (Option.isSome(bound)) {
      const resumed = yield* resume(bound.value)
      if (Option.isSome(resumed)) return resumed.value
    }
    const unused = yield* Scope.fork(yield* Effect.scope)
    const started = yield* Scope.provide(start(Option.map(bound, ({ threadId }) => threadId)), unused)
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
