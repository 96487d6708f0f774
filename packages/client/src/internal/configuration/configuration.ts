/** The implementation of `Configuration`. */
import * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { AppServerRpc } from "../../AppServerRpc.ts"
import { Configuration } from "../../Configuration.ts"
import { page, pages } from "../handles/pages.ts"
import * as OptionKinds from "../options.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import { writeErrors } from "./refusals.ts"
import * as Writes from "./writes.ts"

// docs/codex-behaviour.md, "The configuration is changed in the user's file alone".
const versionOf = (layers: ReadonlyArray<Received.ConfigLayer>): Option.Option<string> =>
  Option.fromNullishOr(layers.find(({ name }) => name.type === "user")?.version)

const reading = (rpc: Rpc): Pick<Configuration["Service"], "read" | "requirements" | "permissionProfiles"> => ({
  read: Effect.fn("Configuration.read")(function*(options) {
    yield* OptionKinds.check(options, { cwd: OptionKinds.text })
    const { config, layers, origins } = yield* rpc.request(
      "config/read",
      defined({ includeLayers: true, cwd: options?.cwd })
    )
    return { config, origins, layers: layers ?? [], version: versionOf(layers ?? []) }
  }),
  requirements: Effect.map(
    rpc.request("configRequirements/read", undefined),
    ({ requirements }) => Option.fromNullishOr(requirements)
  ).pipe(Effect.withSpan("Configuration.requirements")),
  permissionProfiles: Effect.fn("Configuration.permissionProfiles")(function*(options) {
    yield* OptionKinds.check(options, { cwd: OptionKinds.text })
    return yield* Stream.runCollect(
      pages(
        "permissionProfile/list",
        options,
        undefined,
        (at) =>
          rpc.request("permissionProfile/list", defined({ cwd: options?.cwd, ...at })).pipe(
            page(rpc, "permissionProfile/list", Received.PermissionProfileListResponse)
          )
      )
    )
  })
})

const features = (rpc: Rpc): Pick<Configuration["Service"], "features" | "setFeatures"> => ({
  features: Effect.fn("Configuration.features")(function*(options) {
    yield* OptionKinds.check(options, { threadId: OptionKinds.text })
    return yield* Stream.runCollect(
      pages(
        "experimentalFeature/list",
        options,
        undefined,
        (at) =>
          rpc.request("experimentalFeature/list", defined({ threadId: options?.threadId, ...at })).pipe(
            page(rpc, "experimentalFeature/list", Received.ExperimentalFeatureListResponse)
          )
      )
    )
  }),
  setFeatures: Effect.fn("Configuration.setFeatures")(function*(features) {
    yield* OptionKinds.checkArgument("features", features, OptionKinds.flags)
    const { enablement } = yield* rpc.request("experimentalFeature/enablement/set", { enablement: features })
    const accepted = Object.fromEntries(
      Object.entries(enablement).flatMap(([name, isOn]) => isOn === undefined ? [] : [[name, isOn]])
    )
    return { accepted, ignored: Object.keys(features).filter((name) => !Object.hasOwn(accepted, name)) }
  })
})

type Providing = "providers" | "providerCapabilities" | "setDefaultProvider" | "writeProvider"

const providing = (rpc: Rpc): Pick<Configuration["Service"], Providing> => ({
  providers: Effect.map(
    rpc.request("modelProvider/list", {}),
    ({ canChangeDefault, data, defaultProviderId }) => ({
      providers: data,
      defaultId: defaultProviderId,
      canChangeDefault
    })
  ).pipe(Effect.withSpan("Configuration.providers")),
  providerCapabilities: rpc.request("modelProvider/capabilities/read", {}).pipe(
    Effect.withSpan("Configuration.providerCapabilities")
  ),
  setDefaultProvider: Effect.fn("Configuration.setDefaultProvider")(function*(providerId) {
    yield* OptionKinds.checkArgument("providerId", providerId, OptionKinds.text)
    const reply = yield* rpc.request("modelProvider/default/set", { providerId }).pipe(writeErrors)
    return Writes.writtenOf(reply)
  }),
  writeProvider: Effect.fn("Configuration.writeProvider")(function*(settings) {
    const { provider } = yield* rpc.request("modelProvider/config/write", { settings }).pipe(writeErrors)
    return provider
  })
})

export const make: Effect.Effect<Configuration["Service"], never, AppServerRpc> = Effect.map(
  AppServerRpc,
  (rpc) => Configuration.of({ ...reading(rpc), ...Writes.make(rpc), ...features(rpc), ...providing(rpc) })
)
