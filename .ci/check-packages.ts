/**
 * Checks the packages as users get them. It packs each public package, checks the archive with publint and attw ("are
 * the types wrong?"), and installs all archives into an empty project outside the workspace. There it type-checks the
 * Markdown examples, imports every module, and runs the programs of the first documentation pages on the real codex
 * with a scripted model: unchanged on the current Node, and compiled on the oldest supported Node. Finally it runs a
 * program in every runtime, bundle and package manager. It cleans up after itself.
 */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { filterProblems } from "@arethetypeswrong/core/problems"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { check, type Example, examplesOf, root, write } from "./examples.ts"
import { checkPackageManagers } from "./packageManagers.ts"
import { checkRuntimes } from "./runtimes.ts"
import * as Tools from "./tools.ts"

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly version: string
  readonly bin?: Readonly<Record<string, string>>
  readonly engines?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>> | null>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(Fs.readFileSync(Path.join(folder, "package.json"), "utf8")) as Manifest

const run = (command: string, args: ReadonlyArray<string>, cwd: string, env: Record<string, string> = {}): string =>
  execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    shell: process.platform === "win32"
  })

const started = performance.now()
const say = (text: string): void => console.log(`${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`)

let failures = 0
const fail = (text: string): void => {
  failures += 1
  console.log(`FAILED: ${text}`)
}

/** The modules that a package exports, with their names and files. */
const modulesOf = (manifest: Manifest, folder: string) =>
  Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) => {
    if (target === null || typeof target === "string") return []
    const { default: file = "", types = "" } = target
    const stems = file.includes("*")
      ? Fs.globSync(file, { cwd: folder }).map((found) => Path.basename(found, ".js"))
        .filter((stem) => !(`./${stem}` in (manifest.exports ?? {})))
      : [""]
    return stems.map((stem) => ({
      name: Path.posix.join(manifest.name, subpath.replace("*", stem)),
      files: [file, types].map((file) => file.replace("*", stem))
    }))
  })

/** Returns the problems of an archive's types. Ignores CommonJS, because the packages are ESM only. */
const wrongTypes = async (tarball: Uint8Array, manifest: Manifest, folder: string): Promise<ReadonlyArray<string>> => {
  // Listed by name, because attw skips subpaths with a pattern.
  const entrypoints = modulesOf(manifest, folder).map(({ name }) => `.${name.slice(manifest.name.length)}`)
  const result = await checkPackage(createPackageFromTarballData(tarball), { entrypoints })
  if (result.types === false) return ["there are no types"]
  return (["node16-esm", "bundler"] as const).flatMap((resolutionKind) =>
    filterProblems(result, { resolutionKind }).map((problem) => `${resolutionKind}: ${JSON.stringify(problem)}`)
  )
}

/** Packages that a package imports without declaring them. A flat installation would hide these mistakes. */
const undeclaredOf = (manifest: Manifest, folder: string): ReadonlyArray<string> => {
  const declared = new Set(
    [manifest.dependencies, manifest.peerDependencies].flatMap((names) => Object.keys(names ?? {}))
  )
  const imported = Fs.globSync("dist/**/*.{js,d.ts}", { cwd: folder }).flatMap((file) =>
    Fs.readFileSync(Path.join(folder, file), "utf8").split("\n").filter((line) => !/^ *(\*|\/)/.test(line)).flatMap((
      line
    ) => [...line.matchAll(/(?<!\.)\b(?:from|import)[ (]*"((?:@[\w-]+\/)?[\w-]+)/g)].map((match) => match[1]!))
  )
  return [...new Set(imported)].filter((name) => name !== "node" && name !== manifest.name && !declared.has(name))
}

const checkPackages = async (project: string): Promise<void> => {
  const folders = Fs.globSync("packages/*/package.json", { cwd: root }).map((file) =>
    Path.join(root, Path.dirname(file))
  )
    .filter((folder) => manifestOf(folder).private !== true).sort()
  const tsc = Path.join(root, "node_modules", ".bin", "tsc")
  run(tsc, ["-b", ...folders.map((folder) => Path.join(folder, "tsconfig.src.json"))], root)
  run(process.execPath, [Path.join(root, "packages/promise/scripts/bundle.ts")], root)
  say("built")

  const packed = JSON.parse(
    run("npm", ["pack", "--silent", "--json", "--pack-destination", project, ...folders], root)
  ) as ReadonlyArray<{ readonly name: string; readonly filename: string; readonly unpackedSize: number }>
  for (const { filename, name } of packed) {
    const tarball = new Uint8Array(Fs.readFileSync(Path.join(project, filename)))
    const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer }, strict: true })
    for (const message of messages) fail(`publint: ${name}: ${formatMessage(message, pkg, { color: false })}`)
    const folder = folders.find((folder) => manifestOf(folder).name === name)!
    for (const problem of await wrongTypes(tarball, manifestOf(folder), folder)) fail(`attw: ${name}: ${problem}`)
  }
  say(`packed: ${packed.map(({ name, unpackedSize }) => `${name} ${Math.round(unpackedSize / 1024)} KiB`).join(", ")}`)

  const archives = Object.fromEntries(
    packed.map(({ filename, name }) => [name, `file:${Path.join(project, filename)}`])
  )
  const versions = {
    ...manifestOf(Path.join(root, "packages/schema")).devDependencies,
    ...manifestOf(root).devDependencies
  }
  const others = [
    "@effect/platform-node",
    "@effect/vitest",
    "@types/node",
    "@valibot/to-json-schema",
    "arktype",
    "effect",
    "valibot",
    "vitest",
    "zod"
  ]
  const findings = Path.join(project, "findings")
  const effect3 = examplesOf(["packages/schema/README.md"]).find(({ isEffect3 }) => isEffect3)!
  write(findings, [{ ...effect3, name: "index.ts" }])
  Fs.writeFileSync(
    Path.join(findings, "package.json"),
    JSON.stringify({
      name: "findings",
      type: "module",
      exports: "./index.ts",
      dependencies: {
        "@effect-codex/schema": archives["@effect-codex/schema"],
        "@effect/schema": "0.75.5",
        effect: "^3.22.4"
      }
    })
  )
  Fs.writeFileSync(
    Path.join(project, "package.json"),
    JSON.stringify({
      private: true,
      type: "module",
      workspaces: ["findings"],
      dependencies: { ...archives, ...Object.fromEntries(others.map((name) => [name, versions[name]])) }
    })
  )
  run("npm", ["install", "--silent", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], project)
  say("installed into an empty project")

  const ofRepository = Fs.readFileSync(Path.join(root, "LICENSE"), "utf8")
  const modules = packed.flatMap(({ name }) => {
    const folder = Path.join(project, "node_modules", name)
    const manifest = manifestOf(folder)
    for (const file of Object.values(manifest.bin ?? {})) {
      if (!Fs.existsSync(Path.join(folder, file))) fail(`${name}: there is no ${file}`)
    }
    const modules = modulesOf(manifest, folder)
    for (const file of modules.flatMap(({ files }) => files)) {
      if (file === "" || !Fs.existsSync(Path.join(folder, file))) fail(`${name}: there is no ${file}`)
    }
    for (const other of undeclaredOf(manifest, folder)) {
      fail(`${name}: it imports ${other}, but does not declare it as a dependency`)
    }
    // npm packs the LICENSE of a package's own folder, not that of the repository.
    const license = Path.join(folder, "LICENSE")
    if (!Fs.existsSync(license) || Fs.readFileSync(license, "utf8") !== ofRepository) {
      fail(`${name}: its LICENSE is not that of the repository`)
    }
    const readme = Fs.readFileSync(Path.join(folder, "README.md"), "utf8")
    if (!/ESM/.test(readme)) fail(`${name}: the README does not say ESM`)
    for (const [, link] of readme.matchAll(/\]\((?!https:|#)([^)]*)\)/g)) {
      if (!Fs.existsSync(Path.join(folder, link!))) {
        fail(`${name}: the README links to ${link}, which is not in the package`)
      }
    }
    return modules.map(({ name }) => name)
  })
  // The other checks read the file from the repository, and would not notice that the package lacks it.
  const agents = "packages/client/AGENTS.md"
  const installed = Path.join(project, "node_modules", "@effect-codex", "client", "AGENTS.md")
  if (
    !Fs.existsSync(installed) || Fs.readFileSync(installed, "utf8") !== Fs.readFileSync(Path.join(root, agents), "utf8")
  ) {
    fail(`the installed client does not contain ${agents}`)
  }
  const imports = modules.map((name, i) => `import * as module${i} from "${name}"`)
  const uses = `export const modules = [${modules.map((_, i) => `module${i}`).join(", ")}]`
  Fs.writeFileSync(Path.join(project, "every-module.ts"), `${imports.join("\n")}\n${uses}\n`)

  const examples = examplesOf(["packages/*/*.md", "docs/**/*.md", "*.md"])
  const ofEffect4 = examples.filter(({ isEffect3 }) => !isEffect3)
  write(project, ofEffect4)
  const first = (file: string, text: string, name: string): Example => {
    const found = ofEffect4.find(({ code, place }) => place.startsWith(`${file}:`) && code.includes(text))
    if (found === undefined) throw new Error(`${file} has no example with ${text}`)
    return { ...found, name }
  }
  write(project, [
    first("README.md", "runMain", "readme-program.ts"),
    first("README.md", "export const test", "readme-test.ts")
  ])
  const titles = Object.fromEntries(ofEffect4.map(({ name, title }) => [title, Path.basename(name, ".ts")]))
  Fs.writeFileSync(
    Path.join(project, "titles.ts"),
    `export const titles: Readonly<Record<string, string>> = ${JSON.stringify(titles)}\n`
  )
  const support = Path.join(root, "scratchpad", "test", "support")
  for (
    const file of [
      ...["main.ts", "row.ts", "rows.ts", "turns.ts"].map((file) => Path.join(import.meta.dirname, "installed", file)),
      Path.join(root, "packages", "test-support", "src", "servers.ts"),
      Path.join(support, "expectations.ts"),
      Path.join(support, "collector.ts")
    ]
  ) {
    Fs.copyFileSync(file, Path.join(project, Path.basename(file)))
  }
  const variants = [
    // As documented in docs/getting-started.md.
    { module: "NodeNext", moduleResolution: "NodeNext", skipLibCheck: false, exactOptionalPropertyTypes: false },
    { module: "Node16", moduleResolution: "Node16", skipLibCheck: false },
    { module: "ESNext", moduleResolution: "Bundler", skipLibCheck: true }
  ]
  for (const options of variants) {
    if (!check(project, ofEffect4, options)) fail(`types with ${JSON.stringify(options)}`)
    if (!check(findings, [], options)) fail(`types of Effect 3 with ${JSON.stringify(options)}`)
  }
  say(`${examples.length} examples and ${modules.length} modules are checked in ${variants.length} ways`)

  // Node 22 does not support `await using`, so its users compile.
  if (!check(project, ofEffect4, { noEmit: false, outDir: "compiled", rewriteRelativeImportExtensions: true })) {
    fail("the programs do not compile")
  }
  const codex = Path.join(root, "node_modules", "@openai", "codex", "bin", "codex.js")
  // The workspace runs all pages. Here a few must do, because all would take longer than all other checks together.
  const nodes = [
    {
      node: process.execPath,
      folder: project,
      extension: ".ts",
      pages: ["getting-started", "promise", "from-codex-sdk"]
    },
    {
      node: Tools.oldestNode,
      folder: Path.join(project, "compiled"),
      extension: ".js",
      pages: ["promise", "from-codex-sdk"]
    }
  ]
  for (const { extension, folder, node, pages } of nodes) {
    const env = {
      CODEX_BIN: codex,
      PATH: [Path.dirname(node), process.env["PATH"]].join(Path.delimiter)
    }
    run(node, [`every-module${extension}`], folder, env)
    process.stdout.write(run(node, [`main${extension}`, ...pages], folder, env))
    const effectCodex = Path.join(project, "node_modules", ".bin", "effect-codex")
    const answer = run(effectCodex, ["run", "--offline", "Hello."], project, env)
    if (!answer.includes("Hello.")) fail(`effect-codex run printed ${JSON.stringify(answer)}`)
    say(`run with ${run(node, ["--version"], project).trim()}`)
  }
  const supported = manifestOf(Path.join(root, "packages/client")).engines?.["node"]
  const oldest = run(Tools.oldestNode, ["--version"], project).trim()
  if (supported !== `>=${oldest.slice(1)}`) fail(`the packages support Node ${supported}, and ${oldest} was tested`)

  const installedByManagers = await checkPackageManagers(project, archives, versions, fail)
  say("installed by npm, pnpm and yarn, with declarations by TypeScript 5 and 7")
  try {
    const readme = Path.join(root, "packages", "node", "README.md")
    const count = await checkRuntimes({ project, readme, env: { CODEX_BIN: codex }, others: installedByManagers })
    say(`${count} runtimes, bundles and installations ran a program`)
  } catch (error) {
    fail(`runtimes: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const project = Fs.mkdtempSync(Path.join(Os.homedir(), ".effect-codex-packages-"))
process.on("exit", () => Fs.rmSync(project, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1))
await checkPackages(project)
if (failures > 0) process.exitCode = 1
