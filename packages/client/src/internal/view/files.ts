/** The files of a patch, with the lines that it adds and removes. */
import type * as Received from "../../Received.ts"
import type { FileView } from "../../ThreadView.ts"

const linesOf = (text: string): number => {
  if (text === "") return 0
  let lines = text.endsWith("\n") ? 0 : 1
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines++
  return lines
}

/** A line that begins with `+++` or `---` counts only within a hunk: before it, it is the head of a file. */
const countDiff = (diff: string): Pick<FileView, "added" | "removed"> => {
  let added = 0
  let removed = 0
  let isInHunk = false
  for (const line of diff.split("\n")) {
    if (line.startsWith("@@")) isInHunk = true
    else if (line.startsWith("diff --git ")) isInHunk = false
    else if (line.startsWith("+") && (isInHunk || !line.startsWith("+++ "))) added++
    else if (line.startsWith("-") && (isInHunk || !line.startsWith("--- "))) removed++
  }
  return { added, removed }
}

/** docs/codex-behaviour.md, "A file that comes or goes has its text in place of a diff". */
const fileOf = ({ diff, kind, path }: Received.FileUpdateChange): FileView => {
  switch (kind.type) {
    case "add":
      return { path, kind: "add", movedTo: undefined, diff, added: linesOf(diff), removed: 0 }
    case "delete":
      return { path, kind: "delete", movedTo: undefined, diff, added: 0, removed: linesOf(diff) }
    case "update": {
      const movedTo = typeof kind.move_path === "string" ? kind.move_path : undefined
      return { path, kind: "update", movedTo, diff, ...countDiff(diff) }
    }
    default:
      return { path, kind: "unknown", movedTo: undefined, diff, ...countDiff(diff) }
  }
}

const none: ReadonlyArray<FileView> = []

export const filesOf = (item: Received.ThreadItem): ReadonlyArray<FileView> =>
  item.type === "fileChange" ? item.changes.map(fileOf) : none
