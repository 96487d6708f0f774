/** Installs other versions of codex than the pinned one, and runs the tests that need codex on them. */
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

export const root = Path.resolve(import.meta.dirname, "..")
const cache = Path.join(root, "node_modules", ".cache", "compat")
const isWindows = process.platform === "win32"

/** The file to resolve a version's package from. */
export const importerOf = (version: string): string => Path.join(cache, version, "package.json")

/** Installs a version below `node_modules/.cache/compat`, and returns the launcher of its package. */
export const install = (version: string): string => {
  const folder = Path.join(cache, version)
  // The client finds the platform's executable from the launcher.
  const launcher = Path.join(folder, "node_modules", "@openai", "codex", "bin", "codex.js")
  if (!Fs.existsSync(launcher)) {
    Fs.mkdirSync(folder, { recursive: true })
    // Otherwise npm would install into the workspace.
    Fs.writeFileSync(importerOf(version), "{}\n")
    const options = ["--prefix", folder, "--no-save", "--ignore-scripts", "--loglevel=error"]
    execFileSync("npm", ["install", ...options, `@openai/codex@${version}`], {
      stdio: ["ignore", "ignore", "inherit"],
      shell: isWindows
    })
  }
  // codex writes to its home even for `--version`.
  const env = { ...process.env, CODEX_HOME: folder }
  const told = execFileSync(process.execPath, [launcher, "--version"], { encoding: "utf8", env }).trim()
  // A package without an executable for this platform would resolve to the one installed in the repository.
  if (!told.endsWith(` ${version}`)) throw new Error(`the executable of ${version} reports the version ${told}`)
  return launcher
}

export const uninstall = (version: string): void =>
  Fs.rmSync(Path.join(cache, version), { recursive: true, force: true })

/** The file names tell which tests need codex. */
const testFiles = (only: string): ReadonlyArray<string> =>
  Fs.globSync(["packages/*/test/**/*.real.test.ts", "scratchpad/test/**/*.real.test.ts"], { cwd: root })
    .map((file) => file.replaceAll(Path.sep, "/")).filter((file) => file.includes(only)).sort()

/** The contract is its own group; every other test belongs to its package. */
const groupOf = (file: string): string =>
  file.endsWith("/Contract.real.test.ts") ? "the contract" : file.replace(/^packages\//, "").split("/")[0]!

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{
      readonly status: string
      readonly fullName: string
      readonly failureMessages: ReadonlyArray<string>
    }>
  }>
}

interface Outcome {
  readonly file: string
  readonly test: string
  readonly isPassed: boolean
  readonly reason: string
}

/** The passed tests of a version for each group, and the failures. */
export interface Result {
  readonly version: string
  readonly passed: Readonly<Record<string, string>>
  readonly failures: ReadonlyArray<Outcome>
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!.slice(0, 300)

/** The first line of an error, with the first lines of the diff between contract and server. */
const reasonOf = (text: string): string =>
  [firstLine(text), ...text.split("\n").filter((line) => /^ {2}[-+] /.test(line)).slice(0, 20)].join("\n    ")

const run = (version: string, launcher: string, files: ReadonlyArray<string>): ReadonlyArray<Outcome> => {
  const output = Path.join(cache, `${version}.report.json`)
  Fs.rmSync(output, { force: true })
  const names = new Set(files.map((file) => file.replace(/^packages\//, "").split("/")[0]!))
  const projects = [...names].flatMap((name) => ["--project", name])
  const options = ["--config", "vitest.workspace.ts", ...projects, "--maxWorkers", "1", "--reporter=json"]
  const args = ["run", ...options, `--outputFile=${output}`, ...files]
  spawnSync(Path.join(root, "node_modules", ".bin", "vitest"), args, {
    cwd: root,
    env: { ...process.env, CODEX_BIN: launcher, TEST_CODEX_VERSION: version },
    stdio: "ignore",
    shell: isWindows
  })
  const { testResults } = JSON.parse(Fs.readFileSync(output, "utf8")) as Report
  return files.flatMap((file): ReadonlyArray<Outcome> => {
    const result = testResults.find(({ name }) => name.replaceAll(Path.sep, "/").endsWith(`/${file}`))
    // Tests are skipped only if their server did not start.
    const tests = result?.assertionResults ?? []
    return tests.length === 0
      ? [{ file, test: "*", isPassed: false, reason: firstLine(result?.message ?? "it did not run") }]
      : tests.map(({ failureMessages, fullName, status }) => ({
        file,
        test: fullName,
        isPassed: status === "passed",
        reason: reasonOf(failureMessages[0] ?? "it was not run")
      }))
  })
}

/**
 * Runs the tests that need codex on a version. Runs files with a failure once more, alone, because codex may be too
 * slow for a test on a busy machine.
 */
export const test = (version: string, launcher: string, only: string): Result => {
  const passed: Record<string, string> = {}
  const failures: Array<Outcome> = []
  for (const [group, files = []] of Object.entries(Object.groupBy(testFiles(only), groupOf))) {
    const first = run(version, launcher, files)
    const failing = [...new Set(first.flatMap(({ file, isPassed }) => isPassed ? [] : [file]))]
    const again = failing.flatMap((file) => run(version, launcher, [file]))
    const outcomes = [...first.filter(({ file }) => !failing.includes(file)), ...again]
    failures.push(...outcomes.filter(({ isPassed }) => !isPassed))
    passed[group] = `${outcomes.filter(({ isPassed }) => isPassed).length}/${outcomes.length}`
    console.log(`${version}  ${group}: ${passed[group]}`)
    // Written after each group, so that an aborted run keeps its results.
    Fs.writeFileSync(Path.join(cache, `${version}.json`), `${JSON.stringify({ version, passed, failures }, null, 2)}\n`)
  }
  return { version, passed, failures }
}

/** The cells of a table row. */
const cellsOf = (line: string): ReadonlyArray<string> => line.split("|").slice(1, -1).map((cell) => cell.trim())

const lineOf = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const newestFirst = (a: string, b: string): number => b.localeCompare(a, "en", { numeric: true })

/** Adds the results to the table of the page, one column for each version. */
export const addToPage = (results: ReadonlyArray<Result>): void => {
  const file = Path.join(root, "docs", "compatibility.md")
  const lines = Fs.readFileSync(file, "utf8").split("\n")
  const begin = lines.findIndex((line, index) => /^\|\s+\|/.test(line) && lines[index + 1]?.startsWith("| -") === true)
  const end = begin + lines.slice(begin).findIndex((line) => !line.startsWith("|"))
  const [head, , ...rows] = lines.slice(begin, end).map(cellsOf)
  const cells = new Map<string, Map<string, string>>()
  const set = (group: string, version: string, cell: string) =>
    cells.set(group, (cells.get(group) ?? new Map<string, string>()).set(version, cell))
  for (const [group, ...row] of rows) row.forEach((cell, index) => set(group!, head![index + 1]!, cell))
  for (const { passed, version } of results) {
    for (const [group, cell] of Object.entries(passed)) set(group, version, cell)
  }
  const versions = [...new Set([...head!.slice(1), ...results.map(({ version }) => version)])].sort(newestFirst)
  const table = [
    lineOf(["", ...versions]),
    lineOf(["-", ...versions.map(() => "-")]),
    ...[...cells].map(([group, row]) => lineOf([group, ...versions.map((version) => row.get(version) ?? "-")]))
  ]
  Fs.writeFileSync(file, [...lines.slice(0, begin), ...table, ...lines.slice(end)].join("\n"))
  spawnSync("npx", ["dprint", "fmt", "docs/compatibility.md"], { cwd: root, stdio: "ignore", shell: isWindows })
}

export const print = (results: ReadonlyArray<Result>): void => {
  for (const { failures, version } of results) {
    for (const { file, reason, test } of failures) console.log(`${version}  ${file}: ${test}\n    ${reason}`)
  }
  console.table(Object.fromEntries(results.map(({ passed, version }) => [version, passed])))
}
