/** Finds the protocol's methods with their params and results. */
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

/** The unions of all messages of each kind. The method tables replace them. */
export const envelopes: ReadonlyArray<string> = [
  "ClientNotification",
  "ClientRequest",
  "ServerNotification",
  "ServerNotificationEnvelope",
  "ServerRequest"
]

/**
 * The results whose names do not follow from their method. codex does not say which result belongs to which method; the
 * others are named like the params (`XParams`, `XResponse`) or the method (`x/y`, `XYResponse`). A result that is not
 * found is `unknown`.
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
  ["externalAgentConfig/import/readHistories", "ExternalAgentConfigImportHistoriesReadResponse"],
  ["modelProvider/default/set", "ConfigWriteResponse"]
])

const messages = (definitions: Definitions, envelope: string): ReadonlyMap<string, Type> => {
  const { type } = lookup(definitions, envelope)
  const members = type.kind === "union" ? type.members : [type]
  return new Map(members.map((member) => {
    if (member.kind !== "object") throw new Error(`${envelope} has a member that is not an object`)
    const method = field(member, "method")
    if (method?.kind !== "literal" || typeof method.value !== "string") {
      throw new Error(`${envelope} has a member without a method`)
    }
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

  const resultOf = (method: string, params: Type): Type => {
    const [paramsId] = refsOf(params)
    const likeParams = paramsId === undefined ? "" : lookup(definitions, paramsId).name.replace(/Params$/, "Response")
    const words = method.split("/").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    const named = results.get(method)
    const names = named === undefined ? [likeParams, `${words.join("")}Response`] : [named]
    const [response] = names.flatMap((name) => responses.get(name) ?? [])
    return response === undefined
      ? { kind: "opaque", what: `the result of ${method} (name it in scripts/methods.ts)` }
      : { kind: "ref", id: response.id }
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

  return {
    clientRequests: read("ClientRequest", true),
    serverRequests: read("ServerRequest", true),
    serverNotifications: read("ServerNotification", false),
    clientNotifications: read("ClientNotification", false)
  }
}
