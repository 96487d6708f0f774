/** Skills, which are files of the fake. It has no MCP servers, apps, plugins and hooks, and says so. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import type { Connection } from "./connection.ts"
import * as Files from "./files.ts"
import type { Handler } from "./handler.ts"
import type { Home } from "./home.ts"
import * as Refused from "./refused.ts"

type Method =
  | "app/installed"
  | "app/list"
  | "config/mcpServer/reload"
  | "hooks/list"
  | "mcpServer/oauth/login"
  | "mcpServer/resource/read"
  | "mcpServer/tool/call"
  | "mcpServerStatus/list"
  | "plugin/list"
  | "skills/config/write"
  | "skills/extraRoots/set"
  | "skills/list"

// =============================================================================
// Skills
// =============================================================================

/** Of a process. */
const extraRoots = new WeakMap<Connection, ReadonlyArray<string>>()
/** Of a home, by the names and paths that were switched. */
const switches = new WeakMap<Home, Map<string, boolean>>()

const field = (frontmatter: string, name: string): string | undefined =>
  new RegExp(`^${name}:\\s*(.+?)\\s*$`, "m").exec(frontmatter)?.[1]

const skillsBelow = (
  { home }: Connection,
  files: Files.Files,
  root: string,
  scope: string
): Pick<Received.SkillsListEntry, "skills" | "errors"> => {
  const skills: Array<Received.SkillMetadata> = []
  const errors: Array<Received.SkillErrorInfo> = []
  for (const path of files.below(root)) {
    if (Path.posix.basename(path) !== "SKILL.md") continue
    const content = files.find(path)
    const text = content instanceof Uint8Array ? new TextDecoder().decode(content) : ""
    const frontmatter = /^---\n([^]*?)\n---/.exec(text)?.[1]
    const name = frontmatter === undefined ? undefined : field(frontmatter, "name")
    const description = frontmatter === undefined ? undefined : field(frontmatter, "description")
    if (name === undefined || description === undefined) {
      errors.push({ path, message: "missing YAML frontmatter delimited by ---" })
      continue
    }
    const switched = switches.get(home)
    const enabled = switched?.get(path) ?? switched?.get(name) ?? true
    skills.push({ name, description, path, scope, enabled, pluginId: null })
  }
  return { skills, errors }
}

const listFor = (connection: Connection, cwd: string): Received.SkillsListEntry => {
  const files = Files.filesOf(connection)
  const all = [
    skillsBelow(connection, files, Path.posix.join(cwd, ".agents/skills"), "repo"),
    ...(extraRoots.get(connection) ?? []).map((root) => skillsBelow(connection, files, root, "user"))
  ]
  return { cwd, skills: all.flatMap(({ skills }) => skills), errors: all.flatMap(({ errors }) => errors) }
}

// =============================================================================
// Handlers
// =============================================================================

const checkThread = ({ loaded }: Connection, threadId: string | null | undefined) =>
  threadId === undefined || threadId === null || loaded.has(threadId)
    ? Effect.void
    : Effect.fail(Refused.threadNotFound(threadId))

const unknownServer = (name: string) => new Refused.Refused({ code: -32603, message: `unknown MCP server '${name}'` })

const foldersOf = ({ home }: Connection, cwds: ReadonlyArray<string> | undefined) =>
  cwds === undefined || cwds.length === 0 ? [home.cwd] : cwds

export const handlers: { readonly [M in Method]: Handler<M> } = {
  "skills/list": ({ connection }, { cwds }, reply) =>
    Effect.sync(() => reply({ data: foldersOf(connection, cwds).map((cwd) => listFor(connection, cwd)) })),

  "skills/config/write": ({ connection: { home } }, { enabled, name, path }, reply) => {
    const [key, ...others] = [name, path].filter((one) => (one ?? "").trim() !== "")
    if (typeof key !== "string" || others.length > 0) {
      const message = "skills/config/write requires exactly one of path or name"
      return Effect.fail(new Refused.Refused({ code: -32602, message }))
    }
    return Effect.sync(() => {
      const known = switches.get(home) ?? new Map<string, boolean>()
      switches.set(home, known.set(key, enabled))
      reply({ effectiveEnabled: enabled })
    })
  },

  "skills/extraRoots/set": ({ connection }, params, reply) =>
    params.extraRoots.every((root) => root.startsWith("/"))
      ? Effect.sync(() => {
        extraRoots.set(connection, params.extraRoots)
        reply({})
        connection.notify("skills/changed", {})
      })
      : Effect.fail(Refused.malformed("AbsolutePathBuf deserialized without a base path")),

  "mcpServerStatus/list": Effect.fnUntraced(function*({ connection }, { threadId }, reply) {
    yield* checkThread(connection, threadId)
    reply({ data: [], nextCursor: null })
  }),

  "mcpServer/tool/call": Effect.fnUntraced(function*({ connection }, { server, threadId }) {
    yield* checkThread(connection, threadId)
    return yield* unknownServer(server)
  }),

  "mcpServer/resource/read": Effect.fnUntraced(function*({ connection }, { server, threadId }) {
    yield* checkThread(connection, threadId)
    return yield* unknownServer(server)
  }),

  "mcpServer/oauth/login": Effect.fnUntraced(function*({ connection }, { name, threadId }) {
    yield* checkThread(connection, threadId)
    return yield* Refused.invalidRequest(`No MCP server named '${name}' found.`)
  }),

  "config/mcpServer/reload": (_server, _params, reply) => Effect.sync(() => reply({})),

  "hooks/list": Effect.fnUntraced(function*({ connection }, { cwds, threadId }, reply) {
    yield* checkThread(connection, threadId)
    reply({ data: foldersOf(connection, cwds).map((cwd) => ({ cwd, hooks: [], warnings: [], errors: [] })) })
  }),

  "app/list": Effect.fnUntraced(function*({ connection }, { threadId }, reply) {
    yield* checkThread(connection, threadId)
    reply({ data: [], nextCursor: null })
  }),

  "app/installed": Effect.fnUntraced(function*({ connection }, { threadId }, reply) {
    yield* checkThread(connection, threadId)
    reply({ apps: [] })
  }),

  "plugin/list": (_server, _params, reply) =>
    Effect.sync(() => reply({ marketplaces: [], marketplaceLoadErrors: [], featuredPluginIds: [] }))
}
