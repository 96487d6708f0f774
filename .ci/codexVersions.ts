/** Installs other versions of codex than the pinned one, and runs the tests that need codex on them. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Tested, withResults } from "./compatTable.ts"
import { isVersion, notAVersion, notInstalled } from "./versionNames.ts"

export const root = Path.resolve(import.meta.dirname, "..")
const cache = Path.join(root, "node_modules", ".cache", "compat")
const isWindows = process.platform === "win32"

/** The file to resolve a version's package from. */
export const importerOf = (version: string): string => Path.join(cache, version, "package.json")

// The client finds the platform's executable from the launcher.
const launcherOf = (version: string): string =>
  Path.join(cache, version, "node_modules", "@openai", "codex", "bin", "codex.js")

/** Whether the version's own executable is there. A package without one resolves to that of the repository. */
const isInstalled = (version: string): boolean => {
  // codex writes to its home even for `--version`.
  const env = { ...process.env, CODEX_HOME: Path.join(cache, version) }
  const { stdout } = spawnSync(process.execPath, [launcherOf(version), "--version"], { encoding: "utf8", env })
  return stdout.trim().endsWith(` ${version}`)
}

/** Installs a version below `node_modules/.cache/compat`, and returns the launcher of its package. */
export const install = (version: string): string => {
  // What an interrupted run left may be a part only.
  if (isVersion(version) && Fs.existsSync(launcherOf(version)) && isInstalled(version)) return launcherOf(version)
  uninstall(version)
  const folder = Path.join(cache, version)
  Fs.mkdirSync(folder, { recursive: true })
  // Otherwise npm would install into the workspace.
  Fs.writeFileSync(importerOf(version), "{}\n")
  const options = ["--prefix", folder, "--no-save", "--ignore-scripts", "--loglevel=error"]
  const { status, stderr } = spawnSync("npm", ["install", ...options, `@openai/codex@${version}`], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    shell: isWindows
  })
  if (status === 0 && isInstalled(version)) return launcherOf(version)
  uninstall(version)
  throw new Error(notInstalled(version, status === 0 ? undefined : stderr))
}

export const uninstall = (version: string): void => {
  // Any other text could name another folder.
  if (!isVersion(version)) throw new Error(notAVersion(version))
  Fs.rmSync(Path.join(cache, version), { recursive: true, force: true })
}

/** The file names tell which tests need codex. */
const testFiles = (only: ReadonlyArray<string>): ReadonlyArray<string> =>
  Fs.globSync(["packages/*/test/**/*.real.test.ts", "scratchpad/test/**/*.real.test.ts"], { cwd: root })
    .map((file) => file.replaceAll(Path.sep, "/"))
    .filter((file) => only.length === 0 || only.some((text) => file.includes(text))).sort()

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
export interface Result extends Tested {
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
  // vitest writes none if it cannot even begin.
  const report = Fs.existsSync(output) ? JSON.parse(Fs.readFileSync(output, "utf8")) as Report : undefined
  return files.flatMap((file): ReadonlyArray<Outcome> => {
    const result = report?.testResults.find(({ name }) => name.replaceAll(Path.sep, "/").endsWith(`/${file}`))
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
export const test = (version: string, launcher: string, only: ReadonlyArray<string> = []): Result => {
  const passed: Record<string, string> = {}
  const partial: Array<string> = []
  const failures: Array<Outcome> = []
  const all = Object.groupBy(testFiles([]), groupOf)
  for (const [group, files = []] of Object.entries(Object.groupBy(testFiles(only), groupOf))) {
    if (files.length < (all[group]?.length ?? 0)) partial.push(group)
    const first = run(version, launcher, files)
    const failing = [...new Set(first.flatMap(({ file, isPassed }) => isPassed ? [] : [file]))]
    const again = failing.flatMap((file) => run(version, launcher, [file]))
    const outcomes = [...first.filter(({ file }) => !failing.includes(file)), ...again]
    failures.push(...outcomes.filter(({ isPassed }) => !isPassed))
    passed[group] = `${outcomes.filter(({ isPassed }) => isPassed).length}/${outcomes.length}`
    console.log(`${version}  ${group}: ${passed[group]}`)
    // Written after each group, so that an aborted run keeps its results.
    Fs.writeFileSync(
      Path.join(cache, `${version}.json`),
      `${JSON.stringify({ version, passed, partial, failures }, null, 2)}\n`
    )
  }
  return { version, passed, partial, failures }
}

/** Adds the results to the table of the page, one column for each version. */
export const addToPage = (results: ReadonlyArray<Result>): void => {
  const file = Path.join(root, "docs", "compatibility.md")
  Fs.writeFileSync(file, withResults(Fs.readFileSync(file, "utf8"), results))
  spawnSync("npx", ["dprint", "fmt", "docs/compatibility.md"], { cwd: root, stdio: "ignore", shell: isWindows })
}

export const print = (results: ReadonlyArray<Result>): void => {
  for (const { failures, version } of results) {
    for (const { file, reason, test } of failures) console.log(`${version}  ${file}: ${test}\n    ${reason}`)
  }
  console.table(Object.fromEntries(results.map(({ passed, version }) => [version, passed])))
}
