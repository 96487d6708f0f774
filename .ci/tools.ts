/** The runtimes, package managers, bundlers and compilers that `.ci/package.json` pins. */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { promisify } from "node:util"

const require = createRequire(import.meta.url)

/** A program of a package. Resolved from here, because npm may install another version elsewhere. */
const binOf = (name: string, bin: string): string => {
  const found = (require.resolve.paths(name) ?? []).map((folder) => Path.join(folder, name, "package.json")).find(
    (file) => Fs.existsSync(file)
  )
  if (found === undefined) throw new Error(`${name} is not installed: run \`npm ci\``)
  const manifest: { readonly bin: string | Readonly<Record<string, string>> } = JSON.parse(
    Fs.readFileSync(found, "utf8")
  )
  return Path.join(Path.dirname(found), typeof manifest.bin === "string" ? manifest.bin : manifest.bin[bin]!)
}

export const bun = binOf("bun", "bun")
export const deno = binOf("deno", "deno")
/** The oldest Node that the packages support. */
export const oldestNode = binOf("node", "node")
export const pnpm = binOf("pnpm", "pnpm")
export const yarn = binOf("@yarnpkg/cli-dist", "yarn")
export const typescript5 = binOf("typescript", "tsc")

/** Resolves with a program's output. Rejects with its output as the message if it fails. */
export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv = {}
): Promise<string> => {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024
    })
    return stdout
  } catch (error) {
    const { message, stderr = "", stdout = "" } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].join("\n"), { cause: error })
  }
}
