/** Bundles the installed program with esbuild, rollup and Bun. */
import { nodeResolve } from "@rollup/plugin-node-resolve"
import * as Esbuild from "esbuild"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { type Plugin, rollup } from "rollup"
import type { Row } from "./installed/row.ts"
import * as Tools from "./tools.ts"

// Required, because its types are wrong for an ESM import.
const commonjs: () => Plugin = createRequire(import.meta.url)("@rollup/plugin-commonjs")

const awaits = `import { main } from "./turns.js"\nawait main(process.argv.slice(2))\n`
const starts = `import { main } from "./turns.js"\nvoid main(process.argv.slice(2))\n`

/** The esbuild banner from the README, so that the test uses the documented one. */
const banner = (readme: string): string => {
  const found = /--banner:js="(.*)"/.exec(Fs.readFileSync(readme, "utf8"))
  if (found === null) throw new Error(`${readme} does not document the banner for esbuild`)
  return found[1]!
}

const ofEsbuild = async (folder: string, readme: string): Promise<ReadonlyArray<Row>> => {
  const build = (entry: string, outdir: string, format: "esm" | "cjs", options: Esbuild.BuildOptions = {}) =>
    Esbuild.build({
      absWorkingDir: folder,
      entryPoints: { main: entry },
      bundle: true,
      platform: "node",
      format,
      outdir,
      outExtension: { ".js": format === "esm" ? ".mjs" : ".cjs" },
      logLevel: "error",
      ...format === "esm" && { banner: { js: banner(readme) } },
      ...options
    })
  const odd = "an odd 'é' %20 #folder"
  await Promise.all([
    build("awaits.js", "esbuild-esm", "esm"),
    build("awaits.js", "esbuild-split", "esm", { splitting: true }),
    build("starts.js", odd, "cjs")
  ])
  const row = (name: string, file: string): Row => ({
    name,
    command: process.execPath,
    args: [Path.join(folder, file)]
  })
  return [
    row("esbuild, ESM", "esbuild-esm/main.mjs"),
    row("esbuild, ESM, split", "esbuild-split/main.mjs"),
    row("esbuild, CommonJS, in a folder with an odd name", `${odd}/main.cjs`)
  ]
}

const ofRollup = async (folder: string): Promise<ReadonlyArray<Row>> => {
  const bundle = async (input: string, outputs: ReadonlyArray<readonly [dir: string, isInlined: boolean]>) => {
    const build = await rollup({
      input: Path.join(folder, input),
      plugins: [nodeResolve({ exportConditions: ["node"], preferBuiltins: true }), commonjs()],
      // Effect has circular imports.
      onwarn: () => {}
    })
    for (const [dir, inlineDynamicImports] of outputs) {
      await build.write({
        dir: Path.join(folder, dir),
        inlineDynamicImports,
        entryFileNames: "main.mjs",
        chunkFileNames: "[name]-[hash].mjs"
      })
    }
    await build.close()
  }
  await bundle("awaits.js", [["rollup", false], ["rollup-inlined-await", true]])
  await bundle("starts.js", [["rollup-inlined", true]])
  const row = (name: string, dir: string, says?: string): Row => ({
    name,
    command: process.execPath,
    args: [Path.join(folder, dir, "main.mjs")],
    ...says !== undefined && { says }
  })
  return [
    row("rollup", "rollup"),
    row("rollup, in one file", "rollup-inlined"),
    row("rollup, in one file with a top-level await", "rollup-inlined-await", "start the program without a top-level")
  ]
}

const ofBun = async (folder: string): Promise<ReadonlyArray<Row>> => {
  const file = Path.join(folder, process.platform === "win32" ? "compiled.exe" : "compiled")
  await Tools.run(Tools.bun, ["build", "--compile", `--outfile=${file}`, "awaits.js"], folder)
  // Bun 1.4 compiles `export * from "ws"` to code that throws "ws is not defined".
  return [{ name: "compiled by Bun", command: file, args: [], isStdioOnly: true }]
}

/** @param folder contains the program as JavaScript */
export const bundles = async (folder: string, readme: string): Promise<ReadonlyArray<Row>> => {
  Fs.writeFileSync(Path.join(folder, "awaits.js"), awaits)
  Fs.writeFileSync(Path.join(folder, "starts.js"), starts)
  return (await Promise.all([ofEsbuild(folder, readme), ofRollup(folder), ofBun(folder)])).flat()
}
