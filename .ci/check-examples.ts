/**
 * Type-checks every TypeScript example in the documentation: in the JSDoc of the packages, in Markdown, and in docs.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { check, examplesOf, root, write } from "./examples.ts"

const examples = examplesOf(["packages/*/src/**/*.ts", "packages/*/*.md", "docs/**/*.md", "*.md"])

// Below node_modules, so that examples resolve packages as the workspace does. Only packages/schema has Effect 3.
const folders = [
  [Path.join(root, "node_modules", ".cache", "examples"), examples.filter(({ isEffect3 }) => !isEffect3)],
  [
    Path.join(root, "packages", "schema", "node_modules", ".cache", "examples"),
    examples.filter(({ isEffect3 }) => isEffect3)
  ]
] as const

for (const [folder, examples] of folders) {
  Fs.rmSync(folder, { recursive: true, force: true })
  write(folder, examples)
  if (!check(folder, examples)) process.exitCode = 1
}
if (process.exitCode !== 1) console.log(`${examples.length} examples type-check`)
