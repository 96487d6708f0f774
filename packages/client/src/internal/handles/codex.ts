/** The client behind `Codex`. */
import * as Received from "@effect-codex/protocol/Received"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ApprovalMode from "../../ApprovalMode.ts"
import { AppServerRpc } from "../../AppServerRpc.ts"
import type { Options, StartThreadOptions, ThreadSettings } from "../../Codex.ts"
import { Codex } from "../../Codex.ts"
import { Pricing } from "../../Pricing.ts"
import { ServerFiles } from "../../ServerFiles.ts"
import * as ServerRequests from "../../ServerRequests.ts"
import * as OptionKinds from "../options.ts"
import { call, using } from "../protocol/uses.ts"
import { internalsOf } from "../rpcInternals.ts"
import * as Folders from "../settings/folders.ts"
import * as McpServers from "../settings/mcpServers.ts"
import { defined } from "../settings/settings.ts"
import { Opened } from "../settings/untoldSettings.ts"
import { visible } from "../text/visibleText.ts"
import * as DescriptorWatch from "../turns/descriptorWatch.ts"
import * as InputItems from "../turns/inputItems.ts"
import * as LoadedThreads from "../turns/loadedThreads.ts"
import * as OpenThread from "../turns/openThread.ts"
import { StartedTurns } from "../turns/startedTurns.ts"
import * as Turns from "../turns/turns.ts"
import * as LoginNotice from "./loginNotice.ts"
import { page, pages } from "./pages.ts"
import * as Thread from "./thread.ts"
import * as ThreadRequests from "./threadRequests.ts"
import * as ThreadSearch from "./threadSearch.ts"

export const make = Effect.fnUntraced(function*(
  options?: Options
): Effect.fn.Return<Codex["Service"], never, AppServerRpc | Scope.Scope> {
  const rpc = yield* AppServerRpc
  // Creating the client cannot fail, so each thread reports what is wrong with the client's options.
  const problem = OptionKinds.problemOf(options, OptionKinds.ofClient)
  const stopGrace = Duration.fromInputUnsafe(problem === undefined && options?.stopGrace || Duration.seconds(10))
  const turns = yield* Turns.make(rpc, stopGrace)

  const { "item/tool/call": toolCall } = yield* ServerRequests.current
  const files = yield* ServerFiles
  const checkFolders = Folders.make(files)
  const loadedThreads = LoadedThreads.of(rpc)
  const maxLoaded = problem === undefined ? options?.maxLoadedThreads : undefined
  if (maxLoaded !== undefined) loadedThreads.limitTo(maxLoaded)
  const watch = yield* DescriptorWatch.make(rpc, maxLoaded)
  const client = {
    rpc,
    turns,
    stallTimeout: options?.stallTimeout,
    budget: options?.budget,
    price: yield* Pricing,
    toolCall,
    unheard: new Set<string>(),
    loadedThreads,
    onLoaded: () => {
      if (watch !== undefined) client.inBackground(watch)
    },
    checkFolders,
    toWire: InputItems.make(files),
    opened: new Opened(rpc),
    started: new StartedTurns(),
    inBackground: yield* FiberSet.makeRuntime<never, void>(),
    startThread: (options: StartThreadOptions) => service.startThread(options)
  }

  const check = (given: ThreadSettings | undefined) =>
    problem === undefined ? OptionKinds.check(given, OptionKinds.ofThread) : Effect.fail(problem)
  const checkLogin = options?.checkLogin === true ? LoginNotice.make(rpc, client.inBackground) : () => {}
  // The server's answer about logins applies only to its own provider.
  const opened = (settings: ThreadSettings | undefined) =>
    Effect.sync(() => {
      if (settings?.modelProvider === undefined && settings?.config?.["model_provider"] === undefined) checkLogin()
    })

  const list = (
    options: Parameters<Codex["Service"]["listThreadsPage"]>[0],
    at: { readonly cursor?: string | undefined; readonly limit?: number | undefined }
  ) => {
    const { cursor: _, pageSize: __, ...filters } = options ?? {}
    const { includedThreadIds } = filters
    const listed = rpc.request("thread/list", defined({ ...filters, ...at })).pipe(
      page(rpc, "thread/list", Received.ThreadListResponse)
    )
    // docs/codex-behaviour.md, "A list can name its threads since 0.171". An older server ignores the filter,
    // so filter here as well.
    return includedThreadIds === undefined
      ? listed
      : Effect.map(listed, (all) => ({ ...all, data: all.data.filter(({ id }) => includedThreadIds.includes(id)) }))
  }

  const service: Codex["Service"] = Codex.of({
    get serverInfo() {
      return rpc.serverInfo
    },
    startThread: Effect.fn("Codex.startThread")(function*(options) {
      yield* check(options)
      const given = { approvalMode: ApprovalMode.autoReview, ...defined(yield* McpServers.inConfig(options ?? {})) }
      yield* checkFolders(options)
      const { id, told } = yield* loadedThreads.open(undefined, OpenThread.start(rpc, client.opened, given))
      client.onLoaded()
      yield* opened(options)
      // A model other than the requested one is an error unless `allowProviderModelFallback` allows it.
      const asked = options?.model
      if (asked !== undefined && told.model !== undefined && asked !== told.model) {
        internalsOf(rpc).tell({
          _tag: "ModelRerouted",
          message: `thread ${visible(id, 100)} was started with the model ${visible(told.model, 100)} instead of ` +
            `${visible(asked, 100)}, which the server does not offer. \`codex.models()\` lists what it does.`,
          threadId: id,
          turnId: undefined,
          from: asked,
          to: told.model,
          reason: "fallback"
        })
      }
      const isDefaultMode = options?.approvalMode === undefined ? true : undefined
      return Thread.make(client, id, Thread.defaultsOf({ ...given, isDefaultMode }, told))
    }),
    resumeThread: Effect.fn("Codex.resumeThread")(function*(threadId, given) {
      yield* check(given)
      const options = yield* McpServers.inConfig(given ?? {})
      yield* checkFolders(options)
      const { id, told } = yield* loadedThreads.open(
        threadId,
        Effect.andThen(loadedThreads.left(threadId), OpenThread.resume(rpc, client.opened, threadId, options))
      )
      client.onLoaded()
      client.unheard.delete(id)
      yield* opened(options)
      return Thread.make(client, id, Thread.defaultsOf(options, told))
    }),
    forkThread: Effect.fn("Codex.forkThread")(function*(threadId, given) {
      yield* check(given)
      const options = yield* McpServers.inConfig(given ?? {})
      yield* checkFolders(options)
      const thread = yield* Thread.fork(client, threadId, options)
      yield* opened(options)
      return thread
    }),
    listThreads: (options) => pages("thread/list", options, options?.pageSize, (at) => list(options, at)),
    listThreadsPage: Effect.fn("Codex.listThreadsPage")(function*(options) {
      yield* OptionKinds.check(options, OptionKinds.none)
      const { backwardsCursor, data, nextCursor } = yield* list(options, {
        cursor: options?.cursor,
        limit: options?.pageSize
      })
      return {
        data,
        nextCursor: Option.fromNullishOr(nextCursor),
        backwardsCursor: Option.fromNullishOr(backwardsCursor)
      }
    }),
    searchThreads: (query, options) => ThreadSearch.search(rpc, query, options),
    readThread: Effect.fn("Codex.readThread")((threadId, options) => ThreadRequests.read(rpc, threadId, options)),
    archiveThread: Effect.fn("Codex.archiveThread")((threadId) => call(rpc, "thread/archive", { threadId })),
    unarchiveThread: Effect.fn("Codex.unarchiveThread")((threadId) =>
      Effect.map(
        rpc.request("thread/unarchive", { threadId }).pipe(
          using(rpc, "thread/unarchive", OpenThread.openedOf)
        ),
        // docs/codex-behaviour.md, "Unarchiving does not load the thread". The handle resumes it before its
        // first turn.
        ({ id }) => Thread.make(client, id, Thread.defaultsOf(undefined, {}), { isLoaded: false })
      )
    ),
    deleteThread: Effect.fn("Codex.deleteThread")((threadId) => call(rpc, "thread/delete", { threadId })),
    threadSections: Stream.runCollect(
      pages("threadSection/list", undefined, undefined, (at) =>
        rpc.request("threadSection/list", at).pipe(
          page(rpc, "threadSection/list", Received.ThreadSectionListResponse)
        ))
    ).pipe(Effect.withSpan("Codex.threadSections")),
    loadedThreads: Stream.runCollect(
      pages("thread/loaded/list", undefined, undefined, (at) => rpc.request("thread/loaded/list", at))
    ).pipe(Effect.withSpan("Codex.loadedThreads")),
    models: Effect.fn("Codex.models")((options) =>
      Stream.runCollect(
        pages("model/list", options, undefined, (at) =>
          rpc.request("model/list", defined({ includeHidden: false, ...options, ...at })).pipe(
            page(rpc, "model/list", Received.ModelListResponse)
          ))
      )
    )
  })
  return service
})
