import type { Input } from "@effect-codex/client/Input"
import * as OptionKinds from "@effect-codex/client/internal/options"
import type { StructuredOutput, Thread as ClientThread } from "@effect-codex/client/Thread"
import type { TurnResult as ClientTurnResult } from "@effect-codex/client/TurnResult"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Budget } from "../Budget.ts"
import type { Implementation, ImplementPlanOptions } from "../Plan.ts"
import type { TurnResult } from "../Results.ts"
import type { Thread, ThreadExtras, TurnOptions } from "../Thread.ts"
import { withBudget } from "./budget.ts"
import { CallerContext, output as outputWithin } from "./callerContext.ts"
import { overrides } from "./handlers.ts"
import type { Host } from "./host.ts"
import * as McpServers from "./mcpServers.ts"
import { startImplementation } from "./plan.ts"
import * as Queue from "./queue.ts"
import { readable } from "./readable.ts"
import * as results from "./results.ts"
import { tools } from "./tools.ts"
import { startTurn } from "./turn.ts"
import { withoutSignal } from "./withoutSignal.ts"

/** Converts the options to those of the client. */
export const settings = <O extends ThreadExtras>(options: O | undefined) => {
  const { handlers, mcpServers, signal: _, tools: given, ...rest } = withBudget(options)
  return Effect.gen(function*() {
    yield* OptionKinds.check(options, OptionKinds.none)
    return {
      ...rest,
      handlers: handlers === undefined ? undefined : yield* overrides(handlers),
      ...mcpServers !== undefined && { mcpServers: McpServers.mcpServers(mcpServers) },
      tools: given === undefined ? undefined : yield* tools(given)
    }
  })
}

/** Left as it is if it is no object, for the client to refuse. */
const goalOptions = <O extends { readonly budget?: Budget | undefined }>(options: O | undefined) =>
  typeof options === "object" ? withBudget(options) : options

const clientThreads = new WeakMap<Thread, ClientThread>()

/** The thread that a handle stands for, or undefined if it is no handle of this package. */
export const clientThread = (handle: Thread): ClientThread | undefined => clientThreads.get(handle)

export const make = (host: Host, thread: ClientThread): Thread => {
  function run<A>(input: Input, options: TurnOptions & StructuredOutput<A>): Promise<TurnResult<A>>
  function run(input: Input, options?: TurnOptions): Promise<TurnResult>
  function run(input: Input, options?: TurnOptions & Partial<StructuredOutput<unknown>>): Promise<TurnResult<unknown>> {
    const { output, repair, ...turnOptions } = { ...options }
    return host.run(
      OptionKinds.check(options, OptionKinds.none).pipe(
        Effect.andThen(Effect.all([settings(turnOptions), CallerContext])),
        Effect.flatMap(
          ([given, within]): Effect.Effect<ClientTurnResult<unknown>, unknown> =>
            output === undefined
              ? thread.run(input, given)
              : thread.run(input, { ...given, output: outputWithin(within, output), repair })
        ),
        Effect.map(results.turnResult)
      ),
      options?.signal
    )
  }

  function implementPlan<A>(
    plan: string,
    options: ImplementPlanOptions & Pick<StructuredOutput<A>, "output">
  ): Promise<Implementation<A>>
  function implementPlan(plan: string, options?: ImplementPlanOptions): Promise<Implementation>
  function implementPlan(
    plan: string,
    options?: ImplementPlanOptions & Partial<StructuredOutput<unknown>>
  ): Promise<Implementation<unknown>> {
    const { fresh, output, ...turnOptions } = { ...options }
    return startImplementation(
      host,
      Effect.gen(function*() {
        yield* OptionKinds.check(options, OptionKinds.none)
        const given = {
          ...yield* settings(turnOptions),
          fresh: typeof fresh === "object" ? yield* settings(fresh) : fresh
        }
        return output === undefined
          ? yield* thread.implementPlan(plan, given)
          : yield* thread.implementPlan(plan, { ...given, output: outputWithin(yield* CallerContext, output) })
      }),
      (implementation): Thread => implementation.thread === thread ? handle : make(host, implementation.thread),
      options?.signal
    )
  }

  const handle: Thread = {
    id: thread.id,
    run,
    implementPlan,
    turn: (input, options) =>
      startTurn(
        host,
        Effect.flatMap(settings(options), (given) => thread.turn(input, given)),
        options?.signal
      ),
    review: (target, options) => startTurn(host, thread.review(target, options), options?.signal),
    compact: (options) => startTurn(host, thread.compact(options), options?.signal),
    ask: (prompt, options) =>
      host.run(
        Effect.flatMap(withoutSignal(options), (given) => Effect.map(thread.ask(prompt, given), results.answer)),
        options?.signal
      ),
    queue: Queue.make(host, thread.queue),
    read: (options) => host.run(thread.read(options), options?.signal),
    status: (options) => host.run(thread.status, options?.signal),
    turns: (options) => readable(host, thread.turns(options), { isList: true }),
    findTurn: (messageId, options) =>
      host.run(
        Effect.map(thread.findTurn(messageId), (found) => Option.getOrUndefined(Option.map(found, results.turnResult))),
        options?.signal
      ),
    items: (options) => readable(host, thread.items(options), { isList: true }),
    events: readable(host, thread.events),
    updateMetadata: (options) => host.run(thread.updateMetadata(options), options?.signal),
    moveToSection: (sectionId, options) => host.run(thread.moveToSection(sectionId), options?.signal),
    search: (query) => readable(host, thread.search(query), { isList: true }),
    setName: (name, options) => host.run(thread.setName(name), options?.signal),
    fork: (options) =>
      host.run(
        Effect.flatMap(settings(options), (given) => Effect.map(thread.fork(given), (fork) => make(host, fork))),
        options?.signal
      ),
    archive: (options) => host.run(thread.archive, options?.signal),
    revert: (beforeTurnId, options) => host.run(thread.revert(beforeTurnId), options?.signal),
    inject: (items, options) => host.run(thread.inject(items), options?.signal),
    updateSettings: (options) => {
      const { signal, ...given } = { ...options }
      return host.run(
        Effect.andThen(
          OptionKinds.checkArgument("options", options, OptionKinds.record),
          thread.updateSettings(given)
        ),
        signal
      )
    },
    unsubscribe: (options) => host.run(thread.unsubscribe, options?.signal),
    startGoal: (objective, options) =>
      startTurn(host, thread.startGoal(objective, goalOptions(options)), options?.signal),
    runGoal: (objective, options) =>
      host.run(Effect.map(thread.runGoal(objective, goalOptions(options)), results.turnResult), options?.signal),
    resumeGoal: (options) => startTurn(host, thread.resumeGoal(goalOptions(options)), options?.signal),
    goal: (options) =>
      host.run(
        Effect.map(thread.goal, (goal) => Option.getOrUndefined(Option.map(goal, results.goal))),
        options?.signal
      ),
    pauseGoal: (options) => host.run(Effect.map(thread.pauseGoal, results.goal), options?.signal),
    clearGoal: (options) => host.run(thread.clearGoal, options?.signal)
  }
  clientThreads.set(handle, thread)
  return handle
}
