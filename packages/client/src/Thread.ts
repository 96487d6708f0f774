/**
 * A thread: a conversation with the agent, of which the server keeps the history.
 *
 * @since 0.1.0
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ApprovalMode } from "./ApprovalMode.ts"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { RequestError, ThreadBusy, TurnFailed } from "./CodexError.ts"
import { TurnInterrupted } from "./CodexError.ts"
import type { Input } from "./Input.ts"
import { toWire } from "./Input.ts"
import { turnSettings } from "./internal/settings.ts"
import type { Turns } from "./internal/threadRoute.ts"
import type { TurnState } from "./internal/turnState.ts"
import type { Sandbox } from "./Sandbox.ts"
import type { Turn } from "./Turn.ts"
import * as TurnModule from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * How a turn is run. Except for `outputSchema` and `maxUnreadBytes` the server keeps what is given here for the later
 * turns of the thread (measured); what is left out stays as it is.
 *
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions {
  readonly model?: string | undefined
  readonly effort?: Sent.ReasoningEffort | undefined
  readonly summary?: Sent.ReasoningSummary | undefined
  readonly cwd?: string | undefined
  readonly sandbox?: Sandbox | undefined
  readonly approvalMode?: ApprovalMode | undefined
  readonly serviceTier?: string | undefined
  /** A JSON Schema that the final answer has to fit, for this turn alone. */
  readonly outputSchema?: Schema.Json | undefined
  /**
   * Ends a reader of the turn's events with `EventsOverflow` when it leaves more than this unread. Default: no limit;
   * the deltas of an item are merged, so that an unread turn costs little more than its text.
   */
  readonly maxUnreadBytes?: number | undefined
}

/**
 * A handle on a thread. It holds nothing open: there is nothing to close.
 *
 * **Example** (Two turns of one conversation, the second read-only)
 *
 * ```ts
 * import { Codex, Sandbox } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const review = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ cwd: "/repositories/one", sandbox: Sandbox.workspaceWrite })
 *   yield* thread.run("Fix the failing test.")
 *   return yield* thread.run("Review your change.", { sandbox: Sandbox.readOnly, effort: "high" })
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Thread {
  readonly id: string
  /**
   * Runs a turn to its end and succeeds only if it was completed. Interrupting it interrupts the turn on the server and
   * waits a bounded time for its end, so `Effect.timeout(thread.run(...), "1 minute")` stops the agent.
   */
  readonly run: (
    input: Input,
    options?: TurnOptions
  ) => Effect.Effect<TurnResult, RequestError | ThreadBusy | TurnFailed | TurnInterrupted>
  /** Starts a turn and returns its handle as soon as the server has accepted it. */
  readonly turn: (
    input: Input,
    options?: TurnOptions
  ) => Effect.Effect<Turn, RequestError | ThreadBusy, Scope.Scope>
}

/** @internal */
export const make = (
  rpc: AppServerRpc["Service"],
  turns: Turns,
  id: string,
  sandbox: Sandbox | undefined
): Thread => {
  // A thread is started with a mode alone; what its sandbox says beyond that has to come with each turn.
  const defaults = sandbox?.isCustom === true ? { sandbox } : {}
  const start = Effect.fnUntraced(function*(
    input: Input,
    options: TurnOptions | undefined,
    events: boolean
  ): Effect.fn.Return<TurnState, RequestError | ThreadBusy, Scope.Scope> {
    const settings = yield* turnSettings({ ...defaults, ...options })
    const items = yield* toWire(input)
    return yield* turns.start(
      { threadId: id, input: items, ...settings },
      { events, maxUnreadBytes: options?.maxUnreadBytes }
    )
  })
  return {
    id,
    turn: Effect.fn("Thread.turn")(function*(input, options) {
      return TurnModule.make(rpc, turns, yield* start(input, options, true))
    }),
    run: Effect.fn("Thread.run")(function*(input, options) {
      const state = yield* start(input, options, false)
      yield* Effect.annotateCurrentSpan({ "codex.thread.id": id, "codex.turn.id": state.id })
      const result = yield* state.result
      if (result.status === "interrupted") {
        return yield* new TurnInterrupted({ threadId: id, turnId: state.id, result })
      }
      return result
    }, Effect.scoped)
  }
}
