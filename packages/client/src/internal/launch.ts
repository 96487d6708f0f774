/**
 * How to start codex app-server and initialize it. It imports nothing of Effect, so that a program can start codex
 * before it loads the rest: `earlyProcess.ts` of `@effect-codex/node`.
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import type { Options as ProcessOptions } from "../AppServer.ts"
import type { Options as ClientOptions } from "../AppServerRpc.ts"
import * as ConfigOverrides from "../ConfigOverrides.ts"
import { version } from "./version.ts"

type ArgvOptions = Pick<ProcessOptions, "args" | "configOverrides" | "credentialsStore">

export const argv = ({ args, configOverrides = [], credentialsStore }: ArgvOptions): ReadonlyArray<string> => {
  const store = credentialsStore === undefined ? [] : [`cli_auth_credentials_store="${credentialsStore}"`]
  return args ?? [
    ...[...ConfigOverrides.encode(configOverrides).texts, ...store].map((override) => `--config=${override}`),
    "app-server",
    "--listen",
    "stdio://"
  ]
}

/** The first override that codex would read as something else. */
export const overrideProblem = ({ args, configOverrides }: ArgvOptions): ConfigOverrides.Problem | undefined =>
  args !== undefined || configOverrides === undefined ? undefined : ConfigOverrides.encode(configOverrides).problems[0]

export const clientInfo = (
  given: ClientOptions["clientInfo"]
): NonNullable<ClientOptions["clientInfo"]> => ({
  name: "effect_codex",
  title: "effect-codex",
  version,
  ...given
})

export const capabilities = (options: ClientOptions | undefined): Sent.InitializeCapabilities => ({
  requestAttestation: false,
  ...options?.capabilities,
  experimentalApi: options?.experimentalApi ?? true
})

/** The params of `initialize`. */
export const initialize = (
  clientInfo: NonNullable<ClientOptions["clientInfo"]>,
  capabilities: Sent.InitializeCapabilities
): Sent.InitializeParams => ({ clientInfo: { ...clientInfo, title: clientInfo.title ?? null }, capabilities })

/** The first frame of a client without options of its own, byte for byte: its first request is this one. */
export const firstFrame = (): string =>
  JSON.stringify({ id: 1, method: "initialize", params: initialize(clientInfo(undefined), capabilities(undefined)) })
