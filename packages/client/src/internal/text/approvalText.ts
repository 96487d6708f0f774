/**
 * Describes an approval request in one line for a person. All of it comes from the agent, so hidden characters are
 * escaped.
 */
import type {
  ApprovalRequest,
  CommandRequest,
  FileChangeRequest,
  McpToolRequest,
  PermissionsRequest
} from "../../Approvals.ts"
import { visible, visibleEnds } from "./visibleText.ts"

// One shell word: quoted parts, and characters without a meaning for any shell.
const quotedWord = /^(?:'[^']*'|"(?:[^"\\$`!]|\\["\\$`])*"|\\[^\n]|[\w@%+=:,./-])+$/
const part = /'([^']*)'|"((?:[^"\\$`!]|\\["\\$`])*)"|\\([^\n])|([\w@%+=:,./-])/g

export const withoutShell = (command: string): string => {
  const script = /^(?:\/[\w./-]*\/)?(?:ba|da|z)?sh -l?c ([^]+)$/.exec(command)?.[1]
  if (script === undefined || !quotedWord.test(script)) return command
  return script.replace(
    part,
    (_, single?: string, double?: string, escaped?: string, plain?: string) =>
      single ?? double?.replace(/\\(["\\$`])/g, "$1") ?? escaped ?? plain ?? ""
  )
}

const shownNames = 5
const shownLength = 300

const short = (text: string): string => visible(text, shownLength)

const list = (names: ReadonlyArray<string>): string => {
  const shown = names.slice(0, shownNames).map(short).join(", ")
  const rest = names.length - shownNames
  return rest > 0 ? `${shown} and ${rest} more` : shown
}

const ofCommand = ({ command, cwd, kind, network }: CommandRequest): string => {
  const line = command === undefined
    ? "a command that codex does not name"
    : `"${visibleEnds(withoutShell(command), shownLength)}"`
  const folder = cwd === undefined ? "" : ` in ${short(cwd)}`
  if (network !== undefined) return `reach ${short(network.host)} (${short(network.protocol)}) with ${line}${folder}`
  return kind === "writeStdin" ? `write to the running command ${line}${folder}` : `run ${line}${folder}`
}

const ofFiles = ({ changes, grantRoot }: FileChangeRequest): string => {
  const what = changes === undefined
    ? "change files that codex does not name"
    : list(changes.map(({ kind, path }) => `${kind.type} ${path}`))
  return grantRoot === undefined ? what : `${what}, and write below ${short(grantRoot)} from now on`
}

/** The requested accesses to paths, without duplicates. Not made visible. */
export const fileAccesses = ({ fileSystem }: PermissionsRequest["permissions"]): ReadonlyArray<string> => [
  ...new Set([
    ...(fileSystem?.read ?? []).map((path) => `read ${path}`),
    ...(fileSystem?.write ?? []).map((path) => `write ${path}`),
    // Servers name the paths in an older form, in this form, or in both.
    ...(fileSystem?.entries ?? []).map(({ access, path }) =>
      `${access} ${path.type === "path" && "path" in path ? String(path.path) : JSON.stringify(path)}`
    )
  ])
]

const ofPermissions = ({ cwd, permissions }: PermissionsRequest): string => {
  const wanted = [...permissions.network?.enabled === true ? ["use the network"] : [], ...fileAccesses(permissions)]
  const names = wanted.length === 0 ? "have permissions that it does not name" : list(wanted)
  return `${names} in ${short(cwd)}`
}

/** Names the MCP server. Each environment of a thread may have one of the same name. */
export const mcpServerOf = ({ environmentId, serverName }: McpToolRequest): string =>
  `the MCP server ${short(serverName)}${
    environmentId === undefined ? "" : ` of the environment ${short(environmentId)}`
  }`

const ofTool = (request: McpToolRequest): string =>
  `call ${request.tool === "" ? "a tool" : `the tool ${short(request.tool)}`} of ${mcpServerOf(request)}`

export const describe = (request: ApprovalRequest): string => {
  switch (request._tag) {
    case "Command":
      return ofCommand(request)
    case "FileChange":
      return ofFiles(request)
    case "Permissions":
      return ofPermissions(request)
    case "McpTool":
      return ofTool(request)
  }
}
