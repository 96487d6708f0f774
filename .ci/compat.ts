/**
 * Runs the tests that need the real codex binary on other versions of it, the contract among them:
 * `npm run compat -- [--keep] [--only <text>] <version>...`. Each version is installed below `node_modules/.cache/compat` and
 * removed again unless `--keep` says otherwise; what failed stays beside it as `<version>.json`.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"

const root = Path.resolve(import.meta.dirname, "..")
const cache = Path.join(root, "node_modules", ".cache", "compat")
const isWindows = process.platform === "win32"

const { positionals: versions, values } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: "boolean", default: false }, only: { type: "string", default: "" } }
})
if (versions.length === 0) {
  console.error("usage: npm run compat -- [--keep] [--only <text in a test file's name>] <codex version>...")
  process.exit(2)
}

const found = (patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  Fs.globSync(patterns.map((pattern) => `packages/${pattern}.test.ts`), { cwd: root })
    .map((file) => file.replaceAll(Path.sep, "/"))
    .filter((file) => Path.posix.basename(file).includes(values.only)).sort()

const whole = found(["client/test/{Real*,LostReply,Processes,PythonSdk}", "node/test/{Restart,Transports}"])
// Of these files only the tests with "real" in their name need codex; the others say nothing of its version.
const mixed = found(["client/test/{Goal,McpStartup,StalledTurn,Threads}", "testing/test/Contract"])
const files = [...whole, ...mixed]

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

type Test = Report["testResults"][number]["assertionResults"][number]

interface Failure {
  readonly file: string
  readonly test: string
  readonly reason: string
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!.slice(0, 300)

/** The first line of an error, and what the contract has and the server has not, or the other way round. */
const reasonOf = (text: string): string =>
  [firstLine(text), ...text.split("\n").filter((line) => /^ {2}[-+] /.test(line)).slice(0, 20)].join("\n    ")

const install = (version: string): string => {
  const folder = Path.join(cache, version)
  Fs.mkdirSync(folder, { recursive: true })
  // npm would else take the workspace for the package to install into.
  Fs.writeFileSync(Path.join(folder, "package.json"), "{}\n")
  const args = [
    "install",
    "--prefix",
    folder,
    "--no-save",
    "--ignore-scripts",
    "--loglevel=error",
    `@openai/codex@${version}`
  ]
  execFileSync("npm", args, { stdio: ["ignore", "ignore", "inherit"], shell: isWindows })
  // The client finds the platform's executable from the launcher.
  const launcher = Path.join(folder, "node_modules", "@openai", "codex", "bin", "codex.js")
  // Even for this codex writes into its home.
  const env = { ...process.env, CODEX_HOME: folder }
  const told = execFileSync(process.execPath, [launcher, "--version"], { encoding: "utf8", env }).trim()
  // A package without an executable for this platform would lead to the one that the repository has installed.
  if (!told.endsWith(` ${version}`)) throw new Error(`the executable of ${version} says that it is ${told}`)
  return launcher
}

const test = (version: string, launcher: string): Report => {
  const output = Path.join(cache, `${version}.report.json`)
  Fs.rmSync(output, { force: true })
  const projects = [...new Set(files.map((file) => file.split("/")[1]!))].flatMap((name) => ["--project", name])
  const args = ["run", "--config", "vitest.workspace.ts", ...projects, "--maxWorkers", "1", "--reporter=json"]
  spawnSync(
    Path.join(root, "node_modules", ".bin", "vitest"),
    [...args, `--outputFile=${output}`, ...files],
    {
      cwd: root,
      env: { ...process.env, CODEX_BIN: launcher, TEST_CODEX_VERSION: version },
      stdio: "ignore",
      shell: isWindows
    }
  )
  return JSON.parse(Fs.readFileSync(output, "utf8")) as Report
}

const columns: Array<ReadonlyArray<string>> = []
const failures = new Map<string, ReadonlyArray<Failure>>()
for (const version of versions) {
  try {
    const { testResults } = test(version, install(version))
    const results = files.map((file) => {
      const result = testResults.find(({ name }) => name.replaceAll(Path.sep, "/").endsWith(`/${file}`))
      const tests = result?.assertionResults.filter(({ fullName }) =>
        !mixed.includes(file) || /\breal\b/.test(fullName)
      )
      return { file: Path.basename(file, ".test.ts"), message: result?.message ?? "it did not run", tests: tests ?? [] }
    })
    // No test is skipped but those whose server did not start.
    const isFailed = ({ status }: Test): boolean => status !== "passed"
    const failed = results.flatMap(({ file, message, tests }): ReadonlyArray<Failure> =>
      tests.length === 0
        ? [{ file, test: "*", reason: firstLine(message) }]
        : tests.filter(isFailed).map(({ failureMessages, fullName }) => ({
          file,
          test: fullName,
          reason: reasonOf(failureMessages[0] ?? "it was not run")
        }))
    )
    failures.set(version, failed)
    columns.push(results.map(({ tests }) => {
      const passed = tests.filter(({ status }) => status === "passed").length
      return `${passed}/${passed + tests.filter(isFailed).length}`
    }))
    Fs.writeFileSync(Path.join(cache, `${version}.json`), `${JSON.stringify(failed, null, 2)}\n`)
  } catch (error) {
    failures.set(version, [{ file: "*", test: "*", reason: firstLine(String(error)) }])
    columns.push(files.map(() => "-"))
  } finally {
    if (!values.keep) Fs.rmSync(Path.join(cache, version), { recursive: true, force: true })
  }
  for (const { file, reason, test } of failures.get(version) ?? []) {
    console.log(`${version}  ${file}: ${test}\n    ${reason}`)
  }
}

const table = [
  ["", ...versions],
  ...files.map((file, row) => [Path.basename(file, ".test.ts"), ...columns.map((column) => column[row]!)])
]
const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
console.log(`\n${line(table[0]!)}\n${line(widths.map((width) => "-".repeat(width)))}`)
for (const row of table.slice(1)) console.log(line(row))
process.exitCode = [...failures.values()].some((failed) => failed.length > 0) ? 1 : 0
