/** Starts, resumes and forks threads. Options that were not set are not sent. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { RequestOptions } from "../../AppServerRpc.ts"
import type { ForkThreadOptions, ResumeThreadOptions, StartThreadOptions, ThreadSettings } from "../../Codex.ts"
import type { ResumeError, RpcError } from "../../CodexError.ts"
import { type Members, membersOf } from "../protocol/peek.ts"
import { withoutMeaning } from "../protocol/rpcErrors.ts"
import { call, using } from "../protocol/uses.ts"
import { nameRequired } from "../rpc/mcpStartup.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Held from "../settings/heldSettings.ts"
import { allSent, defined } from "../settings/settings.ts"
import { threadParams } from "../settings/threadParams.ts"
import * as Untold from "../settings/untoldSettings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as StoredTurn from "./storedTurn.ts"

const empty = {}

/** The thread's id, which must be there, and the settings that the reply names. */
export const openedOf = (reply: Members): { readonly id: string; readonly told: Held.Told } | undefined => {
  const { id } = membersOf(reply["thread"])
  return Predicate.isString(id) ? { id, told: Held.toldOf(reply) } : undefined
}

/** How long cleaning up after an abandoned request may take. */
const leaveWithin = "2 seconds"

/** Uses the real clock, because a silent server must not hang a test whose clock stands still. */
const inTime = <A>(effect: Effect.Effect<A>): Effect.Effect<Option.Option<A>> =>
  Effect.timeoutOption(effect, leaveWithin).pipe(Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()))

/**
 * Nobody knows the thread, so delete it. docs/codex-behaviour.md, "Deleting a thread unloads it at once". The
 * server refuses this for an ephemeral thread.
 */
export const leave = (rpc: Rpc, threadId: string): Effect.Effect<void> =>
  call(rpc, "thread/delete", { threadId }).pipe(
    Effect.catchTag("RpcError", () => call(rpc, "thread/unsubscribe", { threadId })),
    Effect.interruptible,
    Effect.ignore,
    // In its own fiber, because the caller may be interrupted.
    inTime,
    Effect.asVoid
  )

/**
 * Creates a thread and uses it. On failure or interruption, also while the server is creating it, the thread is
 * abandoned.
 */
const making = <A extends { readonly id: string }, E, B, E2>(
  rpc: Rpc,
  request: (options: RequestOptions) => Effect.Effect<A, E>,
  use: (reply: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      let sent = false
      const onSent = () => {
        sent = true
      }
      const asking = yield* Effect.forkChild(Effect.interruptible(request({ onSent })))
      // An interruption does not undo a request that was sent.
      const giveUp = Effect.suspend(() => sent ? inTime(Effect.interruptible(Fiber.await(asking))) : Effect.succeedNone)
        .pipe(
          Effect.flatMap((late) =>
            Option.isSome(late) && Exit.isSuccess(late.value) ? leave(rpc, late.value.value.id) : Effect.void
          ),
          Effect.andThen(Fiber.interrupt(asking))
        )
      const reply = yield* Effect.onInterrupt(restore(Fiber.join(asking)), () => giveUp)
      return yield* Effect.onError(restore(use(reply)), () => leave(rpc, reply.id))
    })
  )

/** A new thread is loaded here and known to nobody else, so these refusals cannot mean what their names say. */
const ofNew = <A>(effect: Effect.Effect<A, ResumeError>) =>
  Effect.catchTag(
    effect,
    ["ThreadNotFound", "ThreadNotPersisted", "ThreadInUse"],
    (error) => Effect.fail(withoutMeaning(error))
  )

export const start = Effect.fnUntraced(function*(rpc: Rpc, opened: Untold.Opened, options: StartThreadOptions) {
  const { asked, params, untold } = yield* threadParams(options)
  const own: Omit<StartThreadOptions, keyof ThreadSettings> = options
  const {
    allowProviderModelFallback,
    environments,
    ephemeral,
    personality,
    projectId,
    serviceName,
    sessionStartSource,
    threadSource,
    ...rest
  } = own
  allSent(rest)
  const all = {
    ...params,
    ...defined({
      allowProviderModelFallback,
      dynamicTools: options.tools?.specs.length === 0 ? undefined : options.tools?.specs,
      environments,
      ephemeral,
      personality,
      projectId,
      serviceName,
      sessionStartSource,
      threadSource
    })
  }
  // The option allows the provider to choose another model.
  const compared = allowProviderModelFallback === true ? { ...asked, model: undefined } : asked
  return yield* making(
    rpc,
    (requestOptions) =>
      rpc.request("thread/start", all, requestOptions).pipe(
        nameRequired(rpc, params),
        using(rpc, "thread/start", openedOf)
      ),
    Effect.fnUntraced(function*(reply) {
      const { id } = reply
      const told = yield* ofNew(Held.ensure(rpc, id, compared, reply.told, "fresh"))
      opened.set(id, untold)
      return { id, told }
    })
  )
})

export const isLoaded = (rpc: Rpc, threadId: string) =>
  StoredTurn.threadStatus(rpc, threadId).pipe(
    Effect.map((status) => membersOf(status)["type"] !== "notLoaded"),
    // The request to resume the thread reports what is wrong.
    Effect.catchTag(["ThreadNotFound", "ThreadNotPersisted"], () => Effect.succeed(false))
  )

/**
 * Whether a thread has had a turn.
 *
 * @param otherwise the answer when the server does not say.
 */
const hasTurn = (rpc: Rpc, threadId: string, otherwise: boolean) =>
  StoredTurn.list(rpc, { threadId, limit: 1 }).pipe(
    Effect.map((turns) => turns.length > 0),
    Effect.orElseSucceed(() => otherwise)
  )

// docs/codex-behaviour.md, "A thread that is being unloaded cannot be resumed, or is lost after it was".
const onceClosed = <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E | RpcError>) =>
  Effect.retry(request, {
    while: (error) => error._tag === "RpcError" && ServerTexts.isClosing((error as RpcError).detail),
    schedule: Schedule.spaced("20 millis"),
    times: 100
  })

/** @param again what to load the thread with if it is not loaded. Default: the options. */
export const resume = Effect.fnUntraced(function*(
  rpc: Rpc,
  opened: Untold.Opened,
  threadId: string,
  options: ResumeThreadOptions = empty,
  again?: ThreadSettings
): Effect.fn.Return<{ readonly id: string; readonly told: Held.Told }, ResumeError> {
  const given = yield* threadParams(options)
  const own: Omit<ResumeThreadOptions, keyof ThreadSettings> = options
  const { personality, ...rest } = own
  allSent(rest)
  const held = opened.get(threadId)
  const different = Untold.differing(given.untold, held)
  const isOther = different.length > 0 || Untold.differing(held, given.untold).length > 0
  const wasLoaded = (isOther || again !== undefined) &&
    (yield* isLoaded(rpc, threadId).pipe(nameRequired(rpc, given.params)))
  if (wasLoaded && different.length > 0) return yield* Untold.keptByLoaded(threadId, different)
  const { asked, params, untold } = again === undefined || wasLoaded ? given : yield* threadParams(again)
  // Check this before resuming, which would load the thread with the other options for good.
  const givesInstructions = different.includes(Untold.developer)
  if (givesInstructions && (yield* hasTurn(rpc, threadId, false))) return yield* Untold.keptByHistory(threadId)
  // The history can be large. Callers that want it read it page by page.
  const reply = yield* rpc.request("thread/resume", {
    threadId,
    excludeTurns: true,
    ...params,
    ...defined({ personality })
  }).pipe(onceClosed, nameRequired(rpc, params), using(rpc, "thread/resume", openedOf))
  if (givesInstructions && (yield* hasTurn(rpc, threadId, true))) {
    // It is loaded with everything else. Else a resume without the instructions would be refused, too.
    const { [Untold.developer]: _, ...loaded } = untold
    opened.set(threadId, loaded)
    return yield* Untold.keptByHistory(threadId)
  }
  const told = yield* Held.ensure(rpc, threadId, asked, reply.told, "loaded")
  if ((isOther || again !== undefined) && !wasLoaded) {
    const instructions = held[Untold.developer]
    opened.set(threadId, { ...untold, ...instructions !== undefined && { [Untold.developer]: instructions } })
  }
  return { id: reply.id, told }
})

export const fork = Effect.fnUntraced(function*(
  rpc: Rpc,
  opened: Untold.Opened,
  threadId: string,
  options: ForkThreadOptions = empty
) {
  const { asked, params, untold } = yield* threadParams(options)
  const own: Omit<ForkThreadOptions, keyof ThreadSettings> = options
  const {
    attachToSource,
    beforeTurnId,
    deferGoalContinuation,
    ephemeral,
    lastTurnId,
    threadSource,
    ...rest
  } = own
  allSent(rest)
  const all = {
    threadId,
    // The server refuses an ephemeral fork without this.
    excludeTurns: true,
    ...params,
    ...defined({ attachToSource, beforeTurnId, deferGoalContinuation, ephemeral, lastTurnId, threadSource })
  }
  const request = (requestOptions: RequestOptions) =>
    rpc.request("thread/fork", all, requestOptions).pipe(
      nameRequired(rpc, params),
      // An abandoned fork is deleted. A reply with the source's own id must not delete the source.
      using(rpc, "thread/fork", (reply) => {
        const made = openedOf(reply)
        return made?.id === threadId ? undefined : made
      })
    )
  return yield* making(
    rpc,
    request,
    Effect.fnUntraced(function*(reply) {
      const { id } = reply
      internalsOf(rpc).onForked(id, threadId)
      const source = opened.get(threadId)
      const { baseInstructions, [Untold.developer]: instructions } = source
      if (Untold.differing(untold, source).includes(Untold.developer) && (yield* hasTurn(rpc, id, true))) {
        return yield* Untold.keptByHistory(id)
      }
      const told = yield* ofNew(Held.ensure(rpc, id, asked, reply.told, "fresh"))
      opened.set(id, defined({ baseInstructions, [Untold.developer]: instructions, ...untold }))
      return { id, told }
    })
  )
})
