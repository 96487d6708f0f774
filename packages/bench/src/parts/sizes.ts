/** How large the built packages are. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import type { Figure, Part } from "../measure.ts"
import { compare, spread } from "../measure.ts"

const packages = Path.resolve(import.meta.dirname, "..", "..", "..")

const sizeOf = (name: string): Figure => {
  const files = Fs.globSync("dist/**/*.js", { cwd: Path.join(packages, name) }).sort()
  const code = Buffer.concat(files.map((file) => Fs.readFileSync(Path.join(packages, name, file))))
  const zipped = (gzipSync(code).length / 1024).toFixed(0)
  return {
    part: "sizes",
    name: `@effect-codex/${name}: ${files.length} modules, ${zipped} KiB with gzip`,
    value: spread([code.length / 1024]),
    unit: "KiB"
  }
}

export const sizes: Part = {
  name: "sizes",
  // Files have one size, so nothing runs in rounds.
  comparisons: () => [
    compare({
      what: "files",
      rounds: 0,
      commands: {},
      figures: () => ["protocol", "client", "node", "testing"].map(sizeOf)
    })
  ]
}
