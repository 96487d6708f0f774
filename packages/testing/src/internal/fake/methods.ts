/** The handlers of the requests that the fake supports. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Json from "../json.ts"
import * as Agents from "./agents.ts"
import * as Carried from "./carried.ts"
import * as Configuration from "./configuration.ts"
import type { LoadedThread } from "./connection.ts"
import * as Extensions from "./extensions.ts"
import * as Files from "./files.ts"
import type { Settings, StoredThread, StoredTurn } from "./home.ts"
import {
  defaultUnloadDelaySecs,
  environments,
  type Features,
  newThread,
  readStateOf,
  threadOf,
  turnOf
} from "./home.ts"
import * as Input from "./input.ts"
import * as Login from "./login.ts"
import * as Models from "./models.ts"
import { page } from "./page.ts"
import type { Method } from "./params.ts"
import * as PlanMode from "./planMode.ts"
import * as QueueMethods from "./queueMethods.ts"
import * as Refused from "./refused.ts"
import { messageOf, steer } from "./running.ts"
import * as SampleMethods from "./sampleMethods.ts"
import * as Search from "./search.ts"
import * as Turn from "./turn.ts"
import * as TurnSettings from "./turnSettings.ts"
import { begin, type Beginning, warnOfModel } from "./turnStart.ts"
import { tellUsage } from "./usage.ts"

export interface Server extends Beginning {
  /** MCP servers that fail to start for each new thread, with the reason. */
  readonly brokenMcpServers: { readonly [name: string]: string }
}

type Handler<M extends Method> = (
  server: Server,
  params: ClientRequests[M]["params"],
  reply: (result: ClientRequests[M]["result"]) => void,
  /** Of the request. */
  id: string | number
) => Effect.Effect<void, Refused.Refused>

export type Handlers = { readonly [M in Method]?: Handler<M> }

const readOnly: Received.SandboxPolicy = { type: "readOnly", networkAccess: false }

const policies: { readonly [mode: string]: Received.SandboxPolicy } = {
  "read-only": readOnly,
  "workspace-write": {
    type: "workspaceWrite",
    writableRoots: [],
    networkAccess: false,
    excludeTmpdirEnvVar: false,
    excludeSlashTmp: false
  },
  "danger-full-access": { type: "dangerFullAccess" }
}

const profiles: { readonly [type: string]: string } = {
  readOnly: ":read-only",
  workspaceWrite: ":workspace",
  dangerFullAccess: ":danger-full-access"
}

const profileOf = (sandbox: Received.SandboxPolicy): Received.ActivePermissionProfile | null => ({
  id: profiles[sandbox.type] ?? sandbox.type,
  extends: null
})

const builtIn = (permissions: string | null | undefined): Received.SandboxPolicy | undefined => {
  const mode = Object.entries(profiles).find(([, id]) => id === permissions)?.[0]
  return Object.values(policies).find(({ type }) => type === mode)
}

/** Refuses a profile that is not built in: the fake has no configuration that could define others. */
const checkProfile = (permissions: string | null | undefined): Refused.Refused | undefined => {
  if (permissions === undefined || permissions === null || builtIn(permissions) !== undefined) return undefined
  return permissions.startsWith(":")
    ? Refused.invalidRequest(
      `failed to load configuration: default_permissions refers to unknown built-in profile \`${permissions}\``
    )
    : Refused.notFaked(`the permissions profile ${permissions}`)
}

const effortOf = (config: unknown): string | undefined => {
  const effort = Predicate.hasProperty(config, "model_reasoning_effort") ? config.model_reasoning_effort : undefined
  return Predicate.isString(effort) ? effort : undefined
}

/** The workspace roots. A new working directory replaces the old one among them. */
const rootsOf = (settings: Settings, cwd: string, given: ReadonlyArray<string> | null | undefined) =>
  given ?? settings.roots.map((root) => root === settings.cwd ? cwd : root)

/** Merges the settings of a request over the current ones. */
const changed = (
  settings: Settings,
  params: {
    readonly model?: string | null
    readonly modelProvider?: string | null
    readonly serviceTier?: string | null
    readonly approvalPolicy?: Sent.AskForApproval | null
    readonly approvalsReviewer?: Sent.ApprovalsReviewer | null
    readonly sandbox?: Sent.SandboxMode | null
    readonly sandboxPolicy?: Sent.SandboxPolicy | null
    readonly cwd?: string | null
    readonly effort?: Sent.ReasoningEffort | null
    readonly summary?: Sent.ReasoningSummary | null
    readonly personality?: Sent.Personality | null
    readonly baseInstructions?: string | null
    readonly permissions?: string | null
    readonly runtimeWorkspaceRoots?: ReadonlyArray<string> | null
    readonly config?: unknown
    readonly collaborationMode?: Sent.CollaborationMode | null
  }
): Settings => {
  const mode = params.sandbox === undefined || params.sandbox === null ? undefined : policies[params.sandbox]
  const profile = builtIn(params.permissions)
  const sandbox = mode ?? profile
  const cwd = params.cwd ?? settings.cwd
  return {
    model: params.model ?? settings.model,
    modelProvider: params.modelProvider ?? settings.modelProvider,
    serviceTier: params.serviceTier === undefined ? settings.serviceTier : params.serviceTier,
    approvalPolicy: params.approvalPolicy ?? settings.approvalPolicy,
    approvalsReviewer: params.approvalsReviewer ?? settings.approvalsReviewer,
    sandbox: sandbox ?? params.sandboxPolicy as Received.SandboxPolicy | null | undefined ?? settings.sandbox,
    // A sandbox policy does not correspond to a profile.
    profile: profile !== undefined
      ? profileOf(profile)
      : sandbox === undefined && (params.sandboxPolicy ?? null) === null
      ? settings.profile
      : null,
    cwd,
    roots: rootsOf(settings, cwd, params.runtimeWorkspaceRoots),
    effort: params.effort ?? effortOf(params.config) ?? settings.effort,
    summary: params.summary ?? settings.summary,
    personality: params.personality ?? settings.personality,
    baseInstructions: params.baseInstructions ?? settings.baseInstructions,
    mode: settings.mode,
    ...PlanMode.settingsOf(params.collaborationMode)
  }
}

const defaults = ({ connection: { home } }: Server): Settings => ({
  model: home.model,
  modelProvider: "scripted",
  serviceTier: null,
  approvalPolicy: "on-request",
  approvalsReviewer: "user",
  sandbox: readOnly,
  profile: profileOf(readOnly),
  cwd: home.cwd,
  roots: [home.cwd],
  effort: null,
  mode: undefined,
  summary: null,
  personality: null,
  baseInstructions: ""
})

const isSame = (a: Settings, b: Settings): boolean =>
  a.model === b.model && a.modelProvider === b.modelProvider && a.serviceTier === b.serviceTier && a.cwd === b.cwd &&
  JSON.stringify(a.approvalPolicy) === JSON.stringify(b.approvalPolicy) &&
  a.approvalsReviewer === b.approvalsReviewer && a.effort === b.effort &&
  a.summary === b.summary && a.personality === b.personality && a.profile?.id === b.profile?.id &&
  JSON.stringify([a.roots, a.mode]) === JSON.stringify([b.roots, b.mode]) &&
  (a.sandbox === b.sandbox || JSON.stringify(a.sandbox) === JSON.stringify(b.sandbox))

const tellSettings = ({ connection }: Server, thread: LoadedThread): void => {
  const { settings } = thread.stored
  connection.tell(thread, "thread/settings/updated", {
    threadSettings: {
      disabledPluginIds: [],
      cwd: settings.cwd,
      environments: environments(settings),
      approvalPolicy: settings.approvalPolicy,
      approvalsReviewer: settings.approvalsReviewer,
      sandboxPolicy: settings.sandbox,
      activePermissionProfile: settings.profile,
      model: settings.model,
      modelProvider: settings.modelProvider,
      serviceTier: settings.serviceTier,
      effort: settings.effort,
      summary: settings.summary,
      collaborationMode: PlanMode.modeOf(settings),
      multiAgentMode: "explicitRequestOnly",
      personality: settings.personality
    }
  })
}

// =============================================================================
// Finding threads
// =============================================================================

const loaded = (
  { connection }: Server,
  threadId: string,
  refused: (id: string) => Refused.Refused = Refused.threadNotFound
): Effect.Effect<LoadedThread, Refused.Refused> => {
  const thread = connection.loaded.get(threadId)
  return thread === undefined ? Effect.fail(refused(threadId)) : Effect.succeed(thread)
}

/** A thread that has a file. */
const stored = (
  { connection }: Server,
  threadId: string
): Effect.Effect<StoredThread, Refused.Refused> => {
  const thread = connection.home.threads.get(threadId)
  return thread === undefined || !thread.isStored || thread.ephemeral
    ? Effect.fail(Refused.noRollout(threadId))
    : Effect.succeed(thread)
}

/** Refuses a thread that another process has loaded: only one process at a time can write it. */
const unlessWritten = ({ connection }: Server, threadId: string): Effect.Effect<void, Refused.Refused> => {
  const writer = connection.home.writers.get(threadId)
  return writer === undefined || writer === connection ? Effect.void : Effect.fail(Refused.hasWriter(threadId))
}

/** A thread that is loaded or has a file. */
const known = (
  server: Server,
  threadId: string
): Effect.Effect<StoredThread, Refused.Refused> => {
  const thread = server.connection.home.threads.get(threadId)
  return thread !== undefined && (thread.isStored || server.connection.loaded.has(threadId))
    ? Effect.succeed(thread)
    : Effect.fail(Refused.threadNotLoaded(threadId))
}

const view = ({ connection }: Server, thread: StoredThread, turns?: ReadonlyArray<Received.Turn>): Received.Thread =>
  threadOf(
    connection.home,
    thread,
    connection.loaded.get(thread.id)?.status ?? { type: "notLoaded" },
    connection.originator,
    turns
  )

const opened = (server: Server, thread: StoredThread, turns?: ReadonlyArray<Received.Turn>) => {
  const { settings } = thread
  return {
    thread: view(server, thread, turns),
    model: settings.model,
    modelProvider: settings.modelProvider,
    serviceTier: settings.serviceTier,
    disabledPluginIds: [],
    cwd: settings.cwd,
    runtimeWorkspaceRoots: settings.roots,
    instructionSources: [],
    approvalPolicy: settings.approvalPolicy,
    approvalsReviewer: settings.approvalsReviewer,
    sandbox: settings.sandbox,
    activePermissionProfile: settings.profile,
    reasoningEffort: settings.effort,
    multiAgentMode: "explicitRequestOnly" as const
  }
}

const load = ({ connection }: Server, thread: StoredThread): LoadedThread => {
  const loaded: LoadedThread = { stored: thread, status: { type: "idle" }, running: undefined, isSubscribed: true }
  connection.loaded.set(thread.id, loaded)
  connection.home.writers.set(thread.id, connection)
  return loaded
}

const allTurns = (thread: StoredThread): ReadonlyArray<Received.Turn> =>
  thread.turns.map((turn) => turnOf(turn, "full"))

const deprecated = ({ connection }: Server, advice: string): void =>
  connection.notify("deprecationNotice", {
    summary: `Full-history hydration is deprecated for paginated threads; ${advice}`,
    details: null
  })

const useExcludeTurns = "use `excludeTurns: true`, then page with `thread/turns/list` and `thread/items/list`."

// =============================================================================
// Stopping
// =============================================================================

const interruptTurn = Effect.fnUntraced(function*(server: Server, thread: LoadedThread, reply: () => void) {
  const { running } = thread
  if (running?.fiber === undefined) return reply()
  yield* Fiber.interrupt(running.fiber)
  // The turn may have ended by itself in the meantime.
  if (thread.running === running) return Turn.interrupted(server, thread, running, reply)
  reply()
})

const unload = Effect.fnUntraced(function*(server: Server, threadId: string) {
  const { connection } = server
  const thread = connection.loaded.get(threadId)
  if (thread === undefined) return
  yield* interruptTurn(server, thread, () => {})
  connection.setStatus(thread, { type: "notLoaded" })
  connection.loaded.delete(threadId)
  connection.home.writers.delete(threadId)
})

/** Unloads a thread if it has no subscriber after its unload delay. */
const unloadLater = (server: Server, thread: LoadedThread) =>
  Effect.gen(function*() {
    yield* Effect.sleep(`${thread.stored.unloadDelaySecs} seconds`)
    const { connection } = server
    if (thread.isSubscribed || thread.running !== undefined || connection.loaded.get(thread.stored.id) !== thread) {
      return
    }
    connection.loaded.delete(thread.stored.id)
    connection.home.writers.delete(thread.stored.id)
    connection.notify("thread/status/changed", { threadId: thread.stored.id, status: { type: "notLoaded" } })
    connection.notify("thread/closed", { threadId: thread.stored.id })
  }).pipe(Effect.forkIn(server.scope), Effect.asVoid)

const startedAtMsOf = (item: Received.ThreadItem): number | null =>
  typeof item.startedAtMs === "number" ? item.startedAtMs : null

const completedAtMsOf = (item: Received.ThreadItem): number | null =>
  typeof item.completedAtMs === "number" ? item.completedAtMs : null

// =============================================================================
// Dynamic tools
// =============================================================================

const checkTools = (specs: ReadonlyArray<Sent.DynamicToolSpec>): Refused.Refused | undefined => {
  const seen = new Set<string>()
  for (const { name } of specs) {
    if (name === "") return Refused.invalidRequest("dynamic tool name must not be empty")
    if (!/^[\w-]+$/.test(name)) {
      return Refused.invalidRequest(
        `dynamic tool name must match ^[a-zA-Z0-9_-]+$ to match Responses API: ${name}`
      )
    }
    if (seen.has(name)) return Refused.invalidRequest(`duplicate dynamic tool name: ${name}`)
    seen.add(name)
  }
  return undefined
}

// =============================================================================
// Features
// =============================================================================

const unloadDelayOf = (config: unknown): number => {
  const given = Predicate.isObject(config) ? Reflect.get(config, "thread_unload_delay_secs") : undefined
  return Predicate.isNumber(given) ? given : defaultUnloadDelaySecs
}

const featuresOf = (config: unknown): Features => {
  const isOn = (name: string): boolean => {
    if (!Predicate.isObject(config)) return false
    const dotted: unknown = Reflect.get(config, `features.${name}`)
    const features: unknown = Reflect.get(config, "features")
    return (dotted ?? (Predicate.isObject(features) ? Reflect.get(features, name) : undefined)) === true
  }
  return {
    requestUserInput: isOn("default_mode_request_user_input"),
    requestPermissions: isOn("request_permissions_tool"),
    stepModelSwitching: isOn("step_model_switching")
  }
}

// =============================================================================
// Input
// =============================================================================

// =============================================================================
// The methods
// =============================================================================

const warnOfFeatures = ({ connection }: Server, { features, id }: StoredThread): void => {
  const names = [
    ...(features.requestUserInput ? ["default_mode_request_user_input"] : []),
    ...(features.requestPermissions ? ["request_permissions_tool"] : []),
    ...(features.stepModelSwitching ? ["step_model_switching"] : [])
  ]
  if (names.length === 0) return
  connection.notify("warning", {
    threadId: id,
    message:
      `Under-development features enabled: ${
        names.join(", ")
      }. Under-development features are incomplete and may behave ` +
      "unpredictably. To suppress this warning, set `suppress_unstable_features_warning = true` in " +
      `${connection.home.path}/config.toml.`
  })
}

// =============================================================================
// Lists
// =============================================================================

/** The threads that a list may have, in its order. */
const listable = (
  { connection }: Server,
  params: Sent.ThreadListParams | Sent.ThreadSearchParams
): ReadonlyArray<StoredThread> => {
  const { archived, sortDirection, sortKey, sourceKinds } = params
  const parent = "parentThreadId" in params ? params.parentThreadId ?? undefined : undefined
  const ancestor = "ancestorThreadId" in params ? params.ancestorThreadId ?? undefined : undefined
  const kinds = sourceKinds ?? []
  const isBelow = (agent: StoredThread["agent"]): boolean =>
    agent !== undefined && (agent.parentThreadId === (parent ?? ancestor) ||
      (parent === undefined && isBelow(connection.home.threads.get(agent.parentThreadId)?.agent)))
  // Threads are kept in the order in which they were made.
  const listed = [...connection.home.threads.values()].filter((thread) =>
    thread.isStored && !thread.ephemeral && thread.preview !== "" &&
    thread.archived === (archived ?? false) &&
    // Subagents are listed below a thread alone.
    ((parent ?? ancestor) === undefined ? thread.agent === undefined : isBelow(thread.agent)) &&
    // All threads come from a client of the app-server, which codex calls so.
    (kinds.length === 0 || kinds.includes("vscode"))
  )
  if (sortKey === "updated_at" || sortKey === "recency_at") listed.sort((a, b) => a.usedAs - b.usedAs)
  return sortDirection === "asc" ? listed : listed.reverse()
}

/** A list is made of what is stored, and has less. */
const entryOf = (server: Server, thread: StoredThread): Received.Thread => ({
  ...view(server, thread),
  forkedFromId: null,
  canAcceptDirectInput: null
})

const maxSearchBytes = 65_536

const search = Effect.fnUntraced(function*(server: Server, params: Sent.ThreadSearchParams) {
  const term = params.searchTerm.trim()
  if (term === "") return yield* Refused.invalidRequest("thread/search requires a non-empty searchTerm")
  const hits = listable(server, params).flatMap((thread) => {
    const snippet = Search.snippetOf(thread, term)
    return snippet === undefined ? [] : [{ thread, snippet }]
  })
  const found = yield* page(hits, ({ thread }) => thread.id, params)
  return { ...found, data: found.data.map(({ snippet, thread }) => ({ thread: entryOf(server, thread), snippet })) }
})

export const handlers: Handlers = {
  ...PlanMode.handlers,

  "thread/start": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const tools = params.dynamicTools ?? []
    const refused = checkTools(tools) ?? checkProfile(params.permissions)
    if (refused !== undefined) return yield* refused
    const thread: StoredThread = {
      ...newThread(server.connection, changed(defaults(server), params)),
      ephemeral: params.ephemeral ?? false,
      threadSource: params.threadSource ?? null,
      dynamicTools: tools,
      developerInstructions: params.developerInstructions ?? null,
      features: featuresOf(params.config),
      unloadDelaySecs: unloadDelayOf(params.config),
      maxAgentDepth: Agents.maxDepthOf(params.config)
    }
    connection.home.threads.set(thread.id, thread)
    load(server, thread)
    reply(opened(server, thread))
    connection.notify("thread/started", { thread: view(server, thread) })
    for (const [name, reason] of Object.entries(server.brokenMcpServers)) {
      const of = { threadId: thread.id, name, environmentId: null, failureReason: null }
      connection.notify("mcpServer/startupStatus/updated", { ...of, status: "starting", error: null })
      const error = `MCP client for \`${name}\` failed to start: MCP startup failed: ${reason}`
      connection.notify("mcpServer/startupStatus/updated", { ...of, status: "failed", error })
    }
    warnOfFeatures(server, thread)
  }),

  "thread/resume": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const known = connection.home.threads.get(params.threadId)
    if (known !== undefined && !known.isStored && known.isTouched) return yield* Refused.notSupportedYet("list_turns")
    const thread = yield* stored(server, params.threadId)
    if (thread.archived) return yield* Refused.archived(thread.id)
    yield* unlessWritten(server, thread.id)
    const joined = connection.loaded.get(thread.id)
    if (params.excludeTurns !== true) deprecated(server, useExcludeTurns)
    const turns = params.excludeTurns === true ? [] : allTurns(thread)
    if (joined === undefined) {
      const refused = checkProfile(params.permissions)
      if (refused !== undefined) return yield* refused
      // Once the model has got the developer instructions, they stay.
      if (thread.turns.length === 0) {
        thread.developerInstructions = params.developerInstructions ?? thread.developerInstructions
      }
      // A workspace-write sandbox is not restored. The sandbox of the request applies.
      const { sandbox } = thread.settings
      const kept = sandbox.type === "dangerFullAccess" ? sandbox : readOnly
      thread.settings = changed({ ...thread.settings, sandbox: kept, profile: profileOf(kept) }, params)
      thread.features = featuresOf(params.config)
      thread.unloadDelaySecs = unloadDelayOf(params.config)
      thread.maxAgentDepth = Agents.maxDepthOf(params.config)
      warnOfFeatures(server, thread)
      connection.setStatus(load(server, thread), { type: "idle" })
    } else {
      joined.isSubscribed = true
    }
    const last = thread.turns.at(-1)
    reply({
      ...opened(server, thread, turns),
      collaborationMode: PlanMode.modeOf(thread.settings),
      initialTurnsPage: null,
      turnsBackwardsCursor: last === undefined ? null : last.id,
      itemsBackwardsCursor: last === undefined ? null : last.id
    })
    const now = connection.loaded.get(thread.id)
    if (now === undefined) return
    if (last !== undefined && (joined === undefined || params.excludeTurns !== true)) {
      tellUsage(connection, now, last.id)
    }
    connection.tell(now, "thread/goal/cleared", {})
    connection.askAgain(thread.id)
  }),

  "thread/fork": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    if (params.attachToSource === true) return yield* Refused.notFaked("thread/fork.attachToSource")
    const source = connection.home.threads.get(params.threadId)
    if (source === undefined || !(source.isStored || source.isTouched)) {
      return yield* Refused.noRollout(params.threadId)
    }
    if (source.archived) return yield* Refused.archived(source.id)
    if (params.ephemeral === true && params.excludeTurns !== true) {
      return yield* Refused.invalidRequest("ephemeral paginated thread/fork requires `excludeTurns: true`")
    }
    const refused = checkProfile(params.permissions)
    if (refused !== undefined) return yield* refused
    if (params.excludeTurns !== true) deprecated(server, useExcludeTurns)
    const at = params.lastTurnId ?? params.beforeTurnId ?? undefined
    const index = at === undefined ? source.turns.length : source.turns.findIndex((turn) => turn.id === at)
    if (index === -1) return yield* Refused.invalidRequest(`turn not found: ${at}`)
    const count = params.lastTurnId === undefined || params.lastTurnId === null ? index : index + 1
    const running = connection.loaded.get(source.id)?.running
    const turns = source.turns.slice(0, count).map((turn): StoredTurn =>
      turn === running?.stored
        ? { ...turn, status: "interrupted", completedAtMs: connection.now() }
        : turn
    )
    const sandbox = source.settings.sandbox.type === "dangerFullAccess" ? source.settings.sandbox : readOnly
    const base = newThread(
      server.connection,
      changed({
        ...defaults(server),
        approvalPolicy: source.settings.approvalPolicy,
        approvalsReviewer: source.settings.approvalsReviewer,
        baseInstructions: source.settings.baseInstructions,
        cwd: source.settings.cwd,
        roots: [source.settings.cwd],
        sandbox,
        profile: profileOf(sandbox)
      }, params)
    )
    const thread: StoredThread = {
      ...base,
      forkedFromId: source.id,
      inheritedTurns: turns.length,
      ephemeral: params.ephemeral ?? false,
      threadSource: params.threadSource ?? null,
      dynamicTools: source.dynamicTools,
      developerInstructions: turns.length === 0
        ? params.developerInstructions ?? source.developerInstructions
        : source.developerInstructions,
      features: featuresOf(params.config),
      unloadDelaySecs: unloadDelayOf(params.config),
      turns,
      history: source.history.slice(0, source.turns[count]?.historyStart),
      name: source.name,
      preview: turns.length === 0 ? "" : source.preview,
      isStored: true,
      usage: source.usage,
      lastUsage: source.lastUsage
    }
    connection.home.threads.set(thread.id, thread)
    load(server, thread)
    const shown = params.excludeTurns === true ? [] : allTurns(thread)
    warnOfFeatures(server, thread)
    reply(opened(server, thread, shown))
    connection.notify("thread/started", { thread: view(server, thread) })
  }),

  "thread/read": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* known(server, params.threadId)
    if (params.includeTurns !== true) {
      return reply({ thread: view(server, thread), readState: readStateOf(thread) })
    }
    if (!thread.isStored) {
      thread.isTouched = true
      return yield* Refused.notSupportedYet("list_turns")
    }
    deprecated(
      server,
      "omit `includeTurns` or set it to `false`, then page with `thread/turns/list` and `thread/items/list`."
    )
    reply({ thread: view(server, thread, allTurns(thread)), readState: readStateOf(thread) })
  }),

  "thread/list": Effect.fnUntraced(function*(server, params, reply) {
    // Threads are kept in the order in which they were made.
    const cwds = typeof params.cwd === "string" ? [params.cwd] : params.cwd ?? undefined
    const providers = params.modelProviders ?? []
    const term = params.searchTerm ?? ""
    const listed = listable(server, params).filter((thread) =>
      (cwds === undefined || cwds.includes(thread.settings.cwd)) &&
      (providers.length === 0 || providers.includes(thread.settings.modelProvider)) &&
      (thread.preview.includes(term) || thread.name?.includes(term) === true)
    )
    const { backwardsCursor, data, nextCursor } = yield* page(listed, ({ id }) => id, params)
    reply({
      data: data.map((thread) => entryOf(server, thread)),
      readStates: Object.fromEntries(data.flatMap((thread) => {
        const state = readStateOf(thread)
        return state === null ? [] : [[thread.id, state]]
      })),
      nextCursor,
      backwardsCursor
    })
  }),

  "thread/search": Effect.fnUntraced(function*(server, params, reply) {
    reply(yield* search(server, params))
  }),

  "thread/search/stream": Effect.fnUntraced(function*(server, params, reply, requestId) {
    if (new TextEncoder().encode(params.searchTerm.trim()).length > maxSearchBytes) {
      return yield* Refused.invalidParams(`thread/search/stream searchTerm exceeds ${maxSearchBytes} UTF-8 bytes`)
    }
    const found = yield* search(server, params).pipe(
      Effect.mapError((error) =>
        error.message.startsWith("invalid cursor") ? Refused.invalidParams(error.message) : error
      )
    )
    const [first] = found.data
    // Codex tells a few of its hits, with what is stored of their threads.
    if (first !== undefined) {
      const thread = { ...first.thread, environments: null }
      server.connection.notify("thread/search/partial", { requestId, data: [{ ...first, thread }] })
    }
    reply(found)
  }),

  // A search is over at once.
  "thread/search/stream/cancel": (_server, _params, reply) => Effect.sync(() => reply({})),

  "thread/loaded/list": Effect.fnUntraced(function*(server, params, reply) {
    const { data, nextCursor } = yield* page([...server.connection.loaded.keys()], (id) => id, params)
    reply({ data, nextCursor })
  }),

  "thread/searchOccurrences": Effect.fnUntraced(function*(server, params, reply) {
    if (params.searchTerm.trim() === "") {
      return yield* Refused.invalidRequest("thread/searchOccurrences requires a non-empty searchTerm")
    }
    const thread = server.connection.home.threads.get(params.threadId)
    if (thread === undefined || !thread.isStored) return yield* Refused.notSupportedYet("thread/searchOccurrences")
    const found = Search.occurrencesOf(thread, params.searchTerm).map((hit, index) => ({ hit, id: String(index) }))
    const { data, nextCursor } = yield* page(found, ({ id }) => id, params)
    reply({ data: data.map(({ hit }) => hit), nextCursor })
  }),

  "thread/metadata/update": Effect.fnUntraced(function*(server, params, reply) {
    const thread = server.connection.home.threads.get(params.threadId)
    if (thread === undefined || !(thread.isStored || server.connection.loaded.has(thread.id))) {
      return yield* Refused.noRollout(params.threadId)
    }
    if (thread.ephemeral) {
      return yield* Refused.invalidRequest(`ephemeral thread does not support metadata updates: ${thread.id}`)
    }
    const { gitInfo, projectId } = params
    if ((projectId ?? "") !== "") return yield* Refused.invalidRequest(`project not found: ${projectId}`)
    const empty = Object.entries(gitInfo ?? {}).find(([, value]) => value?.trim() === "")
    if (empty !== undefined) return yield* Refused.invalidRequest(`gitInfo.${empty[0]} must not be empty`)
    if (gitInfo !== undefined && gitInfo !== null) {
      thread.gitInfo = { ...thread.gitInfo ?? { sha: null, branch: null, originUrl: null }, ...gitInfo }
    }
    reply({ thread: view(server, thread) })
  }),

  "thread/turns/list": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* known(server, params.threadId)
    if (!thread.isStored) {
      return yield* thread.isTouched
        ? Refused.notSupportedYet("list_turns")
        : Refused.notMaterialized(thread.id)
    }
    const turns = params.sortDirection === "asc" ? thread.turns : thread.turns.toReversed()
    const listed = yield* page(turns, ({ id }) => id, params)
    reply({ ...listed, data: listed.data.map((turn) => turnOf(turn, params.itemsView ?? "summary")) })
  }),

  "thread/items/list": Effect.fnUntraced(function*(server, params, reply) {
    const thread = server.connection.home.threads.get(params.threadId)
    if (thread === undefined || !thread.isStored) return yield* Refused.notSupportedYet("thread/items/list")
    const items = thread.turns
      .filter((turn) => params.turnId === undefined || params.turnId === null || turn.id === params.turnId)
      .flatMap((turn) =>
        turn.items.map((item): Received.ThreadItemEntry => ({
          turnId: turn.id,
          item,
          startedAtMs: startedAtMsOf(item),
          completedAtMs: completedAtMsOf(item)
        }))
      )
    if (params.sortDirection === "desc") items.reverse()
    const { cursor, limit } = params
    if (Predicate.isObject(cursor)) return yield* Refused.notFaked("an anchor as cursor of thread/items/list")
    reply(yield* page(items, ({ item }) => String(item["id"]), { cursor: cursor ?? null, limit: limit ?? null }))
  }),

  "thread/inject_items": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* loaded(server, params.threadId)
    if (params.items.length === 0) return yield* Refused.invalidRequest("items must not be empty")
    const items = params.items.filter((item): item is Schema.JsonObject => Predicate.isObject(item))
    if (items.length < params.items.length) return yield* Refused.notFaked("what is no item of the Responses API")
    PlanMode.beginHistory(thread.stored)
    thread.stored.history.push(...items)
    thread.stored.isStored = true
    reply({})
  }),

  "thread/name/set": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const thread = connection.home.threads.get(params.threadId)
    const isLoaded = connection.loaded.has(params.threadId)
    if (thread === undefined || !(isLoaded || thread.isStored) || thread.archived) {
      return yield* Refused.noRollout(params.threadId)
    }
    const name = params.name.trim()
    if (name === "") return yield* Refused.invalidRequest("thread name must not be empty")
    thread.name = name
    thread.isStored = true
    reply({})
    connection.notify("thread/name/updated", { threadId: thread.id, threadName: name })
  }),

  "thread/settings/update": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* loaded(server, params.threadId)
    const refused = checkProfile(params.permissions)
    if (refused !== undefined) return yield* refused
    // The server ignores the workspace roots in this request.
    const settings = changed(thread.stored.settings, { ...params, runtimeWorkspaceRoots: null })
    const isChanged = !isSame(settings, thread.stored.settings)
    thread.stored.settings = settings
    reply({})
    if (isChanged) tellSettings(server, thread)
  }),

  "thread/archive": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const thread = connection.home.threads.get(params.threadId)
    const isThere = thread !== undefined && !thread.ephemeral && !thread.archived &&
      (thread.isStored || connection.loaded.has(thread.id))
    if (!isThere) return yield* Refused.noRollout(params.threadId)
    yield* unlessWritten(server, thread.id)
    yield* unload(server, thread.id)
    thread.archived = true
    thread.isStored = true
    reply({})
    connection.notify("thread/archived", { threadId: thread.id })
  }),

  "thread/unarchive": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const thread = connection.home.threads.get(params.threadId)
    if (thread === undefined || !thread.archived) {
      return yield* Refused.invalidRequest(`no archived rollout found for thread id ${params.threadId}`)
    }
    thread.archived = false
    reply({ thread: view(server, thread) })
    connection.notify("thread/unarchived", { threadId: thread.id })
  }),

  "thread/delete": Effect.fnUntraced(function*(server, params, reply) {
    const { connection } = server
    const { threads } = connection.home
    const thread = threads.get(params.threadId)
    if (thread === undefined || !(thread.isStored || connection.loaded.has(thread.id))) {
      return yield* Refused.noRollout(params.threadId)
    }
    if (thread.ephemeral) {
      return yield* Refused.invalidRequest(`thread is not persisted and cannot be deleted: ${thread.id}`)
    }
    yield* unlessWritten(server, thread.id)
    yield* unload(server, thread.id)
    if ([...threads.values()].some((other) => other.forkedFromId === thread.id && other.inheritedTurns > 0)) {
      return yield* Refused.invalidRequest(
        `cannot delete thread ${thread.id}: forked history still references it`
      )
    }
    threads.delete(thread.id)
    reply({})
    connection.notify("thread/deleted", { threadId: thread.id })
  }),

  "thread/unsubscribe": Effect.fnUntraced(function*(server, params, reply) {
    const thread = server.connection.loaded.get(params.threadId)
    if (thread === undefined) return reply({ status: "notLoaded" })
    reply({ status: thread.isSubscribed ? "unsubscribed" : "notSubscribed" })
    thread.isSubscribed = false
    yield* unloadLater(server, thread)
  }),

  "turn/start": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* loaded(server, params.threadId)
    const refused = Input.check(params.input) ?? checkProfile(params.permissions)
    if (refused !== undefined) return yield* refused
    const settings = changed(thread.stored.settings, params)
    const isChanged = !isSame(settings, thread.stored.settings)
    thread.stored.settings = settings
    const context = Carried.contextItems(thread.stored, params.additionalContext ?? {})
    const message = messageOf(params.input, params.clientUserMessageId, context)
    const { running } = thread
    if (running !== undefined) {
      reply({ turn: { ...turnOf(running.stored, "notLoaded"), startedAt: null } })
      if (isChanged) tellSettings(server, thread)
      return steer(running, message)
    }
    if (isChanged) tellSettings(server, thread)
    warnOfModel(server, thread)
    yield* begin(server, thread, message, {
      metadata: params.responsesapiClientMetadata ?? {},
      outputSchema: Json.orUndefined(params.outputSchema),
      onMade: (stored) => reply({ turn: { ...turnOf(stored, "notLoaded"), startedAt: null } })
    })
  }),

  "turn/steer": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* loaded(server, params.threadId)
    if (params.expectedTurnId === "") return yield* Refused.invalidRequest("expectedTurnId must not be empty")
    const { running } = thread
    if (running === undefined) return yield* Refused.invalidRequest("no active turn to steer")
    if (running.stored.id !== params.expectedTurnId) {
      return yield* Refused.invalidRequest(
        `expected active turn id \`${params.expectedTurnId}\` but found \`${running.stored.id}\``
      )
    }
    const refused = Input.check(params.input)
    if (refused !== undefined) return yield* refused
    reply({ turnId: running.stored.id })
    const { additionalContext, responsesapiClientMetadata, responsesapiClientMetadataPatch } = params
    const context = additionalContext ? Carried.contextItems(thread.stored, additionalContext) : []
    running.metadata = { ...responsesapiClientMetadata ?? running.metadata, ...responsesapiClientMetadataPatch }
    steer(running, messageOf(params.input, params.clientUserMessageId, context))
  }),

  "turn/settings/update": (server, params, reply) =>
    Effect.map(TurnSettings.update(server.connection, params), (status) => reply({ status })),

  "turn/interrupt": Effect.fnUntraced(function*(server, params, reply) {
    const thread = yield* loaded(server, params.threadId)
    const { running } = thread
    if (running === undefined) {
      if (params.turnId === "") return reply({})
      return yield* Refused.invalidRequest("no active turn to interrupt")
    }
    if (params.turnId !== "" && running.stored.id !== params.turnId) {
      return yield* Refused.invalidRequest(
        `expected active turn id ${params.turnId} but found ${running.stored.id}`
      )
    }
    yield* interruptTurn(server, thread, () => reply({}))
  }),

  "model/list": Effect.fnUntraced(function*(_server, params, reply) {
    const { data, nextCursor } = yield* page(Models.list(params.includeHidden ?? false), ({ id }) => id, params)
    reply({ data, nextCursor })
  }),

  ...Configuration.handlers,
  ...Extensions.handlers,
  ...Files.handlers,
  ...Login.handlers,
  ...QueueMethods.handlers,
  ...SampleMethods.handlers
}
