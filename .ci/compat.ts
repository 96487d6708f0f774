/**
 * Runs the tests of all packages that need the real codex binary on other versions of it:
 * `npm run compat -- [--keep] [--only <text>] [--write] <version>...`. Installs each version below
 * `node_modules/.cache/compat`, and removes it unless `--keep` is set. Failures stay there in `<version>.json`.
 * `--write` adds the results to docs/compatibility.md.
 */
import { parseArgs } from "node:util"
import { addToPage, install, print, type Result, test, uninstall } from "./codexVersions.ts"

const { positionals: versions, values } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false }
  }
})
if (versions.length === 0) {
  console.error("usage: npm run compat -- [--keep] [--only <text in a test file's path>] [--write] <codex version>...")
  process.exit(2)
}

const results = versions.map((version): Result => {
  try {
    const result = test(version, install(version), values.only)
    print([result])
    return result
  } finally {
    if (!values.keep) uninstall(version)
  }
})
if (results.length > 1) print(results.map((result) => ({ ...result, failures: [] })))
if (values.write) addToPage(results)
process.exitCode = results.some(({ failures }) => failures.length > 0) ? 1 : 0
