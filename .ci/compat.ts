/**
 * Runs the tests of all packages that need the real codex binary on other versions of it:
 * `npm run compat -- [--keep] [--only <text>]... [--write] <version>...`. Installs each version below
 * `node_modules/.cache/compat`, and removes it unless `--keep` is set. Failures stay there in `<version>.json`.
 * `--write` adds the results to docs/compatibility.md, after each version.
 */
import { parseArgs } from "node:util"
import { addToPage, install, print, type Result, test, uninstall } from "./codexVersions.ts"
import { isVersion, notAVersion } from "./versionNames.ts"

const { positionals: versions, values } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    write: { type: "boolean", default: false }
  }
})
const wrong = versions.find((version) => !isVersion(version))
if (wrong !== undefined || versions.length === 0) {
  if (wrong !== undefined) console.error(notAVersion(wrong))
  console.error(
    "usage: npm run compat -- [--keep] [--only <text in a test file's path>]... [--write] <codex version>..."
  )
  process.exit(2)
}

const results = versions.flatMap((version): ReadonlyArray<Result> => {
  try {
    const result = test(version, install(version), values.only)
    print([result])
    if (values.write) addToPage([result])
    return [result]
  } catch (error) {
    // The next one may be there.
    console.error(error instanceof Error ? error.message : error)
    return []
  } finally {
    if (!values.keep) uninstall(version)
  }
})
if (results.length > 1) print(results.map((result) => ({ ...result, failures: [] })))
process.exitCode = results.length < versions.length || results.some(({ failures }) => failures.length > 0) ? 1 : 0
