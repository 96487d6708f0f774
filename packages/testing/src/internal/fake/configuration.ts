/**
 * A `config.toml` in memory, for the requests of a client about the configuration. Threads do not see what it writes.
 */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Crypto from "node:crypto"
import type { Handler } from "./handler.ts"
import type { Home } from "./home.ts"
import * as Refused from "./refused.ts"

type Method =
  | "config/batchWrite"
  | "config/read"
  | "config/value/write"
  | "configRequirements/read"
  | "modelProvider/list"
  | "permissionProfile/list"

interface Table {
  readonly [key: string]: Sent.JsonValue
}

const refused = (code: string, message: string): Refused.Refused =>
  new Refused.Refused({ code: -32600, message, data: { config_write_error_code: code } })

const files = new WeakMap<Home, Table>()

const tableOf = (home: Home): Table =>
  files.get(home) ?? { model: home.model, model_provider: "scripted", features: { apps: false, plugins: false } }

const fileOf = (home: Home): string => `${home.path}/config.toml`

const versionOf = (table: Table): string =>
  `sha256:${Crypto.createHash("sha256").update(JSON.stringify(table)).digest("hex")}`

const metadataOf = (home: Home): Received.ConfigLayerMetadata => ({
  name: { type: "user", file: fileOf(home), profile: null },
  version: versionOf(tableOf(home))
})

const isTable = (value: unknown): value is Table => Predicate.isObject(value) && !Array.isArray(value)

/** Each value that is no table, by its dotted path. */
const leaves = (table: Table, above = ""): ReadonlyArray<string> =>
  Object.entries(table).flatMap(([name, value]) =>
    isTable(value) ? leaves(value, `${above}${name}.`) : [`${above}${name}`]
  )

// docs/codex-behaviour.md, "A path of a key has no escapes but of quotes and backslashes".
const partsOf = (path: string): ReadonlyArray<string> =>
  (path.match(/"(?:[^"\\]|\\.)*"|[^.]+/gs) ?? []).map((part) =>
    part.startsWith("\"") ? part.replace(/^"|"$/g, "").replace(/\\(.)/gs, "$1") : part
  )

const hasNull = (value: Sent.JsonValue): boolean =>
  value === null || (Predicate.isObject(value) && Object.values(value).some((one) => hasNull(one ?? null)))

const merged = (old: Sent.JsonValue | undefined, value: Sent.JsonValue): Sent.JsonValue =>
  isTable(old) && isTable(value)
    ? { ...old, ...Object.fromEntries(Object.entries(value).map(([key, one]) => [key, merged(old[key], one)])) }
    : value

const edited = (table: Table, [name = "", ...below]: ReadonlyArray<string>, edit: Sent.ConfigEdit): Table => {
  const { [name]: old, ...others } = table
  if (below.length > 0) {
    if (!isTable(old) && edit.value === null) return table
    return { ...table, [name]: edited(isTable(old) ? old : {}, below, edit) }
  }
  if (edit.value === null) return others
  return { ...table, [name]: edit.mergeStrategy === "upsert" ? merged(old, edit.value) : edit.value }
}

const write = Effect.fnUntraced(function*(home: Home, params: Sent.ConfigBatchWriteParams) {
  const table = tableOf(home)
  if ((params.filePath ?? fileOf(home)) !== fileOf(home)) {
    return yield* refused("configLayerReadonly", "Only writes to the user config are allowed")
  }
  if ((params.expectedVersion ?? versionOf(table)) !== versionOf(table)) {
    const message = "Configuration was modified since last read. Fetch latest version and retry."
    return yield* refused("configVersionConflict", message)
  }
  let next = table
  for (const edit of params.edits) {
    const parts = partsOf(edit.keyPath)
    if (parts.length === 0) return yield* refused("configValidationError", "keyPath must not be empty")
    if (edit.value !== null && hasNull(edit.value)) {
      const message = "invalid value: invalid type: null, expected any valid TOML value"
      return yield* refused("configValidationError", message)
    }
    next = edited(next, parts, edit)
  }
  files.set(home, next)
  return { status: "ok" as const, version: versionOf(next), filePath: fileOf(home), overriddenMetadata: null }
})

const unset: Received.Config = {
  model: null,
  review_model: null,
  model_context_window: null,
  model_auto_compact_token_limit: null,
  model_auto_compact_token_limit_scope: null,
  model_provider: null,
  approval_policy: null,
  approvals_reviewer: null,
  sandbox_mode: null,
  sandbox_workspace_write: null,
  forced_chatgpt_workspace_id: null,
  forced_login_method: null,
  web_search: null,
  client_search_provider: null,
  tools: null,
  instructions: null,
  developer_instructions: null,
  compact_prompt: null,
  model_reasoning_effort: null,
  model_reasoning_summary: null,
  model_verbosity: null,
  service_tier: null,
  analytics: null,
  apps: null,
  browser_use: null,
  computer_use: null,
  desktop: null
}

const profiles = [":read-only", ":workspace", ":danger-full-access"]

export const handlers: { readonly [M in Method]: Handler<M> } = {
  "config/read": ({ connection: { home } }, { includeLayers }, reply) =>
    Effect.sync(() => {
      const table = tableOf(home)
      const metadata = metadataOf(home)
      reply({
        config: { ...unset, ...table },
        origins: Object.fromEntries(leaves(table).map((path) => [path, metadata])),
        layers: includeLayers === true ? [{ ...metadata, config: table, disabledReason: null }] : null
      })
    }),
  "config/batchWrite": ({ connection: { home } }, params, reply) => Effect.map(write(home, params), reply),
  "config/value/write": ({ connection: { home } }, { expectedVersion, filePath, ...edit }, reply) =>
    Effect.map(
      write(home, { edits: [edit], expectedVersion: expectedVersion ?? null, filePath: filePath ?? null }),
      reply
    ),
  "configRequirements/read": (_server, _params, reply) =>
    Effect.sync(() => reply({ requirements: null, supportsIndependentSpeedModes: true })),
  "modelProvider/list": (_server, _params, reply) =>
    Effect.sync(() =>
      reply({
        data: [
          { id: "openai", name: "OpenAI", canEdit: false, baseUrl: null, settings: { type: "openai" } },
          {
            id: "scripted",
            name: "Scripted model",
            canEdit: true,
            baseUrl: "http://fake.invalid/v1",
            settings: { type: "customGateway", auth: { mode: "none" } }
          }
        ],
        defaultProviderId: "scripted",
        canChangeDefault: true
      })
    ),
  "permissionProfile/list": (_server, _params, reply) =>
    Effect.sync(() =>
      reply({ data: profiles.map((id) => ({ id, description: null, allowed: true })), nextCursor: null })
    )
}
