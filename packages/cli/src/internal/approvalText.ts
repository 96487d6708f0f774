/**
 * Describes an approval request in lines for the person who decides. Pure.
 */
import type {
  ApprovalRequest,
  CommandRequest,
  FileChangeRequest,
  McpToolRequest,
  PermissionsRequest
} from "@effect-codex/client/Approvals"
import { withoutShell } from "@effect-codex/client/Approvals"
import { fileAccesses, mcpServerOf } from "@effect-codex/client/internal/text/approvalText"
import { visible, visibleEnds } from "@effect-codex/client/internal/text/visibleText"

type Permissions = PermissionsRequest["permissions"]
type Change = NonNullable<FileChangeRequest["changes"]>[number]

/** The number of lines shown of a diff or a command. */
const shownLines = 60

export const describe = (request: ApprovalRequest, colors: boolean): ReadonlyArray<string> => {
  const paint = colors ? painted : plain
  switch (request._tag) {
    case "Command":
      return aboutCommand(request, paint)
    case "FileChange":
      return aboutFiles(request, paint)
    case "Permissions":
      return [
        paint("bold", "The agent asks for more permissions:"),
        ...permissionsOf(request.permissions).map((line) => `  ${line}`),
        ...labelled("Its reason", request.reason)
      ]
    case "McpTool":
      return aboutTool(request, paint)
  }
}

// =============================================================================
// Kinds
// =============================================================================

const aboutCommand = (request: CommandRequest, paint: Paint): ReadonlyArray<string> => {
  const { additionalPermissions, command, cwd, kind, network } = request
  const wants = network !== undefined
    ? `to reach ${visible(network.host)} (${visible(network.protocol)}) with`
    : kind === "writeStdin"
    ? "to write to the running command"
    : "to run"
  return [
    paint("bold", `The agent wants ${wants}:`),
    ...indented(command === undefined ? "a command that codex does not name" : withoutShell(command)),
    ...cwd === undefined ? [] : [`  in ${visible(cwd)}`],
    ...additionalPermissions === undefined
      ? []
      : permissionsOf(additionalPermissions).map((line) => `  with permission ${line}`),
    ...labelled("Its reason", request.reason)
  ]
}

const aboutTool = (request: McpToolRequest, paint: Paint): ReadonlyArray<string> => {
  const { arguments: input, description, tool } = request
  return [
    paint("bold", `The agent wants to call ${visible(tool)} of ${mcpServerOf(request)}:`),
    ...indented(JSON.stringify(input, undefined, 2) ?? ""),
    ...labelled("The server's description", description)
  ]
}

const aboutFiles = (request: FileChangeRequest, paint: Paint): ReadonlyArray<string> => {
  const { changes, grantRoot } = request
  return [
    paint("bold", "The agent wants to change files:"),
    ...changes === undefined ? ["  codex does not say which."] : diffs(changes, paint),
    ...grantRoot === undefined ? [] : [`  and to write below ${visible(grantRoot)} from now on`],
    ...labelled("Its reason", request.reason)
  ]
}

const diffs = (changes: ReadonlyArray<Change>, paint: Paint): ReadonlyArray<string> => {
  const shown: Array<string> = []
  let room = shownLines
  for (const [index, change] of changes.entries()) {
    if (room <= 0) {
      const rest = changes.slice(index)
      const more = rest.reduce((sum, { diff }) => sum + linesOf(diff).length, 0)
      shown.push(`  … and ${count(rest.length, "file")} more, with ${count(more, "line")} of diff: ${names(rest)}`)
      break
    }
    const lines = linesOf(change.diff)
    shown.push(`  ${titleOf(change)}`)
    // docs/codex-behaviour.md, "A file that comes or goes has its text in place of a diff".
    const sign = change.kind.type === "add" ? "+" : change.kind.type === "delete" ? "-" : ""
    const signed = lines.map((line) => sign + line)
    shown.push(...cut(signed, "line", room).map((line) => `    ${paint(styleOf(line), line)}`))
    room -= lines.length + 1
  }
  return shown
}

const names = (changes: ReadonlyArray<Change>): string => {
  const paths = changes.slice(0, 10).map(({ path }) => visible(path))
  return [...paths, ...changes.length > 10 ? ["…"] : []].join(", ")
}

const titleOf = ({ kind, path }: Change): string => {
  const moved = kind.type === "update" && "move_path" in kind && typeof kind.move_path === "string"
    ? ` (moved to ${visible(kind.move_path)})`
    : ""
  return `${visible(kind.type)} ${visible(path)}${moved}`
}

const permissionsOf = (permissions: Permissions): ReadonlyArray<string> => {
  const enabled = permissions.network?.enabled
  const lines = [
    ...typeof enabled === "boolean" ? [enabled ? "to use the network" : "without the network"] : [],
    ...fileAccesses(permissions).map((access) => `to ${access}`)
  ]
  return lines.length === 0 ? ["that it does not name"] : cut(lines, "permission")
}

// =============================================================================
// Text
// =============================================================================

type Style = "bold" | "red" | "green" | "cyan" | undefined
type Paint = (style: Style, text: string) => string

const codes = { bold: 1, red: 31, green: 32, cyan: 36 } as const

const painted: Paint = (style, text) => style === undefined ? text : `\u001b[${codes[style]}m${text}\u001b[0m`

const plain: Paint = (_, text) => text

const styleOf = (line: string): Style =>
  line.startsWith("@@") ? "cyan" : line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : undefined

const linesOf = (text: string): ReadonlyArray<string> => {
  const lines = text.split(/\r?\n/)
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines
}

/** Both ends of it: what is left out may be anything, but not the end of a command. */
const ends = (text: string): ReadonlyArray<string> => {
  const lines = text.split("\n")
  const rest = lines.length - shownLines
  if (rest <= 1) return lines.map((line) => visibleEnds(line))
  const head = shownLines - 20
  return [
    ...lines.slice(0, head).map((line) => visibleEnds(line)),
    `… ${count(rest, "line")} left out …`,
    ...lines.slice(head - shownLines).map((line) => visibleEnds(line))
  ]
}

// Indented deeper than the labels, so that no text can imitate one.
const indented = (text: string): ReadonlyArray<string> => ends(text).map((line) => `    ${line}`)

const labelled = (label: string, text: string | undefined): ReadonlyArray<string> => {
  if (text === undefined || text.trim() === "") return []
  const [first = "", ...rest] = indented(text.trim())
  return [`  ${label}: ${first.trimStart()}`, ...rest]
}

const cut = (lines: ReadonlyArray<string>, what: string, room = shownLines): ReadonlyArray<string> => {
  const rest = lines.length - room
  // A single further line takes as much room as the note about it.
  return rest <= 1
    ? lines.map((line) => visible(line))
    : [...lines.slice(0, room).map((line) => visible(line)), `… and ${count(rest, what)} more`]
}

const count = (n: number, what: string): string => `${n.toLocaleString("en-US")} ${what}${n === 1 ? "" : "s"}`
