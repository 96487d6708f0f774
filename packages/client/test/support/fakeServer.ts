/** The server's end of an in-memory connection, driven by a test step by step. */
import { AppServerRpc, Codex, Sandbox, ServerRequests, Transport } from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { Effect, Fiber, Layer, Logger, Predicate, Queue, References, type Scope } from "effect"

export interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string }
  readonly trace?: { readonly traceparent: string }
}

export const frame = (message: unknown): string => JSON.stringify(message)

export const notification = (method: string, params: unknown): string => frame({ method, params })

export interface FakeServer {
  /** The client's next message. */
  readonly next: Effect.Effect<Message>
  /** The client's next message, which must have this method. */
  readonly expect: (method: string) => Effect.Effect<Message & { readonly id: number }>
  readonly send: (...frames: ReadonlyArray<string>) => Effect.Effect<void>
  readonly reply: (to: Message, result: unknown) => Effect.Effect<void>
  readonly refuse: (to: Message, code: number, message: string, data?: unknown) => Effect.Effect<void>
  readonly close: Transport.MemoryEnd["close"]
  readonly client: Transport.MemoryEnd
}

export const make: Effect.Effect<FakeServer, never, Scope.Scope> = Effect.gen(function*() {
  const [client, server] = yield* Transport.makeMemory
  const inbox = yield* Queue.unbounded<Message>()
  yield* server.receive((frames) => {
    for (const text of frames) Queue.offerUnsafe(inbox, JSON.parse(text) as Message)
  }).pipe(Effect.ignore, Effect.forkScoped)
  const next = Queue.take(inbox)
  const reply = (to: Message, result: unknown) => server.send(frame({ id: to.id, result }))
  const expect = (method: string): Effect.Effect<Message & { readonly id: number }> =>
    Effect.flatMap(next, (message) => {
      if (message.method === method && typeof message.id === "number") {
        return Effect.succeed({ ...message, id: message.id })
      }
      // The client sends a handle's kept settings before a review and a goal. A test that checks them expects
      // this method.
      if (message.method === "thread/settings/update") return Effect.andThen(reply(message, {}), expect(method))
      return Effect.die(new Error(`expected ${method}, the client sent ${JSON.stringify(message)}`))
    })
  return {
    next,
    client,
    close: server.close,
    send: (...frames) => server.sendAll(frames),
    reply,
    refuse: (to, code, message, data) => server.send(frame({ id: to.id, error: { code, message, data } })),
    expect
  }
})

export const initialized = {
  userAgent: `effect_codex/${Methods.codexVersion} (Debian 12.0.0; x86_64) xterm (effect_codex; 0.0.0)`,
  codexHome: "/home/someone/.codex",
  platformFamily: "unix",
  platformOs: "linux"
}

/** A client after its handshake. */
export const connect = Effect.fnUntraced(function*(options?: {
  readonly rpc?: AppServerRpc.Options
  readonly handlers?: ServerRequests.Overrides
  /** The reply to the handshake. Default: {@link initialized}. */
  readonly initialized?: unknown
}) {
  const server = yield* make
  const layer = Codex.layer().pipe(
    Layer.provideMerge(AppServerRpc.layer(options?.rpc)),
    Layer.provide(Layer.succeed(Transport.Transport, server.client)),
    Layer.provide(ServerRequests.layer(options?.handlers ?? {}))
  )
  const starting = yield* Effect.forkScoped(Layer.build(layer))
  yield* Effect.flatMap(
    server.expect("initialize"),
    (request) => server.reply(request, options?.initialized ?? initialized)
  )
  const context = yield* Fiber.join(starting)
  const greeting = yield* server.next
  if (greeting.method !== "initialized") return yield* Effect.die(new Error(`no initialized: ${frame(greeting)}`))
  return {
    server,
    rpc: yield* Effect.provide(AppServerRpc.AppServerRpc, context),
    codex: yield* Effect.provide(Codex.Codex, context)
  }
})

// =============================================================================
// What the real server sends, cut down to what has to be there
// =============================================================================

export const threadId = "01a204a7-b198-7230-917e-fb51d9aaf8da"

export const turn = (id: string, status = "inProgress", more: object = {}) => ({
  id,
  rootTurnId: id,
  items: [],
  itemsView: "notLoaded",
  status,
  error: null,
  startedAt: null,
  completedAt: null,
  durationMs: null,
  ...more
})

export const started = (id: string, thread = threadId) =>
  notification("turn/started", { threadId: thread, turn: turn(id, "inProgress", { startedAt: 1795374429 }) })

export const completed = (id: string, status = "completed", more: object = {}, thread = threadId) =>
  notification("turn/completed", {
    threadId: thread,
    turn: turn(id, status, { startedAt: 1795374429, completedAt: 1795374431, durationMs: 1500, ...more })
  })

export const delta = (turnId: string, itemId: string, text: string, thread = threadId) =>
  notification("item/agentMessage/delta", { threadId: thread, turnId, itemId, delta: text })

export const agentMessage = (id: string, text: string, phase: string | null = null) => ({
  type: "agentMessage",
  moderation: null,
  id,
  text,
  phase,
  memoryCitation: null,
  delivery: null,
  questions: null
})

/** A command that is running. */
export const runningCommand = {
  type: "commandExecution",
  id: "call-1",
  pluginId: null,
  scriptPath: null,
  command: "sleep 1000",
  cwd: "/workspace",
  processId: null,
  source: "agent",
  status: "inProgress",
  commandActions: [],
  aggregatedOutput: null,
  exitCode: null,
  durationMs: null
}

export const itemStarted = (turnId: string, item: unknown, thread = threadId) =>
  notification("item/started", { threadId: thread, turnId, item, startedAtMs: 1795374504263 })

export const itemCompleted = (turnId: string, item: unknown, thread = threadId) =>
  notification("item/completed", { threadId: thread, turnId, item, completedAtMs: 1795374431045 })

export const tokenUsage = (turnId: string, last: number, total: number, thread = threadId) => {
  const breakdown = (tokens: number) => ({
    totalTokens: tokens,
    inputTokens: tokens,
    cachedInputTokens: 0,
    cacheWriteInputTokens: 0,
    outputTokens: 0,
    reasoningOutputTokens: 0
  })
  return notification("thread/tokenUsage/updated", {
    threadId: thread,
    turnId,
    tokenUsage: { last: breakdown(last), total: breakdown(total), modelContextWindow: 258400 }
  })
}

export const threadStarted = (id = threadId) => ({
  thread: {
    id,
    environments: [],
    extra: null,
    sessionId: id,
    forkedFromId: null,
    attachedToThreadId: null,
    parentThreadId: null,
    preview: "",
    ephemeral: false,
    section: null,
    sectionEnteredAt: null,
    projectId: null,
    historyMode: "paginated",
    modelProvider: "mock",
    model: "mock-model",
    reasoningEffort: null,
    createdAt: 1795374428,
    updatedAt: 1795374428,
    recencyAt: 1795374428,
    status: { type: "idle" },
    path: null,
    cwd: "/workspace",
    cliVersion: Methods.codexVersion,
    originator: "probe",
    source: "vscode",
    canAcceptDirectInput: true,
    threadSource: null,
    agentNickname: null,
    agentRole: null,
    gitInfo: null,
    name: null,
    daybreakEnabled: null,
    turns: []
  },
  model: "mock-model",
  modelProvider: "mock",
  serviceTier: null,
  disabledPluginIds: [],
  cwd: "/workspace",
  runtimeWorkspaceRoots: [],
  instructionSources: [],
  approvalPolicy: "on-request",
  approvalsReviewer: "auto_review",
  sandbox: { type: "readOnly", networkAccess: false },
  activePermissionProfile: null,
  reasoningEffort: null,
  multiAgentMode: "explicitRequestOnly"
})

const policies: { readonly [mode: string]: unknown } = {
  "workspace-write": Sandbox.workspaceWrite.policy,
  "danger-full-access": Sandbox.fullAccess.policy
}

/** {@link threadStarted} of a server that applies the settings that the request asks for. */
export const threadOpened = (params: unknown, id = threadId) => {
  const started = threadStarted(id)
  const asked: { readonly [key: string]: unknown } = { ...Predicate.isObject(params) ? params : {} }
  const { config, permissions, sandbox } = asked
  const same = Object.keys(started).filter((key) => key !== "sandbox" && asked[key] !== undefined)
  return {
    ...started,
    ...Object.fromEntries(same.map((key) => [key, asked[key]])),
    sandbox: Predicate.isString(sandbox) ? policies[sandbox] ?? started.sandbox : started.sandbox,
    activePermissionProfile: permissions === undefined ? null : { id: permissions, extends: null },
    reasoningEffort: Predicate.hasProperty(config, "model_reasoning_effort") ? config.model_reasoning_effort : null
  }
}

/** A client with a thread. */
export const connectThread = Effect.fnUntraced(function*(options?: Parameters<typeof connect>[0]) {
  const connected = yield* connect(options)
  const starting = yield* Effect.forkScoped(connected.codex.startThread())
  yield* Effect.flatMap(
    connected.server.expect("thread/start"),
    (request) => connected.server.reply(request, threadOpened(request.params))
  )
  return { ...connected, thread: yield* Fiber.join(starting) }
})

// =============================================================================
// What the server asks
// =============================================================================

const ofItem = { threadId, turnId: "turn-1", itemId: "call-1", startedAtMs: 1795374504263 }

/**
 * Params of each server request. Those seen on the real server are copied from it; the others follow the
 * protocol.
 */
export const asked = {
  "item/commandExecution/requestApproval": {
    ...ofItem,
    kind: "command",
    environmentId: "local",
    command: "/bin/bash -lc ls",
    cwd: "/workspace",
    commandActions: [{ type: "unknown", command: "ls" }],
    proposedExecpolicyAmendment: ["ls"],
    availableDecisions: ["accept", { acceptWithExecpolicyAmendment: { execpolicy_amendment: ["ls"] } }, "cancel"]
  },
  "item/fileChange/requestApproval": { ...ofItem, reason: null, grantRoot: null },
  "item/permissions/requestApproval": {
    ...ofItem,
    environmentId: "local",
    cwd: "/workspace",
    reason: "to fetch",
    permissions: { network: { enabled: true }, fileSystem: null }
  },
  "item/tool/call": {
    threadId,
    turnId: "turn-1",
    callId: "call-1",
    namespace: null,
    tool: "lookup",
    arguments: { id: "A" }
  },
  "item/tool/requestUserInput": {
    threadId,
    turnId: "turn-1",
    itemId: "call-1",
    questions: [{ id: "q1", header: "Colour", question: "Which?", isOther: false, isSecret: false, options: null }],
    isBlocking: true,
    autoResolutionMs: null
  },
  "mcpServer/elicitation/request": {
    threadId,
    turnId: "turn-1",
    serverName: "files",
    mode: "url",
    _meta: null,
    message: "Please sign in.",
    url: "https://example.com/sign-in",
    elicitationId: "e1"
  },
  "account/chatgptAuthTokens/refresh": { reason: "unauthorized", previousAccountId: "ws-1" },
  "attestation/generate": {},
  "currentTime/read": { threadId },
  applyPatchApproval: {
    conversationId: threadId,
    callId: "call-1",
    fileChanges: { "/workspace/a.txt": { type: "add", content: "hello\n" } },
    reason: null,
    grantRoot: null
  },
  execCommandApproval: {
    conversationId: threadId,
    callId: "call-1",
    approvalId: null,
    command: ["ls", "-l"],
    cwd: "/workspace",
    reason: null,
    parsedCmd: []
  }
} satisfies Record<ServerRequests.Method, object>

/** A server request with these members of its params changed. */
export const ask = (method: ServerRequests.Method, id: string | number, changed: object = {}): string =>
  frame({ method, id, params: { ...asked[method], ...changed } })

/** The client's answer to a server request, and the whole log. */
export const answered = Effect.fnUntraced(function*(handlers: ServerRequests.Overrides, request: string) {
  const lines: Array<string> = []
  const logger = Logger.make((options) => void lines.push(JSON.stringify(Logger.formatStructured.log(options))))
  const reply = yield* Effect.gen(function*() {
    const { server } = yield* connect({ handlers })
    yield* server.send(request)
    return yield* server.next
  }).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All")
  )
  return { reply, result: reply.result, log: lines.join("\n") }
})
