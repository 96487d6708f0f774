/**
 * What an app-server does, as cases that any of them can be held against: the real codex and {@link FakeAppServer} pass the
 * same ones, and another implementation of the transport can run them too.
 *
 * A case drives the server over the client, with a model whose answers it writes down, and compares what comes over the
 * wire, frame by frame, with what the real codex 0.171.0 sends. What the server sends of its own machine (ids, times,
 * paths, process ids) is left out of the comparison.
 *
 * {@link cases} share a connection, {@link handshakeCases} get a new one each, {@link loginCases} are for a server whose
 * model wants a login. A case that reads images writes them to the temporary folder of this machine, so the server has to
 * run on it.
 *
 * **Example** (Running them against a server of one's own)
 *
 * ```ts
 * import { AppServer, Transport } from "@effect-codex/client"
 * import { CodexHome, Contract, ScriptedModel } from "@effect-codex/testing"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import { it } from "@effect/vitest"
 * import { Effect, Layer } from "effect"
 *
 * // A program that speaks the protocol on its stdin and stdout, and asks the model that its home names.
 * const ServerLive = Layer.unwrap(Effect.map(CodexHome.CodexHome, ({ env, workspace }) =>
 *   Transport.layerStdio().pipe(
 *     Layer.provide(AppServer.layer({ executable: "my-app-server", cwd: workspace, env }))
 *   ))).pipe(
 *     Layer.provide(CodexHome.layer()),
 *     Layer.provideMerge(ScriptedModel.layer()),
 *     Layer.provide(NodeServices.layer)
 *   )
 *
 * for (const { effect, name } of Contract.cases) {
 *   it.live(name, () =>
 *     effect.pipe(Effect.scoped, Effect.provide(Contract.layer.pipe(Layer.provideMerge(ServerLive)))))
 * }
 * // These speak for themselves, from the first frame on, and get the transport without the client.
 * for (const { effect, name } of Contract.handshakeCases) {
 *   it.live(name, () => effect.pipe(Effect.scoped, Effect.provide(ServerLive)))
 * }
 * ```
 *
 * @since 0.1.0
 */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError } from "@effect-codex/client/CodexError"
import * as Transport from "@effect-codex/client/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ExecRequest, ExecResult } from "./FakeAppServer.ts"
import * as Asked from "./internal/contract/asked.ts"
import * as Errors from "./internal/contract/errors.ts"
import * as Handshake from "./internal/contract/handshake.ts"
import * as Logins from "./internal/contract/logins.ts"
import { type Case, type Frame, Wire } from "./internal/contract/model.ts"
import * as Threads from "./internal/contract/threads.ts"
import * as Tools from "./internal/contract/tools.ts"
import * as Turns from "./internal/contract/turns.ts"
import { normalize as normalizeFrames, recording, sketch as sketchFrames } from "./internal/contract/wire.ts"

// =============================================================================
// Models
// =============================================================================

export {
  /**
   * One thing that a server does: its name, and an effect that fails when it is not so.
   *
   * @category models
   * @since 0.1.0
   */
  type Case,
  /**
   * The server did something else than the contract says. `message` shows both, line by line.
   *
   * @category errors
   * @since 0.1.0
   */
  ContractFailure,
  /**
   * A frame that went over the connection, parsed.
   *
   * @category models
   * @since 0.1.0
   */
  type Frame,
  /**
   * What a case needs: the client of {@link layer}, its wire, and the model that the server asks.
   *
   * @category models
   * @since 0.1.0
   */
  type Services,
  /**
   * What goes over the connection of the cases.
   *
   * @category services
   * @since 0.1.0
   */
  Wire
} from "./internal/contract/model.ts"

// =============================================================================
// Cases
// =============================================================================

/**
 * The cases for a connection that is open, which they can share.
 *
 * **Example** (The cases on one connection)
 *
 * ```ts
 * import { Contract, ScriptedCodex } from "@effect-codex/testing"
 * import { layer } from "@effect/vitest"
 * import { Layer } from "effect"
 *
 * const Real = Contract.layer.pipe(Layer.provideMerge(ScriptedCodex.layerTransport()))
 *
 * layer(Real, { excludeTestServices: true })((it) => {
 *   for (const { effect, name } of Contract.cases) it.effect(name, () => effect)
 * })
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...Turns.cases,
  ...Tools.cases,
  ...Asked.cases,
  ...Threads.cases,
  ...Errors.cases,
  ...Logins.cases
]

/**
 * The cases that need a connection each, on which nothing was said yet.
 *
 * **Example** (A connection for each)
 *
 * ```ts
 * import { Contract, ScriptedCodex } from "@effect-codex/testing"
 * import { it } from "@effect/vitest"
 * import { Effect } from "effect"
 *
 * for (const { effect, name } of Contract.handshakeCases) {
 *   it.live(name, () => effect.pipe(Effect.scoped, Effect.provide(ScriptedCodex.layerTransport())))
 * }
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const handshakeCases: ReadonlyArray<Case<Transport.Transport>> = Handshake.cases

/**
 * The cases for a connection to a server whose model wants a login, which {@link cases} are not for.
 *
 * **Example** (A fake whose model wants a login)
 *
 * ```ts
 * import { Contract, FakeAppServer } from "@effect-codex/testing"
 * import { it } from "@effect/vitest"
 * import { Effect, Layer } from "effect"
 *
 * const ServerLive = FakeAppServer.layerTransport({ requiresOpenaiAuth: true })
 *
 * for (const { effect, name } of Contract.loginCases) {
 *   it.effect(name, () => effect.pipe(Effect.provide(Contract.layer.pipe(Layer.provideMerge(ServerLive)))))
 * }
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const loginCases: ReadonlyArray<Case> = Logins.loginCases

/**
 * What comes of the commands that the model of the cases runs, for servers that do not run any.
 *
 * **Example** (What `echo` writes)
 *
 * ```ts
 * import { Contract } from "@effect-codex/testing"
 *
 * export const { exitCode, output } = Contract.exec({ command: "echo a; exit 3", cwd: "/", threadId: "t" }) // 3, "a\n"
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const exec = ({ command }: ExecRequest): ExecResult => {
  const exit = /exit (\d+)$/.exec(command)
  const echo = /\becho (\w+)/.exec(command)
  return { output: echo === null ? "" : `${echo[1]}\n`, exitCode: exit === null ? 0 : Number(exit[1]) }
}

// =============================================================================
// Layers
// =============================================================================

/**
 * The client of the cases, over the transport of the server under test.
 *
 * **Example** (Of a server that is connected to)
 *
 * ```ts
 * import { Transport } from "@effect-codex/client"
 * import { Contract } from "@effect-codex/testing"
 * import { Layer } from "effect"
 *
 * export const ContractLive = Contract.layer.pipe(
 *   Layer.provide(Transport.layerWebSocket({ url: "ws://127.0.0.1:4500" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | Wire,
  AppServerStartError,
  Transport.Transport
> = Layer.unwrap(Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const frames: Array<Frame> = []
  const waiting = new Set<() => void>()
  const recorded = recording(transport, (from, texts) => {
    for (const text of texts) {
      const message: unknown = JSON.parse(text)
      if (typeof message === "object" && message !== null) frames.push({ from, message: { ...message } })
    }
    for (const look of waiting) look()
  })
  const wire = Wire.of({
    frames: Effect.sync(() => [...frames]),
    until: (predicate, since) =>
      Effect.callback((resume) => {
        const look = () => {
          const found = frames.slice(since).find(({ from, message }) => from === "server" && predicate(message))
          if (found === undefined) return
          waiting.delete(look)
          resume(Effect.succeed(found.message))
        }
        waiting.add(look)
        look()
        return Effect.sync(() => void waiting.delete(look))
      })
  })
  return Layer.merge(Codex.layer(), Auth.layer).pipe(
    Layer.provideMerge(AppServerRpc.layer()),
    Layer.provideMerge(Layer.succeed(Wire, wire)),
    Layer.provide(Layer.succeed(Transport.Transport, recorded))
  )
}))

// =============================================================================
// Comparing
// =============================================================================

/**
 * The frames with everything named that differs from run to run, for comparing two servers field by field. A reply has the
 * method of its request in `of`.
 *
 * **Example** (What two servers said, to be compared)
 *
 * ```ts
 * import { Contract } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const said = Effect.flatMap(Contract.Wire, ({ frames }) => Effect.map(frames, Contract.normalize))
 * ```
 *
 * @category comparing
 * @since 0.1.0
 */
export const normalize: (frames: ReadonlyArray<Frame>) => ReadonlyArray<{ readonly [key: string]: unknown }> =
  normalizeFrames

/**
 * One line for each frame of the server, as the cases compare them.
 *
 * **Example** (What happened, line by line)
 *
 * ```ts
 * import { Contract } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const lines = Effect.flatMap(Contract.Wire, ({ frames }) => Effect.map(frames, Contract.sketch))
 * ```
 *
 * @category comparing
 * @since 0.1.0
 */
export const sketch: (frames: ReadonlyArray<Frame>) => ReadonlyArray<string> = sketchFrames
