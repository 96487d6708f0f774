/**
 * Runs the tests of the client that need the real codex binary on other versions of it:
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

const client = Path.join(root, "packages", "client")
const files = Fs.globSync(["test/Real*.test.ts", "test/PythonSdk.test.ts"], { cwd: client })
  .filter((file) => file.includes(values.only)).sort()

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

interface Failure {
  readonly file: string
  readonly test: string
  readonly reason: string
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!.slice(0, 300)

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
  const told = execFileSync(process.execPath, [launcher, "--version"], { encoding: "utf8" }).trim()
  // A package without an executable for this platform would lead to the one that the repository has installed.
  if (!told.endsWith(` ${version}`)) throw new Error(`the executable of ${version} says that it is ${told}`)
  return launcher
}

const test = (version: string, launcher: string): Report => {
  const output = Path.join(cache, `${version}.report.json`)
  Fs.rmSync(output, { force: true })
  const args = ["run", "--config", "vitest.workspace.ts", "--project", "client", "--maxWorkers", "1", "--reporter=json"]
  spawnSync(
    Path.join(root, "node_modules", ".bin", "vitest"),
    [...args, `--outputFile=${output}`, ...files.map((file) => Path.posix.join("packages/client", file))],
    { cwd: root, env: { ...process.env, CODEX_BIN: launcher }, stdio: "ignore", shell: isWindows }
  )
  return JSON.parse(Fs.readFileSync(output, "utf8")) as Report
}

const rows: Array<ReadonlyArray<string>> = []
const failures = new Map<string, ReadonlyArray<Failure>>()
for (const version of versions) {
  try {
    const { testResults } = test(version, install(version))
    const failed = testResults.flatMap(({ assertionResults, message, name }): ReadonlyArray<Failure> => {
      const file = Path.basename(name, ".test.ts")
      const tests = assertionResults.filter(({ status }) => status === "failed")
      if (tests.length === 0 && assertionResults.length === 0) return [{ file, test: "*", reason: firstLine(message) }]
      return tests.map(({ failureMessages, fullName }) => ({
        file,
        test: fullName,
        reason: firstLine(failureMessages[0] ?? "")
      }))
    })
    failures.set(version, failed)
    const cellOf = (file: string): string => {
      const result = testResults.find(({ name }) => name.endsWith(Path.basename(file)))
      const count = (status: string) => result?.assertionResults.filter((test) => test.status === status).length ?? 0
      return `${count("passed")}/${count("passed") + count("failed")}`
    }
    rows.push([version, ...files.map(cellOf)])
    Fs.writeFileSync(Path.join(cache, `${version}.json`), `${JSON.stringify(failed, null, 2)}\n`)
  } catch (error) {
    failures.set(version, [{ file: "*", test: "*", reason: firstLine(String(error)) }])
    rows.push([version, ...files.map(() => "-")])
  } finally {
    if (!values.keep) Fs.rmSync(Path.join(cache, version), { recursive: true, force: true })
  }
  for (const { file, reason, test } of failures.get(version) ?? []) {
    console.log(`${version}  ${file}: ${test}\n    ${reason}`)
  }
}

const table = [["codex", ...files.map((file) => Path.basename(file, ".test.ts"))], ...rows]
const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
console.log(`\n${line(table[0]!)}\n${line(widths.map((width) => "-".repeat(width)))}`)
for (const row of rows) console.log(line(row))
process.exitCode = [...failures.values()].some((failed) => failed.length > 0) ? 1 : 0
