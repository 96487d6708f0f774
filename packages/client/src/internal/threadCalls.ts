/** What is asked of a thread beside its turns. What was not given is not sent. */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AppServerRpc } from "../AppServerRpc.ts"
import type { ForkThreadOptions, ThreadSettings } from "../Codex.ts"
import { DecodeError, InvalidArgument } from "../CodexError.ts"
import type { Sandbox } from "../Sandbox.ts"
import type { Thread } from "../Thread.ts"
import { nameRequired } from "./mcpStartup.ts"
import { injectedProblem } from "./media.ts"
import { observedEvents } from "./observedEvents.ts"
import { defined, permissions } from "./settings.ts"

type Rpc = AppServerRpc["Service"]

// The most that codex gives at a time, whatever it is asked for (measured on 0.169).
const largestPage = 100

/**
 * The entries of all pages. The first page has the size that the server chooses, 25, for those who want no more than a few;
 * whoever reads on reads most of it, so the next pages are as large as the server makes them, unless `pageSize` says
 * otherwise. A cursor that comes again ends the stream with an error, because what follows it was read
 * already: a server that repeats itself is neither read for ever nor taken for one that is done.
 */
export const pages = <A, E>(
  method: string,
  pageSize: number | undefined,
  page: (at: { readonly cursor?: string; readonly limit?: number }) => Effect.Effect<
    { readonly data: ReadonlyArray<A>; readonly nextCursor: string | null | undefined },
    E
  >
): Stream.Stream<A, E | DecodeError> =>
  Stream.suspend(() => {
    const seen = new Set<string>()
    return Stream.paginate<string | undefined, A, E | DecodeError>(undefined, (cursor) => {
      if (cursor !== undefined) {
        if (seen.has(cursor)) {
          return new DecodeError({ method, issue: "the cursor of the next page was given before.", raw: cursor })
        }
        seen.add(cursor)
      }
      const limit = pageSize ?? (cursor === undefined ? undefined : largestPage)
      return Effect.map(page(defined({ cursor, limit })), ({ data, nextCursor }) =>
        [data, Option.fromNullishOr(nextCursor)] as const)
    })
  })

/** The server refuses both too; a program learns it here before anything is sent. */
const oneOf = (profile: string | undefined, sandbox: Sandbox | undefined): Effect.Effect<void, InvalidArgument> =>
  profile === undefined || sandbox === undefined
    ? Effect.void
    : new InvalidArgument({
      argument: "permissions",
      detail: "a permissions profile says what the sandbox is: leave `sandbox` and ApprovalMode.dangerouslyBypass out."
    })

export const threadSettings = Effect.fnUntraced(function*(options: ThreadSettings) {
  const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
  yield* oneOf(options.permissions, sandbox)
  return defined({
    approvalPolicy,
    approvalsReviewer,
    sandbox: sandbox?.mode,
    permissions: options.permissions,
    baseInstructions: options.baseInstructions,
    config: options.config,
    cwd: options.cwd,
    runtimeWorkspaceRoots: options.runtimeWorkspaceRoots,
    developerInstructions: options.developerInstructions,
    model: options.model,
    modelProvider: options.modelProvider,
    serviceTier: options.serviceTier
  })
})

export const resume = Effect.fnUntraced(function*(
  rpc: Rpc,
  threadId: string,
  options?: ThreadSettings & { readonly personality?: Sent.Personality | undefined }
) {
  const given = yield* threadSettings(options ?? {})
  const personality = defined({ personality: options?.personality })
  // The history can be large and is read page by page by those who want it.
  const { thread } = yield* rpc.request("thread/resume", {
    threadId,
    excludeTurns: true,
    ...given,
    ...personality
  }).pipe(nameRequired(rpc, given))
  return thread
})

/**
 * What a cold resume has to be given again, because the server stores neither overrides of the configuration nor a
 * `Sandbox.workspaceWrite` (measured on 0.169). It does store the model and the effort of the last turn.
 */
export const unstored = (options: ThreadSettings | undefined): ThreadSettings => {
  const { model: _, model_reasoning_effort: __, ...config } = options?.config ?? {}
  return defined({
    config: Object.keys(config).length === 0 ? undefined : config,
    permissions: options?.permissions,
    runtimeWorkspaceRoots: options?.runtimeWorkspaceRoots,
    sandbox: options?.sandbox
  })
}

/** The last settings count: a sandbox and a profile of permissions exclude each other, and a bypass is neither. */
export const withPermissions = (
  unstored: ThreadSettings,
  { approvalMode, permissions, sandbox }: Pick<ThreadSettings, "approvalMode" | "permissions" | "sandbox">
): ThreadSettings =>
  approvalMode?.bypassesSandbox !== true && permissions === undefined && sandbox === undefined
    ? unstored
    : { ...unstored, permissions, sandbox }

export const fork = Effect.fnUntraced(function*(rpc: Rpc, threadId: string, options?: ForkThreadOptions) {
  const given = yield* threadSettings(options ?? {})
  const { attachToSource, beforeTurnId, deferGoalContinuation, ephemeral, lastTurnId, threadSource } = options ?? {}
  const { thread } = yield* rpc.request("thread/fork", {
    threadId,
    // An ephemeral fork is refused without it.
    excludeTurns: true,
    ...given,
    ...defined({ attachToSource, beforeTurnId, deferGoalContinuation, ephemeral, lastTurnId, threadSource })
  }).pipe(nameRequired(rpc, given))
  return thread
})

export const read = (rpc: Rpc, threadId: string, options?: { readonly includeTurns?: boolean | undefined }) =>
  Effect.map(
    rpc.request("thread/read", { threadId, ...defined({ includeTurns: options?.includeTurns }) }),
    ({ thread }) => thread
  )

/** @param onRestored called for a stream of events that is being read when the connection was made again. */
export const make = (rpc: Rpc, threadId: string, onRestored: () => void): Pick<
  Thread,
  "read" | "status" | "turns" | "items" | "setName" | "archive" | "revert" | "inject" | "updateSettings" | "events"
> => ({
  read: Effect.fn("Thread.read")((options) => read(rpc, threadId, options)),
  status: Effect.map(read(rpc, threadId), ({ status }) => status),
  turns: (options) =>
    // A turn with all of its items can be large.
    pages("thread/turns/list", options?.pageSize ?? (options?.itemsView === "full" ? 25 : undefined), (at) =>
      rpc.request("thread/turns/list", {
        threadId,
        ...at,
        ...defined({ sortDirection: options?.sortDirection, itemsView: options?.itemsView })
      })),
  items: (options) =>
    pages("thread/items/list", options?.pageSize, (at) =>
      rpc.request("thread/items/list", {
        threadId,
        ...at,
        ...defined({ sortDirection: options?.sortDirection, turnId: options?.turnId })
      })),
  setName: Effect.fn("Thread.setName")((name) => Effect.asVoid(rpc.request("thread/name/set", { threadId, name }))),
  archive: Effect.asVoid(rpc.request("thread/archive", { threadId })),
  revert: Effect.fn("Thread.revert")((beforeTurnId) =>
    Effect.asVoid(rpc.request("thread/revert", { threadId, beforeTurnId }))
  ),
  inject: Effect.fn("Thread.inject")(function*(items) {
    for (const [index, item] of items.entries()) {
      const detail = injectedProblem(item)
      if (detail !== undefined) yield* new InvalidArgument({ argument: `items[${index}]`, detail })
    }
    yield* rpc.request("thread/inject_items", { threadId, items })
  }),
  updateSettings: Effect.fn("Thread.updateSettings")(function*(options) {
    const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
    yield* oneOf(options.permissions, sandbox)
    yield* rpc.request("thread/settings/update", {
      threadId,
      ...defined({
        approvalPolicy,
        approvalsReviewer,
        sandboxPolicy: sandbox?.policy,
        permissions: options.permissions,
        cwd: options.cwd,
        effort: options.effort,
        environments: options.environments,
        model: options.model,
        serviceTier: options.serviceTier,
        summary: options.summary
      })
    })
  }),
  // What names this thread, and that are the methods of `ThreadEvent`.
  events: observedEvents(rpc, {
    threadId,
    name: `events of thread ${threadId}`,
    onRestored
  }) as Thread["events"]
})
