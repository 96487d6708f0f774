import * as Client from "@effect-codex/client/Configuration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Configuration, ConfigurationSnapshot, ConfigurationWritten } from "../Configuration.ts"
import type { CallOptions } from "../Options.ts"
import type { Host, Services } from "./host.ts"
import { withoutSignal } from "./withoutSignal.ts"

const snapshot = (read: Client.Snapshot): ConfigurationSnapshot => ({
  ...read,
  version: Option.getOrUndefined(read.version)
})

const written = (write: Client.Written): ConfigurationWritten => ({
  ...write,
  overridden: Option.getOrUndefined(write.overridden)
})

export const make = (host: Host): Configuration => {
  const using = <A>(
    use: (configuration: Client.Configuration["Service"]) => Effect.Effect<A, unknown, Services>,
    options: CallOptions | undefined
  ): Promise<A> => host.run(Effect.flatMap(Client.make, use), options?.signal)

  return {
    read: (options) =>
      using(
        (it) => Effect.flatMap(withoutSignal(options), (given) => Effect.map(it.read(given), snapshot)),
        options
      ),
    write: (key, value, options) =>
      using(
        (it) => Effect.flatMap(withoutSignal(options), (given) => Effect.map(it.write(key, value, given), written)),
        options
      ),
    writeAll: (edits, options) =>
      using(
        (it) => Effect.flatMap(withoutSignal(options), (given) => Effect.map(it.writeAll(edits, given), written)),
        options
      ),
    requirements: (options) => using((it) => Effect.map(it.requirements, Option.getOrUndefined), options),
    features: (options) => using((it) => Effect.flatMap(withoutSignal(options), it.features), options),
    setFeatures: (features, options) => using((it) => it.setFeatures(features), options),
    providers: (options) => using((it) => it.providers, options),
    providerCapabilities: (options) => using((it) => it.providerCapabilities, options),
    setDefaultProvider: (providerId, options) =>
      using((it) => Effect.map(it.setDefaultProvider(providerId), written), options),
    writeProvider: (settings, options) => using((it) => it.writeProvider(settings), options),
    permissionProfiles: (options) =>
      using((it) => Effect.flatMap(withoutSignal(options), it.permissionProfiles), options)
  }
}
