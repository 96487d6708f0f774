/**
 * The behaviour of an app-server, as test cases. The real codex and `FakeAppServer` pass the same cases, and you can
 * run them against a server or a transport of your own.
 *
 * A case drives the server through the client, scripts the model's answers, and compares the server's frames, one by
 * one, with those of the real codex 0.171.0. The comparison ignores what differs between runs and machines: ids, times,
 * paths, process ids.
 *
 * {@link cases} share a connection, {@link handshakeCases} need a new one each, and {@link loginCases} are for a server
 * whose model requires a login. Cases about images write files to the temporary folder, so the server must run on the
 * same machine.
 *
 * **Example** (Running the cases against a server of your own)
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
 * // These send the handshake themselves, so they get the transport without the client.
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
import * as Agents from "./internal/contract/agents.ts"
import * as Asked from "./internal/contract/asked.ts"
import * as Carried from "./internal/contract/carried.ts"
import * as Configuration from "./internal/contract/configuration.ts"
import * as Errors from "./internal/contract/errors.ts"
import * as Extensions from "./internal/contract/extensions.ts"
import * as Handshake from "./internal/contract/handshake.ts"
import * as Logins from "./internal/contract/logins.ts"
import { type Case, type Frame, Wire } from "./internal/contract/model.ts"
import * as Plans from "./internal/contract/plans.ts"
import * as Queue from "./internal/contract/queue.ts"
import * as Threads from "./internal/contract/threads.ts"
import * as Tools from "./internal/contract/tools.ts"
import * as Turns from "./internal/contract/turns.ts"
import { normalize as normalizeFrames, recording, sketch as sketchFrames } from "./internal/contract/wire.ts"
import * as Workspace from "./internal/contract/workspace.ts"

// =============================================================================
// Models
// =============================================================================

export {
  /**
   * A case: its name, and an effect that fails if the server behaves otherwise.
   *
   * @category models
   * @since 0.1.0
   */
  type Case,
  /**
   * The server behaved other than the contract says. `message` shows the difference line by line.
   *
   * @category errors
   * @since 0.1.0
   */
  ContractFailure,
  /**
   * A frame that was sent or received, parsed.
   *
   * @category models
   * @since 0.1.0
   */
  type Frame,
  /**
   * The services that a case needs: the client and the {@link Wire} of {@link layer}, and the server's scripted model.
   *
   * @category models
   * @since 0.1.0
   */
  type Services,
  /**
   * A recorder of the frames on the connection of the cases.
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
 * The cases that run after the handshake, and can share a connection.
 *
 * **Example** (Running the cases on one connection)
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
 * @see {@link handshakeCases}
 * @see {@link loginCases}
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...Turns.cases,
  ...Tools.cases,
  ...Agents.cases,
  ...Asked.cases,
  ...Carried.cases,
  ...Queue.cases,
  ...Threads.cases,
  ...Plans.cases,
  ...Errors.cases,
  ...Logins.cases,
  ...Workspace.cases,
  ...Configuration.cases,
  ...Extensions.cases
]

/**
 * The cases about the handshake. Each needs a new connection, on which nothing was sent yet.
 *
 * **Example** (A connection for each case)
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
 * The cases for a server whose model requires a login. {@link cases} need a model that does not.
 *
 * **Example** (A fake whose model requires a login)
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
 * Returns the results of the commands in the cases, for servers that do not run commands.
 *
 * **Example** (The result of `echo`)
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
 * Provides the client of the cases, on the transport to the server under test.
 *
 * **Example** (A server that is already running)
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
 * Replaces what differs from run to run by names, to compare the frames of two servers field by field. A reply gets the
 * method of its request in `of`.
 *
 * **Example** (Frames that can be compared)
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
 * Summarizes each frame of the server in one line, as the cases compare them. Frames of the client are left out.
 *
 * **Example** (The server's frames, line by line)
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
