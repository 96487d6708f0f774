/** Answers the messages to an entity. */
import * as ApprovalMode from "@effect-codex/client/ApprovalMode"
import * as Codex from "@effect-codex/client/Codex"
import type { Input } from "@effect-codex/client/Input"
import * as Cause from "effect/Cause"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Decision, Info, LayerOptions } from "../../CodexThread.ts"
import * as SessionStore from "../../SessionStore.ts"
import * as Failure from "./failure.ts"
import * as Home from "./home.ts"
import * as Hub from "./hub.ts"
import * as Keys from "./keys.ts"
import type { Naming } from "./naming.ts"
import * as Turns from "./turns.ts"
import * as Waiting from "./waiting.ts"

/** Ends a message without an answer: whoever has the thread now answers it. */
const abandon = Effect.failCause(Cause.annotate(Cause.interrupt(), ClusterSchema.Abandon.annotation))

const noTurn = Failure.failed("NoActiveTurn", "no turn of the thread is running. Run a turn, and steer it then.")

const connected = <A, E extends Failure.Failure>(effect: Effect.Effect<A, E | Failure.Disconnected>) =>
  Effect.catchTag(
    effect,
    "Disconnected",
    ({ message }) => Effect.fail(Failure.failed("AppServerExited", message, true))
  )

export const make = Effect.fnUntraced(function*(options: LayerOptions, naming: Naming) {
  const address = yield* Entity.CurrentAddress
  const key: string = address.entityId
  const { host, port } = yield* Entity.CurrentRunnerAddress
  const runner = `${host}:${port}`
  const epoch = String(yield* (yield* Sharding.Sharding).getSnowflake)
  const store = yield* SessionStore.SessionStore
  const messages = yield* MessageStorage.MessageStorage
  const codex = yield* Codex.Codex

  const hub = yield* Hub.make(epoch, runner)
  const waiting = yield* Waiting.make(epoch, hub)
  const given = (typeof options.settings === "function" ? options.settings(key) : options.settings) ?? {}
  const byClient = options.approvals === "client"
  const home = yield* Home.make({
    key,
    hub,
    naming,
    settings: byClient ? { approvalMode: ApprovalMode.ask, ...given } : given,
    handlers: byClient ? { ...given.handlers, ...waiting.handlers } : given.handlers
  })
  const turns = Turns.make({
    key,
    runner,
    home,
    store,
    onInterrupted: options.onInterrupted ?? "continue",
    maxAttempts: options.maxAttempts ?? 10
  })

  return {
    run: (asked: Turns.Asked) => {
      // Of messages that no client of this library has sent. The store could not keep it, and the thread would wait.
      const wrong = Keys.wrongKey(key) ?? Keys.wrongTurnKey(asked.turnKey)
      return wrong === undefined
        ? Effect.catchTag(connected(turns.run(asked)), "Fenced", () => abandon)
        : Effect.fail(Failure.failed("InvalidArgument", wrong))
    },
    steer: (input: Input) =>
      Effect.flatMap(turns.running, (running) =>
        Option.isNone(running)
          ? Effect.fail(noTurn)
          : Effect.mapError(running.value.turn.steer(input), Failure.ofCodex)).pipe(connected),
    interrupt: Effect.flatMap(turns.running, (running) =>
      Option.isNone(running)
        ? Effect.succeed(false)
        : Effect.mapError(Effect.as(running.value.turn.interrupt, true), Failure.ofCodex)).pipe(connected),
    approve: (approvalId: string, decision: Decision) => waiting.decide(approvalId, decision),
    events: (after: Hub.Position | undefined) => hub.after(after),
    info: Effect.gen(function*() {
      const opened = yield* home.opened
      const info: Info = {
        runner,
        threadId: Option.map(opened, ({ thread }) => thread.id),
        turnKey: yield* turns.turnKey,
        approvals: yield* waiting.list
      }
      return info
    }),
    forget: Effect.gen(function*() {
      yield* home.close
      const bound = yield* store.lookup(key)
      if (Option.isSome(bound)) {
        const { threadId } = bound.value
        yield* store.forget(threadId)
        // Another machine may still have its copy: docs/cluster.md says so.
        yield* Effect.ignore(codex.deleteThread(threadId))
      }
      yield* messages.clearAddress(address)
      return Option.isSome(bound)
    }).pipe(
      Effect.mapError((error) =>
        Failure.failed(error._tag, `not everything was removed: ${error.message} Try again.`, true)
      )
    )
  }
})
