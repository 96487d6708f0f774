/** Reads the frames of a client and answers them, one after the other. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Path from "node:path"
import type { ClientAnswer } from "./connection.ts"
import { handlers, type Server } from "./methods.ts"
import * as Params from "./params.ts"
import * as Refused from "./refused.ts"

/** A message of the client. */
export interface ClientMessage {
  readonly id?: string | number | undefined
  readonly method?: string | undefined
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

const parse = (frame: string): unknown => {
  try {
    return JSON.parse(frame)
  } catch {
    return undefined
  }
}

const isId = (id: unknown): id is string | number => typeof id === "string" || Number.isInteger(id)

/** What is no message is dropped, as the real server does it. */
export const read = (frame: string): ClientMessage | undefined => {
  const message = parse(frame)
  if (!Predicate.isObject(message) || Array.isArray(message)) return undefined
  const { error, id, method, params, result } = message as Readonly<Record<string, unknown>>
  if (id !== undefined && !isId(id)) return undefined
  if (typeof method === "string") return { id, method, params }
  return id === undefined || (result === undefined && error === undefined)
    ? undefined
    : { id, ...(error === undefined ? { result } : { error }) }
}

const initialize = (server: Server, params: ClientRequests["initialize"]["params"]) => {
  const { connection } = server
  const { capabilities, clientInfo } = params
  connection.isInitialized = true
  connection.isExperimental = capabilities?.experimentalApi === true
  connection.originator = clientInfo.name
  connection.userAgent =
    `${clientInfo.name}/0.169.0 (Debian 12.0.0; x86_64) xterm (${clientInfo.name}; ${clientInfo.version})`
  return {
    userAgent: connection.userAgent,
    codexHome: connection.home.path,
    platformFamily: "unix",
    platformOs: "linux"
  } satisfies ClientRequests["initialize"]["result"]
}

const call = <M extends Params.Method>(
  server: Server,
  method: M,
  params: ClientRequests[M]["params"],
  id: string | number
): Effect.Effect<void, Refused.Refused> => {
  const handler = handlers[method]
  return handler === undefined
    ? Effect.fail(Refused.notFaked(method))
    : handler(server, params, (result) => server.connection.reply(id, result))
}

// Codex resolves the folder of a thread from its own working directory, and compares those of a list as they are.
const resolved = (method: Params.Method, params: unknown, base: string): unknown =>
  method !== "thread/list" && Predicate.hasProperty(params, "cwd") && typeof params.cwd === "string"
    ? { ...params, cwd: Path.posix.resolve(base, params.cwd) }
    : params

const request = (server: Server, id: string | number, name: string, params: unknown) =>
  Effect.gen(function*() {
    const { connection } = server
    const method = Params.methodOf(name)
    if (typeof method !== "string") return yield* method
    const refused = Params.check(method, params)
    if (refused !== undefined && !refused.message.startsWith("invalid ")) return yield* refused
    if (method === "initialize") {
      if (connection.isInitialized) return yield* Refused.invalidRequest("Already initialized")
      return connection.reply(id, initialize(server, params as ClientRequests["initialize"]["params"]))
    }
    if (!connection.isInitialized) return yield* Refused.invalidRequest("Not initialized")
    const gated = connection.isExperimental ? undefined : Params.checkExperimental(method, params)
    if (gated !== undefined) return yield* gated
    const notFaked = refused ?? Params.checkFaked(method, params)
    if (notFaked !== undefined) return yield* notFaked
    // The params were checked with the schema of the method.
    yield* call(server, method, resolved(method, params, connection.home.cwd) as never, id)
  }).pipe(
    // What a client sends wrong ends its request and nothing else.
    Effect.catchDefect((defect) =>
      Effect.fail(new Refused.Refused({ code: -32603, message: `FakeAppServer has a bug: ${String(defect)}` }))
    ),
    Effect.catchTag("Refused", (refused) => Effect.sync(() => server.connection.refuse(id, refused)))
  )

const answerOf = ({ error, result }: ClientMessage): ClientAnswer => error === undefined ? { result } : { error }

export const onMessage = (server: Server, message: ClientMessage): Effect.Effect<void> => {
  const { id, method, params } = message
  if (method === undefined) {
    if (typeof id === "number") server.connection.onAnswer(id, answerOf(message))
    return Effect.void
  }
  // Notifications of the client, and requests without an id, have no effect.
  return id === undefined ? Effect.void : request(server, id, method, params)
}
