/** Runs a codex binary to generate its protocol. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as os from "node:os"
import * as path from "node:path"

const triples: Record<string, string> = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
  "win32-x64": "x86_64-pc-windows-msvc",
  "win32-arm64": "aarch64-pc-windows-msvc"
}

/**
 * The native binary of the `@openai/codex` that `from` would import, by default the pinned one. The npm launcher would
 * only add a process.
 */
export const findBinary = (from: string = import.meta.filename): string => {
  const platform = `${process.platform}-${process.arch}`
  const triple = triples[platform]
  if (triple === undefined) throw new Error(`codex has no binary for ${platform}`)
  // The platform package is a dependency of @openai/codex, so resolve it from there.
  const fromCodex = createRequire(createRequire(from).resolve("@openai/codex/package.json"))
  const folder = path.dirname(fromCodex.resolve(`@openai/codex-${platform}/package.json`))
  return path.join(folder, "vendor", triple, "bin", process.platform === "win32" ? "codex.exe" : "codex")
}

export interface Generated {
  readonly codexVersion: string
  /** The temporary folder of the others; callers may write there too. */
  readonly folder: string
  /** The TypeScript files with the experimental methods and fields. */
  readonly types: string
  /** The TypeScript files without them. */
  readonly stableTypes: string
  /** The JSON Schema files with the experimental methods and fields. */
  readonly jsonSchemas: string
}

/** Calls `use` with the generated files, and removes them when it returns. */
export const withGenerated = <A>(binary: string, use: (generated: Generated) => A): A => {
  // docs/codex-behaviour.md, "Codex installs no helper programs below the system's temporary directory".
  const root = fs.mkdtempSync(path.join(os.homedir(), ".effect-codex-codegen-"))
  try {
    const home = path.join(root, "home")
    fs.mkdirSync(home)
    const codex = (...args: ReadonlyArray<string>): string =>
      execFileSync(binary, args, { encoding: "utf8", env: { ...process.env, CODEX_HOME: home } })
    const generate = (command: string, folder: string, ...flags: ReadonlyArray<string>): string => {
      const out = path.join(root, folder)
      codex("app-server", command, ...flags, "--out", out)
      return out
    }
    return use({
      folder: root,
      codexVersion: codex("--version").trim().replace(/^\S+\s+/, ""),
      types: generate("generate-ts", "types", "--experimental"),
      stableTypes: generate("generate-ts", "stable"),
      jsonSchemas: generate("generate-json-schema", "json", "--experimental")
    })
  } finally {
    fs.rmSync(root, { recursive: true, force: true, maxRetries: 5 })
  }
}
