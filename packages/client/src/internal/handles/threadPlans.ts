/** Implements a plan, in its thread or in a fresh one. */
import * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as ApprovalMode from "../../ApprovalMode.ts"
import type { StartThreadOptions } from "../../Codex.ts"
import { type CallError, InvalidArgument, type SettingsNotApplied, type TurnStartError } from "../../CodexError.ts"
import type { Implementation, ImplementPlanOptions, Plans } from "../../Plan.ts"
import * as Sandbox from "../../Sandbox.ts"
import type { StructuredOutput, Thread } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import { guardOf } from "../protocol/guard.ts"
import { using } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Output from "../schemas/output.ts"
import { heldSandbox, isBuiltIn, type Told } from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined } from "../settings/settings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"
import type { Opened } from "../settings/untoldSettings.ts"
import * as OpenThread from "../turns/openThread.ts"
import * as RunTurn from "./runTurn.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = Effect.fn("Thread.implementPlan")

interface Options {
  readonly rpc: Rpc
  readonly opened: Opened
  readonly threadId: string
  readonly settings: ThreadSettings
  /** What the handle gives a fresh thread beside its settings. */
  readonly own: Pick<StartThreadOptions, "budget" | "config" | "handlers" | "stallTimeout" | "tools">
  readonly startThread: (options: StartThreadOptions) => Effect.Effect<Thread, CallError | SettingsNotApplied>
}

const messageOf = (plan: string): string => `Implement this plan:\n\n${plan}`

const sandboxOf = (told: Told): Sandbox.Sandbox | undefined => {
  switch (told.sandbox?.type) {
    case "readOnly":
      return told.sandbox.networkAccess !== true
        ? Sandbox.readOnly
        : { ...Sandbox.readOnly, policy: { type: "readOnly", networkAccess: true }, isCustom: true }
    case "workspaceWrite":
      return { ...heldSandbox(Sandbox.workspaceWrite, told), isCustom: true }
    case "dangerFullAccess":
      return Sandbox.fullAccess
    default:
      return undefined
  }
}

const approvalModeOf = ({ approvalPolicy, approvalsReviewer }: Told): ApprovalMode.ApprovalMode | undefined =>
  guardOf(Sent.AskForApproval)(approvalPolicy)
    ? {
      ...ApprovalMode.ask,
      name: "that of the planning thread",
      policy: approvalPolicy,
      reviewer: guardOf(Sent.ApprovalsReviewer)(approvalsReviewer) ? approvalsReviewer : undefined
    }
    : undefined

/** What a thread may do: as its handle asked for, else as the server reports. */
const keptOf = (kept: Kept.Kept, told: Told): Kept.Kept => {
  const { activePermissionProfile: profile, cwd, runtimeWorkspaceRoots: roots } = told
  const isUnsaid = kept.sandbox === undefined && kept.permissions === undefined &&
    kept.approvalMode?.bypassesSandbox !== true
  return {
    ...defined({ cwd, runtimeWorkspaceRoots: roots?.every((root) => root === cwd) === true ? undefined : roots }),
    ...kept,
    // The default of a new thread is its default too.
    approvalMode: kept.isDefaultMode === true ? undefined : kept.approvalMode ?? approvalModeOf(told),
    ...isUnsaid && (isBuiltIn(profile) ? { sandbox: sandboxOf(told) } : { permissions: profile?.id })
  }
}

const freshOptions = (
  { opened, own, rpc, settings, threadId }: Options,
  given: StartThreadOptions
): StartThreadOptions => {
  const told = internalsOf(rpc).settingsOf(threadId) ?? {}
  const { model, reasoningEffort } = internalsOf(rpc).nextSettingsOf(threadId)
  const { environments, ...kept } = Kept.keep(keptOf(settings.current, told), given)
  const config = {
    ...opened.configOf(threadId),
    ...own.config,
    ...Predicate.isString(reasoningEffort) && { model_reasoning_effort: reasoningEffort },
    ...given.config
  }
  return defined({
    ...own,
    ...opened.instructionsOf(threadId),
    model,
    modelProvider: told.modelProvider,
    serviceTier: told.serviceTier ?? undefined,
    ...defined(given),
    ...Kept.settings(kept),
    environments,
    config: Object.keys(config).length === 0 ? undefined : config
  })
}

const startFresh = (options: Options, plan: string, given: StartThreadOptions, turnOptions: ImplementPlanOptions) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { rpc, startThread } = options
      const thread = yield* restore(Effect.suspend(() => startThread(freshOptions(options, given))))
      const prepared = rpc.request("thread/prepareApprovedPlan", { threadId: thread.id, markdown: plan }).pipe(
        using(rpc, "thread/prepareApprovedPlan", ({ prompt }) => Predicate.isString(prompt) ? prompt : undefined),
        // Codex has it since 0.169, and only where the experimental protocol is switched on.
        Effect.catchTags({
          ExperimentalRequired: () => Effect.succeed(messageOf(plan)),
          RpcError: (error) => error.reason === "methodNotFound" ? Effect.succeed(messageOf(plan)) : Effect.fail(error)
        })
      )
      const turn = yield* restore(Effect.flatMap(prepared, (prompt) => thread.turn(prompt, turnOptions))).pipe(
        Effect.onError(() => OpenThread.leave(rpc, thread.id))
      )
      return { thread, turn }
    })
  )

/** @param self the handle that this becomes a part of. */
export const make = (options: Options, self: () => Thread): Plans => {
  const start = traced(function*(plan: string, given: ImplementPlanOptions | undefined) {
    yield* OptionKinds.checkArgument("plan", plan, OptionKinds.text)
    yield* OptionKinds.check(given, OptionKinds.ofImplementation)
    if (plan.trim() === "") {
      yield* new InvalidArgument({
        argument: "plan",
        detail: "it has no text: give the plan of the result of a turn with the mode \"plan\"."
      })
    }
    const { fresh, ...turnOptions } = given ?? {}
    // Its configuration is taken apart before `startThread` can check it.
    if (typeof fresh === "object") yield* OptionKinds.check(fresh, OptionKinds.ofThread)
    const { thread, turn } = fresh === undefined || fresh === false
      // A turn that plans must not be steered with it.
      ? { thread: self(), turn: yield* self().turn(messageOf(plan), { ...turnOptions, mode: "default" }) }
      : yield* startFresh(options, plan, fresh === true ? {} : fresh, turnOptions)
    return { thread, turn, result: Effect.flatMap(turn.result, RunTurn.completed) }
  })

  const startWithOutput = Effect.fnUntraced(function*<A>(
    plan: string,
    { output, ...given }: ImplementPlanOptions & Pick<StructuredOutput<A>, "output">
  ) {
    const { decode, jsonSchema } = yield* Output.prepare(output)
    const started = yield* start(plan, { ...given, outputSchema: jsonSchema })
    return { ...started, result: Effect.flatMap(started.result, (result) => RunTurn.decoded(result, decode)) }
  })

  function implementPlan<A>(
    plan: string,
    options: ImplementPlanOptions & Pick<StructuredOutput<A>, "output">
  ): Effect.Effect<Implementation<A>, TurnStartError, Scope.Scope>
  function implementPlan(
    plan: string,
    options?: ImplementPlanOptions
  ): Effect.Effect<Implementation, TurnStartError, Scope.Scope>
  function implementPlan(plan: string, options?: ImplementPlanOptions & Partial<StructuredOutput<unknown>>) {
    const output = options?.output
    return output === undefined ? start(plan, options) : startWithOutput(plan, { ...options, output })
  }
  return { implementPlan }
}
