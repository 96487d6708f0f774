/** The published packages and the modules that a program can import from them, as their manifests say. */
import * as Fs from "node:fs"
import * as Path from "node:path"

export const root = Path.resolve(import.meta.dirname, "../..")

export interface Module {
  /** What a program imports, such as `@effect-codex/client/Codex`. */
  readonly specifier: string
  /** The name in the navigation, such as `Codex`. */
  readonly name: string
  /** How a program imports it. */
  readonly imports: string
  /** The source, as an absolute path. */
  readonly file: string
  /** The page below the site's root, without an ending. */
  readonly page: string
}

export interface Package {
  readonly name: string
  /** The folder below `packages`. */
  readonly folder: string
  readonly description: string
  readonly modules: ReadonlyArray<Module>
}

interface Manifest {
  readonly name: string
  readonly description?: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>> | null>>
}

/** A barrel re-exports modules only, and these have pages of their own. */
const isBarrel = (file: string): boolean => !/^export (?!(?:type )?\* as )/m.test(Fs.readFileSync(file, "utf8"))

const importOf = (stem: string, specifier: string): string =>
  /^\w+$/.test(stem) ? `import * as ${stem} from "${specifier}"` : `import { … } from "${specifier}"`

/** Modules that a package exports only as namespaces: `export * as Input from "./Input.ts"`. */
const namespacesOf = (main: Module): ReadonlyArray<Module> =>
  [...Fs.readFileSync(main.file, "utf8").matchAll(/^export (?:type )?\* as (\w+) from "(\.\/.+)"/gm)].map((
    [, name = "", file = ""]
  ) => ({
    specifier: main.specifier,
    name,
    imports: `import { ${name} } from "${main.specifier}"`,
    file: Path.resolve(Path.dirname(main.file), file),
    page: Path.posix.join(Path.posix.dirname(main.page), name)
  }))

const modulesOf = ({ exports = {}, name }: Manifest, folder: string): ReadonlyArray<Module> =>
  Object.entries(exports).flatMap(([subpath, target]) => {
    if (target === null || typeof target === "string" || subpath.startsWith("./internal/")) return []
    const source = target["@effect-codex/source"]
    if (source === undefined) return []
    const files = Fs.globSync(source, { cwd: folder }).sort()
    return files.flatMap((found) => {
      const stem = Path.basename(found, ".ts")
      if (subpath.includes("*") && `./${stem}` in exports) return []
      const file = Path.join(folder, found)
      if (subpath === "." && isBarrel(file)) return []
      const specifier = Path.posix.join(name, subpath.replace("*", stem))
      const page = `api/${Path.basename(folder)}/${subpath === "." ? "main" : stem}`
      return [
        subpath === "."
          ? { specifier, name, imports: `import { … } from "${specifier}"`, file, page }
          : { specifier, name: stem, imports: importOf(stem, specifier), file, page }
      ]
    })
  })

export const publishedPackages = (): ReadonlyArray<Package> =>
  Fs.globSync("packages/*/package.json", { cwd: root }).sort().flatMap((path) => {
    const folder = Path.join(root, Path.dirname(path))
    const manifest: Manifest = JSON.parse(Fs.readFileSync(Path.join(root, path), "utf8"))
    if (manifest.private === true) return []
    const modules = modulesOf(manifest, folder)
    const files = new Set(modules.map(({ file }) => file))
    const namespaces = modules.filter(({ name }) => name === manifest.name).flatMap(namespacesOf)
    return [{
      name: manifest.name,
      folder: Path.basename(folder),
      description: manifest.description ?? "",
      modules: [...modules, ...namespaces.filter(({ file }) => !files.has(file))]
    }]
  })
