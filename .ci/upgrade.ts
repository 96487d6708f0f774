/**
 * Upgrades the repository to another version of codex:
 * `npm run upgrade-codex -- [--dry-run] [--no-tests] [--from <version>] <version>`. It prints what the protocol gained,
 * lost and changed, pins the version, and generates the protocol, keeping what only the previous version sends. Then it
 * runs the tests that need codex on both versions and adds the results to docs/compatibility.md. `--dry-run` only
 * prints the changes, since the pinned version or the one of `--from`.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { addToPage, importerOf, install, print, root, test, uninstall } from "./codexVersions.ts"

const fail = (message: string, code: number): never => {
  console.error(message)
  process.exit(code)
}

const usage = (problem: string): never =>
  fail(`${problem}\nusage: npm run upgrade-codex -- [--dry-run] [--no-tests] [--from <version>] <codex version>`, 2)

const given = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        "dry-run": { type: "boolean", default: false },
        "no-tests": { type: "boolean", default: false },
        from: { type: "string" }
      }
    })
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const { positionals, values } = given()
const version = positionals[0] ?? usage("Which version?")

const shell = process.platform === "win32"
const step = (what: string, command: string, ...args: ReadonlyArray<string>): void => {
  console.log(`\n== ${what}`)
  execFileSync(command, args, { cwd: root, stdio: "inherit", shell })
}

const edit = (file: string, change: (text: string) => string): void => {
  const path = Path.join(root, file)
  const text = Fs.readFileSync(path, "utf8")
  if (change(text) !== text) Fs.writeFileSync(path, change(text))
}

const minor = (version: string): string => version.split(".").slice(0, 2).join(".")

const { devDependencies } = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))
const from: string = values.from ?? devDependencies["@openai/codex"]
const versions = [from, version] as const
if (from.localeCompare(version, "en", { numeric: true }) > 0) {
  console.log(`${version} is older than ${from}: "gained" means lost since then, and the other way round.`)
}
process.on("exit", () => versions.forEach(uninstall))
const launchers = versions.map((version) => {
  try {
    return install(version)
  } catch (error) {
    return fail(`codex ${version} cannot be installed: ${error instanceof Error ? error.message : String(error)}`, 1)
  }
})

const compare = ["packages/protocol/scripts/compare.ts", ...versions.map(importerOf)]
if (values["dry-run"]) {
  step("What changed", process.execPath, ...compare)
} else {
  step("What changed", process.execPath, ...compare, "--write")
  step("Format what was kept", "npx", "dprint", "fmt", "packages/protocol/scripts/older.json")
  step("Pin it", "npm", "install", "--save-dev", "--save-exact", "--ignore-scripts", `@openai/codex@${version}`)
  step("Generate the protocol", process.execPath, "packages/protocol/scripts/codegen.ts")
  // The tests of ServerInfo compare these files with the pinned version.
  edit("packages/client/src/ServerInfo.ts", (text) => text.replace(/(newest: ")[^"]+/, `$1${minor(version)}`))
  const pages = Fs.globSync(["*.md", "docs/*.md", "packages/*/*.md"], { cwd: root })
  for (const page of pages) {
    edit(page, (text) =>
      text.replaceAll(`@openai/codex@${minor(from)}`, `@openai/codex@${minor(version)}`)
        .replaceAll(/(codex 0\.\d+ to )0\.\d+/g, `$1${minor(version)}`)
        .replace(/(is generated from codex )[\d.]+(?= )/, `$1${version}`))
  }
}
if (!values["dry-run"] && !values["no-tests"]) {
  console.log("\n== Run what needs codex on both")
  const results = versions.map((version, index) => test(version, launchers[index]!, ""))
  print(results)
  addToPage(results)
  process.exitCode = results.some(({ failures }) => failures.length > 0) ? 1 : 0
}
if (!values["dry-run"]) {
  console.log("\nLeft to do: npm run check, npm test, and a note on the differences in docs/compatibility.md.")
}
