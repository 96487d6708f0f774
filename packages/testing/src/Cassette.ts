/**
 * Records a session with an app-server once, and replays it without the server. A cassette is a file of JSON lines that
 * you commit with the tests.
 *
 * The first line has the version of the format and of codex. Every other line is a message, in the order in which the
 * messages went over the connection, with its time in milliseconds since the recording began:
 *
 * ```json
 * {"cassette":1,"codex":"0.169.0"}
 * {"direction":"sent","at":3,"frame":{"id":1,"method":"initialize","params":{}}}
 * {"direction":"received","at":41,"frame":{"id":1,"result":{}}}
 * ```
 *
 * A cassette replaces what differs between runs: ids by names such as `thread-1`, times by the year 2000, and the
 * working directory, the home directory and the temporary directory by `<cwd>`, `<home>` and `<tmp>`. It replaces
 * secrets by `<redacted>`: values of keys such as `apiKey` or `accessToken`, texts that look like a key or a token,
 * values of environment variables with such a name, what MCP servers get in `env` and `headers`, answers to secret
 * questions, and the option `secrets`. Review a cassette before you publish it: a prompt may contain other secrets,
 * which the recording cannot recognize.
 *
 * During a replay the client must send what it sent during the recording. A message of the server is delivered as soon
 * as the client has sent everything that came before it; time plays no part.
 *
 * @since 0.1.0
 */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, CodexExecutableNotFound, ConnectionError } from "@effect-codex/client/CodexError"
import { TransportError } from "@effect-codex/client/CodexError"
import { millis } from "@effect-codex/client/internal/monotonic"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as ServerNotification from "@effect-codex/client/ServerNotification"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import { Transport } from "@effect-codex/client/Transport"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Os from "node:os"
import * as CassetteEvents from "./internal/cassetteEvents.ts"
import * as Script from "./internal/cassetteScript.ts"
import * as JsonDiff from "./internal/jsonDiff.ts"
import * as Normalizer from "./internal/normalizer.ts"
import * as Secrets from "./internal/secrets.ts"

// =============================================================================
// Errors
// =============================================================================

/**
 * A cassette cannot be read: the file is missing, or `line` is not a valid line of a cassette.
 *
 * **Example** (Recording a cassette that is missing)
 *
 * ```ts
 * import { Cassette } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const CodexLive = Cassette.layer("session.jsonl").pipe(
 *   Layer.catchTag("CassetteUnreadable", () => Cassette.layer("session.jsonl", { mode: "record" }))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CassetteUnreadable
  extends TaggedError<CassetteUnreadable>("@effect-codex/testing/Cassette/CassetteUnreadable")("CassetteUnreadable", {
    path: Schema.String,
    /** The invalid line, from 1; undefined when the file cannot be read. */
    line: Schema.UndefinedOr(Schema.Number),
    /** The reason, as a sentence. */
    detail: Schema.String
  })
{
  override get message(): string {
    const place = this.line === undefined ? this.path : `${this.path}, line ${this.line}`
    return `The cassette cannot be read (${place}): ${this.detail} Record it: ${howToRecord}.`
  }
}

/**
 * The client departed from the recorded session.
 *
 * **Example** (Printing the difference)
 *
 * ```ts
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const difference = Cassette.verify.pipe(
 *   Effect.as(""),
 *   Effect.catchTag("CassetteMismatch", ({ diff, line }) => Effect.succeed(`line ${line}: ${diff}`))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CassetteMismatch
  extends TaggedError<CassetteMismatch>("@effect-codex/testing/Cassette/CassetteMismatch")("CassetteMismatch", {
    path: Schema.String,
    /** The expected line of the cassette, from 1; the client's last line when nothing more was expected. */
    line: Schema.Number,
    /** The recorded message, normalized; undefined when nothing more was recorded. */
    expected: Schema.UndefinedOr(Schema.Json),
    /** The client's message, normalized; undefined when the client sent nothing more. */
    received: Schema.UndefinedOr(Schema.Json)
  })
{
  /** A unified diff: `-` was recorded, `+` was sent. */
  get diff(): string {
    return JsonDiff.diff(this.expected, this.received)
  }
  override get message(): string {
    const what = this.expected === undefined
      ? "the client sent more than was recorded"
      : this.received === undefined
      ? "the client ended before it had sent all that was recorded"
      : "the client sent something other than was recorded"
    return `${this.path}, line ${this.line}: ${what} (- recorded, + sent).\n${this.diff}\nIf this is intended, record it again: ${howToRecord}.`
  }
}

const howToRecord = "CODEX_CASSETTE=record with Cassette.layer, or effect-codex record"

// =============================================================================
// Service
// =============================================================================

/**
 * The cassette that a client records or replays.
 *
 * **Example** (The path of the cassette)
 *
 * ```ts
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const path = Effect.map(Cassette.Cassette, ({ path }) => path)
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Cassette extends Context.Service<Cassette, {
  /** The path of the file, as given. */
  readonly path: string
  /**
   * Fails if the client departed from the cassette, even if the program handled that error, or has not sent everything
   * that was recorded. Always succeeds during a recording.
   */
  readonly verify: Effect.Effect<void, CassetteMismatch>
}>()("@effect-codex/testing/Cassette") {}

/**
 * Fails if the client has not followed the cassette in the context to its end. Always succeeds during a recording.
 *
 * **When to use**
 *
 * As the last line of a test. A program that handles errors can hide that it departed from the cassette.
 *
 * **Example** (Verifying at the end of a test)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   yield* (yield* Codex.Codex).startThread()
 *   yield* Cassette.verify
 * }).pipe(Effect.provide(Cassette.layer("test/cassettes/start.jsonl")))
 * ```
 *
 * @category assertions
 * @since 0.1.0
 */
export const verify: Effect.Effect<void, CassetteMismatch, Cassette> = Effect.flatMap(Cassette, ({ verify }) => verify)

// =============================================================================
// Options
// =============================================================================

/**
 * Secrets and folders to replace, in addition to those that are always replaced.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Secrets that may occur in the session. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * Names for folders, whose paths are absolute: `{ data: "/srv/data" }` turns `/srv/data/a.txt` into `<data>/a.txt`.
   * The working directory of this process is `<cwd>`. Other working directories of threads become `<folder-1>` and so
   * on. One that the server chose becomes `<workspace>`, and `/workspace` in a replay.
   */
  readonly folders?: Readonly<Record<string, string>> | undefined
}

/**
 * How closely the client must follow the cassette.
 *
 * - `strict`: the client sends the same messages in the same order.
 * - `lenient`: the client sends the same messages in any order, and a message may have more keys than the recorded one.
 *
 * @category options
 * @since 0.1.0
 */
export type Matching = "strict" | "lenient"

const normalizer = (options: Options, secrets: ReadonlyArray<string>) =>
  Normalizer.make({
    secrets: [...options.secrets?.map(Redacted.value) ?? [], ...secrets],
    folders: { ...options.folders, cwd: process.cwd(), home: Os.homedir(), tmp: Os.tmpdir() }
  })

// =============================================================================
// Recording
// =============================================================================

const parse = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Json))

/**
 * Makes a transport that forwards to the transport in the context and writes the session to a cassette when the scope
 * closes.
 *
 * **Details**
 *
 * The file is replaced as a whole, so a process that dies leaves the previous cassette untouched. Missing folders are
 * made. Fails with `PlatformError` if they cannot be.
 *
 * **Example** (Recording a transport without a layer)
 *
 * ```ts
 * import { Transport } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect, Redacted } from "effect"
 *
 * export const recorded = (transport: Transport.Transport["Service"], password: string) =>
 *   Cassette.makeRecording("session.jsonl", { secrets: [Redacted.make(password)] }).pipe(
 *     Effect.provideService(Transport.Transport, transport)
 *   )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeRecording = Effect.fnUntraced(function*(
  path: string,
  options: Options = {}
): Effect.fn.Return<
  Transport["Service"],
  PlatformError.PlatformError,
  Transport | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const { dirname } = yield* Path.Path
  const transport = yield* Transport
  const folder = dirname(path)
  yield* fs.makeDirectory(folder, { recursive: true })

  // Unbounded, because the cassette is the whole session. Secrets are replaced at the end: one may span several
  // messages, or occur before it is known to be one.
  const session: Array<Heard> = []
  const clock = yield* Clock.Clock
  const started = millis(clock)
  const hear = (direction: Script.Direction, frame: string): void => {
    session.push({ direction, at: Math.round(millis(clock) - started), frame })
  }
  yield* Effect.addFinalizer(() => {
    const partial = `${path}.${process.pid}.partial`
    return fs.writeFileString(partial, encode(session, options)).pipe(
      Effect.andThen(fs.rename(partial, path)),
      Effect.orDie
    )
  })
  return Transport.of({
    ...transport,
    send: (frame) =>
      Effect.suspend(() => {
        hear("sent", frame)
        return transport.send(frame)
      }),
    receive: (onFrames) =>
      transport.receive((frames) => {
        for (const frame of frames) hear("received", frame)
        onFrames(frames)
      }).pipe(Effect.tapError((cause) => Effect.sync(() => hear("received", JSON.stringify(Script.endOf(cause))))))
  })
})

/** A frame as it went over the connection. */
interface Heard {
  readonly direction: Script.Direction
  readonly at: number
  readonly frame: string
}

const encode = (session: ReadonlyArray<Heard>, options: Options): string => {
  const messages = session.map(({ frame }) => Result.getOrElse(parse(frame), () => ({ [Script.raw]: frame })))
  const sent = messages.filter((_, i) => session[i]?.direction === "sent")
  const secrets = [...Secrets.ofEnvironment(process.env), ...Normalizer.secretsOf(sent)]
  const { normalize, redactDeltas } = normalizer(options, secrets)
  const entries = redactDeltas(messages).map((message, i) => {
    const { at, direction } = session[i] ?? { at: 0, direction: "received" }
    return { direction, at, frame: normalize(message, direction) }
  })
  const header = { cassette: Script.version, codex: Script.codexVersion(messages) }
  return [header, ...entries].map((line) => `${JSON.stringify(line)}\n`).join("")
}

/**
 * {@link makeRecording} as a layer, between the client and the transport to record.
 *
 * **Example** (Recording a running server)
 *
 * ```ts
 * import { AppServerRpc, Codex, Transport } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const CodexLive = Codex.layer().pipe(
 *   Layer.provide(AppServerRpc.layer()),
 *   Layer.provide(Cassette.layerRecording("session.jsonl")),
 *   Layer.provide(Transport.layerWebSocket({ url: "ws://127.0.0.1:4500" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRecording = (
  path: string,
  options?: Options
): Layer.Layer<Transport | Cassette, PlatformError.PlatformError, Transport> =>
  Layer.merge(
    Layer.effect(Transport, makeRecording(path, options)),
    Layer.succeed(Cassette, { path, verify: Effect.void })
  ).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

// =============================================================================
// Reading
// =============================================================================

const readScript = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) => new CassetteUnreadable({ path, line: undefined, detail: `${error.message}.` })
  )
  return yield* Effect.mapError(
    Effect.fromResult(Script.decode(text)),
    ({ detail, line }) => new CassetteUnreadable({ path, line, detail })
  )
})

/**
 * The content of a cassette.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded {
  /** The version of the recorded codex; `null` if the server reported none. */
  readonly codex: string | null
  /** The messages, in the order in which they went over the connection. */
  readonly messages: ReadonlyArray<RecordedMessage>
}

/**
 * A message of a cassette.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordedMessage {
  readonly direction: "sent" | "received"
  /** In milliseconds since the recording began. Missing in cassettes that were recorded before there were times. */
  readonly at?: number
  readonly frame: Schema.Json
}

/**
 * Reads a cassette. Fails with {@link CassetteUnreadable}.
 *
 * **Example** (How many messages the client sent)
 *
 * ```ts
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const sent = Effect.map(
 *   Cassette.read("session.jsonl"),
 *   ({ messages }) => messages.filter(({ direction }) => direction === "sent").length
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (path: string): Effect.Effect<Recorded, CassetteUnreadable, FileSystem.FileSystem> =>
  readScript(path)

/**
 * The events of a cassette, for a `ThreadView` or several: what the server sent, what it asked and was answered, and
 * the threads that it read. The times count from the beginning of the recording.
 *
 * **Details**
 *
 * In a cassette without times, those of the server are in the year 2000, as the recording has them.
 *
 * **Example** (What a recorded session did)
 *
 * ```ts
 * import { ThreadView } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const view = Effect.gen(function*() {
 *   const recorded = yield* Cassette.read("session.jsonl")
 *   return ThreadView.applyAll(ThreadView.make("thread-1"), yield* Cassette.events(recorded))
 * })
 * ```
 *
 * @see {@link threadIds}
 * @category getters
 * @since 0.1.0
 */
export const events = (recorded: Recorded): Effect.Effect<ReadonlyArray<ThreadView.TimedEvent>> =>
  Effect.map(ServerNotification.decode, (decode) => CassetteEvents.eventsOf(recorded.messages, decode))

/**
 * The threads of a cassette, in the order in which they were started, resumed or read. Subagents are not among them.
 *
 * @see {@link events}
 * @category getters
 * @since 0.1.0
 */
export const threadIds = (recorded: Recorded): ReadonlyArray<string> => CassetteEvents.threadIdsOf(recorded.messages)

// =============================================================================
// Replaying
// =============================================================================

/**
 * Options of a replay. `secrets` and `folders` must be those of the recording; the paths of the folders may differ.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReplayOptions extends Options {
  /** How closely the client must follow the cassette. Default: `strict`. */
  readonly matching?: Matching | undefined
}

/**
 * Makes a transport that plays the server's part of a cassette. Fails with {@link CassetteUnreadable}.
 *
 * **Details**
 *
 * When the client departs from the cassette, the connection ends with a `TransportError` whose cause is a
 * {@link CassetteMismatch}, and whose message shows the difference. When the scope closes before the client has sent
 * everything, the next expected message is logged as a warning.
 *
 * **Example** (Replaying without a layer)
 *
 * ```ts
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const { cassette, transport } = yield* Cassette.makeReplaying("session.jsonl", { matching: "lenient" })
 *   yield* transport.send(JSON.stringify({ method: "initialized" }))
 *   return yield* Effect.exit(cassette.verify)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReplaying = Effect.fnUntraced(function*(
  path: string,
  options: ReplayOptions = {}
): Effect.fn.Return<
  { readonly transport: Transport["Service"]; readonly cassette: Cassette["Service"] },
  CassetteUnreadable,
  FileSystem.FileSystem | Scope.Scope
> {
  const script = yield* readScript(path)
  // Without the secrets of the environment. A `<redacted>` of the cassette matches any text anyway, and today's
  // environment says nothing about other texts of the recording.
  const { normalize, restore } = normalizer(options, [])
  const { redact } = normalizer(options, Secrets.ofEnvironment(process.env))
  const player = Script.player(script, options.matching ?? "strict")

  // Unbounded, because it never holds more than the cassette.
  const inbox = yield* Queue.make<string, ConnectionError>()
  let mismatch: CassetteMismatch | undefined
  const deliver = (messages: ReadonlyArray<Schema.Json>): void => {
    for (const message of messages) {
      const cause = Script.causeOf(message)
      if (cause === undefined) Queue.offerUnsafe(inbox, Script.frameOf(restore(message)))
      else Queue.failCauseUnsafe(inbox, Cause.fail(cause))
    }
  }
  deliver(player.begin())

  const unsent = (): CassetteMismatch | undefined => {
    const next = player.next()
    return next && new CassetteMismatch({ path, line: next.line, expected: next.frame, received: undefined })
  }
  yield* Effect.addFinalizer(() => {
    const rest = mismatch === undefined ? unsent() : undefined
    return rest === undefined ? Effect.void : Effect.logWarning(rest.message)
  })

  const transport = Transport.of({
    description: `the cassette ${path}`,
    log: Effect.succeed([]),
    send: (frame) =>
      Effect.sync(() => {
        if (mismatch !== undefined) return
        const live = Result.getOrElse(parse(frame), () => frame)
        const step = player.send(normalize(live, "sent"), live)
        if (step._tag === "Matched") return deliver(step.deliver)
        mismatch = new CassetteMismatch({
          path,
          line: step.line,
          expected: step.expected,
          received: redact(step.received)
        })
        Queue.failCauseUnsafe(
          inbox,
          Cause.fail(new TransportError({ reason: "read", detail: mismatch.message, cause: mismatch }))
        )
      }),
    receive: (onFrames) => Queue.takeAll(inbox).pipe(Effect.map(onFrames), Effect.forever)
  })
  const verify = Effect.suspend(() => {
    const error = mismatch ?? unsent()
    return error === undefined ? Effect.void : Effect.fail(error)
  })
  return { transport, cassette: { path, verify } }
})

/**
 * {@link makeReplaying} as a layer, in place of the transport to a server.
 *
 * **Example** (A client of your own on a cassette)
 *
 * ```ts
 * import { AppServerRpc } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const RpcLive = AppServerRpc.layer().pipe(Layer.provideMerge(Cassette.layerReplaying("session.jsonl")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReplaying = (
  path: string,
  options?: ReplayOptions
): Layer.Layer<Transport | Cassette, CassetteUnreadable> =>
  Layer.effectContext(
    Effect.map(makeReplaying(path, options), ({ cassette, transport }) =>
      Context.make(Transport, transport).pipe(Context.add(Cassette, cassette)))
  ).pipe(Layer.provide(NodeFileSystem.layer))

// =============================================================================
// The whole client
// =============================================================================

/**
 * What {@link layer} does: replays the cassette strictly or leniently, or records it again.
 *
 * @category options
 * @since 0.1.0
 */
export type Mode = Matching | "record"

/**
 * Options of {@link layer}: whether to record or to replay, which server to record, and the options of the client.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions<E> extends Options, AppServerRpc.Options, Codex.Options {
  /** Default: the config variable `CODEX_CASSETTE`, or `strict` if it is not set. */
  readonly mode?: Mode | undefined
  /**
   * The server to record. It is not started for a replay. Default: `CodexNode.layerTransport()`, the installed codex
   * with the login and the configuration of the user who records.
   */
  readonly server?: Layer.Layer<Transport, E> | undefined
}

/**
 * Provides the whole client on a cassette. Run the tests once with `CODEX_CASSETTE=record` to record it, and without
 * the variable from then on.
 *
 * **When to use**
 *
 * To test a program against the answers of a real model, without codex or a network. `CodexTest.layer` and
 * `FakeAppServer.layer` let the test script the answers instead.
 *
 * **Details**
 *
 * Fails with {@link CassetteUnreadable} if there is no valid cassette to replay, with `PlatformError` if one cannot be
 * written, with `ConfigError` if `CODEX_CASSETTE` is not a {@link Mode}, and with the errors of the server and the
 * client.
 *
 * **Example** (A test without codex)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Cassette } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   const result = yield* thread.run("Say hello.")
 *   yield* Cassette.verify
 *   return result.finalResponse
 * }).pipe(Effect.provide(Cassette.layer("test/cassettes/hello.jsonl")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never>(
  path: string,
  options?: LayerOptions<E>
): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | Cassette,
  | E
  | CodexExecutableNotFound
  | AppServerStartError
  | CassetteUnreadable
  | PlatformError.PlatformError
  | Config.ConfigError
> =>
  Layer.unwrap(Effect.gen(function*() {
    const mode = options?.mode ?? (yield* modeOfConfig)
    const transport: Layer.Layer<
      Transport | Cassette,
      E | CodexExecutableNotFound | AppServerStartError | CassetteUnreadable | PlatformError.PlatformError
    > = mode !== "record"
      ? layerReplaying(path, { ...options, matching: mode })
      : options?.server === undefined
      ? Layer.provide(layerRecording(path, options), CodexNode.layerTransport())
      : Layer.provide(layerRecording(path, options), options.server)
    return Layer.merge(Codex.layer(options), Auth.layer).pipe(
      Layer.provideMerge(AppServerRpc.layer(options)),
      Layer.provideMerge(transport)
    )
  }))

const modeOfConfig = Config.Literals(["strict", "lenient", "record"], "CODEX_CASSETTE").pipe(
  Config.withDefault<Mode>("strict")
)
