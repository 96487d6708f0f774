/**
 * Seeded mutations of what a server sends: they test today what the next codex may do to a program. They add unknown
 * fields, methods, items and requests; drop keys, set them to null or change their type; invent enum values; duplicate,
 * delay and reorder notifications; split lines, add blank lines and noise, and slow down replies.
 *
 * The same seed makes the same mutations in every run, because a mutation depends on the kind of a frame and on how
 * many of that kind came before, not on time. A {@link Mutator} lists the mutations it made, and {@link explain} logs
 * them when a test fails.
 *
 * {@link layer} mutates a transport in the program's own process: the fake, the real codex or any other.
 * {@link executable} stands in front of the real codex as an executable, for any kind of client.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-codex/client/Transport"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Url from "node:url"
import * as Core from "./internal/mutator.ts"
import type { ProcessSettings } from "./internal/mutatorProcess.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * A kind of mutation.
 *
 * - `unknownField`: an object has an additional key.
 * - `unknownNotification`, `unknownItem`, `unknownRequest`: a notification, an item or a request of an unknown type
 *   comes before the frame. Answers to such a request do not reach the server.
 * - `duplicate`: a notification or a request comes twice. Deltas do not, because a client cannot tell them apart.
 * - `noise`: a line that is not a message comes before the frame.
 * - `blankLine`: a blank line comes before the frame.
 * - `chunks`: the frame comes in pieces, cut anywhere. On a transport, which only knows whole frames, it comes in a
 *   read of its own.
 * - `slowReply`: a reply comes up to 400 ms late, and other frames overtake it.
 * - `unknownMethod`: a notification has an unknown method.
 * - `enumValue`: an enum value, such as a status, is unknown.
 * - `dropKey`, `nullKey`, `retypeKey`: a key is missing, null, or has a value of another type.
 * - `late`: a notification comes up to 800 ms late.
 * - `lateDuplicate`: a notification or a request comes again up to 800 ms later.
 * - `reorder`: a notification comes after the next frame.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = Core.Kind

/**
 * The kinds that preserve the meaning. A newer codex may do any of this at any time, and a program must still get the
 * right answer.
 *
 * @category models
 * @since 0.1.0
 */
export const harmless: ReadonlyArray<Kind> = Core.harmless

/**
 * The kinds that may lose what a program needs. A program may then fail, but it must fail soon and with a clear error.
 *
 * @category models
 * @since 0.1.0
 */
export const harmful: ReadonlyArray<Kind> = Core.harmful

/**
 * A mutation that was made.
 *
 * @see {@link show}
 * @category models
 * @since 0.1.0
 */
export interface Mutation {
  readonly kind: Kind
  /** The frame, such as `notification turn/started`, `request item/tool/call` or `reply to thread/start`. */
  readonly frame: string
  /** How many such frames came before. */
  readonly index: number
  /** The place in the frame, such as `params.turn.status`; undefined when the mutation is not about a key. */
  readonly path: string | undefined
  /** The change, in words. It shows no values, except for an enum value that was replaced. */
  readonly change: string
}

/**
 * Describes a mutation in one line.
 *
 * **Example** (A line of a report)
 *
 * ```ts
 * import { Mutation } from "@effect-codex/testing"
 *
 * // enumValue: params.turn.status of notification turn/completed (1) "completed" became "notYetKnown"
 * export const line = Mutation.show({
 *   kind: "enumValue",
 *   frame: "notification turn/completed",
 *   index: 1,
 *   path: "params.turn.status",
 *   change: "\"completed\" became \"notYetKnown\""
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export const show = ({ change, frame, index, kind, path }: Mutation): string =>
  `${kind}: ${path === undefined ? "" : `${path} of `}${frame} (${index}) ${change}`

/**
 * Which frames are mutated, how, and how often.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Any integer. The same seed makes the same mutations. */
  readonly seed: number
  /** The kinds to use. Default: all. See {@link harmless} and {@link harmful}. */
  readonly kinds?: ReadonlyArray<Kind> | undefined
  /** The share of frames to mutate, from 0 to 1. Default: 0.1. */
  readonly rate?: number | undefined
  /** Mutate only these methods: the server's notifications and requests, and its replies to them. Default: all. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** The number of mutations to stop after. Lower it to find the one that matters. Default: no limit. */
  readonly limit?: number | undefined
}

/**
 * The mutator of a connection: reports what it changed.
 *
 * @category services
 * @since 0.1.0
 */
export class Mutator extends Context.Service<Mutator, {
  readonly seed: number
  /** The mutations so far, oldest first. */
  readonly made: Effect.Effect<ReadonlyArray<Mutation>>
}>()("@effect-codex/testing/Mutation/Mutator") {}

// =============================================================================
// In the program
// =============================================================================

/**
 * Wraps a transport and mutates what its server sends. Fibers in the scope deliver delayed frames.
 *
 * **Example** (Mutating a transport of your own)
 *
 * ```ts
 * import { Transport } from "@effect-codex/client"
 * import { Mutation } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const mutated = Effect.gen(function*() {
 *   const [client, server] = yield* Transport.makeMemory
 *   const { transport, mutator } = yield* Mutation.make(client, { seed: 7, kinds: ["noise", "blankLine"] })
 *   return { transport, server, made: mutator.made }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  transport: Transport.Transport["Service"],
  options: Options
): Effect.fn.Return<
  { readonly transport: Transport.Transport["Service"]; readonly mutator: Mutator["Service"] },
  never,
  Scope.Scope
> {
  const fork = yield* FiberSet.makeRuntime<never, void>()
  const nobody = (): void => {}
  let onFrames: (frames: ReadonlyArray<string>) => void = nobody
  const core = new Core.Mutator(options, {
    deliver: (frames) => onFrames(frames),
    later: (millis, run) => void fork(Effect.andThen(Effect.sleep(millis), Effect.sync(run)))
  })
  return {
    mutator: Mutator.of({ seed: options.seed, made: Effect.sync(() => [...core.made]) }),
    transport: {
      ...transport,
      description: `${transport.description}, mutated by seed ${options.seed}`,
      send: (frame) => Effect.suspend(() => core.fromClient(frame) ? transport.send(frame) : Effect.void),
      receive: (deliver) =>
        Effect.suspend(() => {
          onFrames = deliver
          return transport.receive((frames) => core.fromServer(frames))
        }).pipe(Effect.ensuring(Effect.sync(() => {
          core.release()
          onFrames = nobody
        })))
    }
  }
})

/**
 * Mutates what the transport below receives, see {@link make}.
 *
 * **Example** (The client on a newer server)
 *
 * ```ts
 * import { AppServerRpc, Codex } from "@effect-codex/client"
 * import { FakeAppServer, Mutation } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const newer = (seed: number) =>
 *   Codex.layer().pipe(
 *     Layer.provide(AppServerRpc.layer()),
 *     Layer.provideMerge(Mutation.layer({ seed, kinds: Mutation.harmless })),
 *     Layer.provide(FakeAppServer.layerTransport({ model: { answer: () => "Hello!" } }))
 *   )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<Transport.Transport | Mutator, never, Transport.Transport> =>
  Layer.effectContext(Effect.gen(function*() {
    const { mutator, transport } = yield* make(yield* Transport.Transport, options)
    return Context.make(Transport.Transport, transport).pipe(Context.add(Mutator, mutator))
  }))

/**
 * Logs the seed and its mutations as an error when the effect does not succeed.
 *
 * **Example** (A test that lists the mutations it failed with)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Mutation } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   return yield* thread.run("Say hello.")
 * }).pipe(Mutation.explain)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const explain = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Mutator> =>
  Effect.onExit(effect, (exit) => {
    if (Exit.isSuccess(exit)) return Effect.void
    return Effect.flatMap(Mutator, ({ made, seed }) =>
      Effect.flatMap(made, (mutations) =>
        Effect.logError(
          [`Seed ${seed} made ${mutations.length} mutations:`, ...mutations.map(show)].join("\n  ")
        )))
  })

// =============================================================================
// In front of codex
// =============================================================================

/**
 * Writes an executable that runs the given codex and mutates what it sends, for the option `executable` of any client.
 *
 * **Details**
 *
 * It runs on the Node of this process, and is removed when the scope closes. Fails with `PlatformError` when it cannot
 * be written. Does not work on Windows.
 *
 * **Example** (The promise client on a newer codex)
 *
 * ```ts
 * import { Codex } from "@effect-codex/promise"
 * import { Mutation } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { executable, mutator } = yield* Mutation.executable({ executable: "/usr/bin/codex", seed: 7 })
 *   const answer = yield* Effect.tryPromise(async () => {
 *     await using codex = await Codex.start({ executable })
 *     const { finalResponse } = await (await codex.startThread()).run("Say hello.")
 *     return finalResponse
 *   })
 *   return { answer, made: yield* mutator.made }
 * })
 *
 * export const test = Effect.scoped(program)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const executable = Effect.fnUntraced(
  function*(
    { executable, ...options }: Options & {
      /** The codex to run: a path, or a name to look up on `PATH`. */
      readonly executable: string
    }
  ): Effect.fn.Return<
    { readonly executable: string; readonly mutator: Mutator["Service"] },
    PlatformError.PlatformError,
    FileSystem.FileSystem | Scope.Scope
  > {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effect-codex-mutation-" })
    const [log, settings, script] = [`${folder}/log.jsonl`, `${folder}/settings.json`, `${folder}/codex`] as const
    const given: ProcessSettings = { ...options, executable, log }
    yield* fs.writeFileString(settings, JSON.stringify(given))
    yield* fs.writeFileString(log, "")
    yield* fs.writeFileString(
      script,
      `#!/bin/sh\nexec ${quoted(process.execPath)} ${quoted(program)} ${quoted(settings)} "$@"\n`,
      { mode: 0o755 }
    )
    return {
      executable: script,
      mutator: Mutator.of({
        seed: options.seed,
        made: Effect.map(
          Effect.orElseSucceed(fs.readFileString(log), () => ""),
          (text) => text.split("\n").flatMap((line): ReadonlyArray<Mutation> => line === "" ? [] : [JSON.parse(line)])
        )
      })
    }
  },
  Effect.provide(NodeFileSystem.layer)
)

// Run from sources, the process is a source, too.
const program = Url.fileURLToPath(
  new URL(`./internal/mutatorProcess.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)
)

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
