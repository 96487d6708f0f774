/**
 * Faults on a connection, to test what a program does when its app-server misbehaves. They wrap any transport: that of
 * `FakeAppServer`, or that of the real codex.
 *
 * A rule says which frames it matches and what happens to them. The first rule that matches a frame applies; a rule
 * that has been used `times` times matches no more. Delays use the runtime's clock, so a `TestClock` moves them.
 *
 * @since 0.1.0
 */
import type { ConnectionError } from "@effect-codex/client/CodexError"
import { TransportError } from "@effect-codex/client/CodexError"
import * as Transport from "@effect-codex/client/Transport"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

// =============================================================================
// Models
// =============================================================================

/**
 * A frame that a rule may match.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  /** The side that sends the frame. */
  readonly from: "client" | "server"
  /** The frame as it goes over the connection. */
  readonly text: string
  /** The method of a request or a notification, or of the request that a reply answers. */
  readonly method: string | undefined
  /** `unknown` for a frame that is not a JSON object. */
  readonly kind: "request" | "reply" | "notification" | "unknown"
  /** The parsed message; `undefined` if the frame is not a JSON object. */
  readonly message: { readonly [key: string]: unknown } | undefined
  /** How many frames this side has sent before. */
  readonly index: number
}

/**
 * What happens to a frame.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Delay"; readonly duration: Duration.Duration }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Reorder" }
  | { readonly _tag: "Corrupt"; readonly corrupt: (text: string) => string }
  | { readonly _tag: "Cut"; readonly cause: ConnectionError }
  | { readonly _tag: "Silence" }

/**
 * A fault and the frames that it applies to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly fault: Fault
  readonly matches: (frame: Frame) => boolean
  /** How many frames it applies to. */
  readonly times: number
}

/**
 * The frames of a rule: a predicate, or a method.
 *
 * **Details**
 *
 * A method matches what the server sends: notifications and requests of this method, and replies to the client's
 * requests of it. In {@link neverAnswer} it matches the client's requests instead.
 *
 * @category models
 * @since 0.1.0
 */
export type Which = string | ((frame: Frame) => boolean)

// =============================================================================
// Constructors
// =============================================================================

const matching = (which: Which) =>
  typeof which === "string" ? (frame: Frame) => frame.from === "server" && frame.method === which : which

const rule = (fault: Fault) => (which: Which, options?: { readonly times?: number | undefined }): Rule => ({
  fault,
  matches: matching(which),
  times: options?.times ?? 1
})

type Make = (which: Which, options?: { readonly times?: number | undefined }) => Rule

/**
 * Loses the frame. Here and in the other constructors, `times` is the number of frames that the rule applies to.
 * Default: 1.
 *
 * **Example** (Losing the end of a turn, which the client must then discover by itself)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.drop("turn/completed")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const drop: Make = rule({ _tag: "Drop" })

/**
 * Delivers the frame twice.
 *
 * **Example** (A message that the client must not count twice)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.duplicate("item/completed", { times: 2 })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const duplicate: Make = rule({ _tag: "Duplicate" })

/**
 * Delivers the frame after the next one of its side. It is lost if none follows.
 *
 * **Example** (A turn that begins before the reply to `turn/start`)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.reorder((frame) => frame.kind === "reply" && frame.method === "turn/start")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const reorder: Make = rule({ _tag: "Reorder" })

/**
 * Loses the frame and all later ones of its side. The connection stays open.
 *
 * **Example** (A server that hangs in the middle of a turn)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.silence("turn/started")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const silence: Make = rule({ _tag: "Silence" })

/**
 * Delays the frame, and with it all later ones of its side. Their order stays the same.
 *
 * **Example** (A late end of a turn)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.delay("turn/completed", "1 minute")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const delay = (
  which: Which,
  duration: Duration.Input,
  options?: { readonly times?: number | undefined }
): Rule => rule({ _tag: "Delay", duration: Duration.fromInputUnsafe(duration) })(which, options)

/**
 * Delivers the frame damaged: without its second half, or as the function `corrupt` returns it.
 *
 * **Example** (The reply of an overloaded server)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.corrupt((frame) => frame.kind === "reply" && frame.method === "thread/start", {
 *   corrupt: (text) =>
 *     JSON.stringify({ id: JSON.parse(text).id, error: { code: -32001, message: "Server overloaded." } })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const corrupt = (
  which: Which,
  options?: { readonly times?: number | undefined; readonly corrupt?: ((text: string) => string) | undefined }
): Rule =>
  rule({
    _tag: "Corrupt",
    corrupt: options?.corrupt ?? ((text) => text.slice(0, Math.ceil(text.length / 2)))
  })(which, options)

/**
 * Ends the connection in place of the frame, with `cause`. Default: a `TransportError`, as for a broken connection.
 *
 * **Example** (A process that exits)
 *
 * ```ts
 * import { CodexError } from "@effect-codex/client"
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.cut("item/started", {
 *   cause: new CodexError.AppServerExited({ code: 101, signal: null, stderr: ["panicked"] })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cut = (
  which: Which,
  options?: { readonly cause?: ConnectionError | undefined }
): Rule =>
  rule({
    _tag: "Cut",
    cause: options?.cause ?? new TransportError({ reason: "read", detail: "the connection was cut." })
  })(which)

/**
 * Loses the client's request, so that it never gets an answer. A method matches the client's requests of it.
 *
 * **Example** (A name that is never set)
 *
 * ```ts
 * import { Faults } from "@effect-codex/testing"
 *
 * export const rule = Faults.neverAnswer(({ method, text }) => method === "thread/name/set" && text.includes("secret"))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const neverAnswer = (which: Which, options?: { readonly times?: number | undefined }): Rule =>
  rule({ _tag: "Drop" })(
    (frame) =>
      frame.from === "client" && frame.kind === "request" &&
      (typeof which === "string" ? frame.method === which : which(frame)),
    options
  )

// =============================================================================
// The transport
// =============================================================================

const parse = (text: string): Frame["message"] => {
  try {
    const message: unknown = JSON.parse(text)
    return Predicate.isObject(message) && !Array.isArray(message) ? { ...message } : undefined
  } catch {
    return undefined
  }
}

/** Passes the frames of one side through the rules, in order. */
const side = (
  from: Frame["from"],
  apply: (frame: Omit<Frame, "method"> & { readonly method: unknown }) => Fault | undefined,
  deliver: (texts: ReadonlyArray<string>) => Effect.Effect<void>,
  connection: { isOver: boolean; readonly end: (cause: ConnectionError) => void }
) => {
  let index = 0
  let held: string | undefined
  let isSilent = false
  return Effect.fnUntraced(function*(texts: ReadonlyArray<string>) {
    let ready: Array<string> = []
    const pass = (text: string): void => {
      ready.push(text)
      if (held !== undefined) ready.push(held)
      held = undefined
    }
    for (const text of texts) {
      if (isSilent || connection.isOver) break
      const message = parse(text)
      const { id, method } = message ?? {}
      const kind = message === undefined
        ? "unknown"
        : method === undefined
        ? "reply"
        : id === undefined
        ? "notification"
        : "request"
      const fault = apply({ from, text, method, kind, message, index: index++ })
      switch (fault?._tag) {
        case undefined:
          pass(text)
          break
        case "Drop":
          break
        case "Duplicate":
          pass(text)
          pass(text)
          break
        case "Corrupt":
          pass(fault.corrupt(text))
          break
        case "Reorder":
          if (held === undefined) held = text
          else pass(text)
          break
        case "Silence":
          isSilent = true
          break
        case "Delay":
          yield* deliver(ready)
          ready = []
          yield* Effect.sleep(fault.duration)
          pass(text)
          break
        case "Cut":
          yield* deliver(ready)
          connection.isOver = true
          return connection.end(fault.cause)
      }
    }
    yield* deliver(ready)
  })
}

/**
 * Wraps a transport with faults. A fiber in the scope sends the client's frames.
 *
 * **Example** (Faults on a transport of your own)
 *
 * ```ts
 * import { Transport } from "@effect-codex/client"
 * import { Faults } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const pair = Effect.gen(function*() {
 *   const [client, server] = yield* Transport.makeMemory
 *   return [yield* Faults.make(client, [Faults.drop((frame) => frame.from === "client" && frame.index === 3)]), server]
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  transport: Transport.Transport["Service"],
  rules: ReadonlyArray<Rule>
): Effect.fn.Return<Transport.Transport["Service"], never, Scope.Scope> {
  const left = rules.map(({ times }) => times)
  const methods = { client: new Map<unknown, unknown>(), server: new Map<unknown, unknown>() }
  const ended = Deferred.makeUnsafe<never, ConnectionError>()
  const connection: Parameters<typeof side>[3] = {
    isOver: false,
    end: (cause) => void Deferred.doneUnsafe(ended, Effect.fail(cause))
  }

  const apply: Parameters<typeof side>[1] = (frame) => {
    const asked = methods[frame.from === "client" ? "server" : "client"]
    const id = frame.message?.["id"]
    if (frame.kind === "request") methods[frame.from].set(id, frame.method)
    const method = frame.kind === "reply" ? asked.get(id) : frame.method
    const whole: Frame = { ...frame, method: typeof method === "string" ? method : undefined }
    const index = rules.findIndex((rule, index) => left[index]! > 0 && rule.matches(whole))
    if (index === -1) return undefined
    left[index]!--
    return rules[index]!.fault
  }

  const toServer = side(
    "client",
    apply,
    (texts) => Effect.forEach(texts, transport.send, { discard: true }),
    connection
  )
  // A delayed frame must hold back the frames after it, not their sender.
  const outbox = yield* Queue.bounded<string>(1024)
  yield* Queue.take(outbox).pipe(
    Effect.flatMap((frame) => toServer([frame])),
    Effect.forever,
    Effect.forkScoped({ startImmediately: true })
  )

  return {
    ...transport,
    description: `${transport.description}, with faults`,
    send: (frame) => Effect.asVoid(Queue.offer(outbox, frame)),
    receive: (onFrames) =>
      Effect.gen(function*() {
        // Unbounded, because the transport below delivers as fast as it can, see `Transport.receive`.
        const inbox = yield* Queue.unbounded<ReadonlyArray<string>, ConnectionError>()
        const toClient = side("server", apply, (texts) =>
          Effect.sync(() => {
            if (texts.length > 0) onFrames(texts)
          }), connection)
        const reading = transport.receive((frames) => void Queue.offerUnsafe(inbox, frames)).pipe(
          Effect.catch((cause) => Queue.fail(inbox, cause)),
          Effect.andThen(Effect.never)
        )
        const delivering = Effect.forever(Effect.flatMap(Queue.take(inbox), toClient))
        return yield* Effect.raceAllFirst([delivering, reading, Deferred.await(ended)])
      })
  }
})

/**
 * Adds faults to the transport below, see {@link make}.
 *
 * **Example** (A server that loses the end of a turn)
 *
 * ```ts
 * import { AppServerRpc, Codex } from "@effect-codex/client"
 * import { FakeAppServer, Faults } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const CodexTest = Codex.layer().pipe(
 *   Layer.provide(AppServerRpc.layer()),
 *   Layer.provide(Faults.layer(Faults.drop("turn/completed"))),
 *   Layer.provideMerge(FakeAppServer.layerTransport({ model: { answers: ["Hello!"] } }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  ...rules: ReadonlyArray<Rule>
): Layer.Layer<Transport.Transport, never, Transport.Transport> =>
  Layer.effect(Transport.Transport, Effect.flatMap(Transport.Transport, (transport) => make(transport, rules)))
