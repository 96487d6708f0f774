/**
 * Faults on a connection, for tests of what a program does when its app-server misbehaves. They are put over any transport:
 * the one of {@link FakeAppServer}, or that of the real codex.
 *
 * A rule says which frames it is about and what becomes of them. For each frame the first rule that is about it counts; a
 * rule that was used up (`times`) is about none. Time is that of the runtime's clock, so a `TestClock` moves it.
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
 * A frame on its way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  /** Who sends it. */
  readonly from: "client" | "server"
  /** As it goes over the connection. */
  readonly text: string
  /** The method of a request or a notification; of a reply, that of the request that it answers. */
  readonly method: string | undefined
  readonly kind: "request" | "reply" | "notification" | "unknown"
  /** The parsed message; `undefined` for what is no JSON object. */
  readonly message: { readonly [key: string]: unknown } | undefined
  /** How many frames this side has sent before. */
  readonly index: number
}

/**
 * What becomes of a frame.
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
 * A fault and the frames that it is about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly fault: Fault
  readonly matches: (frame: Frame) => boolean
  /** How many frames it is for. */
  readonly times: number
}

/**
 * Which frames: a predicate, or a method, for what the server sends of it (its notifications and requests of this method, and
 * its replies to the client's requests of it). `neverAnswer` alone takes a method for the requests of the client.
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
 * The frame is lost. `which` is a method, for what the server sends of it (replies to it included), or a predicate;
 * `times` (default: 1) is for how many frames, here and in the others.
 *
 * **Example** (The end of a turn, which the client then has to find out by itself)
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
 * The frame comes twice.
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
 * The frame comes after the next one of its side. It is lost when none follows.
 *
 * **Example** (A turn that begins before the reply to its start)
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
 * The frame, and everything of its side after it, comes no more; the connection stays open.
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
 * The frame and all that follow it from its side come later, in their order.
 *
 * **Example** (A slow end)
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
 * The frame comes damaged: without its second half, or as `corrupt` makes it.
 *
 * **Example** (The answer of a server that has too much to do)
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
 * The connection ends in place of the frame. Default: as one that broke (`TransportError`).
 *
 * **Example** (A process that ends)
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
 * The request is never answered: what the client asks with this method is not sent.
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

/** Carries the frames of one side, in their order, through the rules. */
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
 * A transport with faults. The scope carries what is delayed.
 *
 * **Example** (Faults over a transport of one's own)
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
  // A delayed frame holds back those that follow it, and not who sends them.
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
        // Unbounded, because the transport below hands over as fast as it can: see `Transport.receive`.
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
 * Puts faults over the transport below.
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
