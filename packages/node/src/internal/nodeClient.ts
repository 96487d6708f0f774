/** The client of a codex process on this machine, as `CodexNode.layer` and the pool build it. */
import * as AppServer from "@effect-codex/client/AppServer"
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import type * as ConfigOverrides from "@effect-codex/client/ConfigOverrides"
import { ReadDescriptors } from "@effect-codex/client/internal/descriptors"
import { Spawn } from "@effect-codex/client/internal/wire/spawn"
import * as Transport from "@effect-codex/client/Transport"
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as CodexExecutable from "../CodexExecutable.ts"
import type { Options } from "../CodexNode.ts"
import * as ChildPath from "./childPath.ts"
import * as DirectPipes from "./directPipes.ts"
import * as HooksOfProcess from "./hooksOfProcess.ts"
import * as LockedDatabase from "./lockedDatabase.ts"
import * as ProcessDescriptors from "./processDescriptors.ts"
import * as LocalFiles from "./serverFiles.ts"

export const NodeLive = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.merge(NodeFileSystem.layer, NodePath.layer))
)

/** An early process was started with the default greeting, so these options rule out adopting it. */
export const spawnOf = ({ capabilities, clientInfo, experimentalApi }: AppServerRpc.Options) =>
  capabilities === undefined && clientInfo === undefined && experimentalApi === undefined
    ? DirectPipes.spawnOrAdopt
    : DirectPipes.spawn

export const processOf = (
  options: Omit<AppServer.Options, "executable"> & Pick<Options, "executable" | "maxLoadedThreads">,
  spawn: typeof Spawn.Service
) =>
  Layer.unwrap(Effect.gen(function*() {
    const { executable, pathFolder } = yield* CodexExecutable.find({ executable: options.executable })
    const env = pathFolder === undefined
      ? options.env
      : ChildPath.prepend(pathFolder, options.env ?? {}, process.env, process.platform)
    const configOverrides = unloading(options, yield* HooksOfProcess.installed(options, executable))
    return Layer.provide(
      AppServer.layer({ ...options, configOverrides, executable, env }),
      Layer.succeed(Spawn, spawn)
    )
  }))

/** The client and the login over a connection. */
export const services = (options: Codex.Options) =>
  Layer.merge(Codex.layer({ ...options, checkLogin: options.checkLogin ?? true }), Auth.layer)

const servicesOfOurs = (options: Options) =>
  services(options).pipe(
    Layer.provide(LocalFiles.layer(options)),
    Layer.provide(Layer.effect(ReadDescriptors, Effect.flatMap(AppServer.AppServer, ProcessDescriptors.of)))
  )

const unloadDelay = "thread_unload_delay_secs"

/** A thread that the client lets go of must free what it uses at once, and not in a minute. */
const unloading = (
  { args, maxLoadedThreads }: Pick<Options, "args" | "maxLoadedThreads">,
  given: ConfigOverrides.ConfigOverrides
): ConfigOverrides.ConfigOverrides => {
  if (maxLoadedThreads === undefined || args !== undefined) return given
  const all = Predicate.isIterable(given) ? [...given] : [given]
  const isGiven = all.some((one) =>
    typeof one === "string" ? one.startsWith(unloadDelay) : Object.hasOwn(one, unloadDelay)
  )
  return isGiven ? given : [...all, { [unloadDelay]: 0 }]
}

export const once = (options: Options) =>
  servicesOfOurs(options).pipe(
    Layer.provideMerge(LockedDatabase.retried(
      HooksOfProcess.checked(AppServerRpc.layer(options)).pipe(
        Layer.provide(Transport.layerStdio(options)),
        Layer.provideMerge(processOf(options, spawnOf(options)))
      )
    ))
  )

/** @param server the process of a connection, built anew for each. */
export const supervised = <E extends AppServerStartError | CodexExecutableNotFound, R>(
  options: Options,
  restart: AppServerRpc.RestartSchedule,
  server: Layer.Layer<AppServer.AppServer, E, R>
) =>
  Layer.unwrap(Effect.sync(() => {
    let running: AppServer.AppServer["Service"]
    const noted = Layer.effect(
      AppServer.AppServer,
      Effect.map(AppServer.AppServer, (server) => {
        running = server
        return server
      })
    ).pipe(Layer.provide(server))
    const rpc = LockedDatabase.retried(HooksOfProcess.checked(
      AppServerRpc.layerSupervised(Layer.provide(Transport.layerStdio(options), noted), { ...options, restart })
    ))
    // The current process, or the last one.
    const latest = Layer.effect(
      AppServer.AppServer,
      Effect.as(AppServerRpc.AppServerRpc, {
        get executable() {
          return running.executable
        },
        get pid() {
          return running.pid
        },
        receive: (onChunk) => Effect.suspend(() => running.receive(onChunk)),
        send: (text) => Effect.suspend(() => running.send(text)),
        stderr: Effect.suspend(() => running.stderr),
        exit: Effect.suspend(() => running.exit)
      })
    )
    return servicesOfOurs(options).pipe(Layer.provideMerge(latest), Layer.provideMerge(rpc))
  }))
