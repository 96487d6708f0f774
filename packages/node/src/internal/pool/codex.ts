/** The `Codex` of a pool: each call goes to the process that it concerns. Handles belong to their process's client. */
import { Codex, type StartThreadOptions } from "@effect-codex/client/Codex"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Slot } from "./slot.ts"
import type { Slots } from "./slots.ts"

type Service = Codex["Service"]
type Page = Effect.Success<ReturnType<Service["listThreadsPage"]>>
type Entry = Page["data"][number]

/** How many processes are asked for the status of a thread at once. */
const concurrency = 8

export type Amend = (options: StartThreadOptions | undefined) => Effect.Effect<StartThreadOptions | undefined>

/** @param amend changes the options of each thread that is started. */
export const make = (slots: Slots, amend: Amend = Effect.succeed): Service => {
  /** A process does not know the status of a thread that another one has loaded. */
  const withStatus = (asked: Slot) => (entry: Entry): Effect.Effect<Entry> => {
    const owner = slots.loadedIn(entry.id)
    if (owner === undefined || owner === asked || entry.status === undefined) return Effect.succeed(entry)
    return owner.codex.readThread(entry.id).pipe(
      Effect.map(({ status }) => ({ ...entry, status })),
      Effect.orElseSucceed(() => entry)
    )
  }

  return Codex.of({
    get serverInfo() {
      return slots.first.codex.serverInfo
    },
    startThread: (options) =>
      Effect.flatMap(amend(options), (amended) => slots.place(({ codex }) => codex.startThread(amended))),
    resumeThread: (threadId, options) =>
      slots.placeKnown(threadId, ({ codex }) => codex.resumeThread(threadId, options)),
    forkThread: (threadId, options) => slots.placeKnown(threadId, ({ codex }) => codex.forkThread(threadId, options)),
    unarchiveThread: (threadId) => slots.placeKnown(threadId, ({ codex }) => codex.unarchiveThread(threadId)),
    readThread: (threadId, options) => slots.ask(threadId, ({ codex }) => codex.readThread(threadId, options)),
    archiveThread: (threadId) => slots.ask(threadId, ({ codex }) => codex.archiveThread(threadId)),
    deleteThread: (threadId) => slots.ask(threadId, ({ codex }) => codex.deleteThread(threadId)),
    listThreads: (options) =>
      Stream.suspend(() => {
        const asked = slots.leastBusy
        return Stream.mapEffect(asked.codex.listThreads(options), withStatus(asked), { concurrency })
      }),
    listThreadsPage: (options) =>
      Effect.suspend(() => {
        const asked = slots.leastBusy
        return Effect.flatMap(
          asked.codex.listThreadsPage(options),
          (page) =>
            Effect.map(
              Effect.forEach(page.data, withStatus(asked), { concurrency }),
              (data): Page => ({ ...page, data })
            )
        )
      }),
    searchThreads: (query, options) => Stream.suspend(() => slots.leastBusy.codex.searchThreads(query, options)),
    threadSections: Effect.suspend(() => slots.leastBusy.codex.threadSections),
    loadedThreads: Effect.suspend(() =>
      Effect.map(
        Effect.forEach(slots.working, ({ codex }) => codex.loadedThreads, { concurrency: "unbounded" }),
        (all) => [...new Set(all.flat())]
      )
    ),
    models: (options) => Effect.suspend(() => slots.leastBusy.codex.models(options))
  })
}
