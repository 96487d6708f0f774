/** Reads the frames of a client, and answers them one after another. */
import { type ClientRequests, codexVersion } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Path from "node:path"
import type { ClientAnswer } from "./connection.ts"
import { handlers, type Server } from "./methods.ts"
import * as Params from "./params.ts"
import * as Refused from "./refused.ts"

/** A message from the client. */
export interface ClientMessage {
  readonly id?: string | number | undefined
  readonly method?: string | undefined
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

/** A dropped frame: what the real server writes to its log about it. */
export interface Dropped {
  readonly dropped: string
}

const dropped = (reason: string): Dropped => ({ dropped: `Failed to deserialize JSONRPCMessage: ${reason}` })

const noMessage = dropped("data did not match any variant of untagged enum JSONRPCMessage")

const parse = (frame: string): unknown => {
  try {
    return JSON.parse(frame)
  } catch {
    return undefined
  }
}

const isTooDeep = (u: unknown, levels: number): boolean =>
  typeof u === "object" && u !== null && (levels === 0 || Object.values(u).some((u) => isTooDeep(u, levels - 1)))

// A JavaScript string may contain half of a surrogate pair, which `JSON.stringify` writes as an escape.
const hasLoneSurrogate = (message: unknown): boolean => JSON.stringify(message).replaceAll("\\\\", "").includes("\\ud")

const isId = (id: unknown): id is string | number => typeof id === "string" || Number.isInteger(id)

const isError = (u: unknown): boolean =>
  Predicate.isObject(u) && Number.isInteger(Reflect.get(u, "code")) && typeof Reflect.get(u, "message") === "string"

/** Parses a frame. The real server drops one that it cannot read, and logs a line. */
export const inspect = (frame: string): ClientMessage | Dropped => {
  const message = parse(frame)
  if (message === undefined) return dropped("expected value")
  if (isTooDeep(message, 127)) return dropped("recursion limit exceeded")
  if (hasLoneSurrogate(message)) return dropped("lone leading surrogate in hex escape")
  if (!Predicate.isObject(message) || Array.isArray(message)) return noMessage
  const { error, id, method, params, result } = message as Readonly<Record<string, unknown>>
  if (id !== undefined && !isId(id)) return noMessage
  if (typeof method === "string") return { id, method, params }
  if (id === undefined) return noMessage
  if (error === undefined) return result === undefined ? noMessage : { id, result }
  return isError(error) ? { id, error } : noMessage
}

export const read = (frame: string): ClientMessage | undefined => {
  const message = inspect(frame)
  return "dropped" in message ? undefined : message
}

const initialize = (server: Server, params: ClientRequests["initialize"]["params"]) => {
  const { connection } = server
  const { capabilities, clientInfo } = params
  connection.isInitialized = true
  connection.isExperimental = capabilities?.experimentalApi === true
  connection.originator = clientInfo.name
  connection.userAgent =
    `${clientInfo.name}/${codexVersion} (Debian 12.0.0; x86_64) xterm (${clientInfo.name}; ${clientInfo.version})`
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
    : handler(server, params, (result) => server.connection.reply(id, result), id)
}

// codex resolves a thread's folder from its own working directory, but not the folders of `thread/list`.
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
    // The schema of the method has checked the params.
    yield* call(server, method, resolved(method, params, connection.home.cwd) as never, id)
  }).pipe(
    // A defect must end the request only, not the connection.
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
  // The client's notifications, which have no id, have no effect.
  return id === undefined ? Effect.void : request(server, id, method, params)
}
