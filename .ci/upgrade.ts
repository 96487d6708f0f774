/**
 * Upgrades the repository to another version of codex:
 * `npm run upgrade-codex -- [--dry-run] [--no-tests] [--only <text>]... [--from <version>] <version>`. It prints what
 * the protocol gained, lost and changed, pins the version, and generates the protocol, keeping what only the previous
 * version sends. Then it runs the tests that need codex on both versions, or those with a text of `--only` in their
 * path, and adds the results to docs/compatibility.md. `--dry-run` only prints the changes, since the pinned version or
 * the one of `--from`.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { addToPage, importerOf, install, print, root, test, uninstall } from "./codexVersions.ts"
import { type Plan, planOf, upgrade, UsageError, withNewest, withVersion } from "./upgradeSteps.ts"

const shell = process.platform === "win32"
const run = (command: string, ...args: ReadonlyArray<string>): void => {
  execFileSync(command, args, { cwd: root, stdio: "inherit", shell })
}

const edit = (file: string, change: (text: string) => string): void => {
  const path = Path.join(root, file)
  const text = Fs.readFileSync(path, "utf8")
  if (change(text) !== text) Fs.writeFileSync(path, change(text))
}

const { devDependencies } = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))

const plan = (): Plan => {
  try {
    return planOf(process.argv.slice(2), devDependencies["@openai/codex"])
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    console.error(
      "usage: npm run upgrade-codex -- [--dry-run] [--no-tests] [--only <text in a test file's path>]... " +
        "[--from <version>] <codex version>"
    )
    process.exit(2)
  }
}

process.exitCode = upgrade(plan(), {
  say: (line) => console.log(line),
  install,
  uninstall,
  compare: (from, to, isKept) => {
    const importers = [from, to].map(importerOf)
    run(process.execPath, "packages/protocol/scripts/compareVersions.ts", ...isKept ? ["--write"] : [], ...importers)
  },
  pin: (version) => run("npm", "install", "--save-dev", "--save-exact", "--ignore-scripts", `@openai/codex@${version}`),
  generate: () => {
    run("npx", "dprint", "fmt", "packages/protocol/scripts/older.json")
    run(process.execPath, "packages/protocol/scripts/codegen.ts")
  },
  edit: (plan) => {
    // The tests of ServerInfo compare these files with the pinned version.
    edit("packages/client/src/ServerInfo.ts", (text) => withNewest(text, plan))
    for (const page of Fs.globSync(["*.md", "docs/*.md", "packages/*/*.md"], { cwd: root })) {
      edit(page, (text) => withVersion(text, plan))
    }
  },
  test,
  write: (results) => {
    print(results)
    addToPage(results)
  },
  isPassed: ({ failures }) => failures.length === 0
})
