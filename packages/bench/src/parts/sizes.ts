/** How large the built packages are. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import type { Part } from "../measure.ts"
import { spread } from "../measure.ts"

const packages = Path.resolve(import.meta.dirname, "..", "..", "..")

export const sizes: Part = {
  name: "sizes",
  run: () =>
    Promise.resolve(["protocol", "client", "node", "testing"].map((name) => {
      const files = Fs.globSync("dist/**/*.js", { cwd: Path.join(packages, name) }).sort()
      const code = Buffer.concat(files.map((file) => Fs.readFileSync(Path.join(packages, name, file))))
      return {
        part: "sizes",
        name: `@effect-codex/${name}: ${files.length} modules, ${
          (gzipSync(code).length / 1024).toFixed(0)
        } KiB with gzip`,
        value: spread([code.length / 1024]),
        unit: "KiB"
      }
    }))
}
