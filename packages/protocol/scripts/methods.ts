/** Finds the methods of the protocol, their params and their results. */
import { type Definition, type Definitions, lookup, type ObjectType, type Type } from "./model.ts"

export interface Method {
  readonly name: string
  readonly params: Type
  readonly result: Type | undefined
  readonly stability: "stable" | "experimental"
}

export interface Methods {
  readonly clientRequests: ReadonlyArray<Method>
  readonly serverRequests: ReadonlyArray<Method>
  readonly serverNotifications: ReadonlyArray<Method>
  readonly clientNotifications: ReadonlyArray<Method>
}

/** The unions of all messages of a kind: the tables replace them. */
export const envelopes: ReadonlyArray<string> = [
  "ClientNotification",
  "ClientRequest",
  "ServerNotification",
  "ServerNotificationEnvelope",
  "ServerRequest"
]

/**
 * codex does not say which result belongs to which method. It is named like the params (`XParams`, `XResponse`) but for
 * these.
 */
const results: ReadonlyMap<string, string> = new Map([
  ["account/gatewayOAuth/cancel", "GatewayOAuthCancelResponse"],
  ["account/logout", "LogoutAccountResponse"],
  ["account/securitySetup/read", "GetAccountSecuritySetupResponse"],
  ["account/workspaceMessages/read", "GetWorkspaceMessagesResponse"],
  ["accountSession/list", "AccountSessionsResponse"],
  ["config/batchWrite", "ConfigWriteResponse"],
  ["config/mcpServer/reload", "McpServerRefreshResponse"],
  ["config/value/write", "ConfigWriteResponse"],
  ["configRequirements/read", "ConfigRequirementsReadResponse"],
  ["externalAgentConfig/import/readHistories", "ExternalAgentConfigImportHistoriesReadResponse"],
  ["memory/reset", "MemoryResetResponse"],
  ["remoteControl/status/read", "RemoteControlStatusReadResponse"],
  ["rollout/compress", "RolloutCompressResponse"],
  ["windowsSandbox/readiness", "WindowsSandboxReadinessResponse"]
])

const messages = (definitions: Definitions, envelope: string): ReadonlyMap<string, Type> => {
  const { type } = lookup(definitions, envelope)
  const members = type.kind === "union" ? type.members : [type]
  return new Map(members.map((member) => {
    if (member.kind !== "object") throw new Error(`${envelope} has a member that is no object`)
    const method = field(member, "method")
    if (method?.kind !== "literal") throw new Error(`${envelope} has a member without a method`)
    return [method.value, field(member, "params") ?? { kind: "undefined" }]
  }))
}

const field = (object: ObjectType, name: string): Type | undefined =>
  object.fields.find((candidate) => candidate.name === name)?.type

const refsOf = (type: Type): ReadonlyArray<string> =>
  type.kind === "ref" ? [type.id] : type.kind === "union" ? type.members.flatMap(refsOf) : []

export const findMethods = (definitions: Definitions, stableDefinitions: Definitions): Methods => {
  const responses = new Map<string, Definition>()
  for (const definition of definitions.values()) {
    if (definition.name.endsWith("Response")) responses.set(definition.name, definition)
  }
  const unclaimed = new Set(responses.keys())
  const unused = new Set(results.keys())

  const resultOf = (method: string, params: Type): Type => {
    const [paramsId] = refsOf(params)
    const derived = paramsId === undefined
      ? undefined
      : lookup(definitions, paramsId).name.replace(/Params$/, "Response")
    const name = results.get(method) ?? derived
    unused.delete(method)
    const response = name === undefined ? undefined : responses.get(name)
    if (response === undefined) throw new Error(`The result of ${method} is unknown: add it to scripts/methods.ts`)
    unclaimed.delete(response.name)
    return { kind: "ref", id: response.id }
  }

  const read = (envelope: string, isRequest: boolean): ReadonlyArray<Method> => {
    const stable = messages(stableDefinitions, envelope)
    return [...messages(definitions, envelope)].map(([name, params]): Method => ({
      name,
      params,
      result: isRequest ? resultOf(name, params) : undefined,
      stability: stable.has(name) ? "stable" : "experimental"
    })).sort((a, b) => a.name < b.name ? -1 : 1)
  }

  const methods: Methods = {
    clientRequests: read("ClientRequest", true),
    serverRequests: read("ServerRequest", true),
    serverNotifications: read("ServerNotification", false),
    clientNotifications: read("ClientNotification", false)
  }
  if (unclaimed.size > 0 || unused.size > 0) {
    const names = [...unclaimed, ...unused].join(", ")
    throw new Error(`Results without a method, or methods that are gone: ${names}. See scripts/methods.ts`)
  }
  return methods
}
