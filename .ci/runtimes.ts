/** Runs the installed program in every runtime and as every bundle. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { bundles } from "./bundles.ts"
import type { Row } from "./installed/row.ts"
import * as Tools from "./tools.ts"

const ofRuntimes = (project: string, script: string): ReadonlyArray<Row> => {
  const file = Path.join(project, "awaits.ts")
  Fs.writeFileSync(file, `import { main } from "./turns.ts"\nawait main(process.argv.slice(2))\n`)
  // The mocks that the documentation allows in tests.
  const mocked = Path.join(project, "mocked.ts")
  Fs.writeFileSync(
    mocked,
    `import { mock } from "node:test"
     mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] })
     await import("./awaits.ts")\n`
  )
  return [
    { name: `Node ${process.versions.node}`, command: process.execPath, args: [file] },
    { name: "Node with mocked timers", command: process.execPath, args: [mocked] },
    { name: "the oldest Node", command: Tools.oldestNode, args: [script] },
    {
      name: "Bun",
      command: Tools.bun,
      args: ["--no-install", file],
      env: { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" }
    },
    {
      name: "Deno",
      command: Tools.deno,
      args: ["run", "--allow-all", "--no-lock", "--node-modules-dir=manual", file],
      env: { DENO_DIR: Path.join(project, "deno"), DENO_NO_UPDATE_CHECK: "1" }
    }
  ]
}

/**
 * Runs the rows of the runtimes and bundles, and the given ones. Resolves with their number, and rejects with the
 * problems. `project` contains the packages, and `compiled`, the program as JavaScript.
 */
export const checkRuntimes = async (
  { env, others, project, readme }: {
    readonly project: string
    /** The README of the node package, whose advice for bundlers is tested. */
    readonly readme: string
    readonly env: NodeJS.ProcessEnv
    readonly others: ReadonlyArray<Row>
  }
): Promise<number> => {
  const compiled = Path.join(project, "compiled")
  const built = await bundles(compiled, readme)
  const rows = [...ofRuntimes(project, Path.join(compiled, "awaits.js")), ...built, ...others]
  const file = Path.join(project, "rows.json")
  Fs.writeFileSync(file, JSON.stringify(rows))
  await Tools.run(process.execPath, ["rows.ts", file], project, env)
  return rows.length
}
