/** The programs of this package as JavaScript, for figures that are not to contain Node's compiler for TypeScript. */
import * as Fs from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import * as Path from "node:path"

/** In the repository, where the programs find the packages that they import. */
const folder = Path.join(import.meta.dirname, "..", "..", "..", "node_modules", ".cache", "bench")

export const javaScriptOf = (typeScript: string): string =>
  stripTypeScriptTypes(typeScript).replaceAll(/(["'`])(\.[^"'`\n]*)\.ts\1/g, "$1$2.mjs$1")

/** Writes a program, and all that it could import of this package. Returns its path. */
export const write = (program: string): string => {
  for (const entry of Fs.readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })) {
    if (!entry.endsWith(".ts")) continue
    const file = Path.join(folder, entry.replace(/ts$/, "mjs"))
    Fs.mkdirSync(Path.dirname(file), { recursive: true })
    Fs.writeFileSync(file, javaScriptOf(Fs.readFileSync(Path.join(import.meta.dirname, entry), "utf8")))
  }
  return Path.join(folder, Path.relative(import.meta.dirname, program).replace(/ts$/, "mjs"))
}
