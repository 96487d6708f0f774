/** The table of `docs/compatibility.md`: a row for each group of tests, a column for each version. */
import { compareVersions } from "./versionNames.ts"

export interface Tested {
  readonly version: string
  /** `passed/all` for each group of tests. */
  readonly passed: Readonly<Record<string, string>>
  /** The groups of which only a part ran. Their cells stay as they are. */
  readonly partial: ReadonlyArray<string>
}

const cellsOf = (line: string): ReadonlyArray<string> => line.split("|").slice(1, -1).map((cell) => cell.trim())

const lineOf = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** The page with the results in its table. What they do not mention stays; new groups and versions are added. */
export const withResults = (page: string, results: ReadonlyArray<Tested>): string => {
  const lines = page.split("\n")
  const begin = lines.findIndex((line, index) => /^\|\s+\|/.test(line) && lines[index + 1]?.startsWith("| -") === true)
  if (begin < 0) throw new Error("docs/compatibility.md has no table whose first row begins with an empty cell.")
  const length = lines.slice(begin).findIndex((line) => !line.startsWith("|"))
  const end = length < 0 ? lines.length : begin + length
  const [head = [], , ...rows] = lines.slice(begin, end).map(cellsOf)
  const cells = new Map<string, Map<string, string>>()
  const set = (group: string, version: string, cell: string) =>
    cells.set(group, (cells.get(group) ?? new Map<string, string>()).set(version, cell))
  for (const [group, ...row] of rows) row.forEach((cell, index) => set(group!, head[index + 1]!, cell))
  for (const { partial, passed, version } of results) {
    for (const [group, cell] of Object.entries(passed)) if (!partial.includes(group)) set(group, version, cell)
  }
  const versions = [...new Set([...head.slice(1), ...results.map(({ version }) => version)])]
    .sort((a, b) => compareVersions(b, a))
  const table = [
    lineOf(["", ...versions]),
    lineOf(["-", ...versions.map(() => "-")]),
    ...[...cells].map(([group, row]) => lineOf([group, ...versions.map((version) => row.get(version) ?? "-")]))
  ]
  return [...lines.slice(0, begin), ...table, ...lines.slice(end)].join("\n")
}
