/**
 * Effect's cluster over TCP, as `NodeClusterSocket.layer` makes it, with a client that notices sooner that a runner
 * does not answer. A frozen runner keeps its connections open. Effect's client asks every 5 seconds whether it is still
 * there, so a caller would wait for up to 10 seconds for an answer that another runner has stored after 5.
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Socket from "effect/socket/Socket"

/** A runner that is silent for so long is not waited for: its stored messages are answered from the database. */
const ping = { pingInterval: "1 second", pingTimeout: "3 seconds" } as const

const Connections = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.map(RpcSerialization.RpcSerialization, (serialization) => ({
    codecFor: serialization.codecFor,
    make: ({ host, port }) =>
      NodeSocket.makeNet({ host, port, openTimeout: 1000, timeout: 5500 }).pipe(
        Effect.flatMap((socket) => Effect.provideService(RpcClient.makeProtocolSocket(ping), Socket.Socket, socket)),
        Effect.provideService(RpcSerialization.RpcSerialization, serialization)
      )
  }))
)

type Config = Partial<ShardingConfig.ShardingConfig["Service"]>

const Storage = Layer.provideMerge(
  SqlMessageStorage.layer.pipe(Layer.provide(NodeCrypto.layerDigest)),
  Layer.orDie(SqlRunnerStorage.layer)
)

const common = (config: Config) =>
  Layer.merge(ShardingConfig.layerFromEnv(config), RpcSerialization.layerSchemaBinary())

export interface Health {
  readonly runnerHealth?: "ping" | "k8s" | undefined
  readonly runnerHealthK8s?: Parameters<typeof RunnerHealth.layerK8s>[0]
}

const health = ({ runnerHealth, runnerHealthK8s }: Health) =>
  runnerHealth === "k8s"
    ? RunnerHealth.layerK8s(runnerHealthK8s).pipe(Layer.provide(NodeClusterSocket.layerK8sHttpClient))
    : RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc))

/** A process that has shards. */
export const layerRunner = (config: Config, options: Health) =>
  SocketRunner.layer.pipe(
    Layer.provide(health(options)),
    Layer.provide([NodeClusterSocket.layerSocketServer, Connections]),
    Layer.provideMerge(Storage),
    Layer.provide(common(config))
  )

/** A process that only sends. */
export const layerClient = (config: Config) =>
  SocketRunner.layerClientOnly.pipe(
    Layer.provide(Connections),
    Layer.provideMerge(Storage),
    Layer.provide(common(config))
  )
