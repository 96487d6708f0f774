/**
 * What the next codex may do to a program, today: a connection whose frames are changed by a seed. Fields, methods, items and
 * requests come that nobody knows; keys are dropped, null or of another type, words are new; notifications come twice, late
 * or in another order; lines come in odd pieces, blank or as noise, and replies are slow.
 *
 * A seed makes the same mutations in each run, because they depend on what a frame is and how many of its kind came before,
 * and not on when it comes. A mutator tells which it made ({@link Mutator}), so that a test that fails says what was changed:
 * see {@link explain}.
 *
 * It stands on a transport in the program's own process ({@link layer}: over the fake, the real codex, or anything else), or as
 * an executable in front of the real codex ({@link executable}), for a client of any kind.
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
 * A way to change what a server sends.
 *
 * - `unknownField`: an object has one more key. `unknownNotification`, `unknownItem`, `unknownRequest`: one that nobody knows
 *   comes before the frame; answers to such a request do not reach the server.
 * - `duplicate`: a notification or a request comes twice. Pieces of a text (deltas) do not, as nothing tells them apart.
 * - `noise`: a line comes that is no message. `blankLine`: one that is blank.
 * - `chunks`: the frame comes in pieces that are cut anywhere. On a transport, which knows whole frames alone, it is a read of
 *   its own.
 * - `slowReply`: a reply comes up to 400 ms late, and others pass it.
 * - `unknownMethod`: a notification has another name. `enumValue`: a word is one that nobody knows, such as a status.
 * - `dropKey`, `nullKey`, `retypeKey`: a key is not there, is null, or has a value of another type.
 * - `late`: a notification comes up to 800 ms late. `lateDuplicate`: it comes again then. `reorder`: it comes after the next
 *   frame.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = Core.Kind

/**
 * The kinds that leave the meaning as it is: a newer codex may do all of this at any time, and a program gets the right answer
 * nevertheless.
 *
 * @category models
 * @since 0.1.0
 */
export const harmless: ReadonlyArray<Kind> = Core.harmless

/**
 * The kinds that take something away that a program may need. It may then fail, but soon, and with an error that says so.
 *
 * @category models
 * @since 0.1.0
 */
export const harmful: ReadonlyArray<Kind> = Core.harmful

/**
 * A change that was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mutation {
  readonly kind: Kind
  /** Which frame: `notification turn/started`, `request item/tool/call` or `reply to thread/start`. */
  readonly frame: string
  /** How many such frames came before. */
  readonly index: number
  /** Where in the frame, such as `params.turn.status`. Undefined for what is not about a key. */
  readonly path: string | undefined
  /** What was done. Values are not shown, but for the word that was changed. */
  readonly change: string
}

/**
 * Says what a mutation did, in a line.
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
 * What is changed, and how much of it.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Any integer. The same one makes the same mutations. */
  readonly seed: number
  /** Default: all. See {@link harmless} and {@link harmful}. */
  readonly kinds?: ReadonlyArray<Kind> | undefined
  /** Which part of the frames is changed, from 0 to 1. Default: 0.1. */
  readonly rate?: number | undefined
  /** Only what the server sends of these methods, replies to them included. Default: everything. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** How many mutations are made at most, the first ones; to find the one that matters. Default: any number. */
  readonly limit?: number | undefined
}

/**
 * What stands on the connection and changes it.
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
 * A transport whose server's frames are changed. The scope carries what comes late.
 *
 * **Example** (Over a transport of one's own)
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
 * Changes what comes over the transport below.
 *
 * **Example** (The client on a fake whose server is newer)
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
 * Says in the log what was changed, when the effect does not succeed.
 *
 * **Example** (A test that names the mutations of the seed it fails with)
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
 * An executable that is the given codex with changes, for the option `executable` of any client. It runs with the Node of this
 * process and is removed with the scope; not on Windows.
 *
 * **Example** (The promise face on a codex that is newer)
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
      /** The codex that does the work: a path, or a name that is looked up on `PATH`. */
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

/** {@link executable} of the sources is a source, too. */
const program = Url.fileURLToPath(
  new URL(`./internal/mutatorProcess.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)
)

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
