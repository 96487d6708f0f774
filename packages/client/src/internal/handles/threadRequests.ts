/** The requests about a thread that start no turn. Options that were not set are not sent. */
import * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../CodexError.ts"
import type { MetadataOptions, Thread } from "../../Thread.ts"
import { observedEvents } from "../events/observedEvents.ts"
import * as OptionKinds from "../options.ts"
import { guardOf } from "../protocol/guard.ts"
import { injectedProblem } from "../protocol/media.ts"
import { membersOf } from "../protocol/peek.ts"
import { call, using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import { updateParams } from "../settings/threadParams.ts"
import { page, pages } from "./pages.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = {
  read: Effect.fn("Thread.read"),
  setName: Effect.fn("Thread.setName"),
  updateMetadata: Effect.fn("Thread.updateMetadata"),
  moveToSection: Effect.fn("Thread.moveToSection"),
  revert: Effect.fn("Thread.revert"),
  inject: Effect.fn("Thread.inject"),
  updateSettings: Effect.fn("Thread.updateSettings")
}

export const read = (rpc: Rpc, threadId: string, options?: { readonly includeTurns?: boolean | undefined }) =>
  Effect.map(
    OptionKinds.check(options, OptionKinds.none).pipe(Effect.andThen(
      Effect.suspend(() =>
        rpc.request("thread/read", { threadId, ...defined({ includeTurns: options?.includeTurns }) })
      )
    )),
    ({ thread }) => thread
  )

/** The stored items of a thread, which need not be loaded. */
export const itemsOf = (rpc: Rpc, threadId: string): Thread["items"] => (options) =>
  pages("thread/items/list", options, options?.pageSize, (at) =>
    rpc.request("thread/items/list", {
      threadId,
      ...at,
      ...defined({ sortDirection: options?.sortDirection, turnId: options?.turnId })
    }).pipe(page(rpc, "thread/items/list", Received.ThreadItemsListResponse)))

const updateMetadata = Effect.fnUntraced(function*(rpc: Rpc, threadId: string, options: MetadataOptions) {
  yield* OptionKinds.checkArgument("options", options, OptionKinds.record)
  const { gitInfo, projectId } = options
  yield* OptionKinds.check({ gitInfo }, { gitInfo: OptionKinds.record })
  const git = defined({ ...gitInfo })
  if (projectId === undefined && Object.keys(git).length === 0) {
    return yield* new InvalidArgument({ argument: "options", detail: "expected `gitInfo` or `projectId`." })
  }
  const { thread } = yield* rpc.request("thread/metadata/update", {
    threadId,
    ...Object.keys(git).length === 0 ? {} : { gitInfo: git },
    // The server takes null as nothing, and the empty text as no project.
    ...projectId === undefined ? {} : { projectId: projectId ?? "" }
  })
  return thread
})

interface EventsOptions {
  /** Called when the connection is restored while a stream of events is being read. */
  readonly onRestored: () => void
  /** Runs before a stream of events begins. */
  readonly onObserved: Effect.Effect<void>
}

export const make = (rpc: Rpc, threadId: string, events: EventsOptions): Pick<
  Thread,
  | "read"
  | "status"
  | "turns"
  | "items"
  | "search"
  | "setName"
  | "updateMetadata"
  | "moveToSection"
  | "archive"
  | "revert"
  | "inject"
  | "updateSettings"
  | "events"
> => ({
  read: traced.read((options) => read(rpc, threadId, options)),
  status: rpc.request("thread/read", { threadId }).pipe(
    using(rpc, "thread/read", ({ thread }) => {
      const { status } = membersOf(thread)
      return guardOf(Received.ThreadStatus)(status) ? status : undefined
    })
  ),
  turns: (options) =>
    // A turn with all of its items can be large.
    pages("thread/turns/list", options, options?.pageSize ?? (options?.itemsView === "full" ? 25 : undefined), (at) =>
      rpc.request("thread/turns/list", {
        threadId,
        ...at,
        ...defined({ sortDirection: options?.sortDirection, itemsView: options?.itemsView })
      }).pipe(page(rpc, "thread/turns/list", Received.ThreadTurnsListResponse))),
  items: itemsOf(rpc, threadId),
  setName: traced.setName((name) => call(rpc, "thread/name/set", { threadId, name })),
  updateMetadata: traced.updateMetadata((options) => updateMetadata(rpc, threadId, options)),
  moveToSection: traced.moveToSection((sectionId) => call(rpc, "thread/section/move", { threadId, sectionId })),
  search: (query) =>
    pages(
      "thread/searchOccurrences",
      undefined,
      undefined,
      (at) =>
        rpc.request("thread/searchOccurrences", { threadId, searchTerm: query, ...at }).pipe(
          page(rpc, "thread/searchOccurrences", Received.ThreadSearchOccurrencesResponse)
        )
    ),
  archive: call(rpc, "thread/archive", { threadId }),
  revert: traced.revert((beforeTurnId) => call(rpc, "thread/revert", { threadId, beforeTurnId })),
  inject: traced.inject(function*(items) {
    yield* OptionKinds.checkArgument("items", items, OptionKinds.list)
    for (const [index, item] of items.entries()) {
      const detail = injectedProblem(item)
      if (detail !== undefined) yield* new InvalidArgument({ argument: `items[${index}]`, detail })
    }
    yield* call(rpc, "thread/inject_items", { threadId, items })
  }),
  updateSettings: traced.updateSettings(function*(options) {
    yield* call(rpc, "thread/settings/update", { threadId, ...yield* updateParams(options) })
  }),
  // The notifications that name this thread are exactly the methods of `ThreadEvent`.
  events: observedEvents(rpc, {
    threadId,
    name: `events of thread ${threadId}`,
    ...events
  }) as Thread["events"]
})
