/**
 * Sessions with an app-server that are recorded once and replayed without it: a file of JSON lines, to be kept with the
 * tests.
 *
 * The first line says the version of the format and of codex. Each other line is a message, in the order in which it went
 * over the connection:
 *
 * ```json
 * {"cassette":1,"codex":"0.169.0"}
 * {"direction":"sent","frame":{"id":1,"method":"initialize","params":{}}}
 * {"direction":"received","frame":{"id":1,"result":{}}}
 * ```
 *
 * What is different each time is replaced: ids by names such as `thread-1`, times by the year 2000, the working
 * directory, the home directory and the temporary directory by `<cwd>`, `<home>` and `<tmp>`. Secrets are replaced by `<redacted>`: what
 * stands under a key such as `apiKey` or `accessToken`, what looks like a key or a token, the values of the environment's
 * variables that are named like one, the answers to secret questions, and the `secrets` that are given. Look at a cassette
 * before it is published all the same: nobody can know what else is secret in a prompt.
 *
 * When a session is replayed the client has to send what it sent then. A message of the server is delivered when the client
 * has sent all that came before it, never by time.
 *
 * @since 0.1.0
 */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, CodexExecutableNotFound, ConnectionError } from "@effect-codex/client/CodexError"
import { TransportError } from "@effect-codex/client/CodexError"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import { Transport } from "@effect-codex/client/Transport"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
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
import * as Script from "./internal/cassetteScript.ts"
import * as JsonDiff from "./internal/jsonDiff.ts"
import * as Normalizer from "./internal/normalizer.ts"
import * as Secrets from "./internal/secrets.ts"

// =============================================================================
// Errors
// =============================================================================

/**
 * A cassette cannot be read: there is no such file, or `line` is not what a cassette has there.
 *
 * **Example** (A cassette that is not there is recorded)
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
    /** From 1; undefined when there is no file to read. */
    line: Schema.UndefinedOr(Schema.Number),
    detail: Schema.String
  })
{
  override get message(): string {
    const place = this.line === undefined ? this.path : `${this.path}, line ${this.line}`
    return `The cassette cannot be read (${place}): ${this.detail} Record it: ${howToRecord}.`
  }
}

/**
 * The client departed from a recorded session. `expected` is what it sent then and `received` what it sent now, both without
 * what is different each time; either is undefined when there was nothing more.
 *
 * **Example** (What differs)
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
    /** The line of the cassette that was expected, from 1; the last one when nothing more was. */
    line: Schema.Number,
    expected: Schema.UndefinedOr(Schema.Json),
    received: Schema.UndefinedOr(Schema.Json)
  })
{
  /** A unified diff: `-` what was recorded, `+` what was sent. */
  get diff(): string {
    return JsonDiff.diff(this.expected, this.received)
  }
  override get message(): string {
    const what = this.expected === undefined
      ? "the client sent more than was recorded"
      : this.received === undefined
      ? "the client ended before it had sent all that was recorded"
      : "the client sent something else than was recorded"
    return `${this.path}, line ${this.line}: ${what} (- recorded, + sent).\n${this.diff}\nIf that is meant, record it again: ${howToRecord}.`
  }
}

const howToRecord = "CODEX_CASSETTE=record with Cassette.layer, or effect-codex record"

// =============================================================================
// Service
// =============================================================================

/**
 * The cassette of a client.
 *
 * **Example** (Where the session is)
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
  readonly path: string
  /**
   * Fails if the client departed from the cassette, which a program that handles errors can hide, or has not sent
   * everything that was recorded. Does nothing while a session is recorded.
   */
  readonly verify: Effect.Effect<void, CassetteMismatch>
}>()("@effect-codex/testing/Cassette") {}

/**
 * {@link Cassette.verify} of the cassette in the context: the last line of a test.
 *
 * **Example** (The last line of a test)
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
 * What is replaced, beside what is always replaced.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Secrets that the recording may meet. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * Folders by names of their own, as absolute paths: `{ data: "/srv/data" }` makes `<data>/a.txt`. The working directory of this
   * process is `<cwd>`. Other folders that threads work in are `<folder-1>` and so on, or `<workspace>` when the server chose it,
   * which is replayed as `/workspace`.
   */
  readonly folders?: Readonly<Record<string, string>> | undefined
}

/**
 * How the client has to follow the cassette.
 *
 * - `strict`: it sends the same messages in the same order.
 * - `lenient`: each message is one of the cassette's that has not been sent yet, whatever their order; it may have more keys
 *   than the recorded one.
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
 * Passes everything on to the transport in the context, and writes it to a cassette when the scope closes. The file is
 * replaced as a whole, so a session that dies leaves the last one as it was. Fails when the folder cannot be made.
 *
 * **Example** (A transport that is recorded without a layer)
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

  // Without a bound: the whole session is what is asked for. It is looked through at the end, because a secret may be spread
  // over messages, or told before it is known to be one.
  const session: Array<{ readonly direction: Script.Direction; readonly frame: string }> = []
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
        session.push({ direction: "sent", frame })
        return transport.send(frame)
      }),
    receive: (onFrames) =>
      transport.receive((frames) => {
        for (const frame of frames) session.push({ direction: "received", frame })
        onFrames(frames)
      }).pipe(Effect.tapError((cause) =>
        Effect.sync(() => session.push({ direction: "received", frame: JSON.stringify(Script.endOf(cause)) }))
      ))
  })
})

const encode = (
  session: ReadonlyArray<{ readonly direction: Script.Direction; readonly frame: string }>,
  options: Options
): string => {
  const messages = session.map(({ frame }) => Result.getOrElse(parse(frame), () => ({ [Script.raw]: frame })))
  const sent = messages.filter((_, i) => session[i]?.direction === "sent")
  const secrets = [...Secrets.ofEnvironment(process.env), ...Normalizer.secretsOf(sent)]
  const { normalize, redactDeltas } = normalizer(options, secrets)
  const entries = redactDeltas(messages).map((message, i) => {
    const direction = session[i]?.direction ?? "received"
    return { direction, frame: normalize(message, direction) }
  })
  const header = { cassette: Script.version, codex: Script.codexVersion(messages) }
  return [header, ...entries].map((line) => `${JSON.stringify(line)}\n`).join("")
}

/**
 * {@link makeRecording} as a layer: put it between the client and the transport that is recorded.
 *
 * **Example** (Recording what goes to a running server)
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
 * What a cassette holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded {
  /** The version of codex that was recorded, if it told one. */
  readonly codex: string | null
  readonly messages: ReadonlyArray<{ readonly direction: "sent" | "received"; readonly frame: Schema.Json }>
}

/**
 * Reads a cassette.
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

// =============================================================================
// Replaying
// =============================================================================

/**
 * How a cassette is replayed, and what was replaced in it when it was recorded.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReplayOptions extends Options {
  /** Default: `strict`. */
  readonly matching?: Matching | undefined
}

/**
 * Plays the server's part of a cassette. When the client departs from it the connection ends with a `TransportError` whose
 * message has the difference and whose cause is the {@link CassetteMismatch}. Fails with {@link CassetteUnreadable}.
 *
 * **Example** (A transport and what says whether it was followed)
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
  // Without the environment's secrets: where a cassette has one it fits any text, and elsewhere the environment of now says
  // nothing about what was recorded.
  const { normalize, restore } = normalizer(options, [])
  const { redact } = normalizer(options, Secrets.ofEnvironment(process.env))
  const player = Script.player(script, options.matching ?? "strict")

  // Without a bound: it holds at most what the cassette does.
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
 * **Example** (A client of one's own on a cassette)
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
 * What {@link layer} does: replay the cassette strictly or leniently, or record it anew.
 *
 * @category options
 * @since 0.1.0
 */
export type Mode = Matching | "record"

/**
 * Whether a cassette is recorded or replayed, of which server, and the options of the client on it.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions<E> extends Options, AppServerRpc.Options, Codex.Options {
  /** Default: the variable `CODEX_CASSETTE` of the `ConfigProvider`, else `strict`. */
  readonly mode?: Mode | undefined
  /**
   * The server that is recorded; it is not started to replay. Default: `CodexNode.layerTransport()`, which is the installed
   * codex with the login and the configuration of who records.
   */
  readonly server?: Layer.Layer<Transport, E> | undefined
}

/**
 * The whole client on a cassette. Run the tests once with `CODEX_CASSETTE=record` to record it, and from then on without.
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
