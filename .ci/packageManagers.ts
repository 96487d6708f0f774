/**
 * Installs the packages with npm, pnpm and yarn, in workspaces whose packages have few dependencies. Compilers must be
 * able to write the declarations of these packages, and the program must run.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Row } from "./installed/row.ts"
import * as Tools from "./tools.ts"

type Versions = Readonly<Record<string, string>>

interface Manager {
  readonly name: string
  /** Additions to the workspace's manifest that resolve the packages' dependencies on one another to the archives. */
  readonly manifest: (archives: Versions) => object
  readonly files: Readonly<Record<string, string>>
  readonly install: (folder: string) => Promise<unknown>
}

const users = ["effectUser", "promiseUser", "program"] as const

// Keep caches in the folder, which is removed.
const kept = (folder: string) => ({
  XDG_CACHE_HOME: Path.join(folder, "cache"),
  XDG_DATA_HOME: Path.join(folder, "data"),
  XDG_STATE_HOME: Path.join(folder, "state")
})

// Yarn reads no .npmrc.
const registry = async (folder: string) => {
  const url = new URL((await Tools.run("npm", ["config", "get", "registry"], folder)).trim())
  return {
    YARN_NPM_REGISTRY_SERVER: url.href,
    ...url.protocol === "http:" && { YARN_UNSAFE_HTTP_WHITELIST: url.hostname }
  }
}

const managers: ReadonlyArray<Manager> = [
  {
    name: "npm",
    manifest: (archives) => ({ workspaces: users, overrides: archives }),
    files: {},
    install: (folder) =>
      Tools.run("npm", ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
  },
  {
    name: "pnpm",
    manifest: (archives) => ({ pnpm: { overrides: archives } }),
    files: { "pnpm-workspace.yaml": `packages: [${users.join(", ")}]\n` },
    install: (folder) =>
      Tools.run(
        process.execPath,
        [
          Tools.pnpm,
          "install",
          "--ignore-scripts",
          "--no-frozen-lockfile",
          `--store-dir=${Path.join(folder, "store")}`
        ],
        folder,
        kept(folder)
      )
  },
  {
    name: "yarn",
    manifest: (archives) => ({ workspaces: users, resolutions: archives }),
    // Without a lock file here, the folder would belong to a project further up. TypeScript cannot read Plug'n'Play.
    files: {
      "yarn.lock": "",
      ".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: false\nenableTelemetry: false\n"
    },
    install: async (folder) =>
      Tools.run(process.execPath, [Tools.yarn, "install", "--no-immutable"], folder, {
        ...kept(folder),
        ...await registry(folder),
        YARN_GLOBAL_FOLDER: Path.join(folder, "yarn")
      })
  }
]

const compilers = {
  "TypeScript 5": Tools.typescript5,
  "TypeScript 7": Path.resolve(import.meta.dirname, "../node_modules/typescript/bin/tsc")
}

const compilerOptions = {
  target: "ES2024",
  lib: ["ES2024", "DOM", "ESNext.Disposable"],
  module: "NodeNext",
  types: ["node"],
  strict: true,
  skipLibCheck: true,
  declaration: true,
  emitDeclarationOnly: true,
  outDir: "types"
}

/** Returns the problem with the declarations that a compiler writes for a package, if there is one. */
const wrongDeclarations = async (folder: string, compiler: string): Promise<string | undefined> => {
  const out = Path.join(folder, "types")
  Fs.rmSync(out, { recursive: true, force: true })
  try {
    await Tools.run(process.execPath, [compiler, "-p", folder], folder)
  } catch (error) {
    return String(error)
  }
  const declarations = Fs.readFileSync(Path.join(out, "index.d.ts"), "utf8")
  // If a compiler finds no better name, it writes a path in `node_modules`. With flat ones it names any reachable
  // package.
  const named = [...declarations.matchAll(/(?:from |import\()"((?:@[^/"]+\/)?[^/"]+)[^"]*"/g)].map(([, name]) => name!)
  const unknown = [...new Set(named)].filter((name) =>
    name.startsWith(".") ||
    ![folder, Path.dirname(folder)].some((parent) => Fs.existsSync(Path.join(parent, "node_modules", name)))
  )
  return unknown.length === 0 ? undefined : `the declarations name ${unknown.join(", ")}`
}

const install = async (manager: Manager, folder: string, archives: Versions, versions: Versions): Promise<void> => {
  Fs.mkdirSync(folder)
  const manifest = { private: true, ...manager.manifest(archives) }
  Fs.writeFileSync(Path.join(folder, "package.json"), JSON.stringify(manifest))
  for (const [file, text] of Object.entries(manager.files)) Fs.writeFileSync(Path.join(folder, file), text)
  const pick = (all: Versions, ...names: ReadonlyArray<string>) =>
    Object.fromEntries(names.map((name) => [name, all[name]!]))
  const ofEffect = {
    ...pick(archives, "@effect-codex/client", "@effect-codex/node"),
    ...pick(versions, "effect", "@effect/platform-node", "@types/node")
  }
  const ofPromise = { ...pick(archives, "@effect-codex/promise"), ...pick(versions, "@types/node") }
  const dependencies = { effectUser: ofEffect, promiseUser: ofPromise, program: { ...ofPromise, ...ofEffect } }
  for (const user of users) {
    const own = Path.join(folder, user)
    Fs.mkdirSync(own)
    Fs.writeFileSync(
      Path.join(own, "package.json"),
      JSON.stringify({ name: user.toLowerCase(), version: "1.0.0", type: "module", dependencies: dependencies[user] })
    )
    Fs.writeFileSync(Path.join(own, "tsconfig.json"), JSON.stringify({ files: ["index.ts"], compilerOptions }))
    const source = user === "program" ? "turns.ts" : `${user}.ts`
    Fs.copyFileSync(Path.join(import.meta.dirname, "installed", source), Path.join(own, "index.ts"))
  }
  Fs.writeFileSync(
    Path.join(folder, "program", "awaits.ts"),
    `import { main } from "./index.ts"\nawait main(process.argv.slice(2))\n`
  )
  await manager.install(folder)
}

/** Returns the rows of the installed programs. Reports problems with the declarations to `fail`. */
export const checkPackageManagers = async (
  project: string,
  archives: Versions,
  versions: Versions,
  fail: (problem: string) => void
): Promise<ReadonlyArray<Row>> =>
  Promise.all(managers.map(async (manager): Promise<Row> => {
    const folder = Path.join(project, `of-${manager.name}`)
    await install(manager, folder, archives, versions)
    for (const user of users.slice(0, 2)) {
      for (const [name, compiler] of Object.entries(compilers)) {
        const problem = await wrongDeclarations(Path.join(folder, user), compiler)
        if (problem !== undefined) fail(`${user} with ${manager.name} and ${name}: ${problem}`)
      }
    }
    return {
      name: `installed by ${manager.name}`,
      command: process.execPath,
      args: [Path.join(folder, "program", "awaits.ts")]
    }
  }))
