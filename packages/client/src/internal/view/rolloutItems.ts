/** Items as codex writes them into its history, in the form of the protocol. */
import { at, type Members, membersOf, textAt } from "../protocol/peek.ts"

/** `in_progress` and `InProgress` as `inProgress`. */
export const camel = (name: string): string => {
  const joined = name.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
  return joined.charAt(0).toLowerCase() + joined.slice(1)
}

/** The keys of an object as the protocol has them, at any depth. */
export const camelKeys = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(camelKeys)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, member]) => [camel(key), camelKeys(member)]))
    : value

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const named = (value: unknown): unknown => typeof value === "string" ? camel(value) : value

/** `file:///a%20b` as `/a b`. */
const pathOf = (value: unknown): unknown => {
  if (typeof value !== "string" || !value.startsWith("file://")) return value
  try {
    return decodeURIComponent(value.slice("file://".length))
  } catch {
    return value
  }
}

const millisOf = (duration: unknown): number | null => {
  const secs = at(duration, "secs")
  const nanos = at(duration, "nanos")
  return typeof secs === "number" && typeof nanos === "number" ? secs * 1000 + Math.floor(nanos / 1e6) : null
}

/** A word of a command line, quoted as codex does it. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : word.includes("'")
    ? `"${word.replace(/["\\$`]/g, "\\$&")}"`
    : `'${word}'`

const contentOf = (content: unknown): unknown => {
  const members = membersOf(content)
  switch (members["type"]) {
    case "text":
      return { text_elements: [], ...members }
    case "image":
      return { ...members, url: members["url"] ?? members["image_url"] }
    case "local_image":
      return { ...members, type: "localImage" }
    default:
      return { ...members, type: named(members["type"]) }
  }
}

const changeOf = ([path, change]: readonly [string, unknown]): unknown => {
  const { content, move_path = null, type, unified_diff } = membersOf(change)
  const moved = typeof move_path === "string" ? `\n\nMoved to: ${move_path}` : ""
  return type === "update"
    ? { path, kind: { type, move_path }, diff: `${String(unified_diff)}${moved}` }
    : { path, kind: { type }, diff: content }
}

const stateOf = (value: unknown): unknown => {
  if (typeof value === "string") return { status: camel(value), message: null }
  const [[status, message] = []] = Object.entries(membersOf(value))
  return { status: camel(status ?? ""), message }
}

const actionOf = (action: unknown): unknown => {
  const { cmd, type, ...rest } = membersOf(action)
  return { ...rest, type: named(type), ...cmd === undefined ? {} : { command: cmd } }
}

/** The last known state of agents, by their threads. */
const statesOf = (states: unknown): unknown =>
  Object.fromEntries(Object.entries(membersOf(states)).map(([id, state]) => [id, stateOf(state)]))

const searches: { readonly [type: string]: Members } = {
  search: { query: null, queries: null },
  openPage: { url: null },
  findInPage: { url: null, pattern: null }
}

const searchOf = (action: unknown): unknown => {
  const { type, ...rest } = membersOf(action)
  const name = typeof type === "string" ? camel(type) : ""
  return name === "" ? null : { ...Object.hasOwn(searches, name) ? searches[name] : {}, ...rest, type: name }
}

/** The members of each type, as the protocol has them. What a history leaves out is null. */
const shapes: { readonly [type: string]: (item: Members) => Members } = {
  UserMessage: ({ client_id = null, content }) => ({ clientId: client_id, content: list(content).map(contentOf) }),
  HookPrompt: ({ fragments }) => ({ fragments: camelKeys(fragments) }),
  AgentMessage: ({ content, delivery = null, memory_citation, moderation, phase = null, questions }) => ({
    moderation: camelKeys(moderation ?? null),
    text: list(content).map((part) => textAt(part, "text") ?? "").join(""),
    phase,
    memoryCitation: camelKeys(memory_citation ?? null),
    delivery,
    questions: camelKeys(questions ?? null)
  }),
  Plan: ({ text }) => ({ text }),
  Reasoning: ({ raw_content = [], summary_text }) => ({ summary: summary_text, content: raw_content }),
  CommandExecution: (item) => ({
    pluginId: item["plugin_id"] ?? null,
    scriptPath: item["script_path"] ?? null,
    command: Array.isArray(item["command"])
      ? item["command"].map((word) => quoted(String(word))).join(" ")
      : item["command"],
    cwd: pathOf(item["cwd"]),
    processId: item["process_id"] ?? null,
    source: named(item["source"]),
    status: named(item["status"]),
    commandActions: list(item["parsed_cmd"]).map(actionOf),
    aggregatedOutput: item["aggregated_output"] === "" ? null : item["aggregated_output"] ?? null,
    exitCode: item["exit_code"] ?? null,
    durationMs: millisOf(item["duration"])
  }),
  FileChange: ({ changes, status }) => ({
    changes: Object.entries(membersOf(changes)).sort(([a], [b]) => (a < b ? -1 : 1)).map(changeOf),
    status: named(status)
  }),
  // Some of its keys are written as the protocol has them.
  McpToolCall: (item) => ({
    server: item["server"],
    environmentId: item["environmentId"] ?? item["environment_id"] ?? null,
    tool: item["tool"],
    status: named(item["status"]),
    arguments: item["arguments"] ?? null,
    appContext: camelKeys(item["appContext"] ?? item["app_context"] ?? null),
    mcpAppUi: camelKeys(item["mcpAppUi"] ?? item["mcp_app_ui"] ?? null),
    pluginId: item["pluginId"] ?? item["plugin_id"] ?? null,
    readOnlyHint: item["readOnlyHint"] ?? item["read_only_hint"] ?? null,
    result: item["result"] === undefined || item["result"] === null
      ? null
      : { structuredContent: null, _meta: null, ...membersOf(item["result"]) },
    error: item["error"] ?? null,
    durationMs: millisOf(item["duration"])
  }),
  DynamicToolCall: (item) => ({
    namespace: item["namespace"] ?? null,
    tool: item["tool"],
    arguments: item["arguments"] ?? null,
    status: named(item["status"]),
    contentItems: item["content_items"] ?? null,
    success: item["success"] ?? null,
    durationMs: millisOf(item["duration"])
  }),
  CollabAgentToolCall: (item) => ({
    tool: named(item["tool"]),
    status: named(item["status"]),
    senderThreadId: item["sender_thread_id"],
    receiverThreadIds: item["receiver_thread_ids"] ?? [],
    prompt: item["prompt"] ?? null,
    model: item["model"] ?? null,
    reasoningEffort: item["reasoning_effort"] ?? null,
    agentsStates: statesOf(item["agents_states"])
  }),
  SubAgentActivity: (item) => ({
    model: item["model"] ?? null,
    reasoningEffort: item["reasoning_effort"] ?? null,
    kind: named(item["kind"]),
    agentThreadId: item["agent_thread_id"],
    agentPath: item["agent_path"]
  }),
  WebSearch: ({ action, query, results = null }) => ({ query, action: searchOf(action), results }),
  ImageView: ({ path }) => ({ path: pathOf(path) }),
  Sleep: ({ duration_ms, duration }) => ({ durationMs: duration_ms ?? millisOf(duration) }),
  EnteredReviewMode: ({ review }) => ({ review }),
  ExitedReviewMode: ({ review }) => ({ review }),
  ContextCompaction: () => ({})
}

/** The form of the protocol. What is not known is passed on, so that it stays visible. */
export const itemOf = (value: unknown): unknown => {
  const item = membersOf(value)
  const type = textAt(item, "type") ?? ""
  const shape = Object.hasOwn(shapes, type) ? shapes[type] : undefined
  return { ...shape === undefined ? membersOf(camelKeys(item)) : shape(item), type: camel(type), id: item["id"] }
}
