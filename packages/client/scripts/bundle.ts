/**
 * Puts the implementation into one file, as part of `npm run build`. Node took three times as long to load it as 110
 * modules, most of it to find and to read them. Modules that something else loads as well stay apart, so that each is
 * there once: a program imports the public ones, and its bundler leaves out what it does not use.
 */
import { build, type Plugin } from "esbuild"
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, normalize, relative, resolve } from "node:path"

const root = join(import.meta.dirname, "..")
const implementation = "src/internal/implementation.ts"
const outfile = "dist/internal/implementation.js"

/** As esbuild writes paths. */
const posix = (path: string): string => path.replaceAll("\\", "/")

const { exports }: { readonly exports: Readonly<Record<string, unknown>> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8")
)
const exported = Object.values(exports)
  .flatMap((entry) =>
    typeof entry === "object" && entry !== null && "@effect-codex/source" in entry
      ? [entry["@effect-codex/source"]]
      : []
  )
  .flatMap((pattern) => globSync(String(pattern), { cwd: root }))
  .map((file) => posix(normalize(file)))

const { metafile: { inputs } } = await build({
  absWorkingDir: root,
  entryPoints: [...exported, implementation],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  packages: "external",
  metafile: true,
  write: false,
  logLevel: "warning"
})

const importsOf = (file: string, kind: string): ReadonlyArray<string> =>
  inputs[file]!.imports.filter((one) => one.kind === kind && one.external !== true).map(({ path }) => path)

/** The modules that are loaded with these. */
const loadedWith = (files: ReadonlyArray<string>): ReadonlySet<string> => {
  const seen = new Set<string>()
  const add = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    importsOf(file, "import-statement").forEach(add)
  }
  files.forEach(add)
  return seen
}

const onDemand = Object.keys(inputs).flatMap((file) => importsOf(file, "dynamic-import"))
const others = loadedWith([...exported, ...onDemand].filter((file) => file !== implementation))
const own = [...loadedWith([implementation])].filter((file) => !others.has(file))

const keepOthers: Plugin = {
  name: "keep others",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
      const file = posix(relative(root, resolve(resolveDir, path)))
      if (!others.has(file)) return undefined
      const built = posix(relative(dirname(implementation), file)).replace(/\.ts$/, ".js")
      return { path: built.startsWith(".") ? built : `./${built}`, external: true }
    })
}

await build({
  absWorkingDir: root,
  entryPoints: [implementation],
  outfile,
  bundle: true,
  format: "esm",
  target: "es2024",
  packages: "external",
  plugins: [keepOthers],
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning"
})

// The compiler believes its files to be there and may write its own `implementation.js` again, which imports them. So
// they stay, and only the package does without.
const unpacked = own.filter((file) => file !== implementation)
  .map((file) => posix(relative("src/internal", file)).replace(/\.ts$/, ".js"))
writeFileSync(
  join(root, "dist", "internal", ".npmignore"),
  `${unpacked.flatMap((file) => [file, `${file}.map`]).join("\n")}\n`
)
