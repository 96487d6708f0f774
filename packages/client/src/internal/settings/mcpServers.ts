/**
 * Converts typed MCP servers to the configuration of a thread. Everything is checked here, because codex quotes values
 * that it finds wrong, drops headers silently, and goes on without a server whose name it does not take:
 * docs/codex-behaviour.md, "The configuration of an MCP server is checked in parts".
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type { ThreadSettings } from "../../Codex.ts"
import { InvalidArgument } from "../../CodexError.ts"
import type { Http, McpServer, Options, Stdio } from "../../McpServer.ts"
import { isNames } from "../names.ts"
import * as OptionKinds from "../options.ts"
import { allSent, defined } from "./settings.ts"

// =============================================================================
// Checks
// =============================================================================

const named = (key: OptionKinds.Kind, value: OptionKinds.Kind): OptionKinds.Kind => ({
  expected: `an object whose keys are ${key.expected}, and whose values are ${value.expected}`,
  fits: (u) => isNames(u) && Object.entries(u).every(([name, one]) => key.fits(name) && value.fits(one))
})
/** Undefined if the secret was wiped. */
const revealedOf = (u: Redacted.Redacted<unknown>): unknown => {
  try {
    return Redacted.value(u)
  } catch {
    return undefined
  }
}
const secret = (kind: OptionKinds.Kind): OptionKinds.Kind => ({
  expected: `${kind.expected}, which may be Redacted and must not be wiped`,
  fits: (u) => Redacted.isRedacted(u) && kind.fits(revealedOf(u))
})
const matching = (pattern: RegExp, expected: string): OptionKinds.Kind => ({
  expected,
  fits: (u) => Predicate.isString(u) && pattern.test(u)
})

const serverName = matching(/^[\w:@/.-]+$/, "of letters, digits and _:@/.-")
const variable = matching(/^[^=\0]+$/, "names of variables")
const header = matching(/^[!#$%&'*+.^`|~\w-]+$/, "names of headers")
const headerValue = matching(/^[\t\x20-\x7e\x80-\uffff]*$/, "strings without control characters")
const program = matching(/^[^\0]+$/, "a program that is not empty")
const approval = OptionKinds.oneOf("auto", "prompt", "writes", "approve")
const tools = matching(/./, "names of tools")
const limit: OptionKinds.Kind = {
  expected: "a duration above 0, such as \"5 minutes\" or milliseconds",
  fits: (u) => {
    const millis = Option.map(Duration.fromInput(u as Duration.Input), Duration.toMillis)
    return Option.isSome(millis) && millis.value > 0 && Number.isFinite(millis.value)
  }
}
const url: OptionKinds.Kind = {
  expected: "an address with http: or https:",
  fits: (u) => Predicate.isString(u) && URL.canParse(u) && /^https?:$/.test(new URL(u).protocol)
}

const ofAny: OptionKinds.Kinds = {
  approval,
  disabledTools: OptionKinds.texts,
  enabled: OptionKinds.flag,
  enabledTools: OptionKinds.texts,
  followToolChanges: OptionKinds.flag,
  parallelToolCalls: OptionKinds.flag,
  required: OptionKinds.flag,
  startupTimeout: limit,
  toolApprovals: named(tools, { ...approval, fits: (u) => u === undefined || approval.fits(u) }),
  toolTimeout: limit
}

const ofStdio: OptionKinds.Kinds = {
  ...ofAny,
  args: OptionKinds.texts,
  command: program,
  cwd: program,
  env: named(variable, secret(matching(/^[^\0]*$/, "strings"))),
  envVars: OptionKinds.texts
}

const ofHttp: OptionKinds.Kinds = {
  ...ofAny,
  bearerToken: secret(matching(/^[\x21-\x7e]+$/, "a token without spaces and control characters")),
  bearerTokenEnvVar: variable,
  headers: named(header, secret(headerValue)),
  headersFromEnv: named(header, { ...variable, fits: (u) => u === undefined || variable.fits(u) }),
  oauthClientId: OptionKinds.text,
  oauthResource: OptionKinds.text,
  scopes: OptionKinds.texts,
  url
}

/** What else than a token would authorize a request. codex would send one of them, in no certain order. */
const authorizationOf = (server: object): string | undefined => {
  if (Reflect.get(server, "bearerTokenEnvVar") !== undefined) return "`bearerTokenEnvVar`"
  const headers = ["headers", "headersFromEnv"].flatMap((key) => Object.keys(Object(Reflect.get(server, key))))
  return headers.some((name) => name.toLowerCase() === "authorization") ? "the header `Authorization`" : undefined
}

const problemOf = (name: string, server: unknown): InvalidArgument | undefined => {
  const at = `mcpServers[${JSON.stringify(name)}]`
  if (!serverName.fits(name)) {
    return new InvalidArgument({ argument: at, detail: `expected a name ${serverName.expected}.` })
  }
  const tag = Predicate.hasProperty(server, "_tag") ? server._tag : undefined
  if (tag !== "Stdio" && tag !== "Http") {
    return new InvalidArgument({ argument: at, detail: "expected McpServer.stdio({...}) or McpServer.http({...})." })
  }
  const needed = tag === "Stdio" ? "command" : "url"
  const kinds = tag === "Stdio" ? ofStdio : ofHttp
  // A missing one must not count as left out.
  const problem = OptionKinds.problemOf({
    ...(server as object),
    [needed]: Reflect.get(server as object, needed) ?? null
  }, kinds)
  if (problem !== undefined) {
    return new InvalidArgument({ argument: `${at}.${problem.argument}`, detail: problem.detail })
  }
  const other = authorizationOf(server as object)
  return other !== undefined && Reflect.get(server as object, "bearerToken") !== undefined
    ? new InvalidArgument({ argument: `${at}.bearerToken`, detail: `leave either it or ${other} out.` })
    : undefined
}

// =============================================================================
// Conversion
// =============================================================================

type Table = { readonly [key: string]: Schema.Json }

const isTable = (u: Schema.Json | undefined): u is Table => OptionKinds.record.fits(u)

const seconds = (duration: Duration.Input | undefined) =>
  duration === undefined ? undefined : Duration.toSeconds(Duration.fromInputUnsafe(duration))

const revealed = (values: { readonly [name: string]: Redacted.Redacted<string> } = {}) =>
  Object.keys(values).length === 0 ? undefined : Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Redacted.value(value)])
  )

const common = (options: Options): Table => {
  const {
    approval,
    disabledTools,
    enabled,
    enabledTools,
    // A feature of the whole thread.
    followToolChanges: _,
    parallelToolCalls,
    required,
    startupTimeout,
    toolApprovals,
    toolTimeout,
    ...rest
  } = options
  allSent(rest)
  const approvals = Object.entries(toolApprovals ?? {}).flatMap(([tool, mode]) =>
    mode === undefined ? [] : [[tool, { approval_mode: mode }] as const]
  )
  return defined({
    default_tools_approval_mode: approval,
    disabled_tools: disabledTools,
    enabled,
    enabled_tools: enabledTools,
    required,
    startup_timeout_sec: seconds(startupTimeout),
    supports_parallel_tool_calls: parallelToolCalls,
    tool_timeout_sec: seconds(toolTimeout),
    tools: approvals.length === 0 ? undefined : Object.fromEntries(approvals)
  })
}

const ofStdioServer = ({ _tag, args, command, cwd, env, envVars, ...options }: Stdio): Table => ({
  ...common(options),
  ...defined({ args, command, cwd, env: revealed(env), env_vars: envVars })
})

const ofHttpServer = (server: Http): Table => {
  const {
    _tag,
    bearerToken,
    bearerTokenEnvVar,
    headers,
    headersFromEnv,
    oauthClientId,
    oauthResource,
    scopes,
    url,
    ...options
  } = server
  // codex takes a bearer token from a variable of its environment, or as a header.
  const all = bearerToken === undefined
    ? headers
    : { ...headers, Authorization: Redacted.make(`Bearer ${Redacted.value(bearerToken)}`) }
  return {
    ...common(options),
    ...defined({
      bearer_token_env_var: bearerTokenEnvVar,
      env_http_headers: headersFromEnv === undefined ? undefined : defined(headersFromEnv),
      http_headers: revealed(all),
      oauth: oauthClientId === undefined ? undefined : { client_id: oauthClientId },
      oauth_resource: oauthResource,
      scopes,
      url
    })
  }
}

const tableOf = (server: McpServer): Table => server._tag === "Stdio" ? ofStdioServer(server) : ofHttpServer(server)

const feature = "mcp_tool_list_changed"

/** The configuration with the feature, unless it has an entry of its own. A value for `features` would replace them. */
const followingChanges = (config: Table): Table => {
  const { features } = config
  if (isTable(features)) return { ...config, features: { [feature]: true, ...features } }
  return { [`features.${feature}`]: true, ...config }
}

/**
 * The options with the MCP servers in their configuration. The names stand in an object of their own, because a dot in
 * a key of the configuration separates tables.
 */
export const inConfig = <A extends Pick<ThreadSettings, "config" | "mcpServers">>(
  options: A
): Effect.Effect<Omit<A, "mcpServers">, InvalidArgument> =>
  Effect.suspend(() => {
    const { mcpServers, ...others } = options
    if (mcpServers === undefined) return Effect.succeed(options)
    if (!OptionKinds.record.fits(mcpServers)) {
      return new InvalidArgument({
        argument: "mcpServers",
        detail: "expected an object of MCP servers by their names."
      })
    }
    const servers = Object.entries(mcpServers).flatMap(([name, server]) =>
      server === undefined ? [] : [[name, server] as const]
    )
    for (const [name, server] of servers) {
      const problem = problemOf(name, server)
      if (problem !== undefined) return problem
    }
    if (servers.length === 0) return Effect.succeed(others)
    const given = options.config?.["mcp_servers"]
    const tables = Object.fromEntries(servers.map(([name, server]) => [name, tableOf(server)]))
    const config: Table = { ...options.config, mcp_servers: isTable(given) ? { ...given, ...tables } : tables }
    const isFollowing = servers.some(([, { followToolChanges }]) => followToolChanges)
    return Effect.succeed({ ...others, config: isFollowing ? followingChanges(config) : config })
  })
