/**
 * Bundles the drop-in with everything it uses into `dist/bundle`, as part of `npm run build`. A script of one turn spent more
 * time on loading 256 modules than codex takes to start; its program has no use for the Effect inside, so a private copy is
 * no loss. `@effect-codex/promise` itself is not bundled: it shares Effect with its program.
 */
import { build, type Plugin } from "esbuild"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..", "..")
const implementation = join(root, "packages", "client", "src", "internal", "implementation.ts")
const outdir = join(import.meta.dirname, "..", "dist", "bundle")

/** The drop-in starts its own codex, so that the WebSocket, which is CommonJS, would be dead code. */
const withoutWebSocket: Plugin = {
  name: "without WebSocket",
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]internal[\\/]nodeWebSocket\.ts$/ }, () => ({
      contents: `throw new Error("the drop-in for @openai/codex-sdk connects to no WebSocket")`
    }))
}

/**
 * The client loads its implementation when a layer is built, because codex starts meanwhile. Here codex starts before anything
 * of that is loaded, so that the turns bring the implementation along.
 */
const withImplementation: Plugin = {
  name: "with implementation",
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]internal[\\/]sdk[\\/]run\.ts$/ }, ({ path }) => ({
      contents: `${readFileSync(path, "utf8")}\nexport * as implementation from ${JSON.stringify(implementation)}`,
      loader: "ts"
    }))
}

rmSync(outdir, { recursive: true, force: true })
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["packages/promise/src/codex-sdk.ts"],
  outdir,
  bundle: true,
  // What is loaded only when it is wanted stays so.
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22.19",
  conditions: ["@effect-codex/source"],
  chunkNames: "[name]-[hash]",
  plugins: [withoutWebSocket, withImplementation],
  // A tenth of the import. Names stay, and lines too, so that a stack can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  metafile: true,
  logLevel: "warning"
})

// The licenses of what the bundle copies ask to be told with it.
const copied = new Set(
  Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [])
  )
)
const licenses = [...copied].sort().map((folder) => {
  const file = ["LICENSE", "LICENSE.md"].map((name) => join(root, folder, name)).find(existsSync)
  if (file === undefined) throw new Error(`${folder} has no LICENSE`)
  return `${folder.replace(/^.*node_modules\//, "")}\n\n${readFileSync(file, "utf8")}`
})
writeFileSync(join(outdir, "LICENSES.txt"), licenses.join("\n----\n\n"))
